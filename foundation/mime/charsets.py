"""Bytes in a named character set become text, whatever the name and whatever the bytes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_UNLABELLED: Final = frozenset(
    {"", "us-ascii", "ascii", "ansi-x3.4-1968", "646", "unknown-8bit", "x-unknown", "8bit"}
)

# An unknown name never reaches codecs.lookup: Python would try to import a module of that name and keep the
# answer for ever, and some of its codecs are no character sets at all (zip) or take quadratic time (punycode).
_CODECS: Final = MappingProxyType(
    {
        "utf-8": "utf-8",
        "utf8": "utf-8",
        # Mail that says latin-1 means windows-1252 (WHATWG Encoding §4.2).
        "iso-8859-1": "cp1252",
        "iso8859-1": "cp1252",
        "latin1": "cp1252",
        "latin-1": "cp1252",
        "l1": "cp1252",
        "iso-8859-15": "iso8859-15",
        "iso8859-15": "iso8859-15",
        "latin-9": "iso8859-15",
        "utf-16": "utf-16",
        "utf-16le": "utf-16-le",
        "utf-16be": "utf-16-be",
        "utf-32": "utf-32",
        "macintosh": "mac-roman",
        "x-mac-roman": "mac-roman",
        "mac-roman": "mac-roman",
        "koi8-r": "koi8-r",
        "koi8-u": "koi8-u",
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "gb18030": "gb18030",
        "big5": "big5hkscs",
        "big5-hkscs": "big5hkscs",
        "shift-jis": "cp932",
        "sjis": "cp932",
        "euc-jp": "euc-jp",
        "iso-2022-jp": "iso2022-jp-2",
        "euc-kr": "cp949",
        "ks-c-5601-1987": "cp949",
        "iso-2022-kr": "iso2022-kr",
        "tis-620": "iso8859-11",
    }
    | {f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16)}
    | {f"windows-{n}": f"cp{n}" for n in (874, *range(1250, 1259))}
    | {f"cp{n}": f"cp{n}" for n in (437, 850, 852, 858, 932, 936, 949, 950, *range(1250, 1259))}
    | {f"ibm{n}": f"cp{n}" for n in (437, 850, 852, 858)}
)


def decode(data: bytes, charset: str | None) -> str:
    """The text of `data`; what cannot be read becomes U+FFFD.

    Text without a label, or labelled US-ASCII, is read as UTF-8 when it is UTF-8 and as windows-1252 when it is
    not. A character set nobody knows is read as UTF-8.
    """
    name = (charset or "").strip().strip("\"'").lower().replace("_", "-")
    if name in _UNLABELLED:
        return decode_unlabelled(data)
    return data.decode(_CODECS.get(name, "utf-8"), "replace")


def decode_unlabelled(data: bytes) -> str:
    """The text of bytes that carry no label: UTF-8 if they are, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
