"""Why a document is not filed, every reason that reading it comes upon: the first is what its sender is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dmp_bridge import cda, xdm
from dmp_bridge.cda import CdaDocument, CdaRefused, Level
from dmp_bridge.codes import ErrorCode, document_type
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.sniff import OFFERED, FileType, sniff
from foundation.identifiers import INS_OIDS

if TYPE_CHECKING:
    from dmp_bridge.xdm import PackagedDocument, PackageRefused


class DocumentFault(NamedTuple):
    """One reason, as a French sentence that names no person, and the code the sender gets for it."""

    sentence: str
    code: ErrorCode = ErrorCode.OTHER


_SEVERAL_IN_ONE = DocumentFault("Le document désigne plusieurs patients.", ErrorCode.OTHER_PATIENT)
_OTHER_PATIENT = DocumentFault(
    "Le document et METADATA.XML ne désignent pas le même patient.", ErrorCode.OTHER_PATIENT
)
_UNKNOWN_TYPE = DocumentFault(
    "Le type du document n'appartient pas à la nomenclature des documents de santé."
)
_NO_INS = DocumentFault("Le document ne contient pas l'INS du patient.", ErrorCode.NO_INS)
_INCOMPLETE_INS = DocumentFault(
    "L'identité du patient est incomplète dans le document.", ErrorCode.INCOMPLETE_INS
)
_WRONG_BODY = DocumentFault("Le contenu du document ne correspond pas au type qu'il annonce.")
_NO_BODY = DocumentFault("Le document ne contient rien à lire.")
_NOT_FILEABLE = DocumentFault("Ce contenu de l'archive IHE_XDM n'est pas un document CDA.")
NO_CDA = frozenset({_NOT_FILEABLE.sentence, cda.SENTENCES[cda.CdaFault.NOT_CDA]})
"""How a file of a package is refused that is no CDA, and may be the copy of one."""


# ref: DMP-F10
def faults_of(document: CdaDocument, packaged: PackagedDocument | None) -> list[DocumentFault]:
    """What keeps a document that was read out of any record (ANS, integration of a document); mostly nothing."""
    faults: list[DocumentFault] = []
    # A document without a type was refused for that already.
    if document.code.code and document_type(document.code.code) is None:
        faults.append(_UNKNOWN_TYPE)
    if document.level is Level.NONE:
        faults.append(_NO_BODY)
    if document.names_several_patients:
        faults.append(_SEVERAL_IN_ONE)
    display = document.display
    if display is not None:
        shown = sniff(display.data)
        if shown not in OFFERED or (display.media_type == FileType.PDF.value) != (shown is FileType.PDF):
            faults.append(_WRONG_BODY)
    patient = document.patient
    if patient.ins is not None and _announced_patients(packaged) - {patient.ins}:
        faults.append(_OTHER_PATIENT)
    if patient.ins is None:
        faults.append(_NO_INS)
    if not patient.has_traits:
        faults.append(_INCOMPLETE_INS)
    return faults


def faults_of_unread(unread: CdaRefused, packaged: PackagedDocument | None) -> list[DocumentFault]:
    """Why a CDA cannot be read, and what the rest of it shows where there is a rest."""
    faults = [DocumentFault(cda.SENTENCES[fault]) for fault in unread.faults]
    return faults if unread.rest is None else [*faults, *faults_of(unread.rest, packaged)]


def faults_of_packaged(document: PackagedDocument) -> list[DocumentFault]:
    """What is wrong with a document of a package: with its file, and in the file where there is one."""
    faults = [] if document.fault is None else [DocumentFault(xdm.SENTENCES[document.fault])]
    if document.data is None:
        return faults
    if sniff(document.data) is not FileType.XML:
        # The French profile packs CDA only; what else stands there has no header to identify its patient by.
        return [*faults, _NOT_FILEABLE]
    try:
        read, _ = read_with_entry(document.data)
    except CdaRefused as unread:
        return [*faults, *faults_of_unread(unread, document)]
    return [*faults, *faults_of(read, document)]


def faults_of_package(refused: PackageRefused) -> list[DocumentFault]:
    """Why a whole package is refused, then what is wrong with those of its documents that were found."""
    faults = [DocumentFault(xdm.SENTENCES[fault]) for fault in refused.faults]
    return [*faults, *(fault for each in refused.documents for fault in faults_of_packaged(each))]


def announced_ins(packaged: PackagedDocument | None) -> str | None:
    """The INS that METADATA.XML has for a document."""
    identifier = packaged.entry.patient_id if packaged is not None else None
    return identifier.value.upper() if identifier is not None and identifier.oid in INS_OIDS else None


# ref: ECO.2.1.2
def _announced_patients(packaged: PackagedDocument | None) -> set[str]:
    """Whom METADATA.XML names, for the document and for its lots: in both it is to be the matricule INS."""
    return set() if packaged is None else {each.value.upper() for each in packaged.patients}
