"""A patient at home with the own record, a child, and who else reads in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import unescape
from typing import TYPE_CHECKING

from sqlalchemy import update

from directory.patients import add_representative
from directory.patients import patient as patient_table
from dmp_bridge.dossier import relations
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.forms import Deposit, Submission
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.traces import TraceQuery, traces_of
from dmp_bridge.rights.vocabulary import Mode, Role
from tests.dmp_bridge.builders import PDF
from tests.portal.house import form_token

if TYPE_CHECKING:
    import httpx2

    from directory.patients import Patient
    from dmp_bridge.dossier.forms import Filed
    from dmp_bridge.dossier.traces import Trace
    from tests.portal.house import House

CHILD = "1120599999001"
AUTHOR = Caller(
    role=Role.PROFESSIONAL,
    id="801234534765",
    name="Marcel CAMPARINI",
    profession="10",
    structure_id="1120459876",
    structure_name="Laboratoire des charmes",
)
NURSE = Caller(role=Role.PROFESSIONAL, id="810000000003", name="Luc PETIT", profession="60")


@dataclass
class Home:
    """A house with one patient who is signed in."""

    house: House
    patient: Patient
    browser: httpx2.AsyncClient

    async def child(self, *, state: str = "activated", born: str = "2012-05-14") -> Patient:
        """A minor whom the patient represents, and who signs in with PASSWORD."""
        made = await self.house.patient(CHILD, state)
        values = {"birth_date": born, "first_names": "THOMAS LOUIS", "birth_name": "MERCIER"}
        statement = update(patient_table).where(patient_table.c.owner_id == made.owner_id).values(**values)
        await self.house.place.database.write(lambda uow: uow.execute(statement))
        await self.house.place.database.write(
            lambda uow: add_representative(uow, made.owner_id, self.patient.owner_id)
        )
        return self.house.again(made)

    async def file(
        self, patient: Patient | None = None, *, caller: Caller = AUTHOR, data: bytes = PDF, **values: object
    ) -> Filed:
        """A document of a professional in the record; each call another one."""
        about = {"title": "Lettre", "type_code": "11488-4", "media_type": "application/pdf", **values}
        deposit = Deposit(data=data, **about)  # type: ignore[arg-type]
        ins = (patient or self.patient).ins
        (filed,) = await self.house.records.feed(caller, Submission(ins=ins, deposits=(deposit,)))
        return filed

    async def authorise(
        self, caller: Caller, kind: RelationKind = RelationKind.AUTHORISED, patient: Patient | None = None
    ) -> Caller:
        """Lets a professional in."""
        owner_id, now = (patient or self.patient).owner_id, self.house.clock.millis()
        await self.house.place.database.write(
            lambda uow: relations.declare(uow, owner_id, kind, caller.id, caller.id, now, name=caller.name)
        )
        return caller

    def relations(self) -> dict[str, RelationKind]:
        """Who stands how towards the record now."""
        return self.house.place.database.read_now(
            lambda connection: {
                each.subject_id: each.kind
                for each in relations.relations_of(connection, self.patient.owner_id)
            }
        )

    def traces(self, patient: Patient | None = None, action: str | None = None) -> list[Trace]:
        """What was done with a record, the newest first."""
        owner_id = (patient or self.patient).owner_id
        found = self.house.place.database.read_now(
            lambda connection: traces_of(connection, owner_id, TraceQuery(limit=1000))
        )
        return [each for each in found if action in (None, each.action)]

    async def page(self, path: str) -> str:
        """The text of a page that is there."""
        answer = await self.browser.get(path)
        assert answer.status_code == 200, (path, said(answer.text))
        return said(answer.text)

    async def post(self, path: str, page: str, **fields: str) -> httpx2.Response:
        """Posts a form as the page made it."""
        return await post(self.browser, path, page, **fields)


async def post(browser: httpx2.AsyncClient, path: str, page: str, **fields: str) -> httpx2.Response:
    return await browser.post(path, data={"csrf": await form_token(browser, page), **fields})


async def upload(
    browser: httpx2.AsyncClient,
    data: bytes = PDF,
    name: str = "analyse.pdf",
    path: str = "/patient/documents/ajout",
    **fields: str,
) -> httpx2.Response:
    """Posts a document with the fields of the form; a field given as "" is left out."""
    typed = {"title": "Mon analyse", "category": "BIOLOGIE", "date": "2026-03-12", "nonce": name, **fields}
    kept = {field: value for field, value in typed.items() if value}
    return await browser.post(
        path,
        data={"csrf": await form_token(browser, path), **kept},
        files={"file": (name, data, "application/octet-stream")} if name else None,
    )


def said(page: str) -> str:
    """The text of a page without its elements."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def in_emergency(caller: Caller, motive: str = "Coma") -> Caller:
    return replace(caller, mode=Mode.BRIS_DE_GLACE, motive=motive)
