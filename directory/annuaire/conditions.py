"""What is searched for, as one tree whatever asked: LDAP filters, FHIR parameters, words in a search field.

Trees are built by grammars that bound their depth and size; nothing here looks further down than it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from directory.annuaire.fields import Field


@dataclass(frozen=True, slots=True)
class Everything:
    """Met by all."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Met by none."""


@dataclass(frozen=True, slots=True)
class All:
    """Met where every child is; without children, by all."""

    children: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Met where one child is; without children, by none."""

    children: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Met where its child is not."""

    child: Condition


@dataclass(frozen=True, slots=True)
class Equal:
    """A value of the field is this one, accents, case and punctuation apart."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Substring:
    """A value of the field begins with `initial`, then holds `parts` in order, then ends with `final`.

    None stands for any; parts do not overlap (RFC 4511 §4.5.1.7.2).
    """

    field: Field
    initial: str | None = None
    parts: tuple[str, ...] = ()
    final: str | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """The field has a value."""

    field: Field


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A value of the field is not before this one in the order of folded values."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class AtMost:
    """A value of the field is not behind this one."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Approximate:
    """Every word of `value` stands in a value of the field, or differs from one by one typing error."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Words:
    """Every word stands somewhere, in any order: who, what, where, identifiers, the address.

    Words of three letters and more also inside another word, shorter ones at the beginning of one. Where a
    search finds nothing at all, words that differ from a name by one typing error count too, not below `Not`.
    """

    text: str


Condition = (
    All
    | Any
    | Not
    | Equal
    | Substring
    | Present
    | AtLeast
    | AtMost
    | Approximate
    | Words
    | Everything
    | Nothing
)
