"""LIST patterns (RFC 3501 §6.3.8), matched without backtracking: all positions are tried at once, as bits."""

from __future__ import annotations

from collections import defaultdict

from mailserver.imap.grammar.cursor import inbox_in_capitals

SEPARATOR = "/"
MAX_PATTERN = 1024


class ListPattern:
    """A pattern in which `*` stands for anything and `%` for anything but the separator."""

    __slots__ = ("_accept", "_any", "_level", "_literals", "text")

    def __init__(self, text: str) -> None:
        self.text = _first_level_in_capitals(text)
        collapsed = _collapse(self.text)
        # A name has at most 255 characters, so a longer pattern matches none of them.
        if len(collapsed) > MAX_PATTERN:
            collapsed = SEPARATOR
        self._literals: defaultdict[str, int] = defaultdict(int)
        self._any = 0
        self._level = 0
        for place, character in enumerate(collapsed):
            if character == "*":
                self._any |= 1 << place
            elif character == "%":
                self._level |= 1 << place
            else:
                self._literals[character] |= 1 << place
        self._accept = 1 << len(collapsed)

    def matches(self, name: str) -> bool:
        """True when the whole name is covered."""
        states = self._skip_wildcard(1)
        for character in name:
            stay = states & self._any
            if character != SEPARATOR:
                stay |= states & self._level
            states = self._skip_wildcard(stay | ((states & self._literals.get(character, 0)) << 1))
            if not states:
                return False
        return bool(states & self._accept)

    def _skip_wildcard(self, states: int) -> int:
        # Neighbouring wildcards were merged, so one step is enough.
        return states | ((states & (self._any | self._level)) << 1)


def _collapse(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character in "*%" and kept and kept[-1] in "*%":
            if character == "*":
                kept[-1] = "*"
            continue
        kept.append(character)
    return "".join(kept)


def _first_level_in_capitals(text: str) -> str:
    level, separator, rest = text.partition(SEPARATOR)
    head = level.rstrip("*%")
    return inbox_in_capitals(head) + level[len(head) :] + separator + rest
