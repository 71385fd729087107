"""Finding a record by its INS, entering it with the patient's consent or in an emergency, and leaving it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse
from starlette.routing import Route

from dmp_bridge.dossier.care_desk import Ground
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.rights.functional import DOCTOR
from dmp_bridge.rights.vocabulary import Mode, Reason
from foundation.identifiers import Ins
from portal import downloads
from portal.days import day_of, midnight_after
from portal.forms import read_own_form
from portal.professional.frame import say
from portal.webps import access as accesses
from portal.webps.access import Access
from portal.webps.reception import RECORDS, Inside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Existence
    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.webps.reception import Guest, Reception

LONGEST_MOTIVE: Final = 500
_PAGE: Final = 50
_NO_INS: Final = "Donnez les quinze caractères de l’INS : treize, puis la clé de deux chiffres."
_WRONG_KEY: Final = "La clé de cet INS n’est pas la bonne : vérifiez ce que vous avez tapé."
_NO_GROUND: Final = "Dites sur quoi se fonde votre accès : rien n’est coché à votre place."
_NOT_CHOSEN: Final = "Cochez la case : le patient choisit son médecin traitant, personne d’autre."
_NO_DATE: Final = "Donnez une date de fin à venir, ou aucune."
_CLOSED: Final = "Le titulaire a fermé ce dossier : il n’est plus ni alimenté ni consulté."
_NO_MODE: Final = "Choisissez le mode de l’accès en urgence."
_NO_TRAITS: Final = "Donnez le nom de naissance, le premier prénom et la date de naissance."
_GROUNDS: Final[Mapping[Ground, str]] = {
    Ground.CONSENT: "J’ai recueilli aujourd’hui le consentement exprès du patient à ce que je consulte son dossier.",
    Ground.TEAM: "Je suis membre de l’équipe de soins de ce patient, qui en a été informé et ne s’y oppose pas.",
}
_EMERGENCIES: Final[Mapping[Mode, str]] = {
    Mode.BRIS_DE_GLACE: "Bris de glace : le patient ne peut pas s’exprimer et sa santé court un risque immédiat.",
    Mode.CENTRE_15: "Centre 15 : je régule un appel.",
}


class OpeningPages:
    """`/pro/dossier`, the first page of a record, and what is declared there."""

    def __init__(self, context: PortalContext, reception: Reception, desk: Desk, care: CareDesk) -> None:
        self._context = context
        self._reception = reception
        self._desk = desk
        self._care = care

    def routes(self) -> list[Route]:
        guest, inside = self._reception.guest, self._reception.inside
        one = f"{RECORDS}/{{access}}"
        return [
            Route(RECORDS, guest(self.find), methods=["GET"]),
            Route(RECORDS, guest(self.open), methods=["POST"]),
            Route(f"{RECORDS}/patients", guest(self.records), methods=["GET"]),
            Route(f"{RECORDS}/centre-15", guest(self.search), methods=["GET"]),
            Route(f"{RECORDS}/centre-15", guest(self.found), methods=["POST"]),
            Route(one, inside(self.show), methods=["GET"]),
            Route(f"{one}/autorisation", inside(self.declare), methods=["POST"]),
            Route(f"{one}/medecin-traitant", inside(self.declare_as_attending), methods=["POST"]),
            Route(f"{one}/retrait", inside(self.withdraw), methods=["POST"]),
            Route(f"{one}/fin-du-suivi", inside(self.cease), methods=["POST"]),
            Route(f"{one}/urgence", inside(self.enter), methods=["POST"]),
            Route(f"{one}/fin", inside(self.leave), methods=["POST"]),
        ]

    async def find(self, request: Request, guest: Guest) -> Response:
        """The form for an INS, and what is new since the last visit."""
        return await self._find(guest, None, "")

    async def open(self, request: Request, guest: Guest) -> Response:
        """Opens a record by its INS: 303 to its first page; else the form with the reason.

        With a mode and a motive it is entered in an emergency at once.
        """
        form = await read_own_form(request, guest)
        typed = form.get("ins")[:64]
        ins = Ins.parse("".join(typed.split()))
        if ins is None:
            return await self._find(guest, _NO_INS, typed, status=422)
        if not ins.key_is_right:
            return await self._find(guest, _WRONG_KEY, typed, status=422)
        mode, motive = _mode(form.get("mode")), form.get("motive").strip()[:LONGEST_MOTIVE]
        try:
            existence = await self._existence(guest.caller, ins.value)
            if mode is not None:
                await self._may_enter(replace(guest.caller, mode=mode, motive=motive), ins.value)
        except Denied as denied:
            denial = DENIALS[denied.reason]
            return await self._find(guest, denied.detail or denial.sentence, typed, status=denial.http)
        birth_name, first_names, birth_date, sex = existence.traits or ("", "", "", "")
        wanted = Access(
            id="",
            ins=existence.ins,
            birth_name=birth_name,
            first_names=first_names,
            birth_date=birth_date,
            sex=sex,
            mode=mode or Mode.NORMAL,
            motive=motive if mode is not None else "",
        )
        access = await self._context.database.write(lambda uow: accesses.begin(uow, guest.session, wanted))
        document = form.get("document")
        is_number = document.isascii() and document.isdecimal() and len(document) <= downloads.LONGEST_NUMBER
        return RedirectResponse(
            f"{access.path}/documents/{document}" if is_number else access.path, status_code=303
        )

    async def records(self, request: Request, guest: Guest) -> Response:
        """TD0.4: the records one is authorised on."""
        after = downloads.number_of_query(request, "apres") or 0
        found = await self._care.authorised_records(guest.caller, after=after, limit=_PAGE)
        values = {"found": found, "next": found[-1].relation.id if len(found) == _PAGE else None}
        return await self._reception.page(guest, "webps/records.html", values)

    async def search(self, request: Request, guest: Guest) -> Response:
        """TD0.5: the form of who regulates and has no INS."""
        return await self._search(guest, {})

    async def found(self, request: Request, guest: Guest) -> Response:
        """TD0.5: those of this name, each with the way into the record in the same mode and with the same motive."""
        form = await read_own_form(request, guest)
        motive = form.get("motive").strip()[:LONGEST_MOTIVE]
        names = [form.get(name).strip()[:100] for name in ("birth_name", "first_name")]
        born, sex = day_of(form.get("birth_date")), form.get("sex")
        if born is None or not all(names):
            return await self._search(guest, form.fields, refusal=_NO_TRAITS, status=422)
        caller = replace(guest.caller, mode=Mode.CENTRE_15, motive=motive)
        try:
            patients = await self._care.find_without_ins(
                caller,
                birth_name=names[0],
                first_name=names[1],
                birth_date=born.isoformat(),
                sex=sex if sex in {"F", "M"} else "",
            )
        except Denied as denied:
            denial = DENIALS[denied.reason]
            return await self._search(guest, form.fields, refusal=denial.sentence, status=denial.http)
        return await self._search(guest, form.fields, patients=patients, motive=motive)

    async def show(self, request: Request, inside: Inside) -> Response:
        """TD0.2: what may be told of the record, and the ways into it."""
        return await self._show(inside, {})

    # ref: DMP-F22
    async def declare(self, request: Request, inside: Inside) -> Response:
        """TD0.3: the professional says on what the authorisation stands; nobody says it instead (EX 35)."""
        form = await read_own_form(request, inside)
        ground = next((each for each in Ground if each.value == form.get("ground")), None)
        if ground is None:
            return await self._show(inside, form.fields, refusal=_NO_GROUND, status=422)
        until = None
        if form.get("until"):
            last = day_of(form.get("until"))
            until = midnight_after(last) if last is not None else 0
            if until <= self._context.clock.millis():
                return await self._show(inside, form.fields, refusal=_NO_DATE, status=422)
        await self._care.declare(inside.caller, inside.ins, ground, until=until)
        return await self._reception.done(
            inside, "Votre autorisation est enregistrée.", f"{inside.access.path}/documents"
        )

    async def declare_as_attending(self, request: Request, inside: Inside) -> Response:
        """TD0.3: the doctor says that the patient chose them."""
        form = await read_own_form(request, inside)
        if form.get("chosen") != "1":
            return await self._show(inside, form.fields, refusal=_NOT_CHOSEN, status=422)
        await self._care.declare_as_attending(inside.caller, inside.ins)
        return await self._reception.done(
            inside, "Vous êtes le médecin traitant de ce patient.", f"{inside.access.path}/documents"
        )

    async def withdraw(self, request: Request, inside: Inside) -> Response:
        """TD0.3: the own authorisation ends."""
        await read_own_form(request, inside)
        had_one = await self._care.withdraw(inside.caller, inside.ins)
        sentence = "Votre autorisation est retirée." if had_one else "Vous n’aviez pas d’autorisation."
        return await self._reception.done(inside, sentence, inside.access.path)

    async def cease(self, request: Request, inside: Inside) -> Response:
        """TD0.3: the attending doctor is it no more."""
        await read_own_form(request, inside)
        await self._care.cease_as_attending(inside.caller, inside.ins)
        return await self._reception.done(
            inside, "Vous n’êtes plus le médecin traitant de ce patient.", inside.access.path
        )

    # ref: DMP-F25
    async def enter(self, request: Request, inside: Inside) -> Response:
        """Enters in an emergency: the desk is asked in that mode, with the motive that the patient will read."""
        form = await read_own_form(request, inside)
        mode, motive = _mode(form.get("mode")), form.get("motive").strip()[:LONGEST_MOTIVE]
        if mode is None:
            return await self._show(inside, form.fields, refusal=_NO_MODE, status=422)
        try:
            await self._may_enter(replace(inside.caller, mode=mode, motive=motive), inside.ins)
        except Denied as denied:
            denial = DENIALS[denied.reason]
            return await self._show(inside, form.fields, refusal=denial.sentence, status=denial.http)
        entered = replace(inside.access, mode=mode, motive=motive)
        await self._context.database.write(lambda uow: accesses.change(uow, inside.session, entered))
        return RedirectResponse(f"{inside.access.path}/documents", 303)

    async def leave(self, request: Request, inside: Inside) -> Response:
        """Closes the record; an access in an emergency ends with it."""
        await read_own_form(request, inside)

        def unit(uow: UnitOfWork) -> None:
            accesses.end(uow, inside.session, inside.access.id)
            say(uow, inside.session, "Le dossier est fermé.")

        await self._context.database.write(unit)
        return RedirectResponse(RECORDS, 303)

    # ref: DMP-F34
    async def _existence(self, caller: Caller, ins: str) -> Existence:
        """TD0.2: a closed record is told, and not entered."""
        found = await self._desk.existence(caller, ins)
        if not found.is_active:
            raise Denied(Reason.NO_RECORD, _CLOSED)
        return found

    async def _may_enter(self, caller: Caller, ins: str) -> None:
        await self._desk.search(caller, ins, DocumentQuery(limit=0))

    async def _find(self, guest: Guest, refusal: str | None, typed: str, *, status: int = 200) -> Response:
        values = {"refusal": refusal, "typed": typed}
        return await self._reception.page(guest, "webps/find.html", values, status=status)

    async def _search(
        self, guest: Guest, typed: Mapping[str, str], *, status: int = 200, **shown: Any
    ) -> Response:
        values = {"refusal": None, "patients": None, "motive": "", "typed": typed, **shown}
        values["longest"] = LONGEST_MOTIVE
        return await self._reception.page(guest, "webps/search.html", values, status=status)

    async def _show(
        self, inside: Inside, typed: Mapping[str, str], *, refusal: str | None = None, status: int = 200
    ) -> Response:
        values = {
            "existence": await self._existence(inside.caller, inside.ins),
            "grounds": _GROUNDS,
            "emergencies": _EMERGENCIES,
            "is_doctor": inside.caller.profession == DOCTOR,
            "longest": LONGEST_MOTIVE,
            "typed": typed,
            "refusal": refusal,
        }
        return await self._reception.page(inside, "webps/record.html", values, status=status)


def _mode(text: str) -> Mode | None:
    """An emergency mode of a form."""
    return next((each for each in _EMERGENCIES if each.value == text), None)
