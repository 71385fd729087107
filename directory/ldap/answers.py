"""Answers that were given lately: many people type the same three letters, and the directory changes once a day."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from directory.ldap.search import Answer

_OWN_OCTETS = 512
"""Of one that is kept, beside its entries and what was asked; an entry takes some dozens more than its octets."""
_ENTRY_OCTETS = 50


class Answers:
    """The latest answers, up to a bound on their octets. A key has to name all that an answer depends on."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Answer, int]] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable) -> Answer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def keep(self, key: Hashable, answer: Answer, asked_bytes: int) -> None:
        """Keeps an answer to a request of so many octets; those not asked for longest give way."""
        size = _OWN_OCTETS + asked_bytes + sum(map(len, answer.entries)) + _ENTRY_OCTETS * len(answer.entries)
        if key in self._kept or size > self._most // 8:
            return
        self._kept[key] = (answer, size)
        self._size += size
        while self._size > self._most:
            _, (_, freed) = self._kept.popitem(last=False)
            self._size -= freed
