"""Judges one thing by a condition, exactly: what an index only proposes, and what is too few for an index."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

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
from directory.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox

    Values = Callable[[Field], Iterable[str]]

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


def values_of(mailbox: Mailbox, field: Field) -> tuple[str, ...]:
    """What a mailbox says in a field, as written."""
    match field:
        case Field.CN:
            return mailbox.common_names
        case Field.GIVEN_NAME:
            return _present(mailbox.first_name)
        case Field.STRUCTURE:
            return _present(mailbox.structure, mailbox.structure_sign)
        case Field.DIGITAL:
            return ("true" if mailbox.digital else "false",)
        case Field.UPDATED:
            return (str(mailbox.updated_at),)
        case Field.SECTOR_CODE | Field.FUNCTION_CODE | Field.ROLE_ID | Field.DIPLOMA_CODE:
            return ()
        case _:
            return _present(getattr(mailbox, field.value))


def matches(condition: Condition, mailbox: Mailbox) -> bool:
    """Whether a mailbox meets the condition; `Words` without their typing errors."""
    return met(condition, lambda field: values_of(mailbox, field))


def met(condition: Condition, values: Values, own: Values | None = None) -> bool:
    """Whether a thing whose values of a field are `values(field)` meets the condition.

    Words are looked for in its `own` values, where those are fewer.
    """
    match condition:
        case Everything():
            return True
        case Nothing():
            return False
        case All(children):
            return all(met(child, values, own) for child in children)
        case Any(children):
            return any(met(child, values, own) for child in children)
        case Not(child):
            return not met(child, values, own)
        case Words(text):
            return _all_words(words_of(text), own or values)
        case Present(field):
            return any(values(field))
        case Equal(field, value):
            wanted = folded(field, value)
            return bool(wanted) and any(folded(field, each) == wanted for each in values(field))
        case AtLeast(field, value):
            least = sort_key(field, value)
            return any(sort_key(field, each) >= least for each in values(field))
        case AtMost(field, value):
            most = sort_key(field, value)
            return any(sort_key(field, each) <= most for each in values(field))
        case Approximate(field, value):
            return any(_approximates(field, value, each) for each in values(field))
        case Substring():
            return any(_holds(condition, each) for each in values(condition.field))
        case _:
            assert_never(condition)


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


@lru_cache(maxsize=256)
def pieces_of(condition: Substring) -> tuple[str, ...]:
    """What stands in a padded value one behind the other; the borders of the value are in the outer ones."""
    field = condition.field
    pieces = [] if condition.initial is None else [" " + folded_part(field, condition.initial).lstrip(" ")]
    pieces += [folded_part(field, part) for part in condition.parts]
    if condition.final is not None:
        pieces.append(folded_part(field, condition.final).rstrip(" ") + " ")
    return tuple(piece for piece in pieces if piece)


def _holds(condition: Substring, value: str) -> bool:
    text = padded(condition.field, value)
    pieces = pieces_of(condition)
    start, end = 0, len(text)
    if condition.initial is not None:
        if not text.startswith(pieces[0]):
            return False
        start, pieces = len(pieces[0]), pieces[1:]
    if condition.final is not None:
        if not text.endswith(pieces[-1]):
            return False
        end, pieces = end - len(pieces[-1]), pieces[:-1]
    for piece in pieces:
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return start <= end


def _all_words(words: tuple[str, ...], values: Values) -> bool:
    if not words:
        return False
    texts = "\n".join(f" {fold(value)} " for field in WORDS_LOOK_AT for value in values(field))
    addresses = "\n".join(["", *(folded(Field.ADDRESS, value) for value in values(Field.ADDRESS))])
    return all(_word_stands(word, texts, addresses, values) for word in words)


def _word_stands(word: str, texts: str, addresses: str, values: Values) -> bool:
    if "@" in word:
        return word in addresses
    if len(word) < _SHORT:
        return f" {word}" in texts or any((border or "\n") + word in addresses for border in ADDRESS_BORDERS)
    return word in texts or word in addresses or (may_be_identifier(word) and _is_identifier(word, values))


def may_be_identifier(word: str) -> bool:
    """Whether a word is looked for among the identifiers."""
    return len(word) >= LEAST_IDENTIFIER and any(letter.isdecimal() for letter in word)


def _is_identifier(word: str, values: Values) -> bool:
    known = {folded(field, value) for field in IDENTIFIERS for value in values(field)}
    structures = {folded(Field.STRUCTURE_ID, value) for value in values(Field.STRUCTURE_ID)}
    return word in known or any(kind + word in structures for kind in "123")


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)
