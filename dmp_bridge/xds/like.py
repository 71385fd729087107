"""Patterns of SQL's LIKE, as authorPerson is asked for: `%` is any text, `_` any character (TF-2 §3.18.4.1.2.3.7.1)."""

from __future__ import annotations

import re


class Pattern:
    """One pattern. Each piece between two `%` is looked for behind the one before: nothing is tried twice."""

    def __init__(self, text: str) -> None:
        first, *others = text.split("%")
        self._first = _compiled(first)
        self._middle = [_compiled(piece) for piece in others[:-1]]
        self._last = (_compiled(others[-1]), len(others[-1])) if others else None

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says."""
        begin = self._first.match(text)
        if begin is None:
            return False
        position = begin.end()
        if self._last is None:
            return position == len(text)
        for piece in self._middle:
            found = piece.search(text, position)
            if found is None:
                return False
            position = found.end()
        last, length = self._last
        return len(text) - length >= position and last.match(text, len(text) - length) is not None


def _compiled(piece: str) -> re.Pattern[str]:
    # No quantifier: as long as the piece, whatever it matches.
    return re.compile("".join("." if each == "_" else re.escape(each) for each in piece), re.DOTALL)
