"""What FETCH may ask for (RFC 3501 §6.4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.cursor import MAX_NUMBER64
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.render import astring

if TYPE_CHECKING:
    from mailserver.imap.grammar.cursor import Cursor

MAX_ITEMS = 100
MAX_SECTION_DEPTH = 100
MAX_HEADER_FIELDS = 256


class FetchItem(StrEnum):
    """Names of data items; SECTION is BODY[...]."""

    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    ENVELOPE = "ENVELOPE"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    RFC822 = "RFC822"
    RFC822_HEADER = "RFC822.HEADER"
    RFC822_SIZE = "RFC822.SIZE"
    RFC822_TEXT = "RFC822.TEXT"
    UID = "UID"
    SECTION = "BODY[]"


class SectionText(StrEnum):
    """section-text: which part of a part; WHOLE is the empty one."""

    WHOLE = ""
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """section: part numbers, what of the part, and header field names as the client wrote them."""

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.WHOLE
    fields: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """The octets asked for of a section."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FetchAttribute:
    """fetch-att. `label` is what stands before the value in the answer; `sets_seen` that it reads the message."""

    item: FetchItem
    label: bytes
    section: Section | None = None
    partial: Partial | None = None
    sets_seen: bool = False


def _plain(item: FetchItem) -> FetchAttribute:
    return FetchAttribute(item, item.value.encode("ascii"))


_PLAIN = {
    item.value: _plain(item)
    for item in (
        FetchItem.BODY,
        FetchItem.BODYSTRUCTURE,
        FetchItem.ENVELOPE,
        FetchItem.FLAGS,
        FetchItem.INTERNALDATE,
        FetchItem.RFC822_SIZE,
        FetchItem.UID,
    )
}
UID = _PLAIN["UID"]
FLAGS = _PLAIN["FLAGS"]
_RFC822 = {
    "RFC822": FetchAttribute(FetchItem.RFC822, b"RFC822", Section(), sets_seen=True),
    "RFC822.HEADER": FetchAttribute(
        FetchItem.RFC822_HEADER, b"RFC822.HEADER", Section(text=SectionText.HEADER)
    ),
    "RFC822.TEXT": FetchAttribute(
        FetchItem.RFC822_TEXT, b"RFC822.TEXT", Section(text=SectionText.TEXT), sets_seen=True
    ),
}
_FAST = (_PLAIN["FLAGS"], _PLAIN["INTERNALDATE"], _PLAIN["RFC822.SIZE"])
_MACROS = {
    "FAST": _FAST,
    "ALL": (*_FAST, _PLAIN["ENVELOPE"]),
    "FULL": (*_FAST, _PLAIN["ENVELOPE"], _PLAIN["BODY"]),
}


def parse_fetch_attributes(cursor: Cursor) -> tuple[FetchAttribute, ...]:
    """The second argument of FETCH: a macro, one attribute or a list; each attribute is kept once."""
    if not cursor.accept(b"("):
        name = _name(cursor)
        return _MACROS[name] if name in _MACROS else (_attribute(cursor, name),)
    attributes: dict[tuple[bytes, Partial | None], FetchAttribute] = {}
    count = 0
    while True:
        attribute = _attribute(cursor, _name(cursor))
        key = (attribute.label, attribute.partial)
        # BODY[] and BODY.PEEK[] have one answer; that the message is read counts for both.
        if key not in attributes or attribute.sets_seen:
            attributes[key] = attribute
        count += 1
        if cursor.accept(b")"):
            return tuple(attributes.values())
        if count >= MAX_ITEMS:
            raise ParseError(f"More than {MAX_ITEMS} items")
        cursor.space()


def _name(cursor: Cursor) -> str:
    # "[" is an atom character, so the name of BODY[...] is cut where its section begins.
    start = cursor.position
    word = cursor.atom()
    bracket = word.find(b"[")
    if bracket >= 0:
        cursor.position = start + bracket
        word = word[:bracket]
    return word.decode("ascii").upper()


def _attribute(cursor: Cursor, name: str) -> FetchAttribute:
    if cursor.peek() == b"[" and name in ("BODY", "BODY.PEEK"):
        cursor.position += 1
        section = _section(cursor)
        cursor.expect(b"]")
        partial = _partial(cursor)
        return FetchAttribute(
            FetchItem.SECTION, _label(section, partial), section, partial, sets_seen=name == "BODY"
        )
    attribute = _PLAIN.get(name) or _RFC822.get(name)
    if attribute is None or cursor.peek() == b"[":
        raise ParseError("Unknown item to fetch")
    return attribute


def _section(cursor: Cursor) -> Section:
    part: list[int] = []
    while cursor.peek().isdigit():
        part.append(cursor.nz_number())
        if len(part) > MAX_SECTION_DEPTH:
            raise ParseError("Section too deep")
        if not cursor.accept(b"."):
            return Section(tuple(part))
    if cursor.peek() == b"]":
        if part:
            raise ParseError("Section ends in a dot")
        return Section()
    word = cursor.keyword()
    try:
        text = SectionText(word)
    except ValueError:
        raise ParseError("Unknown section") from None
    if text is SectionText.MIME and not part:
        raise ParseError("MIME needs a part number")
    if text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
        cursor.space()
        return Section(tuple(part), text, _header_list(cursor))
    return Section(tuple(part), text)


def _header_list(cursor: Cursor) -> tuple[bytes, ...]:
    cursor.expect(b"(")
    fields = [cursor.astring()]
    while not cursor.accept(b")"):
        cursor.space()
        fields.append(cursor.astring())
        if len(fields) > MAX_HEADER_FIELDS:
            raise ParseError("Too many header fields")
    return tuple(fields)


def _partial(cursor: Cursor) -> Partial | None:
    if not cursor.accept(b"<"):
        return None
    offset = cursor.number(maximum=MAX_NUMBER64)
    cursor.expect(b".")
    length = cursor.number(maximum=MAX_NUMBER64)
    if length == 0:
        raise ParseError("Zero octets of a section")
    cursor.expect(b">")
    return Partial(offset, length)


def _label(section: Section, partial: Partial | None) -> bytes:
    pieces = [str(number) for number in section.part]
    if section.text:
        pieces.append(section.text.value)
    label = b"BODY[" + ".".join(pieces).encode("ascii")
    if section.fields:
        label += b" (" + b" ".join(astring(name) for name in section.fields) + b")"
    label += b"]"
    if partial is not None:
        label += b"<%d>" % partial.offset
    return label
