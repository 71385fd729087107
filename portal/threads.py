"""What a patient reads of a conversation: each mail opened, its text and its attachments with what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from directory.correspondents import correspondents
from dmp_bridge import codes, record
from dmp_bridge.record import Origin, State, Status
from dmp_bridge.report import is_answered
from mailserver.conversations import Direction, thread_key
from mailserver.reading_receipt import Choice, choices
from portal import shown
from portal.downloads import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from directory.correspondents import Correspondent
    from dmp_bridge.record import Document, Filing
    from mailserver.conversations import Conversation, Item
    from portal.context import PortalContext
    from portal.reading import AttachedFile, MailReader, Opened

_EXAMINED_WITHIN_MS = 10 * 60 * 1000
_STATES: Mapping[State, tuple[str, str]] = {
    State.FILED: ("filed", "Classé dans vos documents"),
    State.DUPLICATE: ("filed", "Déjà dans vos documents"),
    State.OFFERED: ("offered", "À classer"),
    State.REFUSED: ("refused", "Document refusé"),
    State.COPY: ("copy", "Copie lisible du document"),
    State.KEPT: ("kept", ""),
    State.DELETED: ("kept", "Supprimé par son auteur"),
}
_PLAINLY_FILED = frozenset(
    {"", "Document ajouté à votre dossier.", "Document ajouté à votre dossier par vous-même."}
)
_HIDDEN = "Ce document ne peut pas être affiché."
OLD_VERSION = "Ancienne version"
_WORDS_OF_CATEGORIES = (
    ("ordonnance", "ORD_SOIN"),
    ("prescription", "ORD_SOIN"),
    ("biolog", "BIOLOGIE"),
    ("analyse", "BIOLOGIE"),
    ("radio", "RADIO_SC"),
    ("scanner", "RADIO_SC"),
    ("irm", "RADIO_SC"),
    ("echo", "RADIO_SC"),
    ("certificat", "CERT_MED"),
    ("compte", "CPT_REND"),
    ("lettre", "CPT_REND"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """One attachment, or one document of a package. `part` and `filing_id` are None when there is no such act."""

    filename: str = field(repr=False)
    title: str = field(repr=False)
    facts: tuple[str, ...]
    author: str = field(repr=False)
    state: str
    tone: str
    part: str | None
    document_id: int | None
    filing_id: int | None
    category: str
    reason: str = ""

    @property
    def own_category(self) -> str:
        """The label of a document's own category that patients do not choose for files; else empty."""
        chosen_by_patients = codes.patient_categories()
        return "" if self.category in chosen_by_patients else codes.categories().get(self.category, "")


class Receipt(StrEnum):
    """How far a message and the receipt it asks for are; empty where there is nothing to say."""

    NONE = ""
    ASKED = "asked"
    SENT = "sent"
    WITHHELD = "withheld"


_CHOSEN: Mapping[Choice, Receipt] = {Choice.SENT: Receipt.SENT, Choice.WITHHELD: Receipt.WITHHELD}


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message of the thread as its page shows it."""

    mail_id: int
    mine: bool
    name: str = field(repr=False)
    role: str
    at: int
    subject: str = field(repr=False)
    text: str = field(repr=False)
    quoted: str = field(repr=False)
    unreadable: bool
    cards: tuple[Card, ...]
    receipt: Receipt


async def read_messages(
    context: PortalContext,
    reader: MailReader,
    owner_id: int,
    conversation: Conversation,
    items: Sequence[Item],
) -> list[MessageView]:
    """The views of some items of a conversation, in their order."""
    opened = [await reader.opened(owner_id, item.mail_id, item.blob_id) for item in items]

    view = context.view()

    def query(connection: Connection) -> _Known:
        mails = [item.mail_id for item in items]
        filings = record.filings_of(connection, owner_id, mails)
        documents: dict[int, Document] = {}
        wanted = {row.document_id for rows in filings.values() for row in rows}
        for document_id in wanted:
            found = record.document(connection, owner_id, document_id) if document_id is not None else None
            if found is not None:
                documents[found.id] = found
        senders = {message.sender for message in opened if message is not None and message.sender}
        return _Known(
            filings,
            documents,
            correspondents(connection, view, senders),
            choices(connection, owner_id, mails),
        )

    known = await context.database.read(query)
    now = context.clock.millis()
    return [
        _view(conversation, item, message, known, now) for item, message in zip(items, opened, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the tables know of the messages that are shown: by mail, by document, by address."""

    filings: Mapping[int, Sequence[Filing]]
    documents: Mapping[int, Document]
    people: Mapping[str, Correspondent]
    choices: Mapping[int, Choice]


def _view(
    conversation: Conversation, item: Item, opened: Opened | None, known: _Known, now: int
) -> MessageView:
    if item.direction is Direction.NOTICE:
        return _notice(item, opened)
    mine = item.direction is Direction.OUT
    who = conversation.counterpart
    if opened is not None and opened.sender in known.people and known.people[opened.sender].type is not None:
        who = known.people[opened.sender]
    filings = known.filings.get(item.mail_id, ())
    waiting = not mine and not filings and now - item.at < _EXAMINED_WITHIN_MS
    other_subject = thread_key(item.subject) != thread_key(conversation.subject)
    return MessageView(
        item.mail_id,
        mine,
        "Vous" if mine else who.name,
        "" if mine else " · ".join(part for part in (who.profession, who.specialty, who.structure) if part),
        item.at,
        item.subject if other_subject else "",
        opened.text if opened is not None else "",
        opened.quoted if opened is not None else "",
        opened is None,
        _cards(opened.files, filings, known.documents, waiting=waiting) if opened is not None else (),
        _receipt(opened, filings, known.choices.get(item.mail_id), waiting=waiting)
        if opened is not None and not mine
        else Receipt.NONE,
    )


