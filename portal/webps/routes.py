"""Every route of the professionals' pages of the patient's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.professional.frame import Frame
from portal.webps.acts import ProfessionalActPages
from portal.webps.deposit import DepositPages
from portal.webps.documents import DocumentPages
from portal.webps.opening import OpeningPages
from portal.webps.people import PeoplePages
from portal.webps.reception import Reception
from portal.webps.shelves import ShelfPages

if TYPE_CHECKING:
    from starlette.routing import Route

    from portal.context import PortalContext, Records
    from portal.pages import Pages


def record_routes(context: PortalContext, pages: Pages, records: Records) -> list[Route]:
    """`/pro/dossier…`, before the desks of the records."""
    reception = Reception(context, Frame(context, pages))
    return [
        *ShelfPages(reception, records.desk, records.news).routes(),
        *PeoplePages(reception, records.desk, records.care).routes(),
        *DepositPages(reception, records.desk, records.care, context.clock).routes(),
        *ProfessionalActPages(reception, records.desk).routes(),
        *DocumentPages(pages, reception, records.desk, context.clock).routes(),
        *OpeningPages(context, reception, records.desk, records.care).routes(),
    ]
