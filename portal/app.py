"""The portal as one ASGI application: every route, the guard around them, and the pages that say no."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from portal.annuaire import AnnuairePages
from portal.attachments import AttachmentPages
from portal.checking import CHECK, CheckPages
from portal.context import PATIENT_HOME, PortalContext
from portal.conversations import ConversationPages
from portal.guard import Guard
from portal.health import HealthPages
from portal.live import Live
from portal.operators.boxes import BoxPages
from portal.operators.signing_in import OperatorSigningIn
from portal.pages import Pages
from portal.patient_record.deposit import LARGEST_FORM
from portal.patient_record.deposit import takes_file as takes_own_file
from portal.patient_record.routes import patient_routes
from portal.professional.frame import Frame
from portal.professional.routes import professional_routes
from portal.professional.signing_in import SigningIn
from portal.session_list import PatientSessionPages
from portal.setup.discovery import DiscoveryPages
from portal.setup.pages import SheetPages
from portal.signin import SignInPages
from portal.tracking import TrackingPages
from portal.webps.deposit import takes_file
from portal.webps.routes import record_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PortalContext", "application"]

_STATIC = Path(__file__).parent / "static"
_FORM_BYTES = 64 * 1024
_FHIR_BYTES = 256 * 1024  # more than any FHIR request may have, so that it is refused as FHIR refuses
_ENVELOPE_BYTES = 512 * 1024  # the text and the borders of a form, beside its files


def application(context: PortalContext, extra: Sequence[BaseRoute] = ()) -> Starlette:
    """The portal over the given parts of the house; `extra` are the routes of a sandbox.

    `application.state.live` is closed by the server before it stops, so that no stream holds it up;
    `application.state.checker` when no request is left.
    """
    pages = Pages(context)
    live = Live(context)
    professionals = SigningIn(context, pages)
    operators = OperatorSigningIn(context, pages)
    signing_in = SignInPages(context, pages, professionals, operators)
    checking = CheckPages(context, pages)
    records = (
        [
            *patient_routes(context, pages, signing_in, context.records),
            *record_routes(context, pages, context.records),
        ]
        if context.records is not None
        else []
    )

    def refusal(request: Request, status: int) -> Response:
        return checking.failure(request, status) if request.url.path == CHECK else pages.error(status)

    def failure(status: int) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await refusal(Request(scope), status)(scope, receive, send)

        return answer

    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = refusal(request, status)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    def limit(path: str) -> int:
        if path.startswith(("/fhir/dmp", "/xds/")):
            # More than they take, so that programs are refused in FHIR and SOAP and by no page.
            return 2 * context.settings.limits.message_bytes + _ENVELOPE_BYTES
        if path.startswith("/fhir/"):
            return _FHIR_BYTES
        answers = path.startswith("/patient/conversations/") and path.endswith("/messages")
        if path == CHECK:
            return checking.largest
        if takes_own_file(path):
            return LARGEST_FORM
        is_large = answers or takes_file(path)
        return context.settings.limits.message_bytes + _ENVELOPE_BYTES if is_large else _FORM_BYTES

    app = Starlette(
        routes=[
            *signing_in.routes(),
            Route("/patient", _home, methods=["GET"]),
            Route("/patient/", _home, methods=["GET"]),
            *ConversationPages(context, pages, live).routes(),
            *AttachmentPages(context, pages).routes(),
            *PatientSessionPages(context, pages).routes(),
            *operators.routes(),
            *BoxPages(context, pages).routes(),
            *professional_routes(context, pages, professionals),
            *(AnnuairePages(context, pages, context.annuaire).routes() if context.annuaire else ()),
            *SheetPages(context.settings, Frame(context, pages)).routes(),
            *TrackingPages(context, pages).routes(),
            *records,
            *checking.routes(),
            *HealthPages(context).routes(),
            *DiscoveryPages(context.settings, context.clock).routes(),
            *extra,
            Mount("/static", StaticFiles(directory=_STATIC), name="static"),
        ],
        middleware=[Middleware(Guard, limit=limit, failure=failure)],
        exception_handlers={HTTPException: refuse},
    )
    app.state.live = live
    app.state.checker = checking.checker
    return app


async def _home(request: Request) -> Response:
    return RedirectResponse(PATIENT_HOME, 303)
