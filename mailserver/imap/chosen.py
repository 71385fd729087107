"""The messages a command is about, some at a time: their numbers, UIDs and places in the folder's image."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap import flags
from mailserver.store.selection import UidBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mailserver.imap.selected import SelectedFolder
    from mailserver.store.images import FolderImage


@dataclass(frozen=True, slots=True)
class Chosen:
    """Messages of one image, ascending: what has the same place in the sequences is of one message."""

    image: FolderImage
    numbers: Sequence[int]
    places: Sequence[int]
    uids: Sequence[int]

    def __len__(self) -> int:
        return len(self.uids)

    def column(self, values: Sequence[int]) -> Sequence[int]:
        """What an array of the image has for these messages."""
        if isinstance(self.places, range):
            return values[self.places.start : self.places.stop]
        return [values[place] for place in self.places]

    def part(self, start: int, stop: int) -> Chosen:
        """Those in a row."""
        return Chosen(self.image, self.numbers[start:stop], self.places[start:stop], self.uids[start:stop])

    def only(self, positions: Sequence[int]) -> Chosen:
        """Some of them."""
        return Chosen(
            self.image,
            [self.numbers[position] for position in positions],
            [self.places[position] for position in positions],
            [self.uids[position] for position in positions],
        )

    def changed_since(self, modseq: int) -> Chosen:
        """Those with a later modification sequence."""
        if self.image.modseq <= modseq:
            return self.only(())
        later = [position for position, each in enumerate(self.column(self.image.modseqs)) if each > modseq]
        return self if len(later) == len(self) else self.only(later)

    def batch(self, positions: Sequence[int]) -> UidBatch:
        """Some of them (all where no UID is between them but theirs) for a query."""
        first, last = positions[0], positions[-1]
        if isinstance(self.places, range) and last - first == len(positions) - 1:
            return UidBatch(self.uids[first], self.uids[last])
        uids = tuple(self.uids[position] for position in positions)
        return UidBatch(uids[0], uids[-1], uids)

    def flag_lists(self, folder: SelectedFolder) -> list[bytes]:
        """FLAGS of each, as this session sees them."""
        bits = self.column(self.image.flags)
        lists = flags.texts(bits)
        for first, after in folder.recent_ranges:
            start, stop = bisect_left(self.uids, first), bisect_left(self.uids, after)
            lists[start:stop] = flags.texts(bits[start:stop], recent=True)
        keywords = self.image.keywords
        if keywords:
            for position, uid in enumerate(self.uids):
                if uid in keywords:
                    recent = folder.is_recent(uid)
                    lists[position] = flags.text(bits[position], keywords[uid], recent=recent)
        return lists


def choose(
    folder: SelectedFolder, slices: Iterable[tuple[int, int]], size: int
) -> Iterator[tuple[Chosen, int]]:
    """Cuts slices of the folder's UIDs (positions, half-open, ascending) into messages, at most `size` at a time.

    With each how many of the client's messages are in no image any more.
    """
    slices = list(slices)
    image = folder.image
    if len(slices) == 1 and not folder.has_ghosts:
        first, last = slices[0]
        for start in range(first, last, size):
            stop = min(start + size, last)
            yield Chosen(image, range(start + 1, stop + 1), range(start, stop), image.uids[start:stop]), 0
        return
    waiting: list[int] = []
    for first, last in slices:
        position = first
        while position < last:
            stop = min(last, position + size - len(waiting))
            waiting += range(position, stop)
            position = stop
            if len(waiting) == size:
                yield _known(folder, waiting)
                waiting = []
    if waiting:
        yield _known(folder, waiting)


def _known(folder: SelectedFolder, positions: Sequence[int]) -> tuple[Chosen, int]:
    image, uids = folder.image, folder.uids
    if folder.has_ghosts:
        known = [position for position in positions if image.place_of(uids[position]) is not None]
        places = [place for position in known if (place := image.place_of(uids[position])) is not None]
    else:
        known = places = list(positions)
    numbers = [position + 1 for position in known]
    chosen = Chosen(image, numbers, places, [uids[position] for position in known])
    return chosen, len(positions) - len(known)


def cut(slices: Iterable[tuple[int, int]], window: slice) -> list[tuple[int, int]]:
    """What of slices (half-open, ascending) is in a window over all their places."""
    kept = []
    before = 0
    for first, last in slices:
        start, stop = first + max(window.start - before, 0), min(first + window.stop - before, last)
        if start < stop:
            kept.append((start, stop))
        before += last - first
    return kept
