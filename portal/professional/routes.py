"""Every route of the professionals' pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.professional.absence import AbsencePages
from portal.professional.account import AccountPages
from portal.professional.applications import ApplicationPages
from portal.professional.devices import DevicePages
from portal.professional.factor import FactorPages
from portal.professional.frame import Frame
from portal.professional.home import HomePages
from portal.professional.psc import PscPages

if TYPE_CHECKING:
    from starlette.routing import Route

    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.signing_in import SigningIn


def professional_routes(context: PortalContext, pages: Pages, signing_in: SigningIn) -> list[Route]:
    """`/pro/…`; `/session`, which opens patients' sessions as well, is in portal.signin."""
    frame = Frame(context, pages)
    return [
        *signing_in.routes(),
        *PscPages(context, pages, signing_in).routes(),
        *HomePages(context, pages, frame).routes(),
        *AccountPages(context, frame).routes(),
        *FactorPages(context, frame).routes(),
        *ApplicationPages(context, frame).routes(),
        *AbsencePages(context, frame).routes(),
        *DevicePages(context, frame).routes(),
    ]
