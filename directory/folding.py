"""One form of a text for comparing and searching: no accents, no case, words apart by single spaces."""

from __future__ import annotations

import unicodedata

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})


def fold(text: str) -> str:
    """``"Cœur d'Anaïs-MARIE"`` → ``"coeur d anais marie"``."""
    plain = text.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain.translate(_LIGATURES)).casefold()
        plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join("".join(character if character.isalnum() else " " for character in plain).split())
