"""« Mes choix » : who may feed and consult, who may enter in an emergency, and the history of what was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.visibility import Visibility
from portal.forms import read_own_form
from portal.pages import not_found
from portal.patient_record.words import KINDS, VALUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.consents import ConsentRow, Consents
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.own_desk import OwnDesk
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.patient_record.reception import Inside, Reception

CHOICES: Final = "/choix"
EMERGENCY: Final[Mapping[ConsentKind, str]] = {
    ConsentKind.CENTRE_15: "Le médecin du centre 15 (SAMU) peut consulter le dossier",
    ConsentKind.BRIS_DE_GLACE: "Un autre professionnel peut le consulter en urgence (bris de glace)",
    ConsentKind.MASKED_IN_EMERGENCY: "En urgence, les documents masqués sont montrés aussi",
}
LONGEST_REASON: Final = 500
MOST_AT_ONCE: Final = 200
_OF_ALL: Final[Mapping[str, Change]] = {"mask": Change.MASK, "unmask": Change.UNMASK}
_NO_REASON: Final = "Écrivez le motif légitime de l’opposition."
_NO_ANSWER: Final = "Choisissez une réponse à chaque question."


@dataclass(frozen=True, slots=True)
class _Said:
    """One line of the history in words."""

    at: int
    about: str
    value: str
    structure: str
    reason: str
    by: str


class ChoicePages:
    """`…/choix` and below."""

    def __init__(self, context: PortalContext, reception: Reception, desk: Desk, own: OwnDesk) -> None:
        self._context = context
        self._reception = reception
        self._desk = desk
        self._own = own

    def routes(self) -> list[Route]:
        both, post = self._reception.both, ("POST",)
        return [
            *both(CHOICES, self.show),
            *both(f"{CHOICES}/urgence", self.emergency, post),
            *both(f"{CHOICES}/alimentation", self.feeding, post),
            *both(f"{CHOICES}/consultation", self.consultation, post),
            *both(f"{CHOICES}/masquage", self.masking, post),
            *both(f"{CHOICES}/masquage-de-tout", self.all_of_them, post),
        ]

    # ref: DMP-F22
    async def show(self, request: Request, inside: Inside) -> Response:
        """What holds now, the forms to change it, and the history."""
        return await self._page(inside, {})

    # ref: DMP-F25
    async def emergency(self, request: Request, inside: Inside) -> Response:
        """Permits or refuses access in an emergency, by purpose, and masked documents in it."""
        form = await read_own_form(request, inside)
        answers = {kind: form.get(kind.value) for kind in EMERGENCY}
        if any(answer not in (Consent.PERMIT, Consent.DENY) for answer in answers.values()):
            return await self._page(inside, form.fields, refusal=_NO_ANSWER, status=422)
        for kind, answer in answers.items():
            await self._own.say(inside.caller, kind, Consent(answer), ins=inside.ins)
        return await self._done(inside)

    # ref: DMP-F22
    async def feeding(self, request: Request, inside: Inside) -> Response:
        """Opposes the feeding of the record, everywhere or by one structure, or lifts an opposition."""
        form = await read_own_form(request, inside)
        said = await self._own.consents(inside.caller, inside.ins)
        structure_id = self._structure(form, said)
        if form.get("answer") == "lift":
            await self._own.say(
                inside.caller,
                ConsentKind.FEEDING,
                Consent.NOT_OPPOSED,
                ins=inside.ins,
                structure_id=structure_id,
            )
            return await self._done(inside)
        reason = form.get("reason").strip()
        if not reason:
            return await self._page(inside, form.fields, refusal=_NO_REASON, status=422)
        try:
            await self._own.say(
                inside.caller,
                ConsentKind.FEEDING,
                Consent.OPPOSED,
                ins=inside.ins,
                reason=reason,
                structure_id=structure_id,
            )
        except ConsentRefused as refused:
            return await self._page(inside, form.fields, refusal=str(refused), status=422)
        return await self._done(inside)

    # ref: DMP-F22
    async def consultation(self, request: Request, inside: Inside) -> Response:
        """Consents, or not, to the consultation by the care teams of a structure that asked."""
        form = await read_own_form(request, inside)
        said = await self._own.consents(inside.caller, inside.ins)
        structure_id = self._structure(form, said)
        answer = {"yes": Consent.CONSENTS, "no": Consent.CONSENTS_NOT}.get(form.get("answer"))
        if answer is None or not structure_id:
            raise not_found()
        await self._own.say(
            inside.caller, ConsentKind.CONSULTATION, answer, ins=inside.ins, structure_id=structure_id
        )
        return await self._done(inside)

    # ref: DMP-F38
    async def masking(self, request: Request, inside: Inside) -> Response:
        """Has documents that come from now on begin masked, or not."""
        form = await read_own_form(request, inside)
        if form.get("answer") not in ("yes", "no"):
            return await self._page(inside, form.fields, refusal=_NO_ANSWER, status=422)
        await self._own.mask_new_documents(inside.caller, masked=form.get("answer") == "yes", ins=inside.ins)
        return await self._done(inside)

    # ref: DMP-F38
    async def all_of_them(self, request: Request, inside: Inside) -> Response:
        """Masks the documents that are there, or shows them again: some hundreds at a time."""
        change = _OF_ALL.get((await read_own_form(request, inside)).get("answer"))
        if change is None:
            raise not_found()
        masked = (Visibility.MASKED.value,)
        query = DocumentQuery(
            statuses=(Status.APPROVED.value, Status.ARCHIVED.value),
            visibilities=masked if change is Change.UNMASK else (),
            but_not=masked if change is Change.MASK else (),
            limit=MOST_AT_ONCE,
        )
        found = await self._desk.search(inside.caller, inside.ins, query)
        for each in found.documents:
            await self._desk.change(inside.caller, each.id, change)
        done = "masqué" if change is Change.MASK else "montré"
        count = len(found.documents)
        sentence = f"{count} document{'s' if count > 1 else ''} {done}{'s' if count > 1 else ''}."
        if found.are_more:
            sentence += " Il en reste : recommencez."
        return await self._reception.done(inside, sentence, inside.base + CHOICES)

    def _structure(self, form: Form, said: Consents) -> str:
        """The structure of a form: one of the history or of the directory, or "" for all; else 404."""
        wanted = form.get("structure")
        view = self._context.view()
        is_known = any(row.structure_id == wanted for row in said.rows)
        if wanted and not is_known and (view is None or view.structure(wanted) is None):
            raise not_found()
        return wanted

    async def _done(self, inside: Inside) -> Response:
        return await self._reception.done(inside, "Votre choix est enregistré.", inside.base + CHOICES)

    async def _page(
        self, inside: Inside, typed: Mapping[str, str], *, refusal: str | None = None, status: int = 200
    ) -> Response:
        said = await self._own.consents(inside.caller, inside.ins)
        structures = {row.structure_id: self._name(row.structure_id) for row in said.rows if row.structure_id}
        relations = await self._own.relations(inside.caller, inside.ins)
        # A Struct_IdNat begins by 1, 3 or 4, the PS_IdNat of a person by 0, 8 or 9.
        structures |= {
            each.subject_id: each.subject_name or self._name(each.subject_id)
            for each in relations
            if each.subject_id[:1] in "134" and each.subject_id not in structures
        }
        values: dict[str, Any] = {
            "emergency": {
                kind: (words, "permit" if said.permits(kind) else "deny") for kind, words in EMERGENCY.items()
            },
            "oppositions": [
                row
                for where in ("", *structures)
                if (row := said.last(ConsentKind.FEEDING, where)) is not None and row.value is Consent.OPPOSED
            ],
            "consultations": [
                (where, name, said.consents_to_consultation(where)) for where, name in structures.items()
            ],
            "structures": structures,
            "masks": await self._own.masks_new_documents(inside.caller, inside.ins),
            "history": [self._told(inside, row) for row in reversed(said.rows)],
            "typed": typed,
            "refusal": refusal,
            "longest": LONGEST_REASON,
        }
        return await self._reception.page(inside, "patient_record/choices.html", values, status=status)

    def _name(self, structure_id: str) -> str:
        view = self._context.view()
        found = view.structure(structure_id) if view is not None else None
        return (found.name if found is not None else None) or structure_id

    def _told(self, inside: Inside, row: ConsentRow) -> _Said:
        return _Said(
            row.at,
            KINDS[row.kind],
            VALUES[row.value],
            self._name(row.structure_id) if row.structure_id else "",
            row.reason,
            self._actor(inside, row.actor),
        )

    def _actor(self, inside: Inside, actor: str) -> str:
        if actor == inside.caller.id:
            return "vous"
        if actor == f"patient:{inside.patient.owner_id}":
            return inside.patient.name
        if actor.startswith("patient:"):
            return "un représentant légal"
        view = self._context.view()
        person = view.person(actor) if view is not None else None
        if person is not None:
            return " ".join(filter(None, (person.first_name, person.last_name))) or actor
        return self._name(actor)
