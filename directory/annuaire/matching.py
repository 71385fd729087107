"""Judges one thing by a condition, exactly: what an index only proposes, and what is too few for an index."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, assert_never

from directory.annuaire.conditions import (
    All,
    Any,
    Approximate,
    AtLeast,
    AtMost,
    Equal,
    Everything,
    Not,
    Nothing,
    Present,
    Substring,
    Words,
)
from directory.annuaire.fields import Field, folded, folded_part
from directory.annuaire.model import Mailbox
from directory.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from directory.annuaire.conditions import Condition

    Values = Callable[[Field], Iterable[str]]

T = TypeVar("T")

LONGEST_TEXT = 200
MOST_WORDS = 8
_SHORT = 3
"""Words of fewer letters count at the beginning of a word only."""
_LEAST_WITH_ERROR = 4
_NAMES = frozenset({Field.CN, Field.GIVEN_NAME, Field.LAST_NAME})

WORDS_LOOK_AT = (
    Field.CN,
    Field.GIVEN_NAME,
    Field.LAST_NAME,
    Field.STRUCTURE,
    Field.SERVICE,
    Field.DESCRIPTION,
    Field.PROFESSION,
    Field.SKILL,
    Field.CITY,
    Field.POSTAL_CODE,
    Field.DEPARTMENT,
    Field.TYPE,
)
"""The fields in which free words are looked for; beside them the address, and identifiers as a whole."""
IDENTIFIERS = (Field.PERSON_ID, Field.IDNAT, Field.STRUCTURE_ID)
LEAST_IDENTIFIER = 8
"""Characters from which a word with a digit may be an identifier; that of a structure also without its kind."""
ADDRESS_BORDERS = (".", "-", "_", "@", "")
"""What a word of an address begins behind; nothing stands for its beginning."""


def _none_at_all(_mailbox: Mailbox) -> tuple[str, ...]:
    return ()


def _column(name: str) -> Callable[[Mailbox], tuple[str, ...]]:
    read = attrgetter(name)

    def values(mailbox: Mailbox) -> tuple[str, ...]:
        value = read(mailbox)
        return (value,) if value else ()

    return values


_OF_MAILBOX: Mapping[Field, Callable[[Mailbox], tuple[str, ...]]] = MappingProxyType(
    {
        **{field: _column(field.value) for field in Field if hasattr(Mailbox, field.value)},
        Field.CN: attrgetter("common_names"),
        Field.GIVEN_NAME: _column("first_name"),
        Field.STRUCTURE: lambda mailbox: _present(mailbox.structure, mailbox.structure_sign),
        Field.DIGITAL: lambda mailbox: ("true" if mailbox.digital else "false",),
        Field.UPDATED: lambda mailbox: (str(mailbox.updated_at),),
    }
)


def values_of(mailbox: Mailbox, field: Field) -> tuple[str, ...]:
    """What a mailbox says in a field, as written."""
    return _OF_MAILBOX.get(field, _none_at_all)(mailbox)


def judge_of_mailboxes(condition: Condition) -> Callable[[Mailbox], bool]:
    """Tells of mailboxes whether they meet the condition; `Words` without their typing errors."""
    return judge(condition, lambda field: _OF_MAILBOX.get(field, _none_at_all))


def met(condition: Condition, values: Values, own: Values | None = None) -> bool:
    """Whether one thing whose values of a field are `values(field)` meets the condition; `own` as `judge` has it."""
    return judge(condition, _of_one(values), _of_one(own) if own is not None else None)(None)


def _of_one(values: Values) -> Callable[[Field], Callable[[None], Iterable[str]]]:
    return lambda field: lambda _: values(field)


def judge(
    condition: Condition,
    of: Callable[[Field], Callable[[T], Iterable[str]]],
    own: Callable[[Field], Callable[[T], Iterable[str]]] | None = None,
) -> Callable[[T], bool]:
    """Tells of things, whose values of a field `of(field)` gives, whether they meet the condition.

    Words are looked for in their `own` values, where those are fewer. The condition is worked out once, not for
    each of the thousands of things.
    """
    match condition:
        case Everything():
            return lambda _: True
        case Nothing():
            return lambda _: False
        case All(children):
            judges = [judge(child, of, own) for child in children]
            return lambda thing: all(each(thing) for each in judges)
        case Any(children):
            return _any_of([judge(child, of, own) for child in children])
        case Not(child):
            denied = judge(child, of, own)
            return lambda thing: not denied(thing)
        case Words(text):
            return _words_stand(words_of(text), own or of)
        case Present(field):
            return _one_value(of(field), bool)
        case Equal(field, value):
            wanted = folded(field, value)
            return _one_value(of(field), lambda each: bool(wanted) and folded(field, each) == wanted)
        case AtLeast(field, value):
            least = sort_key(field, value)
            return _one_value(of(field), lambda each: sort_key(field, each) >= least)
        case AtMost(field, value):
            most = sort_key(field, value)
            return _one_value(of(field), lambda each: sort_key(field, each) <= most)
        case Approximate(field, value):
            return _one_value(of(field), lambda each: _approximates(field, value, each))
        case Substring(field):
            return _one_value(of(field), _holds(condition))
        case _:
            assert_never(condition)


def _any_of(judges: list[Callable[[T], bool]]) -> Callable[[T], bool]:
    def meets(thing: T) -> bool:
        for each in judges:  # noqa: SIM110 - a generator would take as long as the judging
            if each(thing):
                return True
        return False

    return meets


def _one_value(values: Callable[[T], Iterable[str]], meets: Callable[[str], bool]) -> Callable[[T], bool]:
    def one_meets(thing: T) -> bool:
        for value in values(thing):  # noqa: SIM110 - as above
            if meets(value):
                return True
        return False

    return one_meets


@lru_cache(maxsize=256)
def words_of(text: str) -> tuple[str, ...]:
    """The words a search looks for: folded, at most eight, of the first two hundred characters.

    What holds an "@" is a part of an address, and stays as it is but for its case.
    """
    words: list[str] = []
    for each in text[:LONGEST_TEXT].split():
        words += [each.casefold()] if "@" in each else fold(each).split()
    return tuple(words[:MOST_WORDS])


def sort_key(field: Field, value: str) -> tuple[int, str]:
    """What orders the values of a field; numbers come before anything that is none."""
    plain = folded(field, value)
    if field is Field.UPDATED:
        return (int(plain), "") if plain.isascii() and plain.isdecimal() else (2**63, plain)
    return (0, plain)


def _approximates(field: Field, wanted: str, value: str) -> bool:
    """Whether each word of `wanted` is a word of `value`, in names also one typing error apart."""
    there = fold(value).split()
    alike = one_error if field in _NAMES else str.__eq__
    sought = words_of(wanted)
    return bool(sought) and all(any(alike(word, each) for each in there) for word in sought)


def one_error(one: str, other: str) -> bool:
    """Whether two words are equal, or a letter added, left out, exchanged or swapped with its neighbour apart.

    Words of under four letters have to be equal: an error would make them anything.
    """
    if one == other:
        return True
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or len(one) < _LEAST_WITH_ERROR:
        return False
    at = 0
    while at < len(one) and one[at] == other[at]:
        at += 1
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    return one[at + 1 :] == other[at + 1 :] or (
        one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    )


def padded(field: Field, value: str) -> str:
    """The folded value between two spaces, so that its borders can be looked for (RFC 4518 §2.6.1)."""
    return f" {folded(field, value)} "


def pieces_of(condition: Substring) -> tuple[str, ...]:
    """What stands in a padded value one behind the other; the borders of the value are in the outer ones."""
    field = condition.field
    pieces = [] if condition.initial is None else [" " + folded_part(field, condition.initial).lstrip(" ")]
    pieces += [folded_part(field, part) for part in condition.parts]
    if condition.final is not None:
        pieces.append(folded_part(field, condition.final).rstrip(" ") + " ")
    return tuple(piece for piece in pieces if piece)


def _holds(condition: Substring) -> Callable[[str], bool]:
    field, pieces = condition.field, pieces_of(condition)
    if condition.initial is None and condition.final is None and len(pieces) == 1:
        only = pieces[0]
        return lambda value: only in padded(field, value)
    first = pieces[0] if condition.initial is not None else ""
    last = pieces[-1] if condition.final is not None else ""
    middle = pieces[bool(first) : len(pieces) - bool(last)]

    def holds(value: str) -> bool:
        text = padded(field, value)
        if not text.startswith(first) or not text.endswith(last):
            return False
        start, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, start, end)
            if found < 0:
                return False
            start = found + len(piece)
        return start <= end

    return holds


def _words_stand(
    words: tuple[str, ...], of: Callable[[Field], Callable[[T], Iterable[str]]]
) -> Callable[[T], bool]:
    looked_at = [of(field) for field in WORDS_LOOK_AT]
    address, structure = of(Field.ADDRESS), of(Field.STRUCTURE_ID)
    identifiers = [(field, of(field)) for field in IDENTIFIERS]

    def is_identifier(word: str, thing: T) -> bool:
        known = {folded(field, value) for field, values in identifiers for value in values(thing)}
        structures = {folded(Field.STRUCTURE_ID, value) for value in structure(thing)}
        return word in known or any(kind + word in structures for kind in "123")

    def stand(thing: T) -> bool:
        texts = "\n".join([f" {fold(value)} " for values in looked_at for value in values(thing)])
        addresses = "\n".join(["", *(folded(Field.ADDRESS, value) for value in address(thing))])
        return all(
            _word_stands(word, texts, addresses) or (may_be_identifier(word) and is_identifier(word, thing))
            for word in words
        )

    return stand if words else lambda _: False


def _word_stands(word: str, texts: str, addresses: str) -> bool:
    if "@" in word:
        return word in addresses
    if len(word) < _SHORT:
        return f" {word}" in texts or any((border or "\n") + word in addresses for border in ADDRESS_BORDERS)
    return word in texts or word in addresses


def may_be_identifier(word: str) -> bool:
    """Whether a word is looked for among the identifiers."""
    return len(word) >= LEAST_IDENTIFIER and any(letter.isdecimal() for letter in word)


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)
