"""Rows by a key: of one thing, or of all the things of a page in one statement.

Mailboxes are looked up by their places, and the rows at the places are mostly kept: a page of bearers was found by them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from directory.annuaire.shelves import PERSONS, ROLES, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from directory.annuaire.files import Files
    from directory.annuaire.model import Mailbox

_SKILL = "m.code, m.label, m.type_code, m.type_label"
LONE_ROLE = (
    "NOT EXISTS (SELECT 1 FROM people.role r WHERE r.idnat = m.idnat AND (r.structure_id = m.structure_id"
    " OR r.structure_id IN (SELECT id FROM people.structure s WHERE s.idnat = m.structure_id)))"
)
"""A role that only a mailbox names."""


@dataclass(frozen=True, slots=True)
class _Asked:
    columns: str
    sources: tuple[tuple[str, str], ...]
    """Tables, with what their rows `m` have to meet; {} is the key. Those of the first come first."""
    order: str = ""

    def statement(self, *, many: bool) -> str:
        key, keys, also = ("k.value", "json_each(?1) k CROSS JOIN ", "k.value, ") if many else ("?1", "", "")
        parts = [
            f"SELECT {also}{self.columns} FROM {keys}{table} m WHERE {condition.format(key)}"
            for table, condition in self.sources
        ]
        return " UNION ALL ".join(parts) + self.order


def _columns(names: Collection[str]) -> str:
    return ", ".join(f"m.{name} AS {name}" for name in names)


_STRUCTURES = tuple(
    (f"{schema}.structure", f"m.{column} = {{}}")
    for schema in ("people", "boxes")
    for column in ("id", "idnat")
)


class Lookup(Enum):
    """What is looked up, and by which key."""

    BOXES_OF_PERSON = _Asked("m.place", (("boxes.mailbox", "m.idnat = {}"),), " ORDER BY +m.place")
    BOXES_OF_STRUCTURE = _Asked("m.place", (("boxes.mailbox", "m.structure_id = {}"),), " ORDER BY +m.place")
    OWN_BOXES_OF_STRUCTURE = _Asked(
        "m.place", (("boxes.mailbox", "m.structure_id = {} AND +m.idnat IS NULL"),), " ORDER BY +m.place"
    )
    PERSON = _Asked(
        _columns(PERSONS.told), (("people.person", "m.idnat = {}"), ("boxes.person", "m.idnat = {}"))
    )
    ROLES_OF_PERSON = _Asked(
        _columns(ROLES.told),
        (("people.role", "m.idnat = {}"), ("boxes.role", "m.idnat = {} AND " + LONE_ROLE)),
        " ORDER BY id",
    )
    SKILLS_OF_ROLES = _Asked(
        "m.skill_code, m.skill, m.skill_type_code",
        (("people.role", "m.idnat = {} AND m.skill_code IS NOT NULL"),),
        " ORDER BY +m.id",
    )
    SKILLS_OF_PERSON = _Asked(_SKILL, (("skills.qualification", "m.idnat = {}"),), " ORDER BY m.code")
    DIPLOMAS_OF_PERSON = _Asked(_SKILL, (("diplomas.qualification", "m.idnat = {}"),), " ORDER BY m.code")
    STRUCTURE = _Asked(_columns(STRUCTURES.told), _STRUCTURES)
    NAMES_OF_STRUCTURE = _Asked("m.id, m.idnat", _STRUCTURES)


_BOXES = frozenset({Lookup.BOXES_OF_PERSON, Lookup.BOXES_OF_STRUCTURE, Lookup.OWN_BOXES_OF_STRUCTURE})
QUALIFYING = (Lookup.SKILLS_OF_ROLES, Lookup.SKILLS_OF_PERSON, Lookup.DIPLOMAS_OF_PERSON)
"""What the skills and diplomas of a person are told from."""

_ONE: Mapping[Lookup, str] = {each: each.value.statement(many=False) for each in Lookup}
_MANY: Mapping[Lookup, str] = {each: each.value.statement(many=True) for each in Lookup}


class Lookups:
    """Looks rows up in the files of a generation, which never change; `boxes_at` reads mailboxes at places."""

    def __init__(self, files: Files, boxes_at: Callable[[Sequence[int]], Mapping[int, Mailbox]]) -> None:
        self._files = files
        self._boxes_at = boxes_at
        self._expected: dict[Lookup, dict[str, list[Any]]] = {}

    def rows(self, what: Lookup, key: str) -> list[tuple[Any, ...]]:
        """The rows of a key."""
        expected = self._expected.get(what, {}).get(key)
        return expected if expected is not None else self._run(_ONE[what], key)

    def boxes(self, what: Lookup, key: str) -> list[Mailbox]:
        """The mailboxes of a key, by address."""
        expected = self._expected.get(what, {}).get(key)
        if expected is not None:
            return expected
        places = [place for (place,) in self._run(_ONE[what], key)]
        found = self._boxes_at(places)
        return [found[place] for place in places]

    def expect(self, what: Lookup, keys: Collection[str]) -> None:
        """Fetches what `rows` is about to be asked for, in one statement; it is kept until the next is expected."""
        found: dict[str, list[Any]] = {key: [] for key in keys}
        rows = self._run(_MANY[what], json.dumps(list(found))) if found else []
        if what in _BOXES:
            boxes = self._boxes_at([place for _, place in rows])
            for key, place in rows:
                found[key].append(boxes[place])
        else:
            for key, *row in rows:
                found[key].append(tuple(row))
        self._expected[what] = found

    def _run(self, statement: str, value: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._files.connection.execute(statement, (value,)).fetchall()
        return rows
