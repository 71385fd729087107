"""Search filters (RFC 4511 §4.5.1.7): every kind, bounded in depth and number, read and walked without recursion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from directory.ldap.ber import SEQUENCE, Malformed
from directory.ldap.results import Refused, ResultCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from directory.ldap.ber import Reader

T = TypeVar("T")

MOST_ITEMS: Final = 1000
"""Of a filter; each part within a substring assertion counts as one."""
DEEPEST: Final = 32

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUALITY, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROXIMATE, _EXTENSIBLE = (
    0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9,
)  # fmt: skip
_SETS = frozenset({_AND, _OR, _NOT})
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82


@dataclass(frozen=True, slots=True)
class And:
    """Without children: True (RFC 4526)."""

    children: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Without children: False (RFC 4526)."""

    children: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    child: Filter


@dataclass(frozen=True, slots=True)
class Equality:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Substrings:
    """Octets that come one behind the other. None stands for any."""

    attribute: str
    initial: bytes | None
    parts: tuple[bytes, ...]
    final: bytes | None


@dataclass(frozen=True, slots=True)
class GreaterOrEqual:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LessOrEqual:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Present:
    attribute: str


@dataclass(frozen=True, slots=True)
class Approximate:
    attribute: str
    value: bytes


Item = Equality | Substrings | GreaterOrEqual | LessOrEqual | Present | Approximate
Filter = And | Or | Not | Item


def read(reader: Reader) -> Filter:
    """The next element as a filter. Raises Malformed, and Refused for one too deep, too large or extensible."""
    open_sets: list[tuple[int, Reader, list[Filter]]] = []
    items = 0
    while True:
        items += 1
        _bound(items)
        tag = reader.peek()
        if tag in _SETS:
            if len(open_sets) == DEEPEST:
                raise Refused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"A filter is at most {DEEPEST} deep here")
            open_sets.append((tag, reader.enter(tag), []))
        else:
            item = _item(tag, reader)
            if isinstance(item, Substrings):
                items += len(item.parts)
                _bound(items)
            if not open_sets:
                return item
            open_sets[-1][2].append(item)
        while open_sets[-1][1].is_at_end:
            tag, _, children = open_sets.pop()
            made = _set(tag, children)
            if not open_sets:
                return made
            open_sets[-1][2].append(made)
        reader = open_sets[-1][1]


def _bound(items: int) -> None:
    if items > MOST_ITEMS:
        raise Refused(ResultCode.ADMIN_LIMIT_EXCEEDED, f"A filter has at most {MOST_ITEMS} items here")


def _set(tag: int, children: list[Filter]) -> Filter:
    if tag == _AND:
        return And(tuple(children))
    if tag == _OR:
        return Or(tuple(children))
    if len(children) != 1:
        raise Malformed("A negation has one filter.")
    return Not(children[0])


def _item(tag: int, reader: Reader) -> Item:
    if tag == _PRESENT:
        return Present(reader.text(_PRESENT))
    if tag == _SUBSTRINGS:
        return _substrings(reader.enter(_SUBSTRINGS))
    if tag == _EXTENSIBLE:
        raise Refused(ResultCode.INAPPROPRIATE_MATCHING, "Extensible filters are not served")
    kind = _ASSERTIONS.get(tag)
    if kind is None:
        raise Malformed("A filter is missing or of no known kind.")
    assertion = reader.enter(tag)
    return kind(assertion.text(), assertion.octets())


_ASSERTIONS: Mapping[int, Callable[[str, bytes], Item]] = {
    _EQUALITY: Equality,
    _GREATER: GreaterOrEqual,
    _LESS: LessOrEqual,
    _APPROXIMATE: Approximate,
}


def _substrings(reader: Reader) -> Substrings:
    """Empty parts, which some clients send for `**`, say nothing and are left out."""
    attribute = reader.text()
    initial: bytes | None = None
    final: bytes | None = None
    parts: list[bytes] = []
    pieces = reader.enter(SEQUENCE)
    is_first = True
    while not pieces.is_at_end:
        tag, octets = pieces.take()
        if final is not None or (tag == _INITIAL and not is_first) or tag not in (_INITIAL, _ANY, _FINAL):
            raise Malformed("The parts of a substring filter are out of order.")
        is_first = False
        if tag == _ANY:
            if octets:
                parts.append(octets)
        elif tag == _INITIAL:
            initial = octets or None
        else:
            final = octets
    return Substrings(attribute, initial, tuple(parts), final or None)


def fold(
    top: Filter,
    item: Callable[[Item], T],
    conjunction: Callable[[list[T]], T],
    disjunction: Callable[[list[T]], T],
    negation: Callable[[T], T],
) -> T:
    """What a filter comes to when its items and then its sets, from the innermost, are worked out."""
    made: list[T] = []
    # A set stands on the stack twice: before its children, and behind them, when they are worked out.
    waiting: list[tuple[Filter, bool]] = [(top, False)]
    while waiting:
        node, is_closing = waiting.pop()
        if isinstance(node, (And, Or, Not)):
            children = (node.child,) if isinstance(node, Not) else node.children
            if not is_closing:
                waiting.append((node, True))
                waiting.extend((child, False) for child in reversed(children))
                continue
            start = len(made) - len(children)
            done, made[start:] = made[start:], []
            if isinstance(node, Not):
                made.append(negation(done[0]))
            else:
                made.append((conjunction if isinstance(node, And) else disjunction)(done))
        else:
            made.append(item(node))
    return made[0]
