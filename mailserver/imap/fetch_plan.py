"""A FETCH worked out once for all its messages: what is read of each, and how it is written.

A response begins with what the folder's image has (UID, FLAGS, MODSEQ, RFC822.SIZE); what else there is never changes
and follows as one run of octets, which is kept for the next client that asks the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mailserver.imap.fetch_sections import Octets, is_filter, locate, render
from mailserver.imap.grammar.dates import format_date_time
from mailserver.imap.grammar.fetch import FLAGS, MODSEQ, SIZE, UID, FetchAttribute, FetchItem
from mailserver.imap.grammar.render import nstring
from mailserver.imap.object_ids import email_id, thread_id
from mailserver.imap.section import load_parts
from mailserver.store.messages import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from mailserver.imap.chosen import Chosen
    from mailserver.imap.dialect import Dialect
    from mailserver.imap.selected import SelectedFolder

    Row = Any

_COLUMN_OF = {
    FetchItem.BODY: Column.BODY,
    FetchItem.BODYSTRUCTURE: Column.BODYSTRUCTURE,
    FetchItem.EMAILID: Column.MAIL_ID,
    FetchItem.ENVELOPE: Column.ENVELOPE,
    FetchItem.INTERNALDATE: Column.RECEIVED_AT,
    FetchItem.PREVIEW: Column.PREVIEW,
    FetchItem.SAVEDATE: Column.SAVED_AT,
    FetchItem.THREADID: Column.THREAD_ID,
}
_FIRST = frozenset({UID, FLAGS, MODSEQ, SIZE})


@lru_cache(maxsize=256)
def plan_for(attributes: tuple[FetchAttribute, ...], dialect: Dialect, zone: tzinfo) -> FetchPlan:
    """The plan of a FETCH, for all who ask the same."""
    return FetchPlan(attributes, dialect, zone)


class FetchPlan:
    """What one FETCH reads and how it is written."""

    def __init__(self, attributes: Sequence[FetchAttribute], dialect: Dialect, zone: tzinfo) -> None:
        asked = frozenset(attributes)
        self._zone = zone
        self._is_uid_only = dialect.is_uid_only
        self._has_uid = UID in asked and (not dialect.is_uid_only or len(asked) == 1)
        self._has_flags = FLAGS in asked
        self._has_modseq = MODSEQ in asked
        self._tells_modseq = dialect.tells_modseq
        self._has_size = SIZE in asked
        self.is_of_uids = asked == {UID}
        """Whether the numbers of a message say it all."""
        self.lasting = tuple(attribute for attribute in attributes if attribute not in _FIRST)
        """What never changes of a message."""
        self.items = b" ".join(attribute.label for attribute in self.lasting)
        """Names `lasting`, for `RenderedItems`."""
        sections = [attribute for attribute in self.lasting if attribute.section is not None]
        self.sections = len(sections)
        """How often the octets of a message may be in its answer."""
        self.reads_bodies = bool(sections)
        self.sets_seen = any(attribute.sets_seen for attribute in sections)
        columns = dict.fromkeys(_COLUMN_OF[each.item] for each in self.lasting if each.item in _COLUMN_OF)
        if sections:
            columns |= dict.fromkeys((Column.SIZE, Column.PARTS, Column.BLOB_ID))
        self.is_kept = not self.sets_seen and all(each.partial is None for each in sections)
        """Whether what never changes is asked for again: header fields by every list, a new message by every client."""
        self.has_texts = any(not is_filter(each) for each in sections)
        """Whether more of a body than header fields is read."""
        self.columns = tuple(columns)
        self._place = {column: place for place, column in enumerate(self.columns, 1)}
        self._writers = [self._writer(attribute) for attribute in self.lasting]

    # What the image has

    def lines(self, chosen: Chosen, folder: SelectedFolder, lasting: Sequence[bytes] | None) -> list[bytes]:
        """Whole responses, one for each message; `lasting` where the plan has any."""
        template = self.shape
        columns: list[Sequence[int | bytes]] = [chosen.uids if self._is_uid_only else chosen.numbers]
        columns += [chosen.uids] if self._has_uid else []
        columns += [chosen.flag_lists(folder)] if self._has_flags else []
        columns += [chosen.column(chosen.image.modseqs)] if self._has_modseq else []
        columns += [chosen.column(chosen.image.sizes)] if self._has_size else []
        if lasting is not None:
            template += b"%b" if template.endswith(b"(") else b" %b"
            columns.append(lasting)
        template += b")\r\n"
        return [template % values for values in zip(*columns, strict=True)]

    @property
    def shape(self) -> bytes:
        """What `lines` says of a message, without its values."""
        return self._head(has_flags=self._has_flags, has_modseq=self._has_modseq)

    def head(
        self, number: int, uid: int, flag_list: bytes, modseq: int, size: int, *, was_changed: bool
    ) -> bytes:
        """The response of one message up to what never changes; with its flags where this FETCH changed them."""
        has_flags = self._has_flags or was_changed
        has_modseq = self._has_modseq or (was_changed and self._tells_modseq)
        values: list[int | bytes] = [uid if self._is_uid_only else number]
        values += [uid] if self._has_uid else []
        values += [flag_list] if has_flags else []
        values += [modseq] if has_modseq else []
        values += [size] if self._has_size else []
        head = self._head(has_flags=has_flags, has_modseq=has_modseq) % tuple(values)
        return head if head.endswith(b"(") else head + b" "

    def _head(self, *, has_flags: bool, has_modseq: bool) -> bytes:
        items = [b"UID %d"] if self._has_uid else []
        items += [b"FLAGS %b"] if has_flags else []
        items += [b"MODSEQ (%d)"] if has_modseq else []
        items += [b"RFC822.SIZE %d"] if self._has_size else []
        return (b"* %d UIDFETCH (" if self._is_uid_only else b"* %d FETCH (") + b" ".join(items)

    # What never does

    def is_final(self, row: Row) -> bool:
        """Whether all there will ever be is there: thread and preview of what an old version delivered come later."""
        return None not in row

    def size(self, row: Row) -> int:
        """Octets of the message."""
        return int(row[self._place[Column.SIZE]])

    def weight(self, row: Row) -> int:
        """Octets that the answer may have at most."""
        return self.size(row) * self.sections

    def blob_id(self, row: Row) -> int:
        """Where the vault has its body."""
        return int(row[self._place[Column.BLOB_ID]])

    def text(self, row: Row) -> bytes:
        """What never changes of a message, for a plan that reads no bodies."""
        return b" ".join([write(row) for write in self._writers if write is not None])

    def text_of(self, row: Row, message: bytes) -> bytes:
        """As `text`, for a plan that reads bodies; raises UnknownEncoding."""
        view = memoryview(message)
        return b" ".join(
            [
                render(piece, bytes(view[piece.start : piece.start + piece.length]))
                if isinstance(piece, Octets)
                else piece
                for piece in self.pieces(row)
            ]
        )

    def pieces(self, row: Row) -> list[bytes | Octets]:
        """Data items as they are sent, or for a section that is there the octets to read; raises UnknownEncoding."""
        parts = load_parts(row[self._place[Column.PARTS]])
        return [
            locate(attribute, parts, self.size(row)) if write is None else write(row)
            for attribute, write in zip(self.lasting, self._writers, strict=True)
        ]

    def _writer(self, attribute: FetchAttribute) -> Callable[[Row], bytes] | None:
        if attribute.section is not None:
            return None
        place = self._place[_COLUMN_OF[attribute.item]]
        label = attribute.label + b" "
        zone = self._zone
        match attribute.item:
            case FetchItem.EMAILID:
                return lambda row: f"EMAILID ({email_id(row[place])})".encode("ascii")
            case FetchItem.THREADID:
                return lambda row: (
                    b"THREADID NIL"
                    if row[place] is None
                    else f"THREADID ({thread_id(row[place])})".encode("ascii")
                )
            case FetchItem.INTERNALDATE | FetchItem.SAVEDATE:
                return lambda row: label + format_date_time(row[place], zone)
            case FetchItem.PREVIEW:
                return lambda row: label + nstring(None if row[place] is None else row[place].encode())
            case _:
                return lambda row: label + bytes(row[place])
