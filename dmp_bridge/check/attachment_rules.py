"""What comes with a message: the archive and its copies, and what the X-MSS fields say of them."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from dmp_bridge.cda import Level
from dmp_bridge.check.letter import MAX_FILES
from dmp_bridge.check.message_rules_table import MESSAGE_RULES
from dmp_bridge.check.report import Weight
from dmp_bridge.sniff import FileType, name_lies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.check.letter import File, Letter
    from dmp_bridge.check.report import Finding, Rule
    from foundation.mime.mss_headers import MssField

_PACKAGE: Final = MESSAGE_RULES["ECO.2.1.1"]  # ref: ECO.2.1.1
_MES: Final = MESSAGE_RULES["ECO.2.2.8"]  # ref: ECO.2.2.8
_CODES: Final = MESSAGE_RULES["ECO.2.4.1"]  # ref: ECO.2.4.1
_INS: Final = MESSAGE_RULES["ECO.2.4.2"]  # ref: ECO.2.4.2
_NIL: Final = MESSAGE_RULES["ECO.2.4.3"]  # ref: ECO.2.4.3
_TYPE: Final = MESSAGE_RULES["PJ.TYPE"]

_NAME: Final = "IHE_XDM.zip"
_ZIP_TYPES: Final = frozenset({"application/zip", "application/x-zip-compressed", "application/octet-stream"})
_KNOWN: Final = frozenset(
    {FileType.PDF, FileType.JPEG, FileType.PNG, FileType.TIFF, FileType.RTF, FileType.TEXT, FileType.XML}
)
_DANGEROUS: Final = frozenset(
    {".exe", ".com", ".bat", ".cmd", ".scr", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".msi", ".ps1", ".lnk", ".hta",
     ".html", ".htm", ".svg", ".jar", ".docm", ".xlsm", ".iso", ".img"}
)  # fmt: skip


def package(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.1.1: one archive of the right name, and each of its documents as a PDF beside it."""
    packages = letter.packages
    loose = [document for document in letter.documents if not document.in_archive]
    for document in loose:
        yield _PACKAGE.fails(
            document.place,
            "Document CDA joint hors d'une archive IHE_XDM.zip.",
            "Mettre les documents CDA dans IHE_XDM.zip, avec leur METADATA.XML.",
            Weight.RECOMMENDED if packages else None,
        )
    if not packages:
        if letter.subject.is_structured and not (letter.subject.is_answer or letter.subject.is_forward):
            yield _PACKAGE.fails(
                "Subject, pièces jointes",
                "L'objet annonce un document structuré et aucune archive IHE_XDM.zip n'est jointe.",
                "Joindre IHE_XDM.zip, ou écrire un objet ordinaire.",
            )
        elif not loose:
            yield _PACKAGE.not_applicable("Aucun document structuré joint.")
        return
    if len(packages) > 1:
        yield _PACKAGE.fails(
            "pièces jointes",
            f"{len(packages)} archives IHE_XDM.",
            "Réunir les documents dans une seule IHE_XDM.zip.",
        )
    for file in packages:
        yield from _archive(file)
    yield from _copies(letter)


def _archive(file: File) -> Iterator[Finding]:
    if file.name.casefold() != _NAME.casefold():
        yield _PACKAGE.fails(
            file.place, f"L'archive ne s'appelle pas {_NAME}.", f"Nommer la pièce jointe {_NAME}."
        )
    elif file.media_type not in _ZIP_TYPES:
        yield _PACKAGE.fails(
            file.place,
            f"Archive annoncée {file.media_type}.",
            "Annoncer application/zip.",
            Weight.RECOMMENDED,
        )
    else:
        yield _PACKAGE.holds(file.place, f"Archive {_NAME}.")


