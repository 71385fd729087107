"""What FETCH may ask for (RFC 9051 §6.4.5; RFC 3516, 7162, 8474, 8514, 8970, 9394)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from mailserver.imap.grammar.cursor import MAX_NUMBER64, Cursor
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.partial import parse_partial_range
from mailserver.imap.grammar.render import astring

if TYPE_CHECKING:
    from mailserver.imap.grammar.partial import PartialRange

MAX_ITEMS = 100
MAX_SECTION_DEPTH = 100
MAX_HEADER_FIELDS = 256
_REMEMBERED_BYTES = 1024


class FetchItem(StrEnum):
    """Names of data items; SECTION is BODY[...]."""

    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    EMAILID = "EMAILID"
    ENVELOPE = "ENVELOPE"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    MODSEQ = "MODSEQ"
    PREVIEW = "PREVIEW"
    RFC822 = "RFC822"
    RFC822_HEADER = "RFC822.HEADER"
    RFC822_SIZE = "RFC822.SIZE"
    RFC822_TEXT = "RFC822.TEXT"
    SAVEDATE = "SAVEDATE"
    THREADID = "THREADID"
    UID = "UID"
    SECTION = "BODY[]"
    BINARY = "BINARY[]"
    BINARY_SIZE = "BINARY.SIZE[]"


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


@dataclass(frozen=True, slots=True)
class FetchModifiers:
    """fetch-modifiers: CHANGEDSINCE and VANISHED (RFC 7162 §7), PARTIAL (RFC 9394 §3.3)."""

    changed_since: int | None = None
    tells_vanished: bool = False
    window: PartialRange | None = None


NO_MODIFIERS = FetchModifiers()


def _plain(item: FetchItem) -> FetchAttribute:
    return FetchAttribute(item, item.value.encode("ascii"))


_PLAIN = {
    item.value: _plain(item)
    for item in (
        FetchItem.BODY,
        FetchItem.BODYSTRUCTURE,
        FetchItem.EMAILID,
        FetchItem.ENVELOPE,
        FetchItem.FLAGS,
        FetchItem.INTERNALDATE,
        FetchItem.MODSEQ,
        FetchItem.PREVIEW,
        FetchItem.RFC822_SIZE,
        FetchItem.SAVEDATE,
        FetchItem.THREADID,
        FetchItem.UID,
    )
}
UID = _PLAIN["UID"]
FLAGS = _PLAIN["FLAGS"]
MODSEQ = _PLAIN["MODSEQ"]
SIZE = _PLAIN["RFC822.SIZE"]
_RFC822 = {
    "RFC822": FetchAttribute(FetchItem.RFC822, b"RFC822", Section(), sets_seen=True),
    "RFC822.HEADER": FetchAttribute(
        FetchItem.RFC822_HEADER, b"RFC822.HEADER", Section(text=SectionText.HEADER)
    ),
    "RFC822.TEXT": FetchAttribute(
        FetchItem.RFC822_TEXT, b"RFC822.TEXT", Section(text=SectionText.TEXT), sets_seen=True
    ),
}
_SECTIONED = {
    "BODY": FetchItem.SECTION,
    "BODY.PEEK": FetchItem.SECTION,
    "BINARY": FetchItem.BINARY,
    "BINARY.PEEK": FetchItem.BINARY,
    "BINARY.SIZE": FetchItem.BINARY_SIZE,
}
_FAST = (_PLAIN["FLAGS"], _PLAIN["INTERNALDATE"], _PLAIN["RFC822.SIZE"])
_MACROS = {
    "FAST": _FAST,
    "ALL": (*_FAST, _PLAIN["ENVELOPE"]),
    "FULL": (*_FAST, _PLAIN["ENVELOPE"], _PLAIN["BODY"]),
}


def parse_fetch_arguments(cursor: Cursor) -> tuple[tuple[FetchAttribute, ...], FetchModifiers]:
    """What follows the messages of FETCH. A program asks for the same thing all day: its wording is read once."""
    text = cursor.data[cursor.position :]
    if len(text) > _REMEMBERED_BYTES or b"{" in text:
        return parse_fetch_attributes(cursor), parse_fetch_modifiers(cursor)
    attributes, modifiers, length = _remembered(text)
    cursor.position += length
    return attributes, modifiers


@lru_cache(maxsize=512)
def _remembered(text: bytes) -> tuple[tuple[FetchAttribute, ...], FetchModifiers, int]:
    cursor = Cursor(text)
    attributes = parse_fetch_attributes(cursor)
    return attributes, parse_fetch_modifiers(cursor), cursor.position


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


def parse_fetch_modifiers(cursor: Cursor) -> FetchModifiers:
    """fetch-modifiers, where there are any."""
    if not cursor.accept(b" ("):
        return NO_MODIFIERS
    found: dict[str, FetchModifiers] = {}
    while True:
        word = cursor.keyword()
        if word in found:
            raise ParseError("A modifier is given twice")
        if word == "CHANGEDSINCE":
            cursor.space()
            found[word] = FetchModifiers(changed_since=cursor.number(maximum=MAX_NUMBER64))
        elif word == "VANISHED":
            found[word] = FetchModifiers(tells_vanished=True)
        elif word == "PARTIAL":
            cursor.space()
            found[word] = FetchModifiers(window=parse_partial_range(cursor))
        else:
            raise ParseError("Unknown modifier")
        if cursor.accept(b")"):
            break
        cursor.space()
    if "VANISHED" in found and "CHANGEDSINCE" not in found:
        raise ParseError("VANISHED needs CHANGEDSINCE")
    return FetchModifiers(
        changed_since=found.get("CHANGEDSINCE", NO_MODIFIERS).changed_since,
        tells_vanished="VANISHED" in found,
        window=found.get("PARTIAL", NO_MODIFIERS).window,
    )


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
    if cursor.peek() == b"[":
        return _section_attribute(cursor, name)
    attribute = _PLAIN.get(name) or _RFC822.get(name)
    if attribute is None:
        raise ParseError("Unknown item to fetch")
    if name == FetchItem.PREVIEW and cursor.data[cursor.position : cursor.position + 7].upper() == b" (LAZY)":
        cursor.position += 7  # a preview is made at delivery: there is nothing to wait for
    return attribute


def _section_attribute(cursor: Cursor, name: str) -> FetchAttribute:
    item = _SECTIONED.get(name)
    if item is None:
        raise ParseError("Unknown item to fetch")
    cursor.expect(b"[")
    section = _section(cursor)
    cursor.expect(b"]")
    if item is not FetchItem.SECTION and section.text is not SectionText.WHOLE:
        raise ParseError("A binary section is a part number")
    partial = None if item is FetchItem.BINARY_SIZE else _partial(cursor)
    label = _label(name.removesuffix(".PEEK"), section, partial)
    return FetchAttribute(item, label, section, partial, sets_seen=name in ("BODY", "BINARY"))


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


def _label(name: str, section: Section, partial: Partial | None) -> bytes:
    pieces = [str(number) for number in section.part]
    if section.text:
        pieces.append(section.text.value)
    label = f"{name}[{'.'.join(pieces)}".encode("ascii")
    if section.fields:
        label += b" (" + b" ".join(astring(name) for name in section.fields) + b")"
    label += b"]"
    if partial is not None:
        label += b"<%d>" % partial.offset
    return label
