"""Transfer encodings undone a piece at a time."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.imap.binary import UnknownEncoding, decoded, decoder
from mailserver.imap.section import Encoding


def in_pieces(text: bytes, encoding: Encoding, size: int) -> bytes:
    undoing = decoder(encoding)
    pieces = [undoing.feed(text[start : start + size]) for start in range(0, len(text), size)]
    return b"".join([*pieces, undoing.finish()])


@given(st.binary(max_size=300), st.integers(1, 50))
def test_base64_is_undone_wherever_it_is_cut(content: bytes, size: int) -> None:
    text = base64.encodebytes(content).replace(b"\n", b"\r\n")
    assert in_pieces(text, Encoding.BASE64, size) == content


@given(st.binary(max_size=300), st.integers(1, 50))
def test_quoted_printable_is_undone_wherever_it_is_cut(content: bytes, size: int) -> None:
    text = quopri.encodestring(content.replace(b"\r", b"").replace(b"\n", b"")).replace(b"\n", b"\r\n")
    expected = content.replace(b"\r", b"").replace(b"\n", b"")
    assert in_pieces(text, Encoding.QUOTED_PRINTABLE, size) == expected


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        (Encoding.IDENTITY, b"a=3D\0", b"a=3D\0"),
        (Encoding.BASE64, b"", b""),
        (Encoding.BASE64, b"QUJ DRE\r\n-VG", b"ABCDEF"),
        (Encoding.BASE64, b"QUI=QUJD", b"AB"),
        (Encoding.BASE64, b"QUJDR", b"ABC"),
        (Encoding.BASE64, b"QUJDRE", b"ABCD"),
        (Encoding.QUOTED_PRINTABLE, b"a=zzb=", b"a=zzb"),
        (Encoding.QUOTED_PRINTABLE, b"a=\r\nb=3d", b"ab="),
    ],
)
def test_broken_text_gives_what_can_be_had(encoding: Encoding, text: bytes, expected: bytes) -> None:
    assert decoded(text, encoding) == expected


def test_an_encoding_that_nobody_knows_is_said_to_be_so() -> None:
    with pytest.raises(UnknownEncoding):
        decoded(b"x", Encoding.UNKNOWN)
