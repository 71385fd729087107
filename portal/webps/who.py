"""Who a signed-in professional is to the desk of the records: as the directory knows them, or Pro Santé Connect."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from directory.bals import BalType
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.rights.functional import OCCUPATIONAL_SKILLS
from dmp_bridge.rights.vocabulary import Role
from portal.professional.psc import EXERCISE
from portal.sessions import Strength

if TYPE_CHECKING:
    from collections.abc import Iterable

    from directory.annuaire.model import Role as Situation
    from directory.annuaire.view import View
    from portal.context import PortalContext
    from portal.professional.visit import Visit

CHANNEL: Final = "portal"
_PERSONS: Final = ("0", "8")
"""TRE_G08: an ADELI and an RPPS number name a professional; what else a box may bear names a structure."""


class Obstacle(StrEnum):
    """Why somebody who is signed in may not stand before the desk, in words for that person."""

    WEAK = (
        "Le dossier d’un patient ne s’ouvre qu’avec deux facteurs : identifiez-vous par Pro Santé Connect, "
        "ou mettez en place un second facteur puis reconnectez-vous."
    )
    NOBODY = (
        "Le dossier d’un patient s’ouvre avec votre identification personnelle : cette boîte est celle d’une "
        "structure, et ne dit pas qui vous êtes."
    )
    NO_PROFESSION = (
        "Ni l’annuaire ni Pro Santé Connect ne disent votre profession : faites corriger votre inscription "
        "auprès de votre ordre, ou joignez votre opérateur de messagerie."
    )


async def caller_of(context: PortalContext, visit: Visit) -> Caller | Obstacle:
    """The professional behind a visit, acting for the structure of the box that is open where it is theirs.

    What the directory knows outweighs what Pro Santé Connect said at the sign-in.
    """
    if not visit.is_strong:
        return Obstacle.WEAK
    idnat = visit.bearer.idnat
    # Several people may know the password of a practice's box; Pro Santé Connect vouches for one.
    is_person = visit.bearer.type is BalType.PER or visit.session.strength is Strength.PSC
    if not is_person or idnat is None or not idnat.startswith(_PERSONS):
        return Obstacle.NOBODY
    view = context.view()
    known = await asyncio.to_thread(_known, view, visit, idnat) if view is not None else None
    caller = known or _claimed(visit, idnat)
    return caller or Obstacle.NO_PROFESSION


def _known(view: View, visit: Visit, idnat: str) -> Caller | None:
    """As the directory says; None where it knows no profession of this person."""
    person = view.person(idnat)
    situations = view.roles_of_person(idnat)
    boxes = view.mailboxes_of_person(idnat)
    structures = {box.structure_id: box.structure or "" for box in boxes if box.structure_id}
    places = {
        each.structure_id: view.structure(each.structure_id) for each in situations if each.structure_id
    }
    structures |= {
        place.idnat: place.name or "" for place in places.values() if place is not None and place.idnat
    }
    structure_id = _structure(view, visit, structures)
    here = [
        each
        for each in situations
        if (place := places.get(each.structure_id or "")) is not None and place.idnat == structure_id
    ] or situations
    professions = [each.profession_code for each in here if each.profession_code]
    professions += [person.profession_code] if person is not None and person.profession_code else []
    professions += [box.profession_code for box in boxes if box.profession_code]
    if not professions:
        return None
    skills = _skills(here) or ([each.code for each in person.skills] if person is not None else [])
    return Caller(
        role=Role.PROFESSIONAL,
        id=idnat,
        name=_name(visit, (person.first_name, person.last_name) if person is not None else ()),
        profession=professions[0],
        skill=_skill(skills),
        structure_id=structure_id,
        structure_name=structures.get(structure_id, ""),
        channel=CHANNEL,
    )


def _structure(view: View, visit: Visit, structures: dict[str, str]) -> str:
    """That of the open box where the directory knows the person in it, else their only one."""
    published = view.mailbox(visit.bal.address)
    wanted = (published.structure_id if published is not None else None) or visit.bal.idnat
    if wanted in structures:
        return str(wanted)
    return next(iter(structures)) if len(structures) == 1 else ""


def _skills(situations: Iterable[Situation]) -> list[str]:
    return [each.skill_code for each in situations if each.skill_code]


def _skill(skills: list[str]) -> str:
    """An occupational doctor counts as one wherever it is not clear in which exercise they act."""
    return next((each for each in skills if each in OCCUPATIONAL_SKILLS), next(iter(skills), ""))


def _claimed(visit: Visit, idnat: str) -> Caller | None:
    """As Pro Santé Connect said when the session was opened; None where it was opened otherwise."""
    exercise = visit.session.pocket.get(EXERCISE)
    if not isinstance(exercise, dict) or exercise.get("idnat") != idnat or not exercise.get("profession"):
        return None
    return Caller(
        role=Role.PROFESSIONAL,
        id=idnat,
        name=_name(visit, (exercise.get("name"),)),
        profession=str(exercise["profession"]),
        skill=_skill([str(each) for each in exercise.get("skills", [])]),
        channel=CHANNEL,
    )


def _name(visit: Visit, parts: Iterable[str | None]) -> str:
    return " ".join(part for part in parts if part) or visit.bearer.name
