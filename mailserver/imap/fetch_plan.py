"""A FETCH turned into columns to read and bytes to write, worked out once for all its messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailserver.imap import flags
from mailserver.imap.grammar.dates import format_date_time
from mailserver.imap.grammar.fetch import FLAGS, FetchAttribute, FetchItem, SectionText
from mailserver.imap.grammar.render import literal
from mailserver.imap.header_fields import keep_fields
from mailserver.imap.section import SectionText as StoredText
from mailserver.imap.section import Slice, load_parts
from mailserver.store.messages import Column
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from sqlalchemy import Row

    from mailserver.imap.selected import SelectedFolder

_COLUMN_OF = {
    FetchItem.ENVELOPE: (Column.ENVELOPE,),
    FetchItem.BODY: (Column.BODY,),
    FetchItem.BODYSTRUCTURE: (Column.BODYSTRUCTURE,),
    FetchItem.FLAGS: (Column.FLAGS, Column.KEYWORDS),
    FetchItem.INTERNALDATE: (Column.RECEIVED_AT,),
    FetchItem.RFC822_SIZE: (Column.SIZE,),
}
_FILTERS = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)


@dataclass(frozen=True, slots=True)
class Octets:
    """A section as a stretch of the stored message; `is_filtered` when only some header fields of it are wanted."""

    start: int
    length: int
    is_filtered: bool


class FetchPlan:
    """What one FETCH reads and how it is written."""

    def __init__(self, attributes: tuple[FetchAttribute, ...], folder: SelectedFolder, zone: tzinfo) -> None:
        self._folder = folder
        self._zone = zone
        self.attributes = attributes
        self._sections = sum(attribute.section is not None for attribute in attributes)
        self.reads_bodies = self._sections > 0
        self.sets_seen = any(attribute.sets_seen for attribute in attributes)
        self.now_seen: frozenset[int] = frozenset()
        """UIDs that this FETCH has set \\Seen on, to be told with the body."""
        columns = dict.fromkeys(
            column for attribute in attributes for column in _COLUMN_OF.get(attribute.item, ())
        )
        if self.reads_bodies:
            columns |= dict.fromkeys((Column.SIZE, Column.PARTS, Column.BLOB_ID))
        if self.sets_seen:
            columns |= dict.fromkeys((Column.FLAGS, Column.KEYWORDS))
        self.columns = tuple(columns)
        self._place = {column: place for place, column in enumerate(self.columns, 1)}
        self._writers = [(attribute, self._writer(attribute)) for attribute in attributes]
        self._tells_flags = FLAGS in attributes

    # Of a row

    def size(self, row: Row[Any]) -> int:
        """Octets of the message."""
        return int(row[self._place[Column.SIZE]])

    def weight(self, row: Row[Any]) -> int:
        """Octets that the answer may have at most."""
        return self.size(row) * self._sections

    def blob_id(self, row: Row[Any]) -> int:
        """Where the vault has its body."""
        return int(row[self._place[Column.BLOB_ID]])

    def keywords(self, row: Row[Any]) -> str:
        """The keywords that will be seen in the answer."""
        place = self._place.get(Column.KEYWORDS)
        return "" if place is None else str(row[place])

    def attributes_of(self, row: Row[Any]) -> tuple[FetchAttribute, ...]:
        """The attributes to write, with FLAGS where this FETCH changed them."""
        if row[0] in self.now_seen and not self._tells_flags:
            return (*self.attributes, FLAGS)
        return self.attributes

    # Writing

    def head(self, row: Row[Any]) -> bytes:
        """The start of the FETCH response."""
        return b"* %d FETCH (" % (self._folder.number_of(row[0]) or 0)

    def line(self, row: Row[Any], message: bytes = b"") -> bytes:
        """The whole FETCH response; `message` is needed for sections only."""
        values = []
        for attribute, writer in self._writers:
            if writer is not None:
                values.append(writer(row))
                continue
            piece = self.piece(row, attribute)
            if isinstance(piece, Octets):
                octets = message[piece.start : piece.start + piece.length]
                if piece.is_filtered:
                    piece = self.filtered(attribute, octets)
                else:
                    piece = attribute.label + b" " + literal(octets)
            values.append(piece)
        if row[0] in self.now_seen and not self._tells_flags:
            values.append(self._flags(row))
        return self.head(row) + b" ".join(values) + b")\r\n"

    def piece(self, row: Row[Any], attribute: FetchAttribute) -> bytes | Octets:
        """A whole data item, or for a section that is there the octets to read."""
        if attribute.section is None:
            writer = self._writer(attribute)
            assert writer is not None
            return writer(row)
        found = self._locate(row, attribute)
        if found is None:
            return attribute.label + b" NIL"
        is_filtered = attribute.section.text in _FILTERS
        if attribute.partial is not None and not is_filtered:
            found = found.partial(attribute.partial.offset, attribute.partial.length)
        return Octets(found.start, len(found), is_filtered)

    def _locate(self, row: Row[Any], attribute: FetchAttribute) -> Slice | None:
        section = attribute.section
        assert section is not None
        if section.text is SectionText.WHOLE and not section.part:
            return Slice(0, self.size(row))
        text = SectionText.HEADER if section.text in _FILTERS else section.text
        return load_parts(row[self._place[Column.PARTS]]).locate(section.part, StoredText(text.value))

    def filtered(self, attribute: FetchAttribute, header: bytes) -> bytes:
        """HEADER.FIELDS and HEADER.FIELDS.NOT of a header block."""
        section = attribute.section
        assert section is not None
        kept = keep_fields(header, section.fields, invert=section.text is SectionText.HEADER_FIELDS_NOT)
        if attribute.partial is not None:
            kept = kept[attribute.partial.offset : attribute.partial.offset + attribute.partial.length]
        return attribute.label + b" " + literal(kept)

    def _flags(self, row: Row[Any]) -> bytes:
        bits = row[self._place[Column.FLAGS]]
        if row[0] in self.now_seen:
            bits |= int(Flag.SEEN)
        words = flags.text(bits, row[self._place[Column.KEYWORDS]], recent=self._folder.is_recent(row[0]))
        return b"FLAGS " + words

    def _writer(self, attribute: FetchAttribute) -> Callable[[Row[Any]], bytes] | None:
        if attribute.section is not None:
            return None
        if attribute.item is FetchItem.UID:
            return lambda row: b"UID %d" % row[0]
        if attribute.item is FetchItem.FLAGS:
            return self._flags
        place = self._place[_COLUMN_OF[attribute.item][0]]
        if attribute.item is FetchItem.INTERNALDATE:
            zone = self._zone
            return lambda row: b"INTERNALDATE " + format_date_time(row[place], zone)
        if attribute.item is FetchItem.RFC822_SIZE:
            return lambda row: b"RFC822.SIZE %d" % row[place]
        label = attribute.label + b" "
        return lambda row: label + bytes(row[place])
