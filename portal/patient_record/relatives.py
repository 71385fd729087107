"""Those for whom a person acts, the record of one of them while it is shut, and the "connexion secrète" of a minor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from directory.patients import PatientRefused, PatientState, represented_by
from dmp_bridge.dossier.closing import ClosingRefused
from dmp_bridge.dossier.minority import acting_for
from portal import sessions
from portal.forms import read_own_form
from portal.pages import not_found
from portal.patient_record.documents import DOCUMENTS
from portal.patient_record.reception import IS_UNTOLD, OWN, RELATIVES

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from directory.patients import Patient
    from dmp_bridge.dossier.own_desk import OwnDesk
    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.patient_record.reception import Inside, Reception


class RelativePages:
    """`/patient/proches`, `/patient/proches/{person}` and `/patient/connexion-secrete`."""

    def __init__(self, context: PortalContext, reception: Reception, own: OwnDesk) -> None:
        self._context = context
        self._reception = reception
        self._own = own

    def routes(self) -> list[Route]:
        own, another, post = self._reception.own, self._reception.another, ("POST",)
        return [
            *own(RELATIVES.removeprefix(OWN), self.list),
            *own("/connexion-secrete", self.secret, post),
            *another("", self.open),
            *another("/ouverture", self.activate, post),
            *another("/reouverture", self.reopen, post),
            *another("/suppression", self.ask_deletion, post),
        ]

    # ref: DMP-F20
    async def list(self, request: Request, inside: Inside) -> Response:
        """Those for whom the person acts, and those who act for the person."""
        person, now = inside.patient, self._context.clock.millis()

        def look(connection: Connection) -> dict[str, list[Patient]]:
            represented = [
                each
                for each in represented_by(connection, person.owner_id)
                if any(other.owner_id == person.owner_id for other in acting_for(connection, each, now))
            ]
            return {"represented": represented, "representatives": acting_for(connection, person, now)}

        values = self._context.database.read_now(look)
        return await self._reception.page(inside, "patient_record/relatives.html", values)

    # ref: DMP-F20
    async def secret(self, request: Request, inside: Inside) -> Response:
        """Begins or ends a "connexion secrète": what a minor does in it, representatives are not told."""
        form = await read_own_form(request, inside)
        wanted = form.get("secret") == "1"

        def unit(uow: UnitOfWork) -> None:
            pocket = sessions.pocket_of(uow.connection, inside.session)
            sessions.fill_pocket(uow, inside.session, {**pocket, IS_UNTOLD: wanted})

        await self._context.database.write(unit)
        sentence = "Connexion secrète ouverte." if wanted else "Connexion secrète terminée."
        return await self._reception.done(inside, sentence, OWN + DOCUMENTS)

    async def open(self, request: Request, inside: Inside) -> Response:
        """To the documents of somebody represented; to what may be done where the record is shut."""
        if inside.patient.box_is_open:
            return RedirectResponse(inside.base + DOCUMENTS, 303)
        closing = None
        if inside.patient.state is not PatientState.NOT_ACTIVATED:
            closing = await self._own.closing(inside.caller, inside.ins)
        values = {"closing": closing, "state": inside.patient.state.value}
        return await self._reception.page(inside, "patient_record/shut.html", values)

    async def activate(self, request: Request, inside: Inside) -> Response:
        """Opens the space of somebody who never signed in."""
        await read_own_form(request, inside)
        await self._own.activate(inside.caller, inside.ins)
        return await self._reception.done(inside, "Le dossier est ouvert.", inside.base)

    # ref: DMP-F21
    async def reopen(self, request: Request, inside: Inside) -> Response:
        """Opens a closed record again."""
        await read_own_form(request, inside)
        try:
            await self._own.reopen(inside.caller, inside.ins)
        except PatientRefused:
            raise not_found() from None
        return await self._reception.done(inside, "Le dossier est rouvert.", inside.base)

    # ref: DMP-F21
    async def ask_deletion(self, request: Request, inside: Inside) -> Response:
        """Has the archive of a closed record deleted."""
        await read_own_form(request, inside)
        try:
            await self._own.ask_deletion(inside.caller, inside.ins)
        except ClosingRefused:
            raise not_found() from None
        return await self._reception.done(inside, "La demande de suppression est enregistrée.", inside.base)
