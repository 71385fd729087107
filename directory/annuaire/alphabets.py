"""The text of a row that the trigram index holds, in which every field has an alphabet of its own.

The letters of each field are moved to code points that no other field uses. So one column of one FTS5 index
serves all fields: a search in names never meets the trigrams of half a million times "infirmier", and a word
that no name holds is found missing as fast as one that many hold. Each value stands between two borders, so that
its beginning and its end can be looked for.

Field 0 keeps its ASCII letters, the others take code points of two bytes (measured: the index is built in half
the time of one with code points of three).
"""

from __future__ import annotations

MOST_FIELDS = 16
_FIRST, _LAST = 0x20, 0x7F
_LETTERS = _LAST - _FIRST + 1
_TWO_BYTES = 0x80
_PLANE = 0x10000
_REPLACEMENT = 0xFFFD
BORDER = "\x7f"
"""Before and behind a value; neither a text nor an address holds it."""
END = "\x01\x01"
"""Behind the last value of a row, so that a trigram begins at each of its letters; in nobody's alphabet."""


class Alphabet(dict[int, str]):
    """The letters of the field with this number, for `str.translate`."""

    def __init__(self, number: int) -> None:
        assert number < MOST_FIELDS
        super().__init__()
        self._number = number

    def __missing__(self, code: int) -> str:
        if _FIRST <= code <= _LAST:
            moved = chr(_TWO_BYTES + (self._number - 1) * _LETTERS + code - _FIRST if self._number else code)
        else:
            # what is left of other scripts and signs: to planes of their own, a field each
            moved = chr((code if code < _PLANE else _REPLACEMENT) + _PLANE * (self._number + 1))
        if len(self) < _PLANE:
            self[code] = moved
        return moved


ALPHABETS = tuple(Alphabet(number) for number in range(MOST_FIELDS))


def index_text(number: int, value: str) -> str:
    """What the index holds of a folded value of the field with this number."""
    return f"{BORDER}{value}{BORDER}".translate(ALPHABETS[number])


def piece(number: int, text: str) -> str:
    """A part of a folded value in the alphabet of its field."""
    return text.translate(ALPHABETS[number])


def trigrams(text: str) -> list[str]:
    """Every three neighbours of a text, as the index counts them."""
    return [text[at : at + 3] for at in range(len(text) - 2)]
