"""« Qui a accès » : who is authorised, attending or blocked, and what the patient does about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from directory.annuaire.conditions import Words
from directory.annuaire.view import TooSlow
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.rights.vocabulary import Role
from portal.forms import read_own_form
from portal.pages import not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from directory.annuaire.model import Person
    from directory.annuaire.view import View
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.own_desk import OwnDesk
    from dmp_bridge.dossier.relations import Relation
    from portal.context import PortalContext
    from portal.patient_record.reception import Inside, Reception

PROFESSIONALS: Final = "/professionnels"
CARERS: Final = frozenset({Role.PROFESSIONAL, Role.EMPLOYEE, Role.STRUCTURE})
_RESULTS: Final = 20
_LONGEST: Final = 100
_TOO_SLOW: Final = "Cette recherche est trop large : écrivez le nom et le prénom."
_KINDS: Final[Mapping[RelationKind, str]] = {
    RelationKind.ATTENDING: "Médecin traitant",
    RelationKind.AUTHORISED: "Autorisés",
    RelationKind.TEAM: "Équipes de soins",
    RelationKind.BLOCKED: "Bloqués",
}
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A professional or a structure of the directory."""

    id: str
    name: str
    facts: str


class ProfessionalPages:
    """`…/professionnels` and below."""

    def __init__(self, context: PortalContext, reception: Reception, desk: Desk, own: OwnDesk) -> None:
        self._context = context
        self._reception = reception
        self._desk = desk
        self._own = own

    def routes(self) -> list[Route]:
        both, post = self._reception.both, ("POST",)
        return [
            *both(PROFESSIONALS, self.show),
            *both(f"{PROFESSIONALS}/bloquer", self.block, post),
            *both(f"{PROFESSIONALS}/debloquer", self.unblock, post),
            *both(f"{PROFESSIONALS}/retirer", self.withdraw, post),
        ]

    async def show(self, request: Request, inside: Inside) -> Response:
        """Who stands how towards the record, those of the past, and a search for who is to be blocked."""
        history = await self._own.relations(inside.caller, inside.ins, history=True)
        now = self._context.clock.millis()
        words = request.query_params.get("q", "").strip()[:_LONGEST]
        found, refusal = await self._found(words)
        holding = [each for each in history if each.holds(now)]
        values = {
            "groups": [
                (kind, label, [each for each in holding if each.kind is kind])
                for kind, label in _KINDS.items()
            ],
            "past": [each for each in history if not each.holds(now)],
            "labels": _KINDS,
            "words": words,
            "found": found,
            "refusal": refusal,
            "blocked": {each.subject_id for each in holding if each.kind is RelationKind.BLOCKED},
        }
        return await self._reception.page(inside, "patient_record/professionals.html", values)

    # ref: DMP-F26
    async def block(self, request: Request, inside: Inside) -> Response:
        """Shuts somebody out: who stands in the directory, or stands already towards the record."""
        subject_id = (await read_own_form(request, inside)).get("id")
        name = await self._name(inside, subject_id)
        await self._own.block(inside.caller, subject_id, ins=inside.ins, name=name)
        return await self._done(inside, f"{name} n’entre plus dans le dossier, même en urgence.")

    async def unblock(self, request: Request, inside: Inside) -> Response:
        """Lets somebody ask again."""
        subject_id = (await read_own_form(request, inside)).get("id")
        if not await self._own.unblock(inside.caller, subject_id, ins=inside.ins):
            raise not_found()
        return await self._done(
            inside, "Le blocage est levé : une nouvelle autorisation sera nécessaire pour consulter."
        )

    async def withdraw(self, request: Request, inside: Inside) -> Response:
        """Takes an authorisation back, or the place of the attending doctor."""
        form = await read_own_form(request, inside)
        kind = next((each for each in RelationKind if each.value == form.get("kind")), None)
        if kind is None or kind is RelationKind.BLOCKED:
            raise not_found()
        if not await self._own.withdraw(inside.caller, kind, form.get("id"), ins=inside.ins):
            raise not_found()
        return await self._done(inside, "L’autorisation est retirée.")

    async def _done(self, inside: Inside, sentence: str) -> Response:
        return await self._reception.done(inside, sentence, inside.base + PROFESSIONALS)

    async def _found(self, words: str) -> tuple[list[_Found] | None, str | None]:
        view = self._context.view()
        if not words or view is None:
            return None, None
        try:
            return await asyncio.to_thread(_search, view, words), None
        except TooSlow:
            return None, _TOO_SLOW

    async def _name(self, inside: Inside, subject_id: str) -> str:
        """The name of who is to be blocked: of the directory, of the record or of its traces; else 404."""
        view = self._context.view()
        known = _named(view, subject_id) if view is not None and subject_id else None
        if known is not None:
            return known.name
        history: list[Relation] = await self._own.relations(inside.caller, inside.ins, history=True)
        relation = next((each for each in history if each.subject_id == subject_id), None)
        if relation is not None:
            return relation.subject_name or subject_id
        seen = await self._desk.traces(inside.caller, inside.ins, TraceQuery(by=subject_id, limit=1))
        if not subject_id or not seen or Role(seen[0].role) not in CARERS:
            raise not_found()
        return seen[0].caller_name or subject_id


def _search(view: View, words: str) -> list[_Found]:
    condition = Words(words)
    persons = [_of_person(each) for each in view.persons(condition, _RESULTS)]
    structures = [
        _Found(each.idnat, each.name or each.idnat, " ".join(filter(None, (each.postal_code, each.city))))
        for each in view.structures(condition, _RESULTS)
        if each.idnat
    ]
    return [*persons, *structures][:_RESULTS]


def _named(view: View, subject_id: str) -> _Found | None:
    person = view.person(subject_id)
    if person is not None:
        return _of_person(person)
    structure = view.structure(subject_id)
    if structure is None or structure.idnat != subject_id:
        return None
    return _Found(subject_id, structure.name or subject_id, "")


def _of_person(person: Person) -> _Found:
    name = " ".join(filter(None, (person.first_name, person.last_name)))
    skills = (each.label for each in person.skills)
    return _Found(person.idnat, name or person.idnat, ", ".join(filter(None, (person.profession, *skills))))
