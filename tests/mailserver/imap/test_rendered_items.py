"""What FETCH keeps of its answers."""

from __future__ import annotations

from mailserver.imap.rendered_items import RenderedItems


def test_what_was_kept_is_found_by_folder_items_and_uid() -> None:
    kept = RenderedItems()
    kept.keep(1, b"ENVELOPE", {5: b"five", 600: b"six hundred", 70_000: b"more"})
    assert kept.find(1, b"ENVELOPE", [4, 5, 599, 600, 70_000]) == [
        None,
        b"five",
        None,
        b"six hundred",
        b"more",
    ]
    assert kept.find(1, b"BODY", [5]) == kept.find(2, b"ENVELOPE", [5]) == [None]
    assert kept.find(1, b"ENVELOPE", []) == []


def test_the_longest_unused_goes_when_there_is_no_room() -> None:
    kept = RenderedItems(capacity=100_000)
    for folder_id in range(1, 11):
        kept.keep(folder_id, b"BODY", {1: b"x" * 10_000})
        assert kept.find(1, b"BODY", [1]) != [None]
        assert kept.octets <= 100_000
    assert [kept.find(folder_id, b"BODY", [1])[0] is None for folder_id in (1, 2, 3, 10)] == [
        False,
        True,
        False,
        False,
    ]


def test_what_is_very_long_is_not_kept_and_nothing_is_counted_twice() -> None:
    kept = RenderedItems()
    kept.keep(1, b"BODY", {1: b"x" * 20_000})
    assert (kept.octets, kept.find(1, b"BODY", [1])) == (0, [None])
    kept.keep(1, b"BODY", {1: b"x"})
    octets = kept.octets
    kept.keep(1, b"BODY", {1: b"x"})
    assert kept.octets == octets > 0
