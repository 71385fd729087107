"""What counts as a reply, and what of it people get to see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.outbound.replies import Extensions, Garbled, Reply, ReplyReader


def read(*blocks: bytes) -> list[Reply]:
    reader = ReplyReader()
    return [reply for block in blocks for reply in reader.feed(block)]


def test_one_line_several_lines_and_a_bare_code() -> None:
    assert read(b"250 ok\r\n354\r\n250-a\r\n250-b\r\n250 c\r\n") == [
        Reply(250, (b"ok",)),
        Reply(354, (b"",)),
        Reply(250, (b"a", b"b", b"c")),
    ]


@given(st.lists(st.integers(1, 40), max_size=8))
def test_blocks_may_end_anywhere(cuts: list[int]) -> None:
    wire = b"220-mail.example\r\n220 hello\r\n550 5.1.1 no such box\r\n"
    blocks, start = [], 0
    for cut in cuts:
        blocks.append(wire[start : start + cut])
        start += cut
    blocks.append(wire[start:])
    assert read(*blocks) == read(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n",
        b"\r\n",
        b"25\r\n",
        b"2500 ok\r\n",
        b"150 wait\r\n",
        b"650 what\r\n",
        b"\xb2\xb5\xb0 ok\r\n",
        b"250_ok\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n\r\n250 b\r\n",
        b"250 " + b"x" * 3000 + b"\r\n",
        b"250 " + b"x" * 3000,
        b"250-x\r\n" * 200,
    ],
)
def test_everything_else_is_garbage(wire: bytes) -> None:
    with pytest.raises(Garbled):
        read(wire)


def test_an_endless_line_does_not_grow_the_memory() -> None:
    reader = ReplyReader()
    with pytest.raises(Garbled):
        for _ in range(1000):
            reader.feed(b"250 and so on and so on")


def test_part_of_a_reply_is_seen() -> None:
    reader = ReplyReader()
    assert reader.is_between_replies
    reader.feed(b"25")
    assert not reader.is_between_replies
    reader.feed(b"0-a\r\n")
    assert not reader.is_between_replies
    reader.feed(b"250 b\r\n")
    assert reader.is_between_replies


def test_the_text_is_printable_ascii_in_one_bounded_line() -> None:
    said = Reply(550, ("5.1.1 Bo\xeete\tinconnue\x1b[31m \u202ebcd".encode(), b"5.1.1 second", b"third"))
    assert said.text == "550 5.1.1 Boite inconnue [31m bcd second third"
    assert len(Reply(550, (b"x" * 2000,) * 8).text) == 400
    assert said.enhanced == "5.1.1"
    assert Reply(550, (b"nothing",)).enhanced is None


def test_extensions_are_read_without_case_and_size_with_its_limit() -> None:
    offered = Extensions.of(Reply(250, (b"PIPELINING hello", b"size 1000", b"Dsn", b"STARTTLS")))
    assert offered.names == {"SIZE", "DSN", "STARTTLS"}
    assert offered.size == 1000
    assert Extensions.of(Reply(250, (b"x", b"SIZE"))).size == 0
    assert Extensions.of(Reply(250, (b"x", b"SIZE \xb2"))).size == 0
