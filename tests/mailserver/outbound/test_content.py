"""How a stored message goes over the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.outbound.content import Body, Stuffing, Unsendable, header_of
from mailserver.refusals import BARE_LINE_END, NUL_IN_MESSAGE


def stuffed(*blocks: bytes) -> bytes:
    stuffing = Stuffing()
    return b"".join([*(stuffing.add(block) for block in blocks), stuffing.end()])


def unstuffed(wire: bytes) -> bytes:
    """As RFC 5321 §4.5.2 tells the receiver."""
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    lines = wire[:-3].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@given(st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a", b"a.", b"..."]), max_size=12), st.data())
def test_what_the_receiver_reads_is_what_was_stored(lines: list[bytes], data: st.DataObject) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    blocks = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    wire = stuffed(*blocks)
    assert unstuffed(wire) == content
    assert b"\r\n.\r\n" not in wire[:-5]
    assert not content or not wire.startswith(b".\r\n")


def test_a_last_line_without_its_end_gets_one() -> None:
    assert stuffed(b"a\r\nb") == b"a\r\nb\r\n.\r\n"
    assert stuffed(b"a\r\n") == b"a\r\n.\r\n"
    assert stuffed() == b".\r\n"


@pytest.mark.parametrize(
    "blocks",
    [
        (b"a\nb\r\n",),
        (b"a\rb\r\n",),
        (b"a\r\n.\rb",),
        (b"a\r", b"b"),
        (b"a\r", b"\r\n"),
        (b"a\r\n\n",),
        (b"a", b"\nb"),
        (b"a\r",),
        (b"\n.\r\n",),
    ],
)
def test_a_lone_cr_or_lf_never_goes_out(blocks: tuple[bytes, ...]) -> None:
    with pytest.raises(Unsendable) as caught:
        stuffed(*blocks)
    assert caught.value.refusal is BARE_LINE_END


def test_a_cr_at_the_end_of_a_block_waits_for_its_lf() -> None:
    assert stuffed(b"a\r", b"\n.b\r", b"", b"\n") == b"a\r\n..b\r\n.\r\n"


def test_nul_never_goes_out() -> None:
    with pytest.raises(Unsendable) as caught:
        stuffed(b"a\0b\r\n")
    assert caught.value.refusal is NUL_IN_MESSAGE


def test_the_return_path_at_the_top_is_taken_off_folded_or_not_and_nothing_else() -> None:
    rest = b"From: a@b\r\nReturn-Path: <x@y>\r\n\r\nReturn-Path: <z>\r\n"
    for top in (b"Return-Path: <a@b>\r\n", b"RETURN-PATH : <a@b>\r\n", b"return-path:\r\n <a@b>\r\n\tx\r\n"):
        body = Body(top + rest, len(top + rest))
        assert body.start == rest
        assert body.size == len(rest)
    assert Body(rest, len(rest)).start == rest


def test_the_header_ends_with_its_last_line_end() -> None:
    assert header_of(b"a: b\r\nc: d\r\n\r\nbody") == b"a: b\r\nc: d\r\n"
    assert header_of(b"a: b\r\n") == b"a: b\r\n"
