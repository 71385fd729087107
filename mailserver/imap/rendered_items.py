"""What FETCH said of messages and would say again: kept for all sessions of a process, up to a bound.

A message never changes under its UID, and neither folders nor UIDs are numbered anew, so nothing here is ever wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CAPACITY = 32 * 1024 * 1024
"""Octets of all that is kept; the longest unused goes first."""
_LARGEST = 16 * 1024
"""Longer renderings are not kept: a sender may have written an envelope of megabytes."""
_PAGE_BITS = 9
_OVERHEAD = 100
"""What a rendering costs beside its octets."""

_Page = tuple[int, bytes, int]
"""Folder, names of the items, and the UIDs that share their upper bits."""


@dataclass(slots=True)
class Made:
    """What never changes of some messages, by UID."""

    texts: dict[int, bytes] = field(default_factory=dict)
    final: dict[int, bytes] = field(default_factory=dict)
    """Those in which nothing is missing that comes later."""
    last: int | None = None
    """Where the reading stopped, when it became too much for one go."""

    def add(self, uid: int, text: bytes, *, is_final: bool) -> None:
        """One more."""
        self.texts[uid] = text
        if is_final:
            self.final[uid] = text


class RenderedItems:
    """Octets by folder, set of items and UID. Used from one event loop."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._pages: OrderedDict[_Page, dict[int, bytes]] = OrderedDict()
        self._weights: dict[_Page, int] = {}
        self.octets = 0

    def find(self, folder_id: int, items: bytes, uids: Sequence[int]) -> list[bytes | None]:
        """What is kept of these messages, one for each UID (ascending)."""
        found: list[bytes | None] = []
        start = 0
        while start < len(uids):
            number = uids[start] >> _PAGE_BITS
            stop = bisect_left(uids, (number + 1) << _PAGE_BITS, start)
            key = (folder_id, items, number)
            page = self._pages.get(key)
            if page is None:
                found += [None] * (stop - start)
            else:
                self._pages.move_to_end(key)
                found += map(page.get, uids[start:stop])
            start = stop
        return found

    def keep(self, folder_id: int, items: bytes, rendered: Mapping[int, bytes]) -> None:
        """Adds renderings by UID; what does not fit is made again when it is asked for."""
        for uid, octets in rendered.items():
            if len(octets) > _LARGEST:
                continue
            key = (folder_id, items, uid >> _PAGE_BITS)
            page = self._pages.setdefault(key, {})
            if uid not in page:
                weight = len(octets) + _OVERHEAD
                page[uid] = octets
                self._weights[key] = self._weights.get(key, 0) + weight
                self.octets += weight
        while self.octets > self._capacity:
            oldest, _ = self._pages.popitem(last=False)
            self.octets -= self._weights.pop(oldest)
