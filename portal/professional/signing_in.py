"""How a professional signs in: the password, the code of the second factor behind it, and the session this opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from directory.bals import bal_of, note_sign_in
from foundation import trail
from mailserver.envelope import Refused
from mailserver.refusals import ACCOUNT_SUSPENDED, LOCKED_OUT, NO_BOX_OF_YOURS
from mailserver.signin.brake import LOCK_MILLIS
from mailserver.signin.second_factor import is_enrolled
from portal import sessions
from portal.context import PROFESSIONAL_HOME
from portal.devices import device_of, peer_of
from portal.forms import read_form
from portal.pages import WRONG, check_origin
from portal.professional import half_open
from portal.professional.visit import credential_of
from portal.sessions import Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from directory.bals import Bal
    from foundation.database import UnitOfWork
    from mailserver.refusals import Refusal
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.half_open import HalfOpen
    from portal.sessions import Session

CODE = "/pro/code"
LONGEST_CODE = 64
RETRY_SECONDS = LOCK_MILLIS // 1000
LOCKED = "Trop d’essais manqués : réessayez dans un quart d’heure."
SUSPENDED = "Cette boîte aux lettres est suspendue : demandez à votre opérateur de messagerie de la rétablir."
WRONG_CODE = (
    "Ce code est incorrect, déjà utilisé ou périmé : donnez celui que votre application affiche maintenant."
)
_NO_BOX = "Aucune boîte aux lettres de cet opérateur n’est à votre nom ni ne vous est déléguée : demandez-en une à votre opérateur de messagerie."
_TOO_MANY_CODES = "Trop de codes incorrects : identifiez-vous de nouveau."


class SigningIn:
    """The professionals' part of `/session`, and `/pro/code`."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages

    def routes(self) -> list[Route]:
        return [
            Route(CODE, self.ask_code, methods=["GET"]),
            Route(CODE, self.take_code, methods=["POST"]),
        ]

    def takes(self, username: str) -> bool:
        """Whether what was typed is the address of a professional's box, not a patient's and no INS."""
        _, at, domain = username.rpartition("@")
        return bool(at) and domain.lower() != self._context.settings.patient_domain.lower()

    async def begin(self, request: Request, username: str, password: str) -> Response:
        """Signs in with the password of a box: 303 to the pages or to the code, or the sign-in page (401, 403, 429)."""
        found = await self._context.sign_in.bearer_password(username, password, peer=peer_of(request))
        if isinstance(found, Refused):
            return self.refused(found.refusal, username)
        if not self._context.database.read_now(lambda connection: is_enrolled(connection, found.owner_id)):
            return await self.open(request, found, Strength.PASSWORD)
        now = self._context.clock.millis()
        awaited = await self._context.database.write(lambda uow: half_open.begin(uow, found, now))
        response = RedirectResponse(CODE, 303)
        half_open.set_cookie(response, awaited)
        return response

    async def ask_code(self, request: Request) -> Response:
        """The form for the code."""
        awaited = self._awaited(request)
        return self._code_page(awaited, None) if awaited is not None else _over()

    async def take_code(self, request: Request) -> Response:
        """Opens the session with a right code; a half-open session that had its wrong ones is over."""
        check_origin(request)
        code = (await read_form(request)).get
        awaited = self._awaited(request)
        if awaited is None:
            return _over()
        if not awaited.owns_form(code("csrf")):
            raise HTTPException(403)
        database, now = self._context.database, self._context.clock.millis()
        tries = await database.write(lambda uow: half_open.count_try(uow, awaited, now))
        if tries is None:
            return await self._end(awaited, 401, _TOO_MANY_CODES)
        refused = await self._context.sign_in.second_factor(
            awaited.bal.owner_id, code("code")[:LONGEST_CODE], peer=peer_of(request)
        )
        if refused is None:
            response = await self.open(request, awaited.bal, Strength.TOTP)
            half_open.drop_cookie(response)
            return response
        if refused.refusal is LOCKED_OUT:
            return await self._end(awaited, 429, LOCKED)
        if tries >= half_open.TRIES:
            return await self._end(awaited, 401, _TOO_MANY_CODES)
        return self._code_page(awaited, WRONG_CODE)

    async def open(
        self,
        request: Request,
        bal: Bal,
        strength: Strength,
        *,
        to: str = PROFESSIONAL_HOME,
        content: Mapping[str, Any] | None = None,
    ) -> Response:
        """303 with the cookie of a new session; what this browser held before is ended.

        `content` goes into the session's pocket.
        """
        previous = request.cookies.get(sessions.COOKIE)
        awaited = request.cookies.get(half_open.COOKIE)
        device = device_of(request)

        def unit(uow: UnitOfWork) -> Session | None:
            current = bal_of(uow.connection, bal.owner_id)
            if current is None or not current.may_sign_in:
                return None
            if previous is not None:
                sessions.end(uow, previous)  # two people may share a computer
            if awaited is not None:
                half_open.end(uow, awaited)
            if strength is not Strength.PSC:  # the desk has written that row
                note_sign_in(uow, bal.owner_id, self._context.clock.millis())
                self._accepted(uow, f"bal:{bal.owner_id}", strength)
            return sessions.begin(
                uow,
                bal.owner_id,
                self._context.clock.millis(),
                strength=strength,
                device=device,
                credential=credential_of(bal) if strength is not Strength.PSC else b"",
                content=content,
            )

        opened = await self._context.database.write(unit)
        if opened is None:
            return self.refused(ACCOUNT_SUSPENDED)
        response = RedirectResponse(to, 303)
        sessions.set_cookie(response, opened)
        return response

    def _accepted(self, uow: UnitOfWork, who: str, strength: Strength) -> None:
        trail.append(
            uow,
            "signin.accepted",
            actor=who,
            subject=who,
            outcome="accepted",
            detail={"means": strength.value},
            clock=self._context.clock,
        )

    def refused(self, refusal: Refusal, username: str = "") -> Response:
        """The sign-in page with why somebody was not let in (401, 403, 429)."""
        if refusal is LOCKED_OUT:
            return self._pages.sign_in(
                refusal=LOCKED, username=username, status=429, retry_seconds=RETRY_SECONDS
            )
        if refusal is ACCOUNT_SUSPENDED:
            return self._pages.sign_in(refusal=SUSPENDED, username=username, status=403)
        if refusal is NO_BOX_OF_YOURS:
            return self._pages.sign_in(refusal=_NO_BOX, status=403)
        return self._pages.sign_in(refusal=WRONG, username=username, status=401)

    def _awaited(self, request: Request) -> HalfOpen | None:
        now, token = self._context.clock.millis(), request.cookies.get(half_open.COOKIE)
        return self._context.database.read_now(lambda connection: half_open.find(connection, token, now))

    def _code_page(self, awaited: HalfOpen, refusal: str | None) -> Response:
        return self._pages.anonymous(
            "professional/code.html",
            {"form_token": awaited.form_token, "refusal": refusal},
            status=200 if refusal is None else 401,
        )

    async def _end(self, awaited: HalfOpen, status: int, sentence: str) -> Response:
        await self._context.database.write(lambda uow: half_open.end(uow, awaited.token))
        retry_seconds = RETRY_SECONDS if status == 429 else None
        response = self._pages.sign_in(refusal=sentence, status=status, retry_seconds=retry_seconds)
        half_open.drop_cookie(response)
        return response


def _over() -> Response:
    response = RedirectResponse("/?motif=code", 303)
    half_open.drop_cookie(response)
    return response
