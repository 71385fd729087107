"""Who stands behind an address, as a person reads it: "Dr Marie MARTIN", profession, specialty, structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from directory.bals import Bal, BalType, find_bals, in_chunks
from directory.tables import directory_activity, directory_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

_ENTRIES = select(
    directory_entry.c.address,
    directory_entry.c.type,
    directory_entry.c.idnat,
    directory_entry.c.civility,
    directory_entry.c.first_name,
    directory_entry.c.last_name,
    directory_entry.c.profession,
    directory_entry.c.skill,
    directory_entry.c.structure,
    directory_entry.c.service,
).where(directory_entry.c.address.in_(bindparam("addresses", expanding=True)))

_ACTIVITIES = (
    select(
        directory_activity.c.idnat,
        directory_activity.c.title,
        directory_activity.c.civility,
        directory_activity.c.first_name,
        directory_activity.c.last_name,
        directory_activity.c.profession,
        directory_activity.c.skill,
        directory_activity.c.structure,
    )
    .where(directory_activity.c.idnat.in_(bindparam("idnats", expanding=True)))
    .order_by(directory_activity.c.idnat, directory_activity.c.digest)
)

_TITLES: Mapping[str, str] = {"DR": "Dr", "PR": "Pr", "M": "M.", "MME": "Mme", "MLLE": "Mme"}


@dataclass(frozen=True, slots=True)
class Correspondent:
    """An address with what is known of its bearer; an unknown address has itself for a name."""

    address: str
    name: str = field(repr=False)
    profession: str | None = None
    specialty: str | None = None
    structure: str | None = None
    type: BalType | None = None

    @property
    def line(self) -> str:
        """All of it in one line: "Dr Marie MARTIN, Médecin, Neurologie, CH DE DÉMO"."""
        parts = (self.name, self.profession, self.specialty, self.structure)
        return ", ".join(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    profession: str | None
    specialty: str | None
    structure: str | None


def correspondent(connection: Connection, address: str) -> Correspondent:
    """Who stands behind one address."""
    return correspondents(connection, [address])[address.lower()]


def correspondents(connection: Connection, addresses: Iterable[str]) -> dict[str, Correspondent]:
    """Who stands behind each of many addresses, by lower-case address; every one gets an answer.

    The published directory comes first, a hosted BAL that is not published gives its own name, and the
    activities of the bearer fill what both leave open. Three queries for up to 500 addresses.
    """
    wanted = {address.lower() for address in addresses}
    hosted = find_bals(connection, wanted)
    entries: dict[str, Row[*tuple[Any, ...]]] = {}
    for some in in_chunks(wanted):
        entries.update({row.address: row for row in connection.execute(_ENTRIES, {"addresses": some})})
    idnats = {bal.idnat for bal in hosted.values()} | {row.idnat for row in entries.values()}
    people = _people(connection, {idnat for idnat in idnats if idnat})
    return {address: _one(address, entries.get(address), hosted.get(address), people) for address in wanted}


def person_name(title: str | None, first_name: str | None, last_name: str | None) -> str:
    """A name as written in a letter: ("DR", "MARIE-ANNE", "martin") → "Dr Marie-Anne MARTIN"."""
    shown = _TITLES.get((title or "").strip().upper().rstrip("."), "")
    return " ".join(
        part for part in (shown, _first_name(first_name or ""), (last_name or "").upper()) if part
    )


def _one(
    address: str, entry: Row[*tuple[Any, ...]] | None, bal: Bal | None, people: Mapping[str, _Person]
) -> Correspondent:
    person = people.get((entry.idnat if entry is not None else bal.idnat if bal is not None else None) or "")
    if entry is not None:
        if entry.last_name:
            name = person_name(entry.civility, entry.first_name, entry.last_name)
            if person is not None and person_name(None, entry.first_name, entry.last_name) in person.name:
                name = max(name, person.name, key=len)  # the one that bears a title
        else:
            name = entry.service or entry.structure or address
        return Correspondent(
            address,
            name,
            entry.profession or (person.profession if person else None),
            entry.skill or (person.specialty if person else None),
            entry.structure or (person.structure if person else None),
            BalType(entry.type),
        )
    if bal is None:
        return Correspondent(address, address)
    if person is None:
        return Correspondent(address, bal.name, type=bal.type)
    name = person.name if bal.type is BalType.PER else bal.name
    return Correspondent(address, name, person.profession, person.specialty, person.structure, bal.type)


def _people(connection: Connection, idnats: set[str]) -> dict[str, _Person]:
    """One person per identifier; of several activities the first that states a fact gives it."""
    people: dict[str, _Person] = {}
    for some in in_chunks(idnats):
        for row in connection.execute(_ACTIVITIES, {"idnats": some}):
            known = people.get(row.idnat)
            if known is None:
                title = row.title or row.civility
                people[row.idnat] = _Person(
                    person_name(title, row.first_name, row.last_name),
                    row.profession,
                    row.skill,
                    row.structure,
                )
            else:
                people[row.idnat] = _Person(
                    known.name,
                    known.profession or row.profession,
                    known.specialty or row.skill,
                    known.structure or row.structure,
                )
    return people


def _first_name(text: str) -> str:
    words = text.split()
    return " ".join("-".join(part.capitalize() for part in word.split("-")) for word in words)
