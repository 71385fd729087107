"""Every message of the corpus, read by every FETCH item and found by every search, as Dovecot reads and finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.differential import Side, label, normal
from tests.interop.differential_known import FOUND_OTHERWISE, READ_OTHERWISE
from tests.interop.differential_steps import (
    BINARY_ITEMS,
    DATES,
    DAYS,
    FIELDS,
    SECTIONS,
    SIMPLE_ITEMS,
    SORTS,
    WORDS,
    Step,
)
from tests.interop.mail_corpus import MESSAGES

if TYPE_CHECKING:
    from tests.interop.differential_pair import Pair

pytestmark = pytest.mark.interop

SEARCHES = (
    *(
        f'{where} "{word}"'
        for where in ("BODY", "TEXT", "SUBJECT", "FROM", "TO", "CC", "BCC")
        for word in WORDS
    ),
    *(f'HEADER {field} "{word}"' for field in FIELDS for word in (*WORDS, "")),
    *(
        f"{key} {day}"
        for key in ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")
        for day in DAYS
    ),
    *(f"{key} {size}" for key in ("LARGER", "SMALLER") for size in (0, 100, 200, 300, 400, 5000)),
)


@pytest.fixture(scope="module")
def filled(pair: Pair) -> Pair:
    """Both servers with the whole corpus in one folder, which session 2 has open."""
    for side in pair.sides:
        looker = side.looker
        looker.command("DELETE corpus")
        assert looker.command("CREATE corpus").status == "OK"
        for at, message in enumerate(MESSAGES.values()):
            assert looker.command(f'APPEND corpus "{DATES[at % 3]}" ', message).status == "OK"
        assert looker.command("EXAMINE corpus").status == "OK"
    return pair


def ask(side: Side, command: str, rest: str, asked: tuple[str, ...] = ()) -> dict[str, Any]:
    answer = side.looker.command(f"{command} {rest}")
    return normal(side, Step(2, command, (), "", asked), answer)


@pytest.mark.parametrize("name", list(MESSAGES))
def test_a_message_is_read_alike(filled: Pair, name: str) -> None:
    number = list(MESSAGES).index(name) + 1
    differs = {}
    for item in (*SIMPLE_ITEMS, *SECTIONS, *(BINARY_ITEMS if "BINARY" in filled.offered else ())):
        read = [ask(side, "FETCH", f"{number} ({item})", (item,)) for side in filled.sides]
        if read[0] != read[1]:
            ours, theirs = (
                each.get("data", {}).get(number, {}).get(label(item), each["status"]) for each in read
            )
            differs[item] = (ours, theirs)
    expected = {item for odd, item in READ_OTHERWISE if odd == name}
    assert set(differs) == expected, differs


@pytest.mark.parametrize("search", SEARCHES)
def test_the_same_messages_are_found(filled: Pair, search: str) -> None:
    ours, theirs = (set(ask(side, "SEARCH", search)["data"]) for side in filled.sides)
    names = list(MESSAGES)
    assert {(names[number - 1], search) for number in ours ^ theirs} == {
        (name, each) for name, each in FOUND_OTHERWISE if each == search
    }


@pytest.mark.parametrize("keys", SORTS)
def test_they_are_sorted_alike(filled: Pair, keys: str) -> None:
    ours, theirs = (ask(side, "SORT", f"({keys}) UTF-8 ALL") for side in filled.sides)
    assert ours == theirs


@pytest.mark.parametrize("way", ["REFERENCES", "ORDEREDSUBJECT"])
def test_they_are_threaded_alike(filled: Pair, way: str) -> None:
    ours, theirs = (ask(side, "THREAD", f"{way} UTF-8 ALL") for side in filled.sides)
    assert ours == theirs
