"""The second factor of a box: shown as a secret and a QR code, confirmed by a first code, taken away by another."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import segno
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mailserver.refusals import LOCKED_OUT
from mailserver.signin import second_factor
from portal import sessions
from portal.devices import peer_of
from portal.forms import read_own_form
from portal.pages import not_found
from portal.professional.frame import only_bearer, renewed, say, trace
from portal.professional.signing_in import LOCKED, LONGEST_CODE, WRONG_CODE
from portal.sessions import Strength

if TYPE_CHECKING:
    from starlette.requests import Request

    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit
    from portal.sessions import Session

FACTOR = "/pro/compte/second-facteur"
ISSUER = "Vaguemestre"
"""What authenticator applications show beside the address."""
_CODES = "codes"
_CLOSED_BY_FACTOR = "without-totp"


class FactorPages:
    """`/pro/compte/second-facteur`."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._context = context
        self._frame = frame

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(FACTOR, signed_in(self.factor), methods=["GET"]),
            Route(f"{FACTOR}/qr.svg", signed_in(self.picture), methods=["GET"]),
            Route(f"{FACTOR}/commencer", signed_in(self.offer), methods=["POST"]),
            Route(f"{FACTOR}/confirmer", signed_in(self.confirm), methods=["POST"]),
            Route(f"{FACTOR}/retirer", signed_in(self.remove), methods=["POST"]),
        ]

    async def factor(self, request: Request, visit: Visit) -> Response:
        """Whether there is a second factor, one that waits for its first code, and the recovery codes just made."""
        only_bearer(visit)
        return await self._factor(visit, None)

    async def _factor(self, visit: Visit, refusal: str | None, *, status: int = 422) -> Response:
        now = self._context.clock.millis()
        enrolled_at, left, secret = self._context.database.read_now(
            lambda connection: (
                second_factor.enrolled_at(connection, visit.owner_id),
                second_factor.codes_left(connection, visit.owner_id),
                self._context.factors.offered(connection, visit.owner_id, now),
            )
        )
        codes = (await self._frame.take(visit, _CODES)).get(_CODES, [])
        values = {
            "refusal": refusal,
            "enrolled_at": enrolled_at,
            "codes_left": left,
            "codes": codes,
            "secret": groups(second_factor.base32(secret)) if secret is not None else None,
            "uri": second_factor.uri(secret, visit.bal.address, ISSUER) if secret is not None else None,
            "closes_mail": self._context.settings.accounts.mail_password == _CLOSED_BY_FACTOR,
        }
        return await self._frame.page(
            visit, "professional/second_factor.html", values, status=200 if refusal is None else status
        )

    async def picture(self, request: Request, visit: Visit) -> Response:
        """The secret that waits for its first code, as a QR code (ISO/IEC 18004)."""
        only_bearer(visit)
        now = self._context.clock.millis()
        secret = self._context.database.read_now(
            lambda connection: self._context.factors.offered(connection, visit.owner_id, now)
        )
        if secret is None:
            raise not_found()
        uri = second_factor.uri(secret, visit.bal.address, ISSUER)
        return Response(await asyncio.to_thread(drawn, uri), media_type="image/svg+xml")

    async def offer(self, request: Request, visit: Visit) -> Response:
        """Draws a secret, which counts for nothing until its first code comes.

        In place of a second factor that is there it is drawn for a code of that one: a screen left alone is enough
        to get to this page, and must not be enough to shut its owner out.
        """
        only_bearer(visit)
        form = await read_own_form(request, visit)
        if visit.bal.password_hash is None:
            raise not_found()
        is_enrolled = self._context.database.read_now(
            lambda connection: second_factor.is_enrolled(connection, visit.owner_id)
        )
        if is_enrolled and (refusal := await self._refusal_of(request, visit, form)) is not None:
            return refusal
        now = self._context.clock.millis()
        await self._context.database.write(lambda uow: self._context.factors.offer(uow, visit.owner_id, now))
        return RedirectResponse(FACTOR, 303)

    async def confirm(self, request: Request, visit: Visit) -> Response:
        """Takes the first code: the session is a strong one from then on, under a new token, and the only one."""
        only_bearer(visit)
        code = (await read_own_form(request, visit)).get("code")[:LONGEST_CODE]
        now = self._context.clock.millis()

        def unit(uow: UnitOfWork) -> tuple[bool, Session | None]:
            codes = self._context.factors.confirm(uow, visit.owner_id, code, now)
            if codes is None:
                return False, None
            strength = visit.session.strength
            raised = Strength.TOTP if strength is Strength.PASSWORD else strength
            changed = sessions.renew(uow, visit.session, strength=raised)
            if changed is not None:
                sessions.end_others(uow, changed)
                said = "Le second facteur est en place. Vos autres appareils sont déconnectés."
                say(uow, changed, said, **{_CODES: codes})
            trace(uow, visit, "second_factor.enrolled", "enrolled", self._context)
            return True, changed

        is_right, changed = await self._context.database.write(unit)
        if not is_right:
            return await self._factor(visit, WRONG_CODE)
        return renewed(changed, FACTOR)

    async def remove(self, request: Request, visit: Visit) -> Response:
        """Takes the second factor away, for one of its codes; the session is a weak one from then on."""
        only_bearer(visit)
        form = await read_own_form(request, visit)
        if (refusal := await self._refusal_of(request, visit, form)) is not None:
            return refusal

        def unit(uow: UnitOfWork) -> Session | None:
            second_factor.remove(uow, visit.owner_id)
            strength = visit.session.strength
            lowered = Strength.PASSWORD if strength is Strength.TOTP else strength
            changed = sessions.renew(uow, visit.session, strength=lowered)
            if changed is not None:
                sessions.end_others(uow, changed)
                say(uow, changed, "Le second facteur est retiré. Vos autres appareils sont déconnectés.")
            trace(uow, visit, "second_factor.removed", "removed", self._context)
            return changed

        return renewed(await self._context.database.write(unit), FACTOR)

    async def _refusal_of(self, request: Request, visit: Visit, form: Form) -> Response | None:
        """Why the code of the second factor that is in place is not taken."""
        refused = await self._context.sign_in.second_factor(
            visit.owner_id, form.get("code")[:LONGEST_CODE], peer=peer_of(request)
        )
        if refused is None:
            return None
        if refused.refusal is LOCKED_OUT:
            return await self._factor(visit, LOCKED, status=429)
        return await self._factor(visit, WRONG_CODE)


def groups(text: str) -> str:
    """A secret in groups of four, as one types it."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def drawn(text: str) -> bytes:
    """A text as a QR code, SVG (ISO/IEC 18004)."""
    drawing = io.BytesIO()
    # Black on white in dark mode too: applications do not read it the other way round.
    segno.make(text, error="m", micro=False).save(drawing, kind="svg", scale=5, dark="#000", light="#fff")
    return drawing.getvalue()
