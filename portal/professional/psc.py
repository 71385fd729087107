"""The way in by Pro Santé Connect: out with the browser, and back with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from directory.psc.faults import SignInFault
from directory.psc.pending import LIFE, Pending
from mailserver.envelope import Refused
from portal.context import PROFESSIONAL_HOME
from portal.devices import peer_of
from portal.pages import check_origin, not_found
from portal.professional.leaving import leave, own_origin
from portal.sessions import Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from directory.psc.claims import Professional
    from directory.psc.relying_party import RelyingParty
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.signing_in import SigningIn

COOKIE = "__Host-vaguemestre-psc"
RETURN = "/pro/psc/retour"
"""The address that is registered at Pro Santé Connect, behind this house's origin."""
ID_TOKEN = "id_token"  # noqa: S105 - where the pocket of a session keeps it
EXERCISE = "exercise"
"""Where the pocket keeps what Pro Santé Connect says of the profession; what the directory knows outweighs it."""
_NOT_ASKED = (
    "Cette identification n’a pas été demandée depuis ce navigateur, ou elle a déjà servi : recommencez."
)
_NOT_DONE = "L’identification par Pro Santé Connect n’a pas abouti : recommencez."
_SENTENCES: Mapping[SignInFault, str] = {
    SignInFault.UNAVAILABLE: "Pro Santé Connect ne répond pas : réessayez dans quelques minutes, ou identifiez-vous avec votre mot de passe.",
    SignInFault.WEAK_ACR: "Pro Santé Connect vous a identifié à un niveau trop faible pour cette messagerie.",
    SignInFault.NO_SUBJECT: "Pro Santé Connect n’a pas donné votre identifiant national : joignez votre opérateur de messagerie.",
}


class PscPages:
    """`/pro/psc` and `/pro/psc/retour`; 404 where the house is not a client of Pro Santé Connect."""

    def __init__(self, context: PortalContext, pages: Pages, signing_in: SigningIn) -> None:
        self._context = context
        self._pages = pages
        self._signing_in = signing_in
        self._pending = Pending(context.clock)

    def routes(self) -> list[Route]:
        return [
            Route("/pro/psc", self.begin, methods=["POST"]),
            Route(RETURN, self.finish, methods=["GET"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Sends the browser to Pro Santé Connect, with a cookie by which it is known when it comes back."""
        relying_party = self._relying_party()
        check_origin(request)
        begun = await relying_party.begin(own_origin(request) + RETURN)
        if isinstance(begun, SignInFault):
            return self._failed(begun)
        self._pending.add(begun)
        response = leave(self._pages, request, begun.url, "Vers Pro Santé Connect")
        response.set_cookie(
            COOKIE, begun.state, max_age=LIFE // 1000, path="/", secure=True, httponly=True, samesite="lax"
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Opens a session for who comes back identified; else the sign-in page with one sentence."""
        response = await self._finish(request, self._relying_party())
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _finish(self, request: Request, relying_party: RelyingParty) -> Response:
        answer = request.query_params
        begun = self._pending.take(answer.get("state", ""), request.cookies.get(COOKIE, ""))
        if begun is None:
            return self._pages.sign_in(refusal=_NOT_ASKED, status=403)
        if "code" not in answer:  # RFC 6749 §4.1.2.1: what went wrong there, in words for a program
            return self._pages.sign_in(refusal=_NOT_DONE, status=403)
        signed_in = await relying_party.finish(
            begun, answer["code"], own_origin(request) + RETURN, issuer=answer.get("iss")
        )
        if isinstance(signed_in, SignInFault):
            return self._failed(signed_in)
        openings = await self._context.sign_in.professional(signed_in.professional, peer=peer_of(request))
        if isinstance(openings, Refused):
            return self._signing_in.refused(openings.refusal)
        return await self._signing_in.open(
            request,
            openings[0].bal,
            Strength.PSC,
            to=PROFESSIONAL_HOME if len(openings) == 1 else "/pro/boites",
            content={ID_TOKEN: signed_in.id_token, EXERCISE: _exercise(signed_in.professional)},
        )

    def _failed(self, fault: SignInFault) -> Response:
        status = 503 if fault is SignInFault.UNAVAILABLE else 403
        return self._pages.sign_in(refusal=_SENTENCES.get(fault, _NOT_DONE), status=status)

    def _relying_party(self) -> RelyingParty:
        if self._context.psc is None:
            raise not_found()
        return self._context.psc


def _exercise(professional: Professional) -> dict[str, Any]:
    skills = [each.skill for each in professional.exercises if each.skill]
    return {
        "idnat": professional.idnat,
        "name": professional.name,
        "profession": professional.profession,
        "skills": skills,
    }
