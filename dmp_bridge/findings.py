"""What the examination of a message found, as plain values that travel from the worker process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge.codes import ErrorCode

if TYPE_CHECKING:
    from dmp_bridge.cda import Attached, PatientIdentity
    from dmp_bridge.entry import DocumentEntry, SubmissionSet
    from foundation.mime.mss_headers import AttachedCda

# ens-mobile and the help pages of Mon espace santé: a file added by the patient weighs at most 5 000 000 bytes.
OFFER_BYTES = 5_000_000


class Kind(StrEnum):
    """What an attachment, or one document of a package, is to the bridge."""

    XDM_DOCUMENT = "xdm_document"
    CDA = "cda"
    PLAIN = "plain"
    COPY = "copy"
    KEPT = "kept"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Clinical:
    """The metadata under which a clinical document is filed; times in epoch milliseconds, UTC.

    ``class_code`` is None for a type that the DMP does not take (JDV_J07 without JDV_J66). ``entry`` is what XDS
    says of it, under the confidentiality and visibility of the whole message.
    """

    unique_id: str
    set_id: str | None
    version_number: int
    title: str
    type_code: str
    class_code: str | None
    category: str
    format_code: str
    confidentiality: str
    masked_to_professionals: bool
    invisible_to_patient: bool
    invisible_to_representatives: bool
    language: str
    level: str
    created_at: int | None
    service_start_at: int | None
    service_stop_at: int | None
    author_id: str
    author_name: str
    author_specialty: str
    institution: str
    institution_id: str
    replaces: tuple[str, ...]
    patient: PatientIdentity = field(repr=False)
    entry: DocumentEntry = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One attachment, or one document of a package: ``item`` numbers those of one MIME part from 0.

    ``sentence`` is French and names no person. ``data`` are the bytes a filing would keep, empty when nothing
    can be filed; ``display`` is what a person looks at in their place. ``copy_of`` is the ``unique_id`` of the
    clinical document that a copy shows; ``ins`` is whom a clinical document names, refused or not, and ``cda``
    what the X-MSS fields of the message are held against. What is ``hidden`` is or holds a document that the patient
    must not see.
    """

    part: str
    item: int
    filename: str
    media_type: str
    size: int
    kind: Kind
    sentence: str = ""
    code: ErrorCode | None = None
    also: tuple[str, ...] = ()
    """What else is wrong with what is refused, each in one sentence like the first."""
    clinical: Clinical | None = None
    copy_of: str | None = None
    hidden: bool = False
    deletes: bool = False
    """The document is sent for it to be deleted from the record."""
    ins: str | None = field(default=None, repr=False)
    cda: AttachedCda | None = None
    lots: tuple[SubmissionSet, ...] = field(default=(), repr=False)
    """In what a document of a package was submitted, the first one first."""
    display: Attached | None = field(default=None, repr=False)
    data: bytes = field(default=b"", repr=False)


UNEXAMINED = "Le message n'a pas pu être examiné : il est à envoyer de nouveau."


def unexamined() -> Finding:
    """What stands for all that a mail holds whose examination was given up."""
    return Finding("", 0, "", "", 0, Kind.REFUSED, UNEXAMINED, code=ErrorCode.OTHER)


def refused(finding: Finding, sentence: str, code: ErrorCode = ErrorCode.OTHER) -> Finding:
    """The finding as one that is not filed, with nothing left in it to file; why it was refused before comes after."""
    earlier = (finding.sentence, *finding.also) if finding.kind is Kind.REFUSED and finding.sentence else ()
    return replace(
        finding,
        kind=Kind.REFUSED,
        sentence=sentence,
        code=code,
        also=earlier,
        clinical=None,
        display=None,
        data=b"",
    )
