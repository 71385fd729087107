"""The account of a box, and another password for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from mailserver.envelope import Refused
from mailserver.refusals import LOCKED_OUT
from mailserver.signin import choosing, second_factor
from mailserver.signin.policy import FRENCH, LONGEST, SHORTEST, Weakness
from portal import sessions
from portal.devices import peer_of
from portal.forms import read_own_form
from portal.professional.frame import only_bearer, renewed, say, trace
from portal.professional.signing_in import LOCKED
from portal.professional.visit import credential_of
from portal.sessions import Strength

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit
    from portal.sessions import Session

ACCOUNT = "/pro/compte"


class AccountPages:
    """`/pro/compte`."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._context = context
        self._frame = frame
        self._choosing = choosing.Choosing(context.settings)

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(ACCOUNT, signed_in(self.show), methods=["GET"]),
            Route(f"{ACCOUNT}/mot-de-passe", signed_in(self.change_password), methods=["POST"]),
        ]

    async def show(self, request: Request, visit: Visit) -> Response:
        """The account, and the form for another password."""
        return await self._account(visit, None)

    async def change_password(self, request: Request, visit: Visit) -> Response:
        """Changes the password: 303 with a new token, the other sessions ended; else the page with the reason."""
        only_bearer(visit)
        form = await read_own_form(request, visit)
        plain = form.get("new")
        if plain != form.get("again"):
            return await self._account(visit, "Les deux saisies du nouveau mot de passe diffèrent.")
        chosen = await self._choosing.choose(plain, address=visit.bal.address, name=visit.bal.name)
        if isinstance(chosen, Weakness):
            return await self._account(visit, FRENCH[chosen])
        refusal = await self._refusal_of_old(request, visit, form)
        if refusal is not None:
            return refusal

        def unit(uow: UnitOfWork) -> Session | None:
            bal = choosing.put(uow, visit.bal.address, chosen)
            credential = b"" if visit.session.strength is Strength.PSC else credential_of(bal)
            changed = sessions.renew(uow, visit.session, credential=credential)
            if changed is not None:
                sessions.end_others(uow, changed)
                say(uow, changed, "Votre mot de passe est changé. Vos autres appareils sont déconnectés.")
            trace(uow, visit, "bal.password", "changed", self._context)
            return changed

        return renewed(await self._context.database.write(unit), ACCOUNT)

    async def _refusal_of_old(self, request: Request, visit: Visit, form: Form) -> Response | None:
        """Why the password that holds now was not given; Pro Santé Connect stands in for one that is not there."""
        if visit.bal.password_hash is None:
            return None
        found = await self._context.sign_in.bearer_password(
            visit.bal.address, form.get("old"), peer=peer_of(request)
        )
        if not isinstance(found, Refused):
            return None
        if found.refusal is LOCKED_OUT:
            return await self._account(visit, LOCKED, status=429)
        return await self._account(visit, "L’ancien mot de passe est incorrect.")

    async def _account(self, visit: Visit, refusal: str | None, *, status: int = 422) -> Response:
        enrolled_at = self._context.database.read_now(
            lambda connection: second_factor.enrolled_at(connection, visit.owner_id)
        )
        values = {
            "refusal": refusal,
            "enrolled_at": enrolled_at,
            "shortest": SHORTEST,
            "longest": LONGEST,
        }
        return await self._frame.page(
            visit, "professional/account.html", values, status=200 if refusal is None else status
        )
