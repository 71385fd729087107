"""The absence of who reads a box: from which day to which, and what is answered meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from foundation.clock import from_millis, to_paris
from mailserver.delivery import absence
from mailserver.delivery.absence import AbsenceRefused, Period
from mailserver.store.rights import Right
from portal.days import day_of, midnight, midnight_after
from portal.forms import read_own_form
from portal.pages import not_found
from portal.professional.frame import say, trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from mailserver.delivery.absence import Absence
    from portal.context import PortalContext
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit

ABSENCE = "/pro/absence"
_NO_DATE = "Donnez le premier et le dernier jour de l’absence."
_YEARS = range(2000, 2200)


class AbsencePages:
    """`/pro/absence`; a delegate who may not administer the box reads it alone."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._context = context
        self._frame = frame

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(ABSENCE, signed_in(self.show), methods=["GET"]),
            Route(ABSENCE, signed_in(self.announce), methods=["POST"]),
            Route(f"{ABSENCE}/fin", signed_in(self.end), methods=["POST"]),
        ]

    async def show(self, request: Request, visit: Visit) -> Response:
        """The absence that holds or is to come, and the form for another."""
        return await self._page(visit, None, {})

    async def announce(self, request: Request, visit: Visit) -> Response:
        """Sets the absence: 303; else the page with the reason and what was typed."""
        _only_administrator(visit)
        form = await read_own_form(request, visit)
        first, last = day_of(form.get("first"), _YEARS), day_of(form.get("last"), _YEARS)
        if first is None or last is None:
            return await self._page(visit, _NO_DATE, form.fields)
        period = Period(midnight(first), midnight_after(last))
        now = self._context.clock.millis()

        def unit(uow: UnitOfWork) -> None:
            absence.announce(uow, visit.owner_id, period, form.get("text"), now)
            say(uow, visit.session, "L’absence est enregistrée.")
            trace(uow, visit, "absence.announced", "announced", self._context)

        try:
            await self._context.database.write(unit)
        except AbsenceRefused as refused:
            return await self._page(visit, str(refused), form.fields)
        return RedirectResponse(ABSENCE, 303)

    async def end(self, request: Request, visit: Visit) -> Response:
        """Ends the absence."""
        _only_administrator(visit)
        await read_own_form(request, visit)

        def unit(uow: UnitOfWork) -> None:
            if absence.end(uow, visit.owner_id):
                say(uow, visit.session, "L’absence est terminée.")
                trace(uow, visit, "absence.ended", "ended", self._context)

        await self._context.database.write(unit)
        return RedirectResponse(ABSENCE, 303)

    async def _page(self, visit: Visit, refusal: str | None, typed: Mapping[str, str]) -> Response:
        now = self._context.clock.millis()
        found = self._context.database.read_now(lambda connection: absence.find(connection, visit.owner_id))
        present = found if found is not None and now < found.period.ends_at else None
        values = {
            "refusal": refusal,
            "absence": present,
            "last": present.period.ends_at - 1 if present is not None else None,
            "holds": present is not None and present.period.holds(now),
            "typed": {**_fields(present), **typed},
            "may_change": Right.ADMINISTER in visit.opening.rights,
            "today": to_paris(from_millis(now)).date().isoformat(),
            "largest": absence.LARGEST_TEXT,
        }
        status = 200 if refusal is None else 422
        return await self._frame.page(visit, "professional/absence.html", values, status=status)


def _only_administrator(visit: Visit) -> None:
    if Right.ADMINISTER not in visit.opening.rights:
        raise not_found()


def _fields(present: Absence | None) -> dict[str, str]:
    """What the form says of the absence that is set."""
    if present is None:
        return {}
    first, last = present.period.starts_at, present.period.ends_at - 1
    days = {"first": first, "last": last}
    shown = {name: to_paris(from_millis(at)).date().isoformat() for name, at in days.items()}
    return {**shown, "text": present.text}
