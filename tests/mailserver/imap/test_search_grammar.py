"""SEARCH, SORT and THREAD from octets to values, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.imap.grammar import search_keys as k
from mailserver.imap.grammar.commands import Command, Numbering
from mailserver.imap.grammar.cursor import Cursor
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.parser import parse_command, split_tag
from mailserver.imap.grammar.partial import PartialRange
from mailserver.imap.grammar.search import Program, ReturnOption, Returns, Search
from mailserver.imap.grammar.sequence import SequenceSet
from mailserver.imap.grammar.sorting import Algorithm, Sort, SortCriterion, SortKey, Thread


def parse(text: bytes) -> Command:
    cursor = Cursor(b"a " + text)
    return parse_command(cursor, split_tag(cursor)[1])


def key_of(text: bytes) -> k.SearchKey:
    command = parse(b"UID SEARCH " + text)
    assert isinstance(command, Search)
    return command.program.key


DAY = date(2026, 2, 3)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"OLDER 86400", k.OlderKey(86400)),
        (b"younger 60", k.YoungerKey(60)),
        (b"SAVEDBEFORE 3-Feb-2026", k.SavedKey(k.Relation.BEFORE, DAY)),
        (b"SAVEDON 3-Feb-2026", k.SavedKey(k.Relation.ON, DAY)),
        (b"SAVEDSINCE 3-Feb-2026", k.SavedKey(k.Relation.SINCE, DAY)),
        (b"SAVEDATESUPPORTED", k.AllKey()),
        (b"EMAILID M17", k.EmailIdKey("M17")),
        (b'THREADID "T_a-b"', k.ThreadIdKey("T_a-b")),
        (b"MODSEQ 620162338", k.ModseqKey(620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 0', k.ModseqKey(0)),
        (b"$", k.SequenceKey(SequenceSet((), is_saved=True))),
        (b"UID $", k.UidKey(SequenceSet((), is_saved=True))),
    ],
)
def test_it_reads_the_keys_of_extensions(text: bytes, key: k.SearchKey) -> None:
    assert key_of(text) == key


@pytest.mark.parametrize(
    ("text", "returns"),
    [
        (b"RETURN () ALL", Returns(frozenset({ReturnOption.ALL}))),
        (b"return (min COUNT) ALL", Returns(frozenset({ReturnOption.MIN, ReturnOption.COUNT}))),
        (b"RETURN (SAVE) ALL", Returns(frozenset({ReturnOption.SAVE}))),
        (b"RETURN (PARTIAL 5:1) ALL", Returns(frozenset(), PartialRange(5, 1))),
        (
            b"RETURN (COUNT PARTIAL -1:-30 SAVE) ALL",
            Returns(frozenset({ReturnOption.COUNT, ReturnOption.SAVE}), PartialRange(-1, -30)),
        ),
    ],
)
def test_it_reads_what_is_to_be_returned(text: bytes, returns: Returns) -> None:
    assert parse(b"SEARCH " + text) == Search(Numbering.SEQUENCE, Program(k.AllKey()), returns)


def test_it_tells_programs_with_numbers_and_modification_sequences() -> None:
    command = parse(b"SEARCH CHARSET us-ascii OR 1:2 NOT (MODSEQ 5)")
    assert isinstance(command, Search)
    program = command.program
    assert (program.charset, program.names_numbers, program.names_modseq) == ("US-ASCII", True, True)
    other = parse(b"SEARCH $ UID 4")
    assert isinstance(other, Search)
    assert not other.program.names_numbers


def test_it_reads_sort_and_thread() -> None:
    assert parse(b"UID SORT RETURN (ALL) (REVERSE DISPLAYFROM size) UTF-8 SEEN") == Sort(
        Numbering.UID,
        (SortCriterion(SortKey.DISPLAYFROM, is_reverse=True), SortCriterion(SortKey.SIZE)),
        Program(k.FlagKey("\\Seen", wanted=True), "UTF-8"),
        Returns(frozenset({ReturnOption.ALL})),
    )
    assert parse(b'THREAD references "utf-8" ALL') == Thread(
        Numbering.SEQUENCE, Algorithm.REFERENCES, Program(k.AllKey(), "UTF-8")
    )


@pytest.mark.parametrize(
    "text",
    [
        b"SEARCH RETURN (ALL PARTIAL 1:2) ALL",
        b"SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL",
        b"SEARCH RETURN (PARTIAL 1:-2) ALL",
        b"SEARCH RETURN (PARTIAL 0:2) ALL",
        b"SEARCH RETURN (PARTIAL -0:-2) ALL",
        b"SEARCH RETURN (PARTIAL 1:4294967296) ALL",
        b"SEARCH RETURN (WISDOM) ALL",
        b"SEARCH RETURN (MIN)ALL",
        b"SEARCH RETURN (MIN)",
        b"SEARCH OLDER 0",
        b"SEARCH EMAILID a.b",
        b"SEARCH THREADID " + b"x" * 256,
        b"SEARCH MODSEQ -1",
        b"SEARCH MODSEQ 9223372036854775808",
        b'SEARCH MODSEQ "/flags/\\\\seen" any 1',
        b"SORT () UTF-8 ALL",
        b"SORT (REVERSE) UTF-8 ALL",
        b"SORT (BEAUTY) UTF-8 ALL",
        b"SORT (DATE) ALL",
        b"SORT (" + b" ".join([b"DATE"] * 17) + b") UTF-8 ALL",
        b"THREAD REFS UTF-8 ALL",
        b"THREAD REFERENCES UTF-8",
    ],
)
def test_it_refuses_what_the_grammar_has_not(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse(text)


@given(st.integers(-50, 50).filter(bool), st.integers(1, 50), st.integers(0, 60))
def test_a_page_holds_the_places_it_names(first: int, other: int, count: int) -> None:
    last = other if first > 0 else -other
    result = list(range(1, count + 1))
    low, high = sorted((first, last))
    named = [number for number in result if low <= (number if first > 0 else number - count - 1) <= high]
    assert result[PartialRange(first, last).slice(count)] == named
