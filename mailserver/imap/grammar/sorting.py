"""SORT and THREAD (RFC 5256), SORT with RETURN (RFC 5267 §3) and by display names (RFC 5957)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command, Numbering
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.search import Program, Returns, parse_charset, parse_program, parse_returns

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor

MAX_CRITERIA = 16


class SortKey(StrEnum):
    """What messages are ordered by."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


@dataclass(frozen=True, slots=True)
class SortCriterion:
    """A key, and whether it is turned round."""

    key: SortKey
    is_reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort(Command):
    """RFC 5256 §3; without `returns` the answer is SORT."""

    numbering: Numbering
    criteria: tuple[SortCriterion, ...]
    program: Program
    returns: Returns | None = None


class Algorithm(StrEnum):
    """How messages become threads."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"


@dataclass(frozen=True, slots=True)
class Thread(Command):
    """RFC 5256 §3"""

    numbering: Numbering
    algorithm: Algorithm
    program: Program


def _criteria(cursor: Cursor) -> tuple[SortCriterion, ...]:
    cursor.expect(b"(")
    criteria: list[SortCriterion] = []
    while True:
        word = cursor.keyword()
        is_reverse = word == "REVERSE"
        if is_reverse:
            cursor.space()
            word = cursor.keyword()
        if word not in SortKey.__members__:
            raise ParseError("Unknown sort criterion")
        criteria.append(SortCriterion(SortKey(word), is_reverse))
        if cursor.accept(b")"):
            return tuple(criteria)
        if len(criteria) >= MAX_CRITERIA:
            raise ParseError(f"More than {MAX_CRITERIA} sort criteria")
        cursor.space()


def _program(cursor: Cursor) -> Program:
    cursor.space()
    charset = parse_charset(cursor)
    cursor.space()
    return parse_program(cursor, charset)


def _sort(numbering: Numbering) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        returns = parse_returns(cursor)
        criteria = _criteria(cursor)
        return Sort(numbering, criteria, _program(cursor), returns)

    return parse


def _thread(numbering: Numbering) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        word = cursor.keyword()
        if word not in Algorithm.__members__:
            raise ParseError("Unknown threading algorithm")
        return Thread(numbering, Algorithm(word), _program(cursor))

    return parse


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "SORT": _sort(Numbering.SEQUENCE),
    "UID SORT": _sort(Numbering.UID),
    "THREAD": _thread(Numbering.SEQUENCE),
    "UID THREAD": _thread(Numbering.UID),
}
