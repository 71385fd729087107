"""What is handed over the desk of the records, and what comes back: questions, deposits, answers, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmp_bridge.entry import DocumentEntry, Relation
    from dmp_bridge.record import Document
    from dmp_bridge.rights.vocabulary import Reason


class Denied(Exception):
    """The desk refuses; `dossier/denials.py` has the sentence, the HTTP status and the XDS error of each reason.

    `detail` is a French sentence that says more, or ""; `owner_id` and `document_id` are for the trace alone.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, owner_id: int | None = None, document_id: int | None = None
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.owner_id = owner_id
        self.document_id = document_id


@dataclass(frozen=True, slots=True)
class Existence:
    """What may be told of a record without reading it (TD0.2). Traits are given to whom the matrix allows TD1.3a."""

    ins: str = field(repr=False)
    is_active: bool
    is_activated: bool
    is_authorised: bool
    is_attending: bool
    has_attending: bool
    is_minor: bool
    traits: tuple[str, str, str, str] | None = field(default=None, repr=False)
    """Birth name, first names, birth date "YYYY-MM-DD", sex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """Conditions on documents, all of which must hold; an empty tuple or None is no condition.

    Times are epoch milliseconds, from and before. The statuses default to the current versions (EX_3.1-1030).
    """

    ids: tuple[int, ...] = ()
    unique_ids: tuple[str, ...] = ()
    entry_uuids: tuple[str, ...] = ()
    logical_ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("approved",)
    class_codes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    """Categories of Mon espace santé."""
    origins: tuple[str, ...] = ()
    """Who put them there: professional, patient, structure, system."""
    type_codes: tuple[str, ...] = ()
    format_codes: tuple[str, ...] = ()
    facility_codes: tuple[str, ...] = ()
    setting_codes: tuple[str, ...] = ()
    event_codes: tuple[str, ...] = ()
    reference_ids: tuple[str, ...] = ()
    visibilities: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    """Visibilities whose documents are left out: who searches asks for them expressly (EX_3.1-1030)."""
    set_ids: tuple[str, ...] = ()
    lots: tuple[int, ...] = ()
    """Numbers of submission sets that brought the documents or refer to them."""
    author: str = ""
    submission_ids: tuple[str, ...] = ()
    """uniqueId of submission sets."""
    created: tuple[int | None, int | None] = (None, None)
    service: tuple[int | None, int | None] = (None, None)
    service_if_known: tuple[int | None, int | None] = (None, None)
    """The same, met by what tells no time of service as well (ITI-18 §3.18.4.1.2.3.3.1)."""
    filed: tuple[int | None, int | None] = (None, None)
    changed: tuple[int | None, int | None] = (None, None)
    acted: tuple[int | None, int | None] = (None, None)
    """The time that lists are sorted by."""
    after: tuple[int, int] | None = None
    """The place behind which a page begins: (act time, document id) of the last one shown."""
    limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionQuery:
    """Conditions on submission sets; times are epoch milliseconds, from and before, the newest first."""

    ids: tuple[int, ...] = ()
    unique_ids: tuple[str, ...] = ()
    entry_uuids: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()
    document_ids: tuple[int, ...] = ()
    """Documents one of which the set brought or refers to."""
    author: str = ""
    submitted: tuple[int | None, int | None] = (None, None)
    after: tuple[int, int] | None = None
    """(submission time, number) of the last one shown."""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class FoundDocuments:
    """The documents a caller may see, the newest act first, and whether there are more."""

    documents: tuple[Document, ...]
    are_more: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a document as they were deposited, or what is shown in their place."""

    document: Document
    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """One document to file: its bytes, and what is said of it beside them (METADATA, DocumentReference, a form).

    A CDA speaks for itself: what is said beside it must agree (uniqueId, patient) or only adds visibility.
    """

    data: bytes = field(repr=False)
    media_type: str
    unique_id: str = ""
    replaces: tuple[str, ...] = ()
    """uniqueId or entryUUID of what it replaces."""
    visibilities: frozenset[str] = frozenset()
    title: str = field(default="", repr=False)
    type_code: str = ""
    category: str = ""
    service_at: int | None = None
    entry_uuid: str = ""
    sha1: str = ""
    size: int | None = None
    relations: tuple[Relation, ...] = ()
    """What it transforms, completes or signs, beside what it replaces."""
    entry: DocumentEntry | None = field(default=None, repr=False)
    """What is said of a file that does not speak for itself: author, codes, references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A SubmissionSet: what is deposited together, once (its uniqueId makes a repetition the same).

    `references` are the uniqueId or entryUUID of documents that are there already, which it names beside its own.
    """

    ins: str = field(repr=False)
    deposits: tuple[Deposit, ...]
    references: tuple[str, ...] = ()
    unique_id: str = ""
    source_id: str = ""
    title: str = field(default="", repr=False)
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """The submission set that a document was deposited in; `is_new` where this submission made it."""

    number: int
    unique_id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of one deposit, or the document that a reference names."""

    document_id: int
    unique_id: str
    entry_uuid: str
    is_new: bool
    """False where the very same document was there already."""
    membership: Membership | None = None
    """None as long as it is not known."""
