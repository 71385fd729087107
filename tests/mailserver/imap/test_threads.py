"""THREAD answers as RFC 5256 §3 says, in time that mail cannot stretch."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailserver.imap.threads import ThreadRow, read_thread_keys, thread_by_references, thread_by_subject
from tests.mailserver.imap.plain_threads import thread as plain_thread

_NAMES = st.sampled_from("abcdefgh")
_ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        _NAMES | st.just(""),
        st.lists(_NAMES, max_size=5).map(" ".join),
        st.sampled_from(("", "X", "Y", "Z")),
        st.integers(0, 1),
    ),
    max_size=14,
)


def references(*rows: ThreadRow) -> bytes:
    return thread_by_references(rows, range(1, len(rows) + 1))


def row(message_id: str, above: str = "", subject: str = "", *, sent: int = 0, reply: int = 0) -> ThreadRow:
    return sent, message_id, above, subject, reply


@settings(max_examples=1500, deadline=None)
@given(_ROWS)
def test_the_answer_is_that_of_the_rfc_followed_step_by_step(rows: list[ThreadRow]) -> None:
    assert references(*rows) == plain_thread(rows)


@given(_ROWS)
def test_every_message_appears_exactly_once(rows: list[ThreadRow]) -> None:
    uids = [7 * position + 3 for position in range(len(rows))]
    for answer in (thread_by_references(rows, uids), thread_by_subject(rows, uids)):
        assert sorted(map(int, re.findall(rb"\d+", answer))) == uids
        assert answer.count(b"(") == answer.count(b")")


def test_no_messages_make_an_empty_answer() -> None:
    assert references() == thread_by_subject((), ()) == b""


def test_an_answer_is_below_what_it_answers_and_siblings_stand_by_date() -> None:
    assert references(row("a"), row("d", "a", sent=9), row("b", "a", sent=5), row("c", "a b", sent=6)) == (
        b" (1 (3 4)(2))"
    )


def test_messages_that_answer_a_lost_one_stand_together_below_no_number() -> None:
    assert references(row("b", "lost"), row("c", "lost"), row("d", "gone")) == b" ((1)(2))(3)"


def test_a_reply_without_references_goes_below_the_thread_of_its_subject() -> None:
    assert references(row("a", subject="X"), row("b", subject="X", reply=1)) == b" (1 2)"
    assert references(row("b", subject="X", reply=1), row("a", subject="X", sent=1)) == b" (2 1)"


def test_messages_of_one_subject_that_answer_nothing_are_siblings() -> None:
    assert references(row("a", subject="X"), row("b", subject="X"), row("c", subject="X")) == b" ((1)(2)(3))"


def test_an_empty_subject_gathers_nothing() -> None:
    assert references(row("a"), row("b")) == b" (1)(2)"


def test_of_messages_with_one_id_only_the_first_is_referred_to() -> None:
    assert references(row("a"), row("a"), row("b", "a")) == b" (1 3)(2)"


def test_references_that_go_round_make_no_loop() -> None:
    assert references(row("a", "b"), row("b", "a")) == b" (2 1)"
    assert references(row("a", "a")) == b" (1)"
    assert references(row("a", "c"), row("b", "a"), row("c", "b")) == b" (3 1 2)"


def test_numbers_are_those_of_the_caller() -> None:
    assert thread_by_references((row("a"), row("b", "a")), (40, 70)) == b" (40 70)"


def test_by_subject_the_first_of_each_subject_is_above_all_others() -> None:
    rows = (
        row("a", subject="Y", sent=4),
        *(row("", subject="X", sent=sent) for sent in (3, 1, 2)),
        row("", sent=9),
    )
    assert thread_by_subject(rows, range(1, 6)) == b" (3 (4)(2))(1)(5)"
    assert thread_by_subject(rows[:2], (1, 2)) == b" (2)(1)"
    assert thread_by_subject((row("", subject="X"), row("", subject="X")), (1, 2)) == b" (1 2)"


_MANY = 100_000


def _chain() -> list[ThreadRow]:
    return [row(f"m{at}", f"m{at - 1}" if at else "", "S", sent=at) for at in range(_MANY)]


def _shuffled_chain() -> list[ThreadRow]:
    rows = _chain()
    random.Random(5).shuffle(rows)
    return rows


def _fifty_each() -> list[ThreadRow]:
    return [
        row(f"m{at}", " ".join(f"m{above}" for above in range(max(0, at - 50), at))) for at in range(_MANY)
    ]


def _two_long_dummy_chains() -> list[ThreadRow]:
    """Every link of the second half has a long way up, and much below: without a bound this takes hours."""
    rows = [
        row(f"{letter}.{at}", " ".join(f"{letter}{each}" for each in range(at * 49, at * 49 + 50)))
        for letter in "xy"
        for at in range(400)
    ]
    return rows + [row(f"x{at}", "y19000") for at in range(19_000, 0, -1)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(_chain, id="a chain"),
        pytest.param(_shuffled_chain, id="a chain in no order"),
        pytest.param(_fifty_each, id="fifty references each"),
        pytest.param(lambda: [row("a", "a", "S") for _ in range(_MANY)], id="one id"),
        pytest.param(lambda: [row(f"m{at}", "", "S") for at in range(_MANY)], id="one subject"),
        pytest.param(
            lambda: [row(f"m{at}", f"m{_MANY - at - 1}") for at in range(_MANY)], id="pairs of loops"
        ),
        pytest.param(_two_long_dummy_chains, id="long ways up"),
    ],
)
def test_no_folder_takes_long(rows: object) -> None:
    assert callable(rows)
    made = rows()
    started = time.process_time()
    answer = thread_by_references(made, range(1, len(made) + 1))
    assert time.process_time() - started < 6
    assert len(set(re.findall(rb"\d+", answer))) == len(made)


def test_a_long_chain_is_one_thread() -> None:
    rows = _chain()
    expected = " (" + " ".join(map(str, range(1, _MANY + 1))) + ")"
    assert thread_by_references(rows, range(1, _MANY + 1)) == expected.encode()


def test_ids_are_kept_without_brackets_and_needless_quotes() -> None:
    keys = read_thread_keys(b'<"a\\"b"@c>', b"<x@y> junk <z@y>", b"<no@no>", is_reply=True)
    assert (keys.message_id, keys.references, keys.is_reply) == ('a"b@c', "x@y z@y", True)


def test_in_reply_to_counts_where_references_have_no_valid_id() -> None:
    keys = read_thread_keys(b"none", b"none of <these >", b"Your mail of Monday <a@b> <c@d>", is_reply=False)
    assert (keys.message_id, keys.references) == ("", "a@b")


def test_of_many_references_the_last_fifty_count() -> None:
    keys = read_thread_keys(b"", b" ".join(b"<%d@x>" % at for at in range(9_000)), b"", is_reply=False)
    assert keys.references.split(" ") == [f"{at}@x" for at in range(8_950, 9_000)]
