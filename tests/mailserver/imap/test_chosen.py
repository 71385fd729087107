"""Which messages a command is about, some at a time."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from mailserver.imap.chosen import Chosen, choose, cut
from mailserver.imap.selected import SelectedFolder
from mailserver.store.folders import Folder
from mailserver.store.images import FolderImage, FolderState
from mailserver.store.rights import Place
from mailserver.store.selection import UidBatch

COUNT = 10


def image(uids: list[int], keywords: dict[int, str] | None = None) -> FolderImage:
    count = len(uids)
    return FolderImage(
        1,
        FolderState(count + 1, uids[-1] + 1, 1),
        array("I", uids),
        bytes(uid % 2 for uid in uids),
        array("Q", range(1, count + 1)),
        array("I", [uid * 10 for uid in uids]),
        array("q", [0] * count),
        keywords or {},
    )


def folder(of: FolderImage, *, recent: bool = False) -> SelectedFolder:
    row: dict[str, Any] = {"id": 1, "owner_id": 1, "name": "INBOX", "special_use": None, "uidvalidity": 1}
    row |= {"uidnext": of.state.uidnext, "modseq": of.modseq, "recent_uid": of.uids[5] if recent else 99}
    made = SelectedFolder("INBOX", Place(1, "INBOX"), Folder(**row), of, is_read_only=False)
    if recent:
        made._add_recent(of.uids[5], of.uids[7])
    return made


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (slice(0, 2), [(1, 3)]),
        (slice(1, 4), [(2, 3), (5, 7)]),
        (slice(2, 4), [(5, 7)]),
        (slice(4, 99), [(7, 9)]),
        (slice(6, 99), []),
    ],
)
def test_a_window_is_cut_out_of_several_ranges(window: slice, expected: list[tuple[int, int]]) -> None:
    assert cut([(1, 3), (5, 9)], window) == expected


@pytest.mark.parametrize("slices", [[(0, 10)], [(0, 3), (5, 10)], [(1, 2), (3, 4), (9, 10)]])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_all_are_chosen_in_their_order(slices: list[tuple[int, int]], size: int) -> None:
    of = image([3 * number for number in range(1, COUNT + 1)])
    batches = [chosen for chosen, gone in choose(folder(of), slices, size) if not gone]
    positions = [position for start, stop in slices for position in range(start, stop)]
    assert all(0 < len(batch) <= size for batch in batches)
    assert [number for batch in batches for number in batch.numbers] == [each + 1 for each in positions]
    assert [uid for batch in batches for uid in batch.uids] == [of.uids[each] for each in positions]
    sizes = [size for batch in batches for size in batch.column(of.sizes)]
    assert sizes == [of.sizes[each] for each in positions]


def test_what_is_in_no_image_any_more_is_counted_and_left_out() -> None:
    before = folder(image(list(range(1, 11))))
    before.image = image([1, 2, 4, 5, 6, 7, 9, 10])
    before._ghosts = [3, 8]
    [(chosen, gone)] = choose(before, [(1, 9)], 100)
    assert (list(chosen.uids), list(chosen.numbers), gone) == ([2, 4, 5, 6, 7, 9], [2, 4, 5, 6, 7, 9], 2)
    assert [before.image.uids[place] for place in chosen.places] == list(chosen.uids)


def test_only_what_changed_later_is_left() -> None:
    [(chosen, _)] = choose(folder(image(list(range(1, 11)))), [(0, 10)], 100)
    assert list(chosen.changed_since(7).uids) == [8, 9, 10]
    assert list(chosen.part(0, 8).changed_since(7).uids) == [8]
    assert len(chosen.changed_since(11)) == 0
    assert chosen.changed_since(0) is chosen


def test_a_query_is_a_range_where_no_other_message_is_between() -> None:
    [(chosen, _)] = choose(folder(image(list(range(2, 22, 2)))), [(0, 10)], 100)
    assert chosen.batch([2, 3, 4]) == UidBatch(6, 10)
    assert chosen.batch([2, 4]) == UidBatch(6, 10, (6, 10))
    assert chosen.only([2, 4]).batch([0, 1]) == UidBatch(6, 10, (6, 10))


def test_flag_lists_have_keywords_and_recent_where_they_are() -> None:
    of = image(list(range(1, 9)), {2: "Urgent", 6: "a b"})
    made = folder(of, recent=True)

    def lists(chosen: Chosen) -> list[bytes]:
        return chosen.flag_lists(made)

    [(chosen, _)] = choose(made, [(0, 8)], 100)
    assert lists(chosen) == [
        b"(\\Seen)",
        b"(Urgent)",
        b"(\\Seen)",
        b"()",
        b"(\\Seen)",
        b"(\\Recent a b)",
        b"(\\Seen \\Recent)",
        b"()",
    ]
    assert lists(chosen.only([1, 6])) == [b"(Urgent)", b"(\\Seen \\Recent)"]
