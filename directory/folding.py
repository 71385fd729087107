"""One form of a text for comparing and searching: no accents, no case, words apart by single spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MARKS = re.compile("[\u0300-\u036f]+")
_APART = re.compile(r"[\W_]+")
_LIGATURES = (("œ", "oe"), ("æ", "ae"), ("ø", "o"), ("ł", "l"), ("đ", "d"))


@lru_cache(maxsize=32_768)
def fold(text: str) -> str:
    """``"Cœur d'Anaïs-MARIE"`` → ``"coeur d anais marie"``."""
    # kept, since the same names, towns and professions are compared again and again
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain).casefold()
        plain = _MARKS.sub("", unicodedata.normalize("NFKD", plain))
        for ligature, letters in _LIGATURES:
            plain = plain.replace(ligature, letters)
    return _APART.sub(" ", plain).strip()
