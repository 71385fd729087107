"""Which of many mailboxes a person most likely means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.annuaire.conditions import (
    All,
    Any,
    Equal,
    Everything,
    Substring,
    Words,
)
from directory.annuaire.fields import Field
from directory.annuaire.matching import MOST_WORDS, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox

_NAMED = (Field.LAST_NAME, Field.SERVICE)


def exactly(condition: Condition) -> Condition | None:
    """The condition with whole values where it asks for parts of them; None where it asks for no part."""
    match condition:
        case Words(text):
            words = words_of(text)
            if not words:
                return None
            named = [Equal(field, word) for word in words for field in _NAMED]
            return All((condition, Any((*named, Equal(Field.ADDRESS, text.strip())))))
        case Substring(field, initial, parts, final):
            text = " ".join(part for part in (initial, *parts, final) if part)
            return Equal(field, text) if text.strip() else None
        case Any(children):
            told = [each for each in map(exactly, children) if each is not None]
            return Any(tuple(told)) if told else None
        case All(children):
            pairs = [(exactly(child), child) for child in children]
            if all(whole is None for whole, _ in pairs):
                return None
            return All(tuple(child if whole is None else whole for whole, child in pairs))
        case _:
            return None


def is_narrow(condition: Condition) -> bool:
    """Whether several things are asked for at once, which few may meet, or nobody."""
    match condition:
        case Words(text):
            return len(words_of(text)) > 1
        case All(children):
            return sum(not isinstance(child, Everything) for child in children) > 1
        case _:
            return False


def corrected(condition: Condition, close_names: Callable[[str], Sequence[str]]) -> Condition | None:
    """The condition with its free words, or names that one of them is a typing error of; None where there are none.

    The first eight words of all count, as `words_of` has them; what is negated stays as it is.
    """
    correcting = _Correcting(close_names)
    found = correcting.near(condition)
    return found if correcting.differs else None


class _Correcting:
    """Not a function within one: that would lead back to itself, and be left to the collector of cycles."""

    def __init__(self, close_names: Callable[[str], Sequence[str]]) -> None:
        self._close_names = close_names
        self._left = MOST_WORDS
        self.differs = False

    def near(self, asked: Condition) -> Condition:
        match asked:
            case Words(text) if len(words := words_of(text)) <= self._left:
                self._left -= len(words)
                close = [self._close_names(word) for word in words]
                self.differs = self.differs or any(len(names) > 1 for names in close)
                return All(tuple(Any(tuple(map(Words, names))) for names in close)) if close else asked
            case All(children):
                return All(tuple(map(self.near, children)))
            case Any(children):
                return Any(tuple(map(self.near, children)))
            case _:
                return asked


def by_name(box: Mailbox) -> tuple[bool, str, str, str]:
    """Persons by last and first name, then what is nobody's own, by its name."""
    if box.last_name:
        return False, box.last_name.casefold(), (box.first_name or "").casefold(), box.address
    return True, box.common_names[0].casefold(), "", box.address
