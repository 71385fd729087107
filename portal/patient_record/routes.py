"""Every route of the patients' pages of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.export_desk import ExportDesk
from portal.patient_record.activity import ActivityPages
from portal.patient_record.acts import PatientActPages
from portal.patient_record.choices import ChoicePages
from portal.patient_record.closed import ClosedPages
from portal.patient_record.deposit import DepositPages
from portal.patient_record.documents import DocumentPages
from portal.patient_record.leaving import Exports, LeavingPages
from portal.patient_record.notices import NoticePages
from portal.patient_record.professionals import ProfessionalPages
from portal.patient_record.reception import Reception
from portal.patient_record.relatives import RelativePages
from portal.patient_record.shelves import ShelfPages

if TYPE_CHECKING:
    from starlette.routing import Route

    from portal.context import PortalContext, Records
    from portal.pages import Pages
    from portal.signin import SignInPages


def patient_routes(
    context: PortalContext, pages: Pages, sign_in: SignInPages, records: Records
) -> list[Route]:
    """`/patient/documents` and the rest of the record, before its desks."""
    reception, desk, own = Reception(context, pages), records.desk, records.own
    exports = Exports(ExportDesk(context.database, context.vault, context.clock))
    return [
        *DepositPages(context, reception, desk).routes(),
        *PatientActPages(reception, desk).routes(),
        *DocumentPages(pages, reception, desk).routes(),
        *ShelfPages(reception, desk).routes(),
        *ProfessionalPages(context, reception, desk, own).routes(),
        *ChoicePages(context, reception, desk, own).routes(),
        *ActivityPages(reception, desk).routes(),
        *NoticePages(reception, own).routes(),
        *LeavingPages(reception, own, exports).routes(),
        *RelativePages(context, reception, own).routes(),
        *ClosedPages(context, pages, sign_in, own, exports).routes(),
    ]
