"""What some mailboxes say, roughly: most searches ask for letters that none of an operator's own boxes has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.annuaire.alphabets import trigrams
from directory.annuaire.conditions import All, Any, Equal, Nothing, Substring, Words
from directory.annuaire.fields import Field, folded
from directory.annuaire.matching import pieces_of, values_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox


class Said:
    """The trigrams of all values, and the idnats and structure ids. It only grows."""

    def __init__(self) -> None:
        self._trigrams: set[str] = set()
        self._keys: dict[Field, set[str]] = {Field.IDNAT: set(), Field.STRUCTURE_ID: set()}

    def add(self, mailbox: Mailbox) -> None:
        """Takes up what a mailbox says."""
        for field in Field:
            for value in values_of(mailbox, field):
                text = folded(field, value)
                self._trigrams.update(trigrams(text))
                if field in self._keys:
                    self._keys[field].add(text)

    def may_meet(self, condition: Condition) -> bool:
        """False where none of the mailboxes meets the condition."""
        match condition:
            case Nothing():
                return False
            case All(children):
                return all(map(self.may_meet, children))
            case Any(children):
                return any(map(self.may_meet, children))
            case Equal(field, value):
                text = folded(field, value)
                return text in self._keys[field] if field in self._keys else self._may_hold([text])
            case Substring():
                return self._may_hold(pieces_of(condition))
            case Words(text):
                return self._may_hold(words_of(text))
            case _:
                return True

    def _may_hold(self, texts: Iterable[str]) -> bool:
        return all(self._trigrams.issuperset(trigrams(text.strip(" "))) for text in texts)
