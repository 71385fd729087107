"""What a patient may do with a document that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.life import Change
from portal.patient_record.document import document_of, line
from portal.patient_record.documents import DOCUMENTS
from portal.patient_record.reception import Inside
from portal.patient_record.words import ACTS
from portal.record_acts import ActPages

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from portal.patient_record.document import Line
    from portal.patient_record.reception import Reception


class PatientActPages(ActPages[Inside]):
    """Of the own record, and of the record of somebody else."""

    acts = ACTS
    template = "patient_record/act.html"

    def __init__(self, reception: Reception, desk: Desk) -> None:
        super().__init__(reception, desk)
        self._both = reception.both

    def routes(self) -> list[Route]:
        path = f"{DOCUMENTS}/{{document}}/acte/{{act}}"
        return [*self._both(path, self.ask), *self._both(path, self.do, ("POST",))]

    async def document(self, request: Request, inside: Inside) -> Document:
        return await document_of(request, inside, self._desk)

    def line(self, inside: Inside, document: Document) -> Line:
        return line(inside, document)

    def after(self, inside: Inside, change: Change, document: Document) -> str:
        """The document, or the list where it is gone."""
        to = inside.base + DOCUMENTS
        return to if change is Change.DELETE else f"{to}/{document.id}"
