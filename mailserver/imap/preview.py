"""The PREVIEW of a message: its first words, written once at delivery (RFC 8970)."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from foundation.mime.entities import decode_references
from foundation.mime.excerpts import read_excerpt

if TYPE_CHECKING:
    from foundation.mime.parts import Part

MAX_PREVIEW: Final = 200
"""Characters; RFC 8970 §3.1 allows 256."""
MAX_PARTS: Final = 100
"""Parts among which texts are looked for."""
MAX_TEXTS: Final = 3
"""Texts that are tried until one has words."""
MAX_PLAIN_OCTETS: Final = 4 * 1024
MAX_HTML_OCTETS: Final = 96 * 1024
"""Octets read of a text; HTML may have long styles in front."""

_END_OF_HIDDEN: Final = MappingProxyType(
    {"!--": re.compile("-->")}
    | {
        name: re.compile(rf"</{name}\b[^<>]*>?", re.IGNORECASE)
        for name in ("script", "style", "template", "title")
    }
)
_HIDDEN: Final = re.compile(r"<(!--|script\b|style\b|template\b|title\b)", re.IGNORECASE)
_INLINE: Final = re.compile(
    r"</?(?:a|b|em|font|i|mark|o:p|s|small|span|strong|sub|sup|u)(?:[\s/][^<>]*)?>", re.IGNORECASE
)
_TAG: Final = re.compile(r"<[a-zA-Z/!?][^<>]*(?:>|\Z)")
_QUOTE: Final = re.compile(r"<blockquote\b", re.IGNORECASE)
# Controls, invisible characters, and those that turn the direction of writing; what joins letters and emoji stays.
_UNSHOWN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_ATTRIBUTION_STARTS: Final = ("Le ", "On ")
_ATTRIBUTION_ENDS: Final = ("a écrit :", "a écrit:", "a écrit\xa0:", "a écrit\u202f:", "wrote:")


def preview(message: bytes, root: Part) -> str:
    """The first MAX_PREVIEW characters of the message's text on one line, or "" where it has none.

    Of the first text that has words; what it quotes is left out unless there is nothing else. Never raises; linear
    in the octets that are read.
    """
    for part in _texts(root):
        if part.subtype == "html":
            source = read_excerpt(message, part, MAX_HTML_OCTETS).text
            own = _QUOTE.split(source, maxsplit=1)[0]
            words = _words(_without_markup(own)) or _words(_without_markup(source))
        else:
            source = read_excerpt(message, part, MAX_PLAIN_OCTETS).text
            words = _words(_own_lines(source)) or _words(source)
        if words:
            return words
    return ""


def _texts(root: Part) -> list[Part]:
    """The first texts that a person reads, in the order of the message; nothing of messages inside it."""
    found: list[Part] = []
    waiting = [root]
    for _ in range(MAX_PARTS):
        if not waiting or len(found) == MAX_TEXTS:
            break
        part = waiting.pop()
        if part.is_multipart:
            waiting.extend(reversed(part.children[:MAX_PARTS]))
        elif part.content_type in ("text/plain", "text/html") and part.disposition != "attachment":
            found.append(part)
    return found


def _own_lines(text: str) -> str:
    """The lines above a signature that quote nothing, nor say who is quoted."""
    kept: list[str] = []
    enough = 4 * MAX_PREVIEW
    for line in map(str.strip, text.split("\n")):
        if line == "--" or enough < 0:
            break
        if line.startswith(">"):
            continue
        if line.endswith(_ATTRIBUTION_ENDS):
            if line.startswith(_ATTRIBUTION_STARTS):
                continue
            if kept and kept[-1].startswith(_ATTRIBUTION_STARTS):  # it was folded
                kept.pop()
                continue
        kept.append(line)
        enough -= len(line)
    return "\n".join(kept)


def _without_markup(source: str) -> str:
    return decode_references(_TAG.sub(" ", _INLINE.sub("", _shown(source))))


def _shown(source: str) -> str:
    """HTML without comments, and without elements that show nothing; one that is not closed hides the rest."""
    pieces = []
    at = 0
    while (hidden := _HIDDEN.search(source, at)) is not None:
        pieces.append(source[at : hidden.start()])
        end = _END_OF_HIDDEN[hidden[1].lower()].search(source, hidden.end())
        if end is None:
            return " ".join(pieces)
        at = end.end()
    pieces.append(source[at:])
    return " ".join(pieces)


def _words(text: str) -> str:
    return " ".join(_UNSHOWN.sub("", text).split())[:MAX_PREVIEW].rstrip()