def _copies(letter: Letter) -> Iterator[Finding]:
    """A PDF for each document; one that wraps its own PDF can be read without."""
    copies = sum(file.found is FileType.PDF for file in letter.files)
    packed = [document for document in letter.documents if document.in_archive]
    if copies >= len(packed):
        if packed:
            yield _PACKAGE.holds("pièces jointes", f"{copies} PDF pour {len(packed)} document(s).")
        return
    readable = all(
        document.cda is not None and document.cda.level is Level.N1 and document.cda.display is not None
        for document in packed
    )
    yield _PACKAGE.fails(
        "pièces jointes",
        f"{copies} copie(s) PDF pour {len(packed)} document(s) de l'archive.",
        "Joindre chaque document aussi en PDF/A-1, à côté de l'archive.",
        Weight.RECOMMENDED if readable else None,
    )


def files(letter: Letter) -> Iterator[Finding]:
    """What the files are: named as they are, of a kind the receiver can open."""
    if not letter.files:
        yield _TYPE.not_applicable("Aucune pièce jointe.")
        return
    fine = True
    for file in letter.files:
        for finding in _file(file, to_patient=bool(letter.patients)):
            fine = False
            yield finding
    if len(letter.files) >= MAX_FILES:
        yield _TYPE.fails(
            "pièces jointes",
            f"{MAX_FILES} pièces jointes ou plus : la suite n'a pas été lue.",
            "En joindre moins.",
        )
    elif fine:
        yield _TYPE.holds("pièces jointes", f"{len(letter.files)} pièce(s) jointe(s).")


def _file(file: File, *, to_patient: bool) -> Iterator[Finding]:
    suffix = PurePosixPath(file.name.lower().rstrip(". ")).suffix
    if file.media_type == "message/rfc822":
        yield _TYPE.fails(
            file.place, "Message joint : son contenu n'est pas vérifié.", "Le vérifier à part.", Weight.NOTE
        )
    elif not file.data:
        yield _TYPE.fails(file.place, "Pièce jointe vide.", "Joindre le fichier de nouveau.")
    elif suffix in _DANGEROUS:
        yield _TYPE.fails(
            file.place, f"Fichier {suffix}, qui peut contenir du code actif.", "Joindre un PDF."
        )
    elif name_lies(file.name, file.found):
        yield _TYPE.fails(
            file.place,
            f"Le contenu ({file.found.value}) n'est pas ce qu'annonce le nom.",
            "Donner au fichier son vrai nom.",
        )
    elif file.found is FileType.ZIP and not file.is_package:
        yield _TYPE.fails(
            file.place,
            "Archive ZIP qui n'est pas une IHE_XDM : son contenu n'est pas vérifié.",
            "Joindre les fichiers eux-mêmes.",
        )
    elif to_patient and file.found not in _KNOWN and not file.is_package:
        yield _TYPE.fails(
            file.place,
            "Format que Mon espace santé ne montre pas.",
            "Joindre un PDF, une image (JPEG, PNG, TIFF) ou un texte.",
            Weight.NOTE,
        )


