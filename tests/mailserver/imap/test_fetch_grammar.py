"""What FETCH may ask for, as it is written."""

from __future__ import annotations

import pytest

from mailserver.imap.grammar.cursor import Cursor
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.fetch import (
    MAX_ITEMS,
    FetchItem,
    FetchModifiers,
    Partial,
    Section,
    SectionText,
    parse_fetch_arguments,
)
from mailserver.imap.grammar.partial import PartialRange


def parsed(text: bytes, *literals: bytes) -> tuple[list[bytes], FetchModifiers]:
    cursor = Cursor(text, literals)
    attributes, modifiers = parse_fetch_arguments(cursor)
    cursor.end()
    return [attribute.label for attribute in attributes], modifiers


@pytest.mark.parametrize(
    ("text", "labels", "modifiers"),
    [
        (b"fast", [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"], FetchModifiers()),
        (b"(UID modseq) (changedsince 5)", [b"UID", b"MODSEQ"], FetchModifiers(5)),
        (b"FLAGS (VANISHED CHANGEDSINCE 0)", [b"FLAGS"], FetchModifiers(0, tells_vanished=True)),
        (b"PREVIEW", [b"PREVIEW"], FetchModifiers()),
        (b"PREVIEW (LAZY)", [b"PREVIEW"], FetchModifiers()),
        (b"preview (CHANGEDSINCE 9)", [b"PREVIEW"], FetchModifiers(9)),
        (b"PREVIEW (lazy) (PARTIAL -3:-1)", [b"PREVIEW"], FetchModifiers(window=PartialRange(-3, -1))),
        (b"(PREVIEW (LAZY) PREVIEW)", [b"PREVIEW"], FetchModifiers()),
        (b"(EMAILID THREADID SAVEDATE)", [b"EMAILID", b"THREADID", b"SAVEDATE"], FetchModifiers()),
        (b"binary.peek[1.2]<3.4>", [b"BINARY[1.2]<3>"], FetchModifiers()),
        (b"(BINARY[] BINARY.SIZE[2])", [b"BINARY[]", b"BINARY.SIZE[2]"], FetchModifiers()),
    ],
)
def test_items_and_modifiers(text: bytes, labels: list[bytes], modifiers: FetchModifiers) -> None:
    for _ in range(2):  # the second time from memory
        assert parsed(text) == (labels, modifiers)


def test_what_is_written_with_literals_is_read_anew() -> None:
    text = b"BODY[HEADER.FIELDS ({2}\r\n)]"
    assert parsed(text, b"To")[0] == [b"BODY[HEADER.FIELDS (To)]"]
    assert parsed(text, b"Cc")[0] == [b"BODY[HEADER.FIELDS (Cc)]"]


def test_a_section_has_its_part_its_text_and_its_window() -> None:
    [attribute], _ = parse_fetch_arguments(Cursor(b"BODY[3.1.HEADER.FIELDS (a b)]<0.9>"))
    assert attribute.item is FetchItem.SECTION
    assert attribute.section == Section((3, 1), SectionText.HEADER_FIELDS, (b"a", b"b"))
    assert (attribute.partial, attribute.sets_seen) == (Partial(0, 9), True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"()",
        b"(FLAGS",
        b"(FLAGS  UID)",
        b"FLAGS UID",
        b"(FAST)",
        b"BODY[1.HEADER.FIELDS]",
        b"BODY[1.]",
        b"BODY[0]",
        b"BODY[1",
        b"BODY[1]<1>",
        b"BODY[1]<1.0>",
        b"BODY[1]<1.1",
        b"BINARY",
        b"BINARY[HEADER]",
        b"BINARY[1.MIME]",
        b"BINARY.SIZE[1]<0.1>",
        b"BINARY.SIZE",
        b"FLAGS[1]",
        b"ENVELOPE[]",
        b"PREVIEW(LAZY)",
        b"PREVIEW (LAZY",
        b"FLAGS ()",
        b"FLAGS (CHANGEDSINCE)",
        b"FLAGS (CHANGEDSINCE x)",
        b"FLAGS (CHANGEDSINCE 9223372036854775808)",
        b"FLAGS (VANISHED)",
        b"FLAGS (PARTIAL 0:1)",
        b"FLAGS (PARTIAL 1:-1)",
        b"FLAGS (PARTIAL 1)",
        b"FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)",
        b"(" + b" ".join(b"BODY[%d]" % number for number in range(1, MAX_ITEMS + 2)) + b")",
        b"BODY[" + b".".join([b"1"] * 200) + b"]",
    ],
)
def test_what_is_no_fetch(text: bytes) -> None:
    for _ in range(2):
        with pytest.raises(ParseError):
            parsed(text)
