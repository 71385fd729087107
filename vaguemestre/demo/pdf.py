"""Small PDF files for the demonstration: a page of text, and a page that looks scanned."""

from __future__ import annotations

import hashlib
import textwrap
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 595
_HEIGHT = 842
_MARGIN = 64
_CHARACTERS = 84
_ESCAPED = str.maketrans({"\\": r"\\", "(": r"\(", ")": r"\)"})


def text_page(title: str, paragraphs: Sequence[str]) -> bytes:
    """One page: a title and paragraphs."""
    lines = [line for each in paragraphs for line in (*textwrap.wrap(each, _CHARACTERS), "")]
    operators = [f"BT /F1 16 Tf {_MARGIN} {_HEIGHT - 90} Td ({_quoted(title)}) Tj ET"]
    operators.append(f"BT /F1 10.5 Tf 15 TL {_MARGIN} {_HEIGHT - 130} Td")
    operators += [f"({_quoted(line)}) Tj T*" for line in lines]
    operators.append("ET")
    page = zlib.compress("\n".join(operators).encode("cp1252", "replace"))
    return _file(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            _stream("<</Filter/FlateDecode", page),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        ]
    )


def scanned_page(side: int, origin: str) -> bytes:
    """One page with a grey picture of `side` x `side` points, grainy as a scan and so hardly compressible."""
    block = hashlib.shake_256(origin.encode()).digest(side * side)
    paper = bytes(200 + grain % 48 for grain in block)
    place = f"q {_WIDTH - 2 * _MARGIN} 0 0 {_WIDTH - 2 * _MARGIN} {_MARGIN} 240 cm /Im1 Do Q".encode()
    picture = (
        f"<</Type/XObject/Subtype/Image/Width {side}/Height {side}/ColorSpace/DeviceGray/BitsPerComponent 8"
        "/Filter/FlateDecode"
    )
    return _file(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</Im1 5 0 R>>>>>>",
            _stream("<<", place),
            _stream(picture, zlib.compress(paper)),
        ]
    )


def _quoted(text: str) -> str:
    return text.translate(_ESCAPED)


def _stream(dictionary: str, data: bytes) -> bytes:
    return dictionary.encode() + f"/Length {len(data)}>>\nstream\n".encode() + data + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    """ISO 32000-1 §7.5: header, objects, the table of their offsets, trailer."""
    written = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(written))
        written += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    written += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    written += f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(written)