def nil(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.4.3."""
    if letter.is_from_patient:
        yield _NIL.not_applicable("Message d'un usager.")
    elif letter.mss.nil is None:
        yield _NIL.fails(
            "en-tête", "Pas de X-MSS-NIL.", "Écrire la référence du logiciel (convergence.esante.gouv.fr)."
        )
    elif not letter.mss.nil.is_sound:
        yield _unsound(_NIL, "X-MSS-NIL", letter.mss.nil, "une référence de produit, par exemple DEV935997")
    else:
        yield _NIL.holds("X-MSS-NIL", "Référence présente.")


def mes(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.2.8."""
    said = letter.mss.mes
    if letter.is_from_patient:
        nobody = "l'expéditeur est un usager."
    elif not letter.patients:
        nobody = "aucun usager parmi les destinataires."
    else:
        nobody = ""
    if said is None:
        if nobody:
            yield _MES.not_applicable(f"Pas de X-MSS-MES, et {nobody}")
        elif letter.closes_exchange:
            yield _MES.not_applicable(
                "Pas de X-MSS-MES, mais l'objet [FIN] clôt l'échange : plus de réponse."
            )
        else:
            yield _MES.not_applicable("Pas de X-MSS-MES : l'usager peut répondre.")
    elif nobody:
        yield _MES.fails(
            "X-MSS-MES",
            f"Sans effet : {nobody}",
            "Ne l'écrire que d'un professionnel vers un usager.",
            Weight.RECOMMENDED,
        )
    elif not said.is_sound:
        yield _unsound(_MES, "X-MSS-MES", said, "FIN, en trois capitales ; toute autre valeur est ignorée")
    else:
        yield _MES.holds("X-MSS-MES", "FIN : l'usager ne peut pas répondre à ce message.")


def codes(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.4.1: one code for each CDA that METADATA.XML announces, repeated ones too."""
    said = letter.mss.codecda
    packed = [document for document in letter.documents if document.in_archive]
    place = "X-MSS-CODECDA"
    if not letter.packages:
        if said is None:
            yield _CODES.not_applicable("Aucune archive IHE_XDM.zip.")
        else:
            yield _CODES.fails(
                place, "Présent sans archive IHE_XDM.zip.", "L'omettre quand aucun CDA n'est joint."
            )
        return
    if said is None:
        yield _CODES.fails(
            "en-tête",
            "Pas de X-MSS-CODECDA avec une archive.",
            "Écrire le code de chaque CDA, entre virgules.",
        )
        return
    if not said.is_sound:
        yield _unsound(_CODES, place, said, "des codes LOINC ou ANS séparés par des virgules")
        return
    if not packed or any(document.cda is None for document in packed):
        yield _CODES.not_applicable(
            "Un document de l'archive n'est pas lisible : la liste ne peut pas être comparée.", place
        )
        return
    found = [
        code
        for document in packed
        if document.cda is not None
        for code in (document.cda.code.code,) * document.times
    ]
    if Counter(letter.mss.codes) == Counter(found):
        yield _CODES.holds(place, f"{len(found)} code(s), ceux de l'archive.")
    else:
        yield _CODES.fails(
            place,
            f"La liste n'est pas celle des documents de l'archive ({', '.join(found[:10])}).",
            "Écrire un code par document CDA annoncé dans METADATA.XML, répété autant de fois qu'il y est.",
        )


def ins(letter: Letter) -> Iterator[Finding]:
    """ref: ECO.2.4.2: `O` where the documents name a qualified INS."""
    said = letter.mss.ins
    place = "X-MSS-INS"
    if not letter.documents and not letter.packages:
        if said is None:
            yield _INS.not_applicable("Aucun document CDA joint.")
        elif not said.is_sound:
            yield _unsound(_INS, place, said, "O ou N")
        else:
            yield _INS.fails(place, "Présent sans document CDA.", "L'omettre quand aucun CDA n'est joint.")
        return
    if said is None:
        yield _INS.fails(
            "en-tête", "Pas de X-MSS-INS avec un document CDA.", "Écrire O (INS qualifiée) ou N."
        )
        return
    if not said.is_sound:
        yield _unsound(_INS, place, said, "O ou N")
        return
    complete = [document.cda.patient.is_complete for document in letter.documents if document.cda is not None]
    if not complete:
        yield _INS.not_applicable("Aucun document lisible pour comparer.", place)
    elif letter.mss.says_qualified and not all(complete):
        yield _INS.fails(
            place,
            "O, alors que l'identité d'un document n'est pas une INS qualifiée complète.",
            "Écrire N, ou compléter le document : matricule, OID, nom de naissance, premier prénom, date de naissance, sexe.",
        )
    elif letter.mss.says_qualified is False and all(complete):
        yield _INS.fails(
            place,
            "N, alors que les documents portent une INS complète.",
            "Écrire O si l'INS est qualifiée ; sinon retirer l'INS des documents.",
            Weight.RECOMMENDED,
        )
    else:
        yield _INS.holds(place, "En accord avec les documents.")


def _unsound(rule: Rule, place: str, said: MssField, wanted: str) -> Finding:
    if said.occurrences > 1:
        return rule.fails(place, f"Ce champ est écrit {said.occurrences} fois.", "Ne l'écrire qu'une fois.")
    return rule.fails(place, "Valeur non conforme.", f"Écrire {wanted}.")
