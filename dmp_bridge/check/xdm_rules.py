"""The rules on an IHE_XDM archive: its tree, its names, and each document against METADATA.XML (IHE ITI-32)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge import archive as archives
from dmp_bridge.archive import ArchiveRefused, IgnoredBecause, unpack
from dmp_bridge.check.cda_rules import inspect_cda
from dmp_bridge.check.described import Description, describe
from dmp_bridge.check.ins_rules import Identity, check_agreement
from dmp_bridge.check.ledger import Ledger, quote
from dmp_bridge.check.metadata_rules import (
    check_against_cda,
    check_metadata,
    identities,
    is_french,
)
from dmp_bridge.check.pdf_rules import check_pdf
from dmp_bridge.check.report import Weight
from dmp_bridge.ebrim import MetadataFault, read_submission
from dmp_bridge.sniff import FileType, sniff
from dmp_bridge.xdm import SENTENCES as PACKAGE_SENTENCES
from dmp_bridge.xdm import PackagedDocument, PackageFault, PackageRefused, is_package, read_package
from dmp_bridge.xml import XmlFault

if TYPE_CHECKING:
    from dmp_bridge.archive import Archive, ArchiveLimits, Entry
    from dmp_bridge.check.kit import Kit
    from dmp_bridge.check.report import Finding, Surroundings

_SHORT_NAME = re.compile(r"[A-Z0-9_]{1,8}(?:\.[A-Z0-9_]{1,3})?", re.ASCII)
_SHORT_FOLDER = re.compile(r"[A-Z0-9_]{1,8}", re.ASCII)
_METADATA = "METADATA.XML"
_FOLDER = "IHE_XDM"
_EDITOR_LEFTOVERS = (".swp", ".swo", ".bak", ".tmp", ".orig", "~")
_SYSTEM_LEFTOVERS = frozenset({"thumbs.db", "desktop.ini"})
_UNSAFE = {
    IgnoredBecause.CLIMBS: "Le nom sort de l'archive (..).",
    IgnoredBecause.ABSOLUTE: "Le nom est un chemin absolu.",
    IgnoredBecause.LINK: "L'entrée est un lien symbolique.",
    IgnoredBecause.NAME: "Le nom est vide, trop long ou contient un caractère de contrôle.",
}
_NOT_SHORT = "autre chose que 8 caractères et une extension de 3 (A-Z, 0-9, _)"
_NAMES_TOLD = 6
_READABLE = "Produire un SubmitObjectsRequest bien formé, sans DOCTYPE ni entité, de 1 à 200 documents."
_ANNOUNCED = {
    "XDM-URI": "Chaque document annoncé est dans l'archive.",
    "XDM-CASSE": "Les URI sont écrits comme les noms des fichiers.",
    "XDM-TAILLE": "Les tailles sont exactes.",
    "XDM-HASH": "Les empreintes sont exactes.",
}
_RULE_OF_FAULT = {
    PackageFault.MISSING_FILE: "XDM-URI",
    PackageFault.OUTSIDE_FILE: "XDM-URI",
    PackageFault.WRONG_SIZE: "XDM-TAILLE",
    PackageFault.WRONG_HASH: "XDM-HASH",
}
_ADVICE_OF_FAULT = {
    PackageFault.MISSING_FILE: "Joindre le document, ou corriger le Slot URI.",
    PackageFault.OUTSIDE_FILE: "Écrire un URI relatif au répertoire de METADATA.XML, dans l'archive.",
    PackageFault.WRONG_SIZE: "Calculer la taille en octets sur le fichier tel qu'il est dans l'archive.",
    PackageFault.WRONG_HASH: "Calculer le SHA-1 sur le fichier tel qu'il est dans l'archive.",
}


# ref: F25
def examine_archive(
    name: str,
    data: bytes,
    surroundings: Surroundings,
    limits: ArchiveLimits = archives.DEFAULT,
    *,
    kit: Kit | None = None,
) -> list[Finding]:
    """The findings on one zip: the archive, each METADATA.XML, each document, and whose they are."""
    ledger = Ledger(name, prefix="")
    ledger.open("XDM-ZIP", "L'archive s'ouvre.")
    try:
        archive = unpack(data, limits)
    except ArchiveRefused as refused:
        advice = "Joindre une archive ZIP ordinaire, non chiffrée et intacte."
        ledger.fault("XDM-ZIP", "", archives.SENTENCES[refused.fault], advice)
        return ledger.findings
    ledger.open("XDM-SUR", "Aucun nom ne sort de l'archive.")
    ledger.open("XDM-UNIQUE", "Aucun contenu n'est répété.")
    for ignored in archive.ignored:
        if ignored.because is IgnoredBecause.REPEATED:
            ledger.fault(
                "XDM-UNIQUE", ignored.name, "Le fichier est deux fois dans l'archive.", "L'y mettre une fois."
            )
        else:
            advice = "Utiliser des noms relatifs, sans .. ni lien."
            ledger.fault("XDM-SUR", ignored.name, _UNSAFE[ignored.because], advice)
    if not is_package(archive, name):
        ledger.aside("XDM-DOSSIER", "Cette archive n'est pas un paquet IHE_XDM.")
        return ledger.findings
    return _examine_package(ledger, archive, surroundings, kit)


def _examine_package(
    ledger: Ledger, archive: Archive, surroundings: Surroundings, kit: Kit | None
) -> list[Finding]:
    files = [entry for entry in archive.entries if not _is_leftover(entry)]
    ledger.open("XDM-DOSSIER", "Le dossier IHE_XDM est à la racine.")
    ledger.open("XDM-RACINE", "README.TXT et INDEX.HTM sont à la racine.")
    ledger.open("XDM-NOMS", "Les noms sont en majuscules, au format 8.3.")
    ledger.open("XDM-RESTES", "Aucun fichier de système ou d'éditeur.")
    _check_leftovers(ledger, archive)
    files = _check_tree(ledger, files)
    _check_names(ledger, files)
    try:
        package = read_package(archive)
    except PackageRefused as refused:
        _check_unreadable(ledger, files, refused.fault)
        return ledger.findings
    subsets = _describe(ledger, files)
    found = _check_subsets(ledger, subsets)
    for document in package.documents:
        identity = _check_document(ledger, document, subsets.get(document.subset), kit)
        if identity is not None:
            found.append(identity)
    for repeated in package.repeated:
        first = package.documents[repeated.first]
        ledger.fault(
            "XDM-UNIQUE",
            repeated.place,
            f"Ce document est déjà annoncé : même contenu (SHA-1) que {first.subset}/{first.name}.",
            "Mettre et annoncer chaque document une fois.",
            Weight.RECOMMENDED,
        )
    agreement = Ledger("")
    if any(subset.is_french for subset in subsets.values()):
        check_agreement(agreement, found, surroundings)
    return [*ledger.findings, *agreement.findings]


@dataclass(frozen=True, slots=True)
class _Subset:
    """One submission set: where its METADATA.XML is and what it holds."""

    place: str
    description: Description
    is_french: bool


def _is_leftover(entry: Entry) -> bool:
    last = entry.segments[-1].lower()
    return (
        any(part.lower() == "__macosx" or part.startswith(".") for part in entry.segments)
        or last in _SYSTEM_LEFTOVERS
        or last.endswith(_EDITOR_LEFTOVERS)
    )


def _check_leftovers(ledger: Ledger, archive: Archive) -> None:
    """One fault per leftover; a folder of them, such as `__MACOSX`, is one."""
    told = set()
    for entry in archive.entries:
        if not _is_leftover(entry):
            continue
        parts = entry.segments
        cut = next(
            (at + 1 for at, part in enumerate(parts) if part.lower() == "__macosx" or part.startswith(".")),
            len(parts),
        )
        place = "/".join(parts[:cut]) + ("/" if cut < len(parts) else "")
        if place not in told:
            told.add(place)
            advice = "Construire l'archive par programme, sans les fichiers du système ou de l'éditeur."
            ledger.fault("XDM-RESTES", place, "Ce fichier n'a rien à faire dans l'archive.", advice)


def _check_tree(ledger: Ledger, files: list[Entry]) -> list[Entry]:
    """The files to judge: those of a second copy of the package are told once and left out."""
    at_root = any(entry.segments[0].upper() == _FOLDER for entry in files if len(entry.segments) > 1)
    wrappers = sorted(
        {entry.segments[0] for entry in files for part in entry.segments[1:-1] if part.upper() == _FOLDER}
    )
    if not at_root and not wrappers:
        advice = "Mettre les lots de soumission sous un dossier IHE_XDM à la racine."
        ledger.fault("XDM-DOSSIER", "", PACKAGE_SENTENCES[PackageFault.NO_FOLDER], advice)
    known = {_folded(entry.segments) for entry in files}
    judged = files
    for wrapper in wrappers:
        inside = [entry for entry in files if entry.segments[0] == wrapper]
        if at_root and all(_folded(entry.segments[1:]) in known for entry in inside):
            says = "Le paquet est une deuxième fois dans ce dossier."
            ledger.fault("XDM-UNIQUE", f"{wrapper}/", says, "Ne mettre le paquet qu'une fois, à la racine.")
            judged = [entry for entry in judged if entry.segments[0] != wrapper]
        else:
            advice = "Mettre IHE_XDM, README.TXT et INDEX.HTM à la racine de l'archive."
            ledger.fault("XDM-DOSSIER", f"{wrapper}/", "Un dossier enveloppe le paquet.", advice)
    names = {
        entry.segments[-1].upper()
        for entry in files
        if len(entry.segments) == 1 or entry.segments[:-1] == (*wrappers[:1],)
    }
    for wanted in ("README.TXT", "INDEX.HTM"):
        if wanted not in names:
            ledger.fault("XDM-RACINE", wanted, f"{wanted} est absent de la racine.", f"Ajouter {wanted}.")
    return judged


def _folded(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(segment.upper() for segment in segments)


def _check_names(ledger: Ledger, files: list[Entry]) -> None:
    """One fault for all files of a folder whose names have the same fault."""
    odd: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for entry in files:
        *folders, last = entry.segments
        inside = _FOLDER in map(str.upper, folders)
        if inside and last.upper().endswith(_METADATA) and len(last) > len(_METADATA):
            says = "La barre oblique entre le répertoire du lot et METADATA.XML est perdue."
            ledger.fault("XDM-LOT", entry.name, says, "Écrire IHE_XDM/SUBSET01/METADATA.XML.")
            continue
        faults = []
        if last != last.upper():
            faults.append("des minuscules")
        if not _SHORT_NAME.fullmatch(last.upper()):
            faults.append(_NOT_SHORT)
        if faults:
            odd.setdefault((tuple(folders), " et ".join(faults)), []).append(last)
    for folder in sorted(
        {entry.segments[: depth + 1] for entry in files for depth in range(len(entry.segments) - 1)}
    ):
        if folder[-1] != folder[-1].upper() or not _SHORT_FOLDER.fullmatch(folder[-1]):
            odd.setdefault((folder[:-1], "autre chose que 8 caractères A-Z, 0-9 ou _"), []).append(
                f"{folder[-1]}/"
            )
    for (folders_of, fault), names in odd.items():
        place = "/".join((*folders_of, names[0]))
        says = f"Le nom contient {fault}."
        if len(names) > 1:
            others = ", ".join(names[1:_NAMES_TOLD]) + (", …" if len(names) > _NAMES_TOLD else "")
            says = f"{len(names)} noms de ce dossier contiennent {fault} ({names[0]}, {others})."
        advice = "Nommer dossiers et fichiers en majuscules, au format 8.3 (ISO 9660 niveau 1)."
        ledger.fault("XDM-NOMS", place, says, advice)


def _check_unreadable(ledger: Ledger, files: list[Entry], fault: PackageFault) -> None:
    says = PACKAGE_SENTENCES[fault]
    match fault:
        case PackageFault.NO_FOLDER:
            return  # told by the rule on the tree
        case PackageFault.UNREADABLE_METADATA:
            for entry in _metadata_files(files):
                try:
                    read_submission(entry.data)
                except MetadataFault:
                    ledger.fault("META-LISIBLE", entry.name, says, _READABLE)
        case PackageFault.TOO_MANY:
            ledger.fault("XDM-LOT", _FOLDER, says, "Répartir les documents sur plusieurs messages.")
        case _:
            advice = "Mettre un METADATA.XML dans le répertoire de chaque lot."
            ledger.fault("XDM-LOT", _FOLDER, says, advice)


def _metadata_files(files: list[Entry]) -> list[Entry]:
    return [
        entry
        for entry in files
        if entry.segments[-1].upper().endswith(_METADATA) and _FOLDER in map(str.upper, entry.segments[:-1])
    ]


def _describe(ledger: Ledger, files: list[Entry]) -> dict[str, _Subset]:
    """Each METADATA.XML by the folder it describes, named as dmp_bridge.xdm does."""
    ledger.open("XDM-LOT", "Chaque lot a son répertoire et son METADATA.XML.")
    ledger.open("META-LISIBLE", "METADATA.XML est lisible.")
    found = {}
    for entry in _metadata_files(files):
        *folders, last = entry.segments
        prefix = last[: -len(_METADATA)]
        try:
            description = describe(entry.data)
        except XmlFault:
            says = PACKAGE_SENTENCES[PackageFault.UNREADABLE_METADATA]
            ledger.fault("META-LISIBLE", entry.name, says, _READABLE)
            continue
        label = "/".join((*folders, prefix) if prefix else folders)
        found[label] = _Subset(entry.name, description, is_french(description))
    return found


def _check_subsets(ledger: Ledger, subsets: dict[str, _Subset]) -> list[Identity]:
    found = []
    times: dict[str, str] = {}
    for subset in subsets.values():
        own = Ledger(subset.place)
        check_metadata(own, subset.description, french=subset.is_french)
        ledger.add(own.findings)
        found += identities(subset.place, subset.description)
        for each in subset.description.submission_sets:
            for time in each.slots.get("submissionTime", ())[:1]:
                first = times.setdefault(time, subset.place)
                if first != subset.place:
                    says = f"La date submissionTime {quote(time)} est aussi celle de {first}."
                    ledger.fault(
                        "XDM-LOT", subset.place, says, "Donner à chaque lot sa propre date de soumission."
                    )
    return found


def _check_document(
    ledger: Ledger, document: PackagedDocument, subset: _Subset | None, kit: Kit | None
) -> Identity | None:
    """The document against what announces it; whom it names."""
    for rule, says in _ANNOUNCED.items():
        ledger.open(rule, says)
    at = f"{subset.place if subset is not None else document.subset} {document.entry.entry_uuid}"
    if document.fault is not None:
        advice = _ADVICE_OF_FAULT[document.fault]
        ledger.fault(_RULE_OF_FAULT[document.fault], at, PACKAGE_SENTENCES[document.fault], advice)
    _check_case(ledger, at, document)
    if document.data is None:
        return None
    return _check_content(ledger, f"{document.subset}/{document.name}", document, document.data, subset, kit)


def _check_case(ledger: Ledger, at: str, document: PackagedDocument) -> None:
    announced = (document.entry.uri or "").replace("\\", "/").rpartition("/")[2]
    if document.data is None or announced == document.name or announced.lower() != document.name.lower():
        return
    ledger.fault(
        "XDM-CASSE",
        f"{at} URI",
        f"L'URI est {quote(announced)} mais le fichier s'appelle {quote(document.name)}.",
        "Écrire l'URI comme le nom du fichier, en majuscules.",
    )


def _check_content(
    ledger: Ledger,
    place: str,
    document: PackagedDocument,
    data: bytes,
    subset: _Subset | None,
    kit: Kit | None,
) -> Identity | None:
    own = Ledger(place)
    kind = sniff(data)
    french = subset is not None and subset.is_french
    if kind is FileType.PDF:
        check_pdf(own, data)
        ledger.add(own.findings)
        return None
    inspected = inspect_cda(place, data, kit) if french or kind is FileType.XML else None
    if inspected is None or (inspected.element is None and not french):
        own.aside("CDA-RACINE", "Ce document n'est pas un CDA : les règles du CDA sont sans objet.")
        ledger.add(own.findings)
        return None
    ledger.add(inspected.findings)
    described = None
    if subset is not None:
        described = next(
            (each for each in subset.description.documents if each.id == document.entry.entry_uuid), None
        )
    if subset is not None and described is not None and inspected.element is not None and inspected.is_french:
        own = Ledger(subset.place)
        check_against_cda(own, described, inspected.element)
        ledger.add(own.findings)
    return inspected.identity
