"""What working a condition out asks of the directory: names one typing error away, codes of labels, sizes, bearers."""

from __future__ import annotations

import json
from copy import copy
from itertools import chain, islice
from typing import TYPE_CHECKING

from directory.annuaire.alphabets import trigrams
from directory.annuaire.conditions import All, Not, Present
from directory.annuaire.fields import Field
from directory.annuaire.matching import met, one_error
from directory.annuaire.overlay import SCHEMA as OURS
from directory.annuaire.plans import Clause, terms_or

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.files import Files
    from directory.annuaire.overlay import Overlay
    from foundation.driver import dbapi

_MOST_BOXES = 60_000
"""Mailboxes of which the bearers are named one by one; of more, rows are looked at until enough bear one."""
_MOST_REMEMBERED = 16
"""Lists of bearers: who asks for a page asks for the next one."""
_MOST_CLOSE = 16
_LEAST_WITH_ERROR = 4
_LABELLED = ("people", "boxes", "skills", "diplomas")

_NO_STRUCTURE, _NOBODY = Not(Present(Field.STRUCTURE_ID)), Not(Present(Field.IDNAT))
_BORNE: Mapping[str, tuple[Condition, ...]] = {
    "person": (Present(Field.IDNAT), _NO_STRUCTURE),
    "structure": (Present(Field.STRUCTURE_ID), _NOBODY),
    "role": (Present(Field.IDNAT), Present(Field.STRUCTURE_ID)),
}
"""By table: which mailboxes a row may bear."""
_NAMES_LIKE = (
    "SELECT n.word FROM {0}.name_index i CROSS JOIN {0}.name n ON n.place = i.rowid"
    " WHERE i.name_index MATCH ? AND length(n.word) BETWEEN ? AND ?"
)
_STRUCTURES_OF = "SELECT id FROM {0}.structure WHERE idnat IN (SELECT value FROM json_each(?))"
_ROLES_OF = (
    "SELECT r.id FROM json_each(?) b JOIN {0}.role r ON r.idnat = b.value ->> 0"
    " WHERE r.structure_id = b.value ->> 1 OR EXISTS (SELECT 1 FROM people.structure s"
    " WHERE s.id = r.structure_id AND s.idnat = b.value ->> 1)"
)


class Known:
    """Answers from the files of a generation, and from what this operator publishes.

    `linked` finds the idnat and structure id of mailboxes, None when there are more than a bound.
    """

    def __init__(
        self,
        files: Files,
        ours: Overlay,
        linked: Callable[[Condition, int], list[tuple[str | None, str | None]] | None],
    ) -> None:
        self._files = files
        self._ours = ours
        self._version = ours.version
        self._linked = linked
        self._schema = "boxes"
        self._connection: dbapi.Connection | None = None

    def within(self, schema: str) -> Known:
        """The same, for the tables of one file."""
        other = copy(self)
        other._schema = schema
        return other

    def of_overlay(self, connection: dbapi.Connection) -> Known:
        """The same, for what this operator publishes."""
        other = self.within(OURS)
        other._connection = connection
        return other

    def close_names(self, word: str) -> Sequence[str]:
        """The word, and the words of names that are one typing error away, those published here first."""
        if len(word) < _LEAST_WITH_ERROR:
            return [word]
        self._files.budget.check()  # a filter may ask for thousands of them
        text = f" {word} "
        half = (len(text) - 1) // 2
        # one error leaves one end of the word as it is, except in the shortest
        ends = (text[:half], text[-half:]) if half > 2 else trigrams(text)
        asked = (terms_or(ends), len(word) - 1, len(word) + 1)
        rows: list[tuple[str]] = []
        if self._ours.rows:
            with self._ours.held(self._files.budget.until) as connection:
                rows += connection.execute(_NAMES_LIKE.format(OURS), asked)
        named = chain(rows, self._files.connection.execute(_NAMES_LIKE.format("boxes"), asked))
        close = dict.fromkeys(other for (other,) in named if other != word and one_error(word, other))
        return [word, *islice(close, _MOST_CLOSE)]

    def codes(self, nomenclature: str, condition: Condition) -> Sequence[str]:
        """The codes whose label meets a condition on any field."""
        labels: dict[str, str] = {}
        for schema in _LABELLED:
            statement = f"SELECT code, label FROM {schema}.label WHERE nomenclature = ?"
            for code, label in self._files.connection.execute(statement, (nomenclature,)):
                labels.setdefault(code, label)
        return [code for code, label in labels.items() if met(condition, _always(label))]

    def label(self, nomenclature: str, code: str) -> str | None:
        """The label of a code."""
        for schema in _LABELLED:
            statement = f"SELECT label FROM {schema}.label WHERE nomenclature = ? AND code = ?"
            row = self._files.connection.execute(statement, (nomenclature, code)).fetchone()
            if row is not None:
                label: str = row[0]
                return label
        return None

    def bearers(self, table: str, condition: Condition) -> Sequence[str] | None:
        """The keys, in order, of the rows that bear a mailbox that meets a condition; None when they are too many."""
        remembered = self._files.bearers
        asked = (self._version, self._schema, table, condition)
        known = remembered.get(asked)  # one look: another thread may clear it between two
        if known is not None:
            return known
        boxes = self._linked(All((condition, *_BORNE[table])), _MOST_BOXES)
        if boxes is None:
            return None
        keys = sorted({key.lower() for key in self._keys(table, boxes)})
        if len(remembered) >= _MOST_REMEMBERED:
            remembered.clear()
        remembered[asked] = keys
        return keys

    def _keys(self, table: str, boxes: list[tuple[str | None, str | None]]) -> list[str]:
        if table == "person":
            return [idnat for idnat, _ in boxes if idnat is not None]
        execute = self._files.connection.execute
        if table == "structure":
            told = json.dumps([structure_id for _, structure_id in boxes])
            return [key for (key,) in execute(_STRUCTURES_OF.format(self._schema), (told,))]
        return [key for (key,) in execute(_ROLES_OF.format(self._schema), (json.dumps(boxes),))]

    def size_of(self, table: str, clause: Clause, at_most: int) -> int:
        """How many rows a clause finds by an index, up to a bound."""
        connection = self._connection or self._files.connection
        statement = (
            f"SELECT count(*) FROM (SELECT 1 FROM {self._schema}.{table} m WHERE {clause.sql} LIMIT ?)"
        )
        counted: int = connection.execute(statement, (*clause.values, at_most)).fetchone()[0]
        return counted


def _always(value: str) -> Callable[[Field], tuple[str]]:
    return lambda _: (value,)
