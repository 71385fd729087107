"""Finds published mailboxes by words: names, structures, services, professions, places, identifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select

from directory.bals import BalState, BalType, bal
from directory.correspondents import person_name
from directory.folding import fold
from directory.tables import directory_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

MOST_WORDS = 8
MOST_RESULTS = 200
LONGEST_QUERY = 200

_COLUMNS = (
    directory_entry.c.address,
    directory_entry.c.type,
    directory_entry.c.idnat,
    directory_entry.c.civility,
    directory_entry.c.first_name,
    directory_entry.c.last_name,
    directory_entry.c.profession,
    directory_entry.c.skill,
    directory_entry.c.structure_id,
    directory_entry.c.structure,
    directory_entry.c.service,
    directory_entry.c.postal_code,
    directory_entry.c.city,
    directory_entry.c.digital,
)
# a box of ours that is on the red list, suspended or closed is not shown, whatever yesterday's extract says
_HIDDEN = (
    select(bal.c.owner_id)
    .where(bal.c.address == directory_entry.c.address)
    .where((bal.c.red_list.is_(True)) | (bal.c.state != BalState.ACTIVE.value))
    .exists()
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A published mailbox with its bearer. `idnat` is the person's, `structure_id` the structure's identifier."""

    address: str
    type: BalType
    idnat: str | None
    civility: str | None
    first_name: str | None
    last_name: str | None
    profession: str | None
    specialty: str | None
    structure_id: str | None
    structure: str | None
    service: str | None
    postal_code: str | None
    city: str | None
    digital: bool = field(kw_only=True)
    """Whether the bearer wants no paper ("Zéro papier")."""

    @property
    def name(self) -> str:
        """ "Dr Marie MARTIN", or the service or structure of a box that is nobody's own."""
        if self.last_name:
            return person_name(self.civility, self.first_name, self.last_name)
        return self.service or self.structure or self.address


# ref: F40
def search(connection: Connection, words: str, *, limit: int = 50) -> list[Entry]:
    """The mailboxes in which every word occurs, by name; accents, case and order of the words do not matter.

    No words, no results. At most `limit`, and never more than `MOST_RESULTS`; words past the eighth are
    not looked at.
    """
    wanted = fold(words[:LONGEST_QUERY]).split()[:MOST_WORDS]
    if not wanted:
        return []
    # a folded word is letters and digits only: nothing in it is special to LIKE
    occurs = [directory_entry.c.folded.like(bindparam(f"word{i}")) for i in range(len(wanted))]
    statement = (
        select(*_COLUMNS)
        .where(and_(*occurs), ~_HIDDEN)
        .order_by(directory_entry.c.last_name, directory_entry.c.first_name, directory_entry.c.address)
        .limit(max(0, min(limit, MOST_RESULTS)))
    )
    values: Mapping[str, str] = {f"word{i}": f"%{word}%" for i, word in enumerate(wanted)}
    return [_entry(row) for row in connection.execute(statement, values)]


def find_entry(connection: Connection, address: str) -> Entry | None:
    """The published mailbox of an address, None where it is not published or hidden."""
    statement = select(*_COLUMNS).where(directory_entry.c.address == address.lower(), ~_HIDDEN)
    row = connection.execute(statement).first()
    return _entry(row) if row is not None else None


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    address, kind, *texts, digital = tuple(row)
    return Entry(address, BalType(kind), *texts, digital=bool(digital))
