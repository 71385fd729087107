"""How an operator signs in: the password, the code behind it, and the second factor set up at the first time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from foundation import trail
from mailserver.signin import second_factor
from portal import sessions
from portal.devices import device_of, peer_of
from portal.forms import read_own_form
from portal.operators.accounts import find_operator, is_username
from portal.operators.visit import CODE, FACTOR, HOME, OperatorFrame, credential_of, say
from portal.pages import WRONG, not_found
from portal.professional.factor import ISSUER, drawn, groups
from portal.professional.frame import renewed
from portal.professional.signing_in import LOCKED, LONGEST_CODE, RETRY_SECONDS, WRONG_CODE
from portal.sessions import Strength

if TYPE_CHECKING:
    from starlette.requests import Request

    from foundation.database import UnitOfWork
    from mailserver.signin.brake import Attempt
    from portal.context import PortalContext
    from portal.operators.accounts import OperatorAccount
    from portal.operators.visit import OperatorVisit
    from portal.pages import Pages
    from portal.sessions import Session


class OperatorSigningIn:
    """The operators' part of `/session`, `/operateur/code`, `/operateur/second-facteur` and the way out."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages
        self._frame = OperatorFrame(context, pages)
        self._brake = context.sign_in.brake

    def routes(self) -> list[Route]:
        half = self._frame.half_signed_in
        return [
            Route(CODE, half(self.ask_code), methods=["GET"]),
            Route(CODE, half(self.take_code), methods=["POST"]),
            Route(FACTOR, half(self.factor), methods=["GET"]),
            Route(f"{FACTOR}/qr.svg", half(self.picture), methods=["GET"]),
            Route(f"{FACTOR}/commencer", half(self.offer), methods=["POST"]),
            Route(f"{FACTOR}/confirmer", half(self.confirm), methods=["POST"]),
            Route("/operateur/sortie", half(self.leave), methods=["POST"]),
        ]

    def takes(self, username: str) -> bool:
        """Whether what was typed can be an operator's name: no address and no INS."""
        return is_username(username.lower())

    async def begin(self, request: Request, username: str, password: str) -> Response:
        """Signs in: 303 and a cookie, or the sign-in page with the reason (401, 429)."""
        name, peer = username.lower(), peer_of(request)
        attempt = await self._brake.begin(f"operator {name}", peer)
        if attempt is None:
            return self._pages.sign_in(
                refusal=LOCKED, username=username, status=429, retry_seconds=RETRY_SECONDS
            )
        account = self._context.database.read_now(lambda connection: find_operator(connection, name))
        stored = account.password_hash if account is not None and account.may_sign_in else None
        try:
            is_right = await self._context.passwords.verify(stored, password)
        except BaseException:
            self._brake.release(attempt)
            raise
        if not is_right or account is None:
            await self._brake.failed(attempt, lambda uow: self._trace(uow, account, "refused", "password"))
            return self._pages.sign_in(refusal=WRONG, username=username, status=401)
        previous = request.cookies.get(sessions.COOKIE)

        def unit(uow: UnitOfWork) -> Session:
            if previous is not None:
                sessions.end(uow, previous)  # two people may share a computer
            self._brake.succeeded(uow, attempt)
            self._trace(uow, account, "accepted", Strength.PASSWORD.value)
            return sessions.begin(
                uow,
                account.owner_id,
                self._context.clock.millis(),
                device=device_of(request),
                credential=credential_of(account),
            )

        try:
            opened = await self._context.database.write(unit)
        finally:
            self._brake.release(attempt)
        response = RedirectResponse(HOME, 303)
        sessions.set_cookie(response, opened)
        return response

    async def ask_code(self, request: Request, visit: OperatorVisit) -> Response:
        """The form for the code."""
        if visit.awaited(is_required=True) != CODE:
            return RedirectResponse(HOME, 303)
        return await self._frame.page(visit, "operators/code.html", {"refusal": None})

    async def take_code(self, request: Request, visit: OperatorVisit) -> Response:
        """Takes the code: the session is a strong one from then on, under a new token."""
        code = (await read_own_form(request, visit)).get("code")[:LONGEST_CODE]
        if visit.awaited(is_required=True) != CODE:
            return RedirectResponse(HOME, 303)
        attempt = await self._brake.begin(f"second factor of {visit.account.owner_id}", peer_of(request))
        if attempt is None:
            return await self._refused_code(visit, LOCKED, 429)
        raised = await self._context.database.write(lambda uow: self._raise(uow, visit, code, attempt))
        if raised is None:
            await self._brake.failed(attempt, lambda uow: self._trace(uow, visit.account, "refused", "code"))
            return await self._refused_code(visit, WRONG_CODE, 401)
        self._brake.release(attempt)
        return renewed(raised, HOME)

    def _raise(self, uow: UnitOfWork, visit: OperatorVisit, code: str, attempt: Attempt) -> Session | None:
        owner_id = visit.account.owner_id
        if not self._context.factors.verify(uow, owner_id, code, self._context.clock.millis()):
            return None
        raised = sessions.renew(uow, visit.session, strength=Strength.TOTP)
        if raised is not None:
            self._brake.succeeded(uow, attempt)
            self._trace(uow, visit.account, "accepted", Strength.TOTP.value)
        return raised

    async def _refused_code(self, visit: OperatorVisit, sentence: str, status: int) -> Response:
        return await self._frame.page(visit, "operators/code.html", {"refusal": sentence}, status=status)

    # The second factor

    async def factor(self, request: Request, visit: OperatorVisit) -> Response:
        """Whether there is a second factor, or one that waits for its first code."""
        return await self._factor(visit, None)

    async def _factor(self, visit: OperatorVisit, refusal: str | None) -> Response:
        if visit.awaited(is_required=True) == CODE:
            return RedirectResponse(CODE, 303)
        secret = self._offered(visit)
        values = {
            "refusal": refusal,
            "secret": groups(second_factor.base32(secret)) if secret is not None else None,
        }
        status = 200 if refusal is None else 422
        return await self._frame.page(visit, "operators/second_factor.html", values, status=status)

    async def picture(self, request: Request, visit: OperatorVisit) -> Response:
        """The secret that waits for its first code, as a QR code."""
        secret = self._offered(visit)
        if secret is None or visit.awaited(is_required=True) == CODE:
            raise not_found()
        uri = second_factor.uri(secret, visit.account.username, ISSUER)
        return Response(await asyncio.to_thread(drawn, uri), media_type="image/svg+xml")

    async def offer(self, request: Request, visit: OperatorVisit) -> Response:
        """Draws a secret, which counts for nothing until its first code comes."""
        await read_own_form(request, visit)
        if visit.awaited(is_required=True) == CODE:
            return RedirectResponse(CODE, 303)
        now, owner_id = self._context.clock.millis(), visit.account.owner_id
        await self._context.database.write(lambda uow: self._context.factors.offer(uow, owner_id, now))
        return RedirectResponse(FACTOR, 303)

    async def confirm(self, request: Request, visit: OperatorVisit) -> Response:
        """Takes the first code: the factor is in place, and this session the only one."""
        code = (await read_own_form(request, visit)).get("code")[:LONGEST_CODE]
        if visit.awaited(is_required=True) == CODE:
            return RedirectResponse(CODE, 303)
        now, owner_id = self._context.clock.millis(), visit.account.owner_id

        def unit(uow: UnitOfWork) -> tuple[bool, Session | None]:
            codes = self._context.factors.confirm(uow, owner_id, code, now)
            if codes is None:
                return False, None
            raised = sessions.renew(uow, visit.session, strength=Strength.TOTP)
            if raised is not None:
                sessions.end_others(uow, raised)
                say(uow, raised, f"Le second facteur est en place. Codes de secours : {', '.join(codes)}")
            trail.append(
                uow,
                "second_factor.enrolled",
                actor=visit.actor,
                subject=visit.actor,
                outcome="enrolled",
                clock=self._context.clock,
            )
            return True, raised

        is_right, raised = await self._context.database.write(unit)
        return renewed(raised, FACTOR) if is_right else await self._factor(visit, WRONG_CODE)

    def _offered(self, visit: OperatorVisit) -> bytes | None:
        now, owner_id = self._context.clock.millis(), visit.account.owner_id
        return self._context.database.read_now(
            lambda connection: self._context.factors.offered(connection, owner_id, now)
        )

    async def leave(self, request: Request, visit: OperatorVisit) -> Response:
        """Signs out."""
        await read_own_form(request, visit)
        await self._context.database.write(lambda uow: sessions.end(uow, visit.session.token))
        response = RedirectResponse("/?motif=sortie", 303)
        sessions.drop_cookie(response)
        return response

    def _trace(self, uow: UnitOfWork, account: OperatorAccount | None, outcome: str, means: str) -> None:
        who = account.actor if account is not None else "unknown"
        trail.append(
            uow,
            f"signin.{outcome}",
            actor=who if outcome == "accepted" else "peer",
            subject=who,
            outcome=outcome,
            detail={"means": means},
            clock=self._context.clock,
        )
