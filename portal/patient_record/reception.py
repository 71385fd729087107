"""The way to every page of a record of one's own, or of somebody one acts for: who asks, whose record, and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse
from starlette.routing import Route

from directory.patients import represented_by
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.rights.vocabulary import Reason, Role
from foundation.clock import to_paris
from portal import downloads, sessions
from portal.pages import not_found
from portal.patient_record.words import REFUSALS
from portal.professional.frame import SAID, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from directory.patients import Patient
    from foundation.database import UnitOfWork
    from portal.context import PortalContext, Visit
    from portal.pages import Pages
    from portal.sessions import Session

    InsideEndpoint = Callable[[Request, "Inside"], Awaitable[Response]]

OWN: Final = "/patient"
RELATIVES: Final = f"{OWN}/proches"
ANOTHER: Final = f"{RELATIVES}/{{person}}"
IS_UNTOLD: Final = "untold"
"""Under which the session keeps that it is a "connexion secrète"."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A signed-in person before a record: the own one, or that of a patient whom the person represents.

    `base` begins the addresses of its pages: two records in two windows are never taken for each other.
    """

    visit: Visit
    caller: Caller
    patient: Patient
    base: str

    @property
    def session(self) -> Session:
        return self.visit.session

    @property
    def ins(self) -> str:
        return self.patient.ins

    @property
    def is_own(self) -> bool:
        return self.caller.role is Role.PATIENT


class Reception:
    """Lets patients and their representatives in, for one portal."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages

    def both(self, path: str, endpoint: InsideEndpoint, methods: tuple[str, ...] = ("GET",)) -> list[Route]:
        """A page of the own record, and the same one of the record of somebody else."""
        return [*self.own(path, endpoint, methods), *self.another(path, endpoint, methods)]

    def own(self, path: str, endpoint: InsideEndpoint, methods: tuple[str, ...] = ("GET",)) -> list[Route]:
        """A page that only the holder has."""

        async def page(request: Request, visit: Visit) -> Response:
            return await self._answer(request, endpoint, self._holder(visit))

        return [Route(OWN + path, self._pages.signed_in(page), methods=list(methods))]

    def another(
        self, path: str, endpoint: InsideEndpoint, methods: tuple[str, ...] = ("GET",)
    ) -> list[Route]:
        """A page that only representatives have."""

        async def page(request: Request, visit: Visit) -> Response:
            return await self._answer(request, endpoint, self._representative(request, visit))

        return [Route(ANOTHER + path, self._pages.signed_in(page), methods=list(methods))]

    def represented(self, visit: Visit) -> list[Patient]:
        """Those for whom this person acts."""
        return self._context.database.read_now(lambda connection: represented_by(connection, visit.owner_id))

    async def page(
        self, inside: Inside, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        """A page, which begins with what was done before it."""
        shown = {
            "inside": inside,
            "base": inside.base,
            "said": await self._said(inside),
            "is_minor": inside.patient.is_minor(to_paris(self._context.clock.now()).date()),
            **values,
        }
        return self._pages.patient(inside.visit, template, shown, status=status)

    async def done(self, inside: Inside, sentence: str, to: str) -> Response:
        """303 to a page that begins with what was done."""
        await self._context.database.write(lambda uow: say(uow, inside.session, sentence))
        return RedirectResponse(to, 303)

    async def refused(self, inside: Inside, denied: Denied) -> Response:
        """The page of a refusal; what is not there and what must not be known of look alike."""
        denial = DENIALS[denied.reason]
        is_not_open = denied.reason is Reason.NO_RECORD and not inside.is_own
        if denial.http == HTTPStatus.NOT_FOUND and not is_not_open:
            raise not_found()
        values = {"sentence": denied.detail or REFUSALS.get(denied.reason, denial.sentence)}
        return await self.page(inside, "patient_record/refused.html", values, status=denial.http)

    async def _answer(self, request: Request, endpoint: InsideEndpoint, inside: Inside) -> Response:
        try:
            return await endpoint(request, inside)
        except Denied as denied:
            return await self.refused(inside, denied)

    def _holder(self, visit: Visit) -> Inside:
        today = to_paris(self._context.clock.now()).date()
        # ref: DMP-F20
        is_secret = visit.patient.is_minor(today) and bool(visit.session.pocket.get(IS_UNTOLD))
        return Inside(visit, _caller(visit, Role.PATIENT, is_secret=is_secret), visit.patient, OWN)

    def _representative(self, request: Request, visit: Visit) -> Inside:
        wanted = downloads.number(request, "person")
        found = next((each for each in self.represented(visit) if each.owner_id == wanted), None)
        if found is None:
            raise not_found()
        return Inside(visit, _caller(visit, Role.REPRESENTATIVE), found, f"{RELATIVES}/{wanted}")

    async def _said(self, inside: Inside) -> str | None:
        """The sentence that was left for this page, once."""
        if SAID not in inside.session.pocket:
            return None

        def unit(uow: UnitOfWork) -> str | None:
            pocket = sessions.pocket_of(uow.connection, inside.session)
            sentence: str | None = pocket.pop(SAID, None)
            sessions.fill_pocket(uow, inside.session, pocket)
            return sentence

        return await self._context.database.write(unit)


def _caller(visit: Visit, role: Role, *, is_secret: bool = False) -> Caller:
    return Caller(
        role=role,
        id=f"patient:{visit.owner_id}",
        name=visit.patient.name,
        is_secret=is_secret,
        channel="portal",
        owner_id=visit.owner_id,
    )
