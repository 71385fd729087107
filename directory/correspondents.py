"""Who stands behind an address, as a person reads it: "Dr Marie MARTIN", profession, specialty, structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directory.bals import Bal, BalType, find_bals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

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
class _Bearer:
    name: str
    profession: str | None
    specialty: str | None
    structure: str | None


def correspondent(connection: Connection, view: View | None, address: str) -> Correspondent:
    """Who stands behind one address."""
    return correspondents(connection, view, [address])[address.lower()]


def correspondents(
    connection: Connection, view: View | None, addresses: Iterable[str]
) -> dict[str, Correspondent]:
    """Who stands behind each of many addresses, by lower-case address; every one gets an answer.

    The published directory comes first, a hosted BAL that is not published gives its own name, and the
    activities of the bearer fill what both leave open. Without a `view` only hosted boxes are known.
    """
    wanted = {address.lower() for address in addresses}
    hosted = find_bals(connection, wanted)
    bearers: dict[str, _Bearer | None] = {}

    def bearer(idnat: str | None) -> _Bearer | None:
        if not idnat or view is None:
            return None
        if idnat not in bearers:
            bearers[idnat] = _bearer(view, idnat)
        return bearers[idnat]

    found = {}
    for address in wanted:
        box = view.mailbox(address) if view is not None else None
        bal = hosted.get(address)
        if box is not None:
            found[address] = _published(box, bearer(box.idnat))
        elif bal is not None:
            found[address] = _hosted(bal, bearer(bal.idnat))
        else:
            found[address] = Correspondent(address, address)
    return found


def person_name(title: str | None, first_name: str | None, last_name: str | None) -> str:
    """A name as written in a letter: ("DR", "MARIE-ANNE", "martin") → "Dr Marie-Anne MARTIN"."""
    shown = _TITLES.get((title or "").strip().upper().rstrip("."), "")
    return " ".join(
        part for part in (shown, _first_name(first_name or ""), (last_name or "").upper()) if part
    )


def _published(box: Mailbox, bearer: _Bearer | None) -> Correspondent:
    if box.last_name:
        name = person_name(box.civility, box.first_name, box.last_name)
        if bearer is not None and person_name(None, box.first_name, box.last_name) in bearer.name:
            name = max(name, bearer.name, key=len)  # the one that bears a title
    else:
        name = box.service or box.structure or box.address
    return Correspondent(
        box.address,
        name,
        box.profession or (bearer.profession if bearer else None),
        box.skill or (bearer.specialty if bearer else None),
        box.structure or (bearer.structure if bearer else None),
        box.type,
    )


def _hosted(bal: Bal, bearer: _Bearer | None) -> Correspondent:
    if bearer is None:
        return Correspondent(bal.address, bal.name, type=bal.type)
    name = bearer.name if bal.type is BalType.PER else bal.name
    return Correspondent(bal.address, name, bearer.profession, bearer.specialty, bearer.structure, bal.type)


def _bearer(view: View, idnat: str) -> _Bearer | None:
    """Of several activities the first that states a fact gives it."""
    person = view.person(idnat)
    if person is None:
        return None
    structures = (role.structure_id for role in view.roles_of_person(idnat) if role.structure_id)
    structure = view.structure(next(structures, ""))
    return _Bearer(
        person_name(person.title or person.civility, person.first_name, person.last_name),
        person.profession,
        next((skill.label for skill in person.skills if skill.label), None),
        structure.name or structure.sign if structure is not None else None,
    )


def _first_name(text: str) -> str:
    words = text.split()
    return " ".join("-".join(part.capitalize() for part in word.split("-")) for word in words)
