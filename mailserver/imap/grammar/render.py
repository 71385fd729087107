"""Values to bytes: strings, mailbox names, flags and lists of answers (RFC 3501 §9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailserver.imap.grammar import utf7

if TYPE_CHECKING:
    from collections.abc import Iterable

_ATOM_ONLY = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,512}")


def literal(content: bytes) -> bytes:
    """literal"""
    return b"{%d}\r\n%b" % (len(content), content)


def string(content: bytes) -> bytes:
    """quoted where short printable ASCII, literal otherwise."""
    if _QUOTABLE.fullmatch(content) is None:
        return literal(content)
    return b'"' + content.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def nstring(content: bytes | None) -> bytes:
    """string / nil"""
    return b"NIL" if content is None else string(content)


def astring(content: bytes) -> bytes:
    """A bare atom where that is possible, a string otherwise."""
    if _ATOM_ONLY.fullmatch(content) is not None and content.upper() != b"NIL":
        return content
    return string(content)


def mailbox(name: str) -> bytes:
    """A mailbox name in modified UTF-7."""
    return astring(utf7.encode(name))


def mailbox_utf8(name: str) -> bytes:
    """A mailbox name for a client that enabled UTF-8 (RFC 9051 §5.1)."""
    if name.isascii():
        return astring(name.encode("ascii"))
    return b'"' + name.encode("utf-8").replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def flags(names: Iterable[str]) -> bytes:
    """flag-list"""
    return b"(" + " ".join(names).encode("ascii") + b")"
