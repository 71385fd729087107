"""Writes an IHE_XDM.zip (IHE ITI-32): INDEX.HTM, README.TXT, and one folder with METADATA.XML per submission set."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.codes import Place
from dmp_bridge.entry import Organization, Person, SubmissionSet
from dmp_bridge.writing.registry_objects import (
    HAS_MEMBER,
    RELATIONSHIP,
    Ids,
    association,
    extrinsic_object,
    registry_package,
    writable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dmp_bridge.entry import DocumentEntry
    from dmp_bridge.writing.document import Written

FILE_NAME = "IHE_XDM.ZIP"
MAX_DOCUMENTS = 200
"""Documents in one submission set: what our own reader takes."""
_CONSULTATION = "07"
_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "text/xml": "XML",
        "application/xslt+xml": "XML",
        "application/pdf": "PDF",
        "image/jpeg": "JPG",
        "image/png": "PNG",
        "image/tiff": "TIF",
        "text/plain": "TXT",
        "text/rtf": "RTF",
    }
)
_NOTHING: Mapping[str, str] = MappingProxyType({})


class PackageUnwritable(Exception):
    """The documents cannot go into one package; the message says why."""


@dataclass(frozen=True, slots=True)
class Lot:
    """The documents of one submission set.

    ``known`` gives the entryUUID, in the record the package goes to, of documents that those here replace.
    """

    submission: SubmissionSet
    documents: Sequence[Written]
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who gives the package away, for INDEX.HTM and README.TXT."""

    institution: str
    person: str = ""
    contact: str = ""


# ref: DMP-F16
def write_package(
    documents: Sequence[Written],
    *,
    submission_id: str,
    source_id: str,
    at: datetime,
    content_type: str = _CONSULTATION,
    known: Mapping[str, str] = _NOTHING,
) -> bytes:
    """A package with one submission set, whose author is that of the first document.

    Identifiers are OIDs; raises PackageUnwritable where the documents are about several patients, or too many.
    """
    first = documents[0].entry if documents else None
    if first is None:
        raise PackageUnwritable("a package holds one document at least")
    submission = SubmissionSet(
        unique_id=submission_id,
        source_id=source_id,
        submission_time=int(at.timestamp() * 1000),
        patient_id=first.patient_id,
        title=first.title,
        content_type_code=codes.place(Place.CONTENT_TYPE, content_type),
        authors=first.authors[:1],
    )
    return write_lots([Lot(submission, documents, known)])


def write_lots(lots: Sequence[Lot]) -> bytes:
    """A package of one folder per submission set; their times are made different where they are not.

    IHE ITI-32 §3.32.4.1.2.2: one patient, and a submissionTime that is unique in the package.
    """
    lots = _told_apart(lots)
    _check(lots)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        moment = _zip_time(lots[0].submission.submission_time)
        for name, data in _files(lots):
            # The date is that of the submission: the same documents give the same package.
            package.writestr(zipfile.ZipInfo(name, moment), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def metadata_of(lot: Lot, names: Sequence[str]) -> bytes:
    """The METADATA.XML of a lot whose documents lie under ``names`` beside it."""
    ids = Ids()
    symbols = {each.entry.unique_id: f"Document{number:02}" for number, each in enumerate(lot.documents, 1)}
    objects = [registry_package(ids, lot.submission, "SubmissionSet01")]
    members, relations = [], []
    for symbol, document, name in zip(symbols.values(), lot.documents, names, strict=True):
        objects.append(extrinsic_object(ids, document.entry, symbol, slots={"URI": name}))
        original = {"SubmissionSetStatus": "Original"}
        members.append(association(ids, HAS_MEMBER, "SubmissionSet01", symbol, slots=original))
        for relation in document.entry.relations:
            # The target is an object of the request or of the registry: of any other the CDA alone speaks.
            target = symbols.get(relation.target) or lot.known.get(relation.target)
            if target is not None:
                relations.append(association(ids, f"{RELATIONSHIP}{relation.kind}", symbol, target))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"'
        ' xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:RegistryObjectList>'
        f"{''.join((*objects, *members, *relations))}</rim:RegistryObjectList></lcm:SubmitObjectsRequest>\n"
    ).encode()


def names_of(documents: Sequence[Written]) -> list[str]:
    """The name of each document in its folder: eight characters and three (ISO 9660 level 1)."""
    return [
        f"DOC{number:05}.{_SUFFIXES.get(each.entry.mime_type, 'BIN')}"
        for number, each in enumerate(documents, 1)
    ]


