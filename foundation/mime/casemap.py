"""Text is brought to one form before it is compared: folded for SEARCH, mapped by i;unicode-casemap for SORT (RFC 5051)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from types import MappingProxyType
from typing import Final

MAX_TRIGRAMS: Final = 16

MAX_REPLACEMENTS: Final = 100
"""Distinct characters that are replaced one after the other; more of them are looked up one by one."""

_ASCII: Final = bytes(
    0x20 if code != 0x0A and (code < 0x20 or code == 0x7F) else code for code in range(256)
).lower()
_ALIKE: Final = MappingProxyType(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "‘": "'", "’": "'", "ʼ": "'", "´": "'",
        "“": '"', "”": '"', "\u2010": "-", "\u2011": "-",
    }
)  # fmt: skip
"""What people type for a character, where Unicode has no decomposition that says so."""


def fold_text(text: str) -> str:
    """The form in which texts are searched: without case, accents and the marks that keyboards do not have.

    Each character stands for itself: case-folded, decomposed (NFKD), without its combining marks; a control character
    other than LF is a space, CR LF is LF. So what is part of a text is part of it when both are folded, and SEARCH
    stays the substring search of RFC 9051 §6.4.4. White space is not collapsed. Folding twice changes nothing.
    """
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    if text.isascii():
        return text.encode("ascii").translate(_ASCII).decode("ascii")
    changes = {
        character: folded for character in set(text) if (folded := _fold_character(character)) != character
    }
    if len(changes) > MAX_REPLACEMENTS:
        return text.translate({ord(character): folded for character, folded in changes.items()})
    for character, folded in changes.items():
        text = text.replace(character, folded)
    return text


def fold_needle(text: str) -> str:
    """What is looked for, in the form of `fold_text`."""
    return fold_text(text)


def trigrams_of(needle: str) -> tuple[str, ...]:
    """The distinct three-character pieces by which an index is asked for texts that may hold the folded needle.

    At most MAX_TRIGRAMS, spread over the needle; none when it is shorter than three characters.
    """
    pieces = tuple(dict.fromkeys(needle[at : at + 3] for at in range(len(needle) - 2)))
    if len(pieces) <= MAX_TRIGRAMS:
        return pieces
    return tuple(pieces[at * (len(pieces) - 1) // (MAX_TRIGRAMS - 1)] for at in range(MAX_TRIGRAMS))


def unicode_casemap(text: str) -> str:
    """The key of a text under the collation i;unicode-casemap (RFC 5051 §2): title case, then fully decomposed.

    Keys compare by code point, which is the order of their UTF-8 octets.
    """
    if text.isascii():
        return text.upper()
    return unicodedata.normalize("NFKD", "".join(map(_title, text)))


@lru_cache(maxsize=4096)
def _title(character: str) -> str:
    # RFC 5051 knows only mappings to one character: "ß" stays.
    title = character.title()
    return title if len(title) == 1 else character


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character.isascii():
        return chr(_ASCII[ord(character)])
    folded, before = character, ""
    while folded != before:  # a folded letter may have a mark or a case of its own
        before = folded
        folded = "".join(
            piece
            for letter in folded.casefold()
            for piece in unicodedata.normalize("NFKD", _ALIKE.get(letter, letter))
            if not unicodedata.combining(piece)
        )
    return folded