def _notice(item: Item, opened: Opened | None) -> MessageView:
    """What the mail system tells of the patient's own message; its parts for programs are not shown."""
    text = opened.text if opened is not None else ""
    return MessageView(
        item.mail_id,
        False,  # noqa: FBT003 - not the patient's own
        "Messagerie",
        "",
        item.at,
        item.subject,
        text,
        "",
        opened is None,
        (),
        Receipt.NONE,
    )


def _receipt(opened: Opened, filings: Sequence[Filing], choice: Choice | None, *, waiting: bool) -> Receipt:
    """One message gets one notification (RFC 8098 §2.1): what the bridge answers for, the patient is not asked."""
    if choice is not None:
        return _CHOSEN[choice]
    if not opened.asks_receipt or is_answered(filings) or (opened.files and waiting):
        return Receipt.NONE
    return Receipt.ASKED


def _cards(
    files: Sequence[AttachedFile],
    filings: Sequence[Filing],
    documents: Mapping[int, Document],
    *,
    waiting: bool,
) -> tuple[Card, ...]:
    cards: list[Card] = []
    for file in files:
        rows = [row for row in filings if row.part == file.part]
        if not rows:
            cards.append(_plain_card(file, "Examen en cours" if waiting else ""))
            continue
        if any(row.hidden for row in rows):
            # The file as it was sent holds the hidden document, whatever else it holds.
            cards.append(_hidden_card(file))
            rows = [row for row in rows if not row.hidden]
            file = replace(file, part=None)
        for position, row in enumerate(rows):
            part = file.part if position == 0 else None
            document = documents.get(row.document_id) if row.document_id is not None else None
            cards.append(_filed_card(file, row, document, part))
    return tuple(cards)


def _hidden_card(file: AttachedFile) -> Card:
    facts = (kind_of(file.media_type, file.filename), shown.size(file.size))
    return Card(file.filename, file.filename, facts, "", _HIDDEN, "kept", None, None, None, "")


def _plain_card(file: AttachedFile, state: str) -> Card:
    facts = (kind_of(file.media_type, file.filename), shown.size(file.size))
    return Card(file.filename, file.filename, facts, "", state, "kept", file.part, None, None, "")


def _filed_card(file: AttachedFile, row: Filing, document: Document | None, part: str | None) -> Card:
    tone, state = _STATES[row.state]
    if row.state is State.REFUSED and row.sentence:
        state = f"{state} : {row.sentence}"
    elif row.state is State.KEPT:
        state = row.sentence
    reason = _reason(row)
    if document is None:
        # Filed, but not for the patient's eyes: the card tells no more than the message itself.
        hidden = row.document_id is not None
        facts = (kind_of(row.media_type, row.filename), shown.size(row.size))
        offered = row.state is State.OFFERED
        return Card(
            file.filename,
            row.title or row.filename or file.filename,
            facts,
            "",
            "" if hidden else state,
            "kept" if hidden else tone,
            part,
            None,
            row.id if offered else None,
            _preset(row, file) if offered else "",
            "" if hidden else reason,
        )
    if row.state is State.COPY:
        facts = (kind_of(row.media_type, row.filename), shown.size(row.size))
        return Card(file.filename, row.filename, facts, "", state, tone, part, document.id, None, "")
    if document.status is Status.DEPRECATED:
        state = f"{state} · {OLD_VERSION}"
    return Card(
        file.filename,
        document.title,
        (type_label(document), shown.size(row.size), shown.date_of(document_date(document))),
        author_line(document) if document.origin is not Origin.PATIENT else "",
        state,
        tone,
        part,
        document.id,
        None,
        "",
        reason,
    )


def _reason(row: Filing) -> str:
    """What the bridge has to say beyond the state itself."""
    filed_otherwise = row.state is State.FILED and row.sentence not in _PLAINLY_FILED
    offered_document = row.state is State.OFFERED and row.title is not None
    return row.sentence if filed_otherwise or offered_document else ""


def _preset(row: Filing, file: AttachedFile) -> str:
    if row.category is not None:
        return row.category if row.category in codes.categories() else "AUTR_DOC"
    return preset_category(row.filename or file.filename)


def type_label(document: Document) -> str:
    """The type of a document in words."""
    found = codes.document_type(document.type_code)
    return found.label if found is not None else kind_of(document.media_type)


def document_date(document: Document) -> int:
    """The act's date, else the document's, else the filing's (epoch milliseconds); absurd ones do not count."""
    known = (at for at in (document.service_start_at, document.creation_at) if at is not None)
    return next((at for at in known if shown.paris(at) is not None), document.filed_at)


def author_line(document: Document) -> str:
    """« Dr Marie MARTIN, Neurologie, CH DE DÉMO »."""
    parts = (document.author_name, document.author_specialty, document.institution)
    return ", ".join(dict.fromkeys(part for part in parts if part))


def preset_category(filename: str) -> str:
    """The category that a file's name suggests; the patient may choose another."""
    name = filename.lower().replace("é", "e")
    return next((category for word, category in _WORDS_OF_CATEGORIES if word in name), "AUTR_DOC")
