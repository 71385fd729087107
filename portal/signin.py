"""The door of the portal: the sign-in page, the session it opens, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from directory.patients import Patient, PatientState, find_patient, set_patient_state
from foundation import trail
from foundation.identifiers import Ins, patient_address_ins
from portal import sessions
from portal.context import PATIENT_HOME
from portal.devices import device_of
from portal.forms import read_form, read_own_form
from portal.pages import WRONG, check_origin
from portal.professional.signing_in import LOCKED, RETRY_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from mailserver.signin.brake import Attempt
    from portal.context import PortalContext, Visit
    from portal.devices import Device
    from portal.operators.signing_in import OperatorSigningIn
    from portal.pages import Pages
    from portal.professional.signing_in import SigningIn
    from portal.sessions import Session

_LONGEST_USERNAME = 320

_NOTICES = {
    "session": "Votre session a pris fin : identifiez-vous de nouveau.",
    "sortie": "Vous êtes déconnecté.",
    "code": "Le délai pour donner le code est passé : identifiez-vous de nouveau.",
}
_CLOSED = {
    PatientState.OPPOSED: "Vous vous êtes opposé à l’ouverture de votre espace : il n’y a ni messages ni documents à lire.",
    PatientState.CLOSED: "Votre espace est fermé : vos messages et vos documents ne sont plus accessibles en ligne.",
}

_OPEN = "Votre espace est ouvert : connectez-vous depuis la première page."


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody is not let in; `is_shut` where a closed space is all that stands in the way."""

    sentence: str
    status: int
    retry_seconds: int | None = None
    is_shut: bool = False


class SignInPages:
    """`/` and `/session`."""

    def __init__(
        self, context: PortalContext, pages: Pages, professionals: SigningIn, operators: OperatorSigningIn
    ) -> None:
        self._context = context
        self._pages = pages
        self._professionals = professionals
        self._operators = operators

    def routes(self) -> list[Route]:
        """The routes of the door."""
        return [
            Route("/", self.form, methods=["GET"]),
            Route("/session", self.begin, methods=["POST"]),
            Route("/session/end", self._pages.signed_in(self.end), methods=["POST"]),
        ]

    async def form(self, request: Request) -> Response:
        """The sign-in page; who is signed in already goes on to their own pages."""
        home = self._context.home_of(request.cookies.get(sessions.COOKIE))
        if home is not None:
            return RedirectResponse(home, 303)
        return self._pages.sign_in(notice=_NOTICES.get(request.query_params.get("motif", "")))

    async def begin(self, request: Request) -> Response:
        """Signs in: 303 and a cookie, or the page again with the reason (401, 403, 429)."""
        check_origin(request)
        form = await read_form(request)
        username = form.get("username").strip()[:_LONGEST_USERNAME]
        if self._professionals.takes(username):
            return await self._professionals.begin(request, username, form.get("password"))
        if self._operators.takes(username):
            return await self._operators.begin(request, username, form.get("password"))
        opened = await self._open(username, form.get("password"), device_of(request))
        if isinstance(opened, Refused):
            return self._pages.sign_in(
                refusal=opened.sentence,
                username=username,
                status=opened.status,
                retry_seconds=opened.retry_seconds,
                is_shut=opened.is_shut and self._context.records is not None,
            )
        await self._end_previous(request)
        answer = RedirectResponse(PATIENT_HOME, 303)
        sessions.set_cookie(answer, opened)
        return answer

    async def open_closed(self, request: Request) -> Session | Refused:
        """The session of who has closed the own space, which opens nothing but what is left of it."""
        check_origin(request)
        form = await read_form(request)
        username = form.get("username").strip()[:_LONGEST_USERNAME]
        opened = await self._open(username, form.get("password"), device_of(request), wants_closed=True)
        if isinstance(opened, Refused):
            return opened
        await self._end_previous(request)
        return opened

    async def _end_previous(self, request: Request) -> None:
        """A session that this browser held before is ended: two people may share a computer."""
        previous = request.cookies.get(sessions.COOKIE)
        if previous is not None:
            await self._context.database.write(lambda uow: sessions.end(uow, previous))

    async def _open(
        self, username: str, password: str, device: Device, *, wants_closed: bool = False
    ) -> Session | Refused:
        database, brake = self._context.database, self._context.sign_in.brake
        ins = _ins_of(username, self._context.settings.patient_domain)
        attempt = await brake.begin(ins or username.lower(), device.peer)
        if attempt is None:
            return Refused(LOCKED, 429, RETRY_SECONDS)
        patient = database.read_now(lambda connection: find_patient(connection, ins)) if ins else None
        stored = patient.password_hash if patient is not None else None
        try:
            is_right = await self._context.passwords.verify(stored, password)
        except BaseException:
            brake.release(attempt)
            raise
        if not is_right or patient is None:
            await brake.failed(attempt, lambda uow: _refuse(uow, patient, "wrong_password"))
            return Refused(WRONG, 401)
        try:
            if patient.may_sign_in is wants_closed:
                await database.write(lambda uow: _refuse(uow, patient, patient.state.value))
                return Refused(_CLOSED.get(patient.state, _OPEN), 403, is_shut=not wants_closed)
            return await database.write(lambda uow: self._accept(uow, patient, attempt, device))
        finally:
            brake.release(attempt)

    def _accept(self, uow: UnitOfWork, patient: Patient, attempt: Attempt, device: Device) -> Session:
        now, who = self._context.clock.millis(), f"patient:{patient.owner_id}"
        self._context.sign_in.brake.succeeded(uow, attempt)
        if patient.state is PatientState.NOT_ACTIVATED:
            set_patient_state(uow, patient.ins, PatientState.ACTIVATED, now)
            trail.append(uow, "patient.activated", actor=who, subject=who, outcome="activated")
        trail.append(uow, "signin.accepted", actor=who, subject=who, outcome="accepted")
        return sessions.begin(uow, patient.owner_id, now, device=device)

    async def end(self, request: Request, visit: Visit) -> Response:
        """Signs out."""
        await read_own_form(request, visit)
        await self._context.database.write(lambda uow: sessions.end(uow, visit.session.token))
        response = RedirectResponse("/?motif=sortie", 303)
        sessions.drop_cookie(response)
        return response


def _ins_of(username: str, patient_domain: str) -> str | None:
    """The INS behind what was typed: the number, spaces allowed, or the patient's address, in any case."""
    if "@" in username:
        return patient_address_ins(username, patient_domain)
    ins = Ins.parse(username.replace(" ", ""))
    return ins.value if ins is not None else None


def _refuse(uow: UnitOfWork, patient: Patient | None, outcome: str) -> None:
    who = f"patient:{patient.owner_id}" if patient is not None else "unknown"
    trail.append(uow, "signin.refused", actor=who, subject=who, outcome=outcome)
