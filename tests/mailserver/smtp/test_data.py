from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.smtp.data import MAXIMUM_LINE, ContentFault, DataReader


def read(*blocks: bytes, limit: int = 1_000_000) -> DataReader:
    reader = DataReader(limit)
    ended = [reader.feed(block) for block in blocks]
    assert ended == [False] * (len(blocks) - 1) + [True]
    return reader


def stuffed(content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


def test_it_takes_one_dot_off_a_line() -> None:
    assert read(b"..a\r\n...\r\nb.\r\n.c\r\n.\r\n").content.getvalue() == b".a\r\n..\r\nb.\r\nc\r\n"


def test_an_empty_message_is_empty() -> None:
    assert read(b".\r\n").content.getvalue() == b""


def test_an_empty_first_line_is_kept() -> None:
    assert read(b"\r\n", b"\r\n", b"a\r\n.\r\n").content.getvalue() == b"\r\n\r\na\r\n"


def test_what_follows_the_end_is_handed_back() -> None:
    reader = read(b"a\r\n.\r\nQUIT\r\n")
    assert reader.rest == b"QUIT\r\n"
    assert reader.content.getvalue() == b"a\r\n"


@given(st.data())
def test_the_cut_into_blocks_changes_nothing(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from([b"", b".", b"..", b"...", b"a", b".a", b"a."]), max_size=8))
    content = b"".join(line + b"\r\n" for line in lines)
    wire = stuffed(content) + b"REST"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 5), max_size=6)))
    blocks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    reader = DataReader(1000)
    ended = False
    for block in blocks:
        assert not ended
        ended = reader.feed(block)
    assert ended
    assert reader.content.fault is None
    assert reader.content.getvalue() == content
    assert reader.rest == b"REST"


@pytest.mark.parametrize(
    ("false_end", "fault"),
    [
        (b"\n.\n", ContentFault.BARE_LINE_END),
        (b"\n.\r\n", ContentFault.BARE_LINE_END),
        (b"\r\n.\n", ContentFault.BARE_LINE_END),
        (b"\r.\r", ContentFault.BARE_LINE_END),
        (b"\r.\r\n", ContentFault.BARE_LINE_END),
        (b"\r\n.\r", ContentFault.BARE_LINE_END),
        (b"\n\n.\r\n", ContentFault.BARE_LINE_END),
        (b"\r\n\0.\r\n", ContentFault.NUL),
        (b"\r\n.\0\r\n", ContentFault.NUL),
        (b"\0\r\n.x\r\n", ContentFault.NUL),
    ],
)
def test_nothing_else_ends_the_data_nor_is_taken(false_end: bytes, fault: ContentFault) -> None:
    wire = b"hi" + false_end + b"MAIL FROM:<x@y.fr>\r\n.\r\n"
    whole = read(wire)
    assert whole.content.fault is fault
    assert whole.content.getvalue() == b""
    assert whole.rest == b""
    octets = read(*(wire[i : i + 1] for i in range(len(wire))))
    assert octets.content.fault is fault


def test_a_line_of_8_kb_is_taken() -> None:
    line = b"x" * MAXIMUM_LINE + b"\r\n"
    for size in (1, 1000, 8192, 8193, 8194, 100_000):
        wire = line * 3 + b".\r\n"
        blocks = [wire[i : i + size] for i in range(0, len(wire), size)]
        assert read(*blocks).content.getvalue() == line * 3


def test_a_longer_line_is_not() -> None:
    wire = b"a\r\n" + b"x" * (MAXIMUM_LINE + 1) + b"\r\nb\r\n.\r\n"
    for size in (1, 1000, 8192, 8193, 100_000):
        blocks = [wire[i : i + size] for i in range(0, len(wire), size)]
        assert read(*blocks).content.fault is ContentFault.LONG_LINE


def test_what_is_too_big_is_counted_but_not_kept() -> None:
    reader = DataReader(1000)
    for _ in range(100):
        assert not reader.feed(b"x" * 98 + b"\r\n")
    assert reader.content.fault is ContentFault.TOO_BIG
    assert reader.content.getvalue() == b""
    assert reader.feed(b".\r\n")
    assert reader.content.size == 10_000


def test_exactly_the_limit_is_taken() -> None:
    assert read(b"x" * 98 + b"\r\n.\r\n", limit=100).content.fault is None
    assert read(b"x" * 99 + b"\r\n.\r\n", limit=100).content.fault is ContentFault.TOO_BIG