def sender_of(entry: DocumentEntry) -> Sender:
    """The author of a document as who gives it away."""
    author = entry.authors[0] if entry.authors else None
    person = author.person if author is not None else Person()
    structure = author.institutions[0] if author is not None and author.institutions else Organization()
    return Sender(structure.name, f"{person.given} {person.family}".strip())


def _told_apart(lots: Sequence[Lot]) -> list[Lot]:
    """The lots by their time, each a second at least after the one before."""
    found: list[Lot] = []
    earliest = 0
    for lot in sorted(lots, key=lambda lot: lot.submission.submission_time):
        at = max(lot.submission.submission_time // 1000 * 1000, earliest)
        found.append(replace(lot, submission=replace(lot.submission, submission_time=at)))
        earliest = at + 1000
    return found


def _check(lots: Sequence[Lot]) -> None:
    if not lots or not all(lot.documents for lot in lots):
        raise PackageUnwritable("a package holds one document at least")
    if any(len(lot.documents) > MAX_DOCUMENTS for lot in lots) or len(lots) > 99:
        raise PackageUnwritable("too many documents for one package")
    entries = [document.entry for lot in lots for document in lot.documents]
    # ref: ECO.2.1.1
    if len({(each.patient_id.value if each.patient_id else "") for each in entries}) > 1:
        raise PackageUnwritable("the documents are about several patients")
    if len({each.unique_id for each in entries}) < len(entries):
        raise PackageUnwritable("two documents bear the same identifier")


def _files(lots: Sequence[Lot]) -> Iterator[tuple[str, bytes]]:
    sender = sender_of(lots[0].documents[0].entry)
    folders = [f"IHE_XDM/SUBSET{number:02}" for number in range(1, len(lots) + 1)]
    names = [names_of(lot.documents) for lot in lots]
    placed = [
        (f"{folder}/{name}", document.entry.title)
        for folder, lot, listed in zip(folders, lots, names, strict=True)
        for name, document in zip(listed, lot.documents, strict=True)
    ]
    yield "INDEX.HTM", index_page(sender, placed)
    yield "README.TXT", readme(sender, [name for name, _ in placed])
    for folder, lot, listed in zip(folders, lots, names, strict=True):
        yield f"{folder}/METADATA.XML", metadata_of(lot, listed)
        for name, document in zip(listed, lot.documents, strict=True):
            yield f"{folder}/{name}", document.data


def _zip_time(millis: int) -> tuple[int, int, int, int, int, int]:
    """The date of the files; a zip knows none before 1980."""
    at = datetime.fromtimestamp(millis / 1000, UTC)
    return max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second


def readme(sender: Sender, names: Sequence[str]) -> bytes:
    """README.TXT: who, with what, how to open it, and the tree."""
    lines = ["Emetteur"]
    lines += [f"  Nom : {sender.person}"] if sender.person else []
    lines += [f"  Organisme : {sender.institution}"]
    lines += [f"  Contact : {sender.contact}"] if sender.contact else []
    lines += ["", "Application", "  Nom : Vaguemestre", "  Editeur : projet Vaguemestre", "", "Instructions"]
    lines += ["  Ouvrir INDEX.HTM, ou importer le dossier IHE_XDM dans un logiciel compatible.", ""]
    lines += ["Arborescence", "  INDEX.HTM : sommaire", "  README.TXT : ce fichier"]
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, []).append(file)
    for folder, files in folders.items():
        lines += [f"  {folder}", "    METADATA.XML : description des documents"]
        lines += [f"    {file} : document" for file in files]
    return writable("\r\n".join([*lines, ""])).encode()


def index_page(sender: Sender, placed: Sequence[tuple[str, str]]) -> bytes:
    """INDEX.HTM in XHTML Basic: the institution, the README, and a link to each document by its title."""
    items = "".join(
        f'<li><a href="{escape(name)}">{escape(writable(title) or name)}</a></li>' for name, title in placed
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr"><head><title>Documents de santé</title></head>'
        f"<body><h1>{escape(writable(sender.institution) or 'Documents de santé')}</h1>"
        f'<p><a href="README.TXT">README.TXT</a></p><ul>{items}</ul></body></html>\n'
    ).encode()
