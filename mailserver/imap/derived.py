"""What was worked out of the messages of folders (orders, threads, numbers of mails), as long as it holds.

Messages never change, so it holds while the same are in the folder: while `image.uids` is the same array.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

CAPACITY = 32 * 1024 * 1024
"""Octets; what was longest not asked for goes first."""


class Derived:
    """Kept by one process for all its sessions; used from the event loop."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[int, Hashable], tuple[Sequence[int], Any, int]] = OrderedDict()
        self._octets = 0

    def get(self, folder_id: int, what: Hashable, uids: Sequence[int]) -> Any | None:
        """What was kept for a folder with this very array of UIDs."""
        kept = self._kept.get((folder_id, what))
        if kept is None or kept[0] is not uids:
            return None
        self._kept.move_to_end((folder_id, what))
        return kept[1]

    def get_of_beginning(self, folder_id: int, what: Hashable, uids: Sequence[int]) -> Any | None:
        """What was kept of a folder when it had these UIDs, or only the first of them."""
        kept = self._kept.get((folder_id, what))
        if kept is None or (kept[0] is not uids and kept[0] != uids[: len(kept[0])]):
            return None
        self._kept.move_to_end((folder_id, what))
        return kept[1]

    def keep(self, folder_id: int, what: Hashable, uids: Sequence[int], value: Any, octets: int) -> None:
        """Keeps a value that takes about so many octets, in place of the one before."""
        before = self._kept.pop((folder_id, what), None)
        if before is not None:
            self._octets -= before[2]
        self._kept[folder_id, what] = (uids, value, octets)
        self._octets += octets
        while self._octets > self._capacity:
            self._octets -= self._kept.popitem(last=False)[1][2]
