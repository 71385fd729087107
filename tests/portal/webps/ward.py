"""The people of the tests of the professionals' pages, and what they do in a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

from directory.annuaire.model import Person, Role, Skill, Structure
from directory.psc.claims import Professional
from directory.psc.relying_party import SignedIn
from dmp_bridge.dossier import consents, relations
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.forms import Deposit, DocumentQuery, Submission
from dmp_bridge.dossier.traces import TraceQuery, traces_of
from dmp_bridge.rights.vocabulary import Role as Standing
from tests.dmp_bridge.builders import cda
from tests.portal.house import form_token
from tests.portal.professional.people import box, enter_by_psc

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal
    from directory.patients import Patient
    from dmp_bridge.dossier.forms import Filed
    from dmp_bridge.dossier.traces import Trace
    from dmp_bridge.record import Document
    from tests.portal.house import House
    from tests.portal.professional.people import Provider

MARIE = "810000000001"
"""A neurologist."""
PAUL = "810000000002"
"""A general practitioner."""
LUC = "810000000003"
"""A nurse."""
OLGA = "810000000004"
"""An occupational doctor."""
HOSPITAL = "1750000018"
_NAMES = {
    MARIE: ("marie.martin", "10", "SM32"),
    PAUL: ("paul.durand", "10", "SM54"),
    LUC: ("luc.petit", "60", ""),
    OLGA: ("olga.blanc", "10", "SM25"),
}
AUTHOR = Caller(role=Standing.PROFESSIONAL, id="801234534765", name="CAMPARINI", profession="10")


@dataclass
class Ward:
    """A house with one patient, and whoever comes in."""

    house: House
    provider: Provider
    patient: Patient

    def publish(self, idnat: str) -> None:
        """Makes the directory know a person."""
        name, profession, skill = _NAMES[idnat]
        first, last = name.upper().split(".")
        view = self.house.annuaire.shown
        person = Person(idnat, first_name=first, last_name=last, profession_code=profession)
        view.people = [*view.people, person._replace(skills=(Skill(skill, None),) if skill else ())]

    def practise(self, idnat: str) -> None:
        """Makes the directory know where that person works: the hospital."""
        _, profession, skill = _NAMES[idnat]
        view = self.house.annuaire.shown
        view.places = [Structure("R1", idnat=HOSPITAL, name="CH de Démo")]
        role = Role(f"role-{idnat}", idnat, "R1", profession_code=profession, skill_code=skill or None)
        view.situations = [*view.situations, role]

    async def box(self, idnat: str) -> Bal:
        return await box(self.house, _NAMES[idnat][0], idnat=idnat)

    async def enter(self, idnat: str, *, is_published: bool = True) -> httpx2.AsyncClient:
        """A browser that this professional signed in by Pro Santé Connect."""
        if is_published:
            self.publish(idnat)
        await self.box(idnat)
        self.provider.answer = SignedIn(Professional(idnat=idnat), "the.id.token")
        return await enter_by_psc(self.house)

    async def enter_again(self, idnat: str) -> httpx2.AsyncClient:
        """Another session of somebody who has a box."""
        self.provider.answer = SignedIn(Professional(idnat=idnat), "the.id.token")
        return await enter_by_psc(self.house)

    def tick(self) -> None:
        """A minute goes by."""
        self.house.clock.advance(timedelta(minutes=1))

    def as_patient(self) -> Caller:
        owner_id = self.patient.owner_id
        return Caller(role=Standing.PATIENT, id=f"patient:{owner_id}", owner_id=owner_id)

    async def open(self, browser: httpx2.AsyncClient, **fields: str) -> str:
        """The path of the record, opened by its INS."""
        answer = await post(browser, "/pro/dossier", "/pro/dossier", ins=self.patient.ins, **fields)
        assert answer.status_code == 303, said(answer.text)
        return answer.headers["location"]

    async def authorised(self, idnat: str = MARIE) -> tuple[httpx2.AsyncClient, str]:
        """A browser in the record, of a professional who has declared the patient's consent."""
        browser = await self.enter(idnat)
        path = await self.open(browser)
        answer = await post(browser, f"{path}/autorisation", path, ground="consent")
        assert answer.status_code == 303, said(answer.text)
        return browser, path

    async def file(self, data: bytes | None = None, *, caller: Caller = AUTHOR, **values: object) -> Filed:
        """A CDA of another professional in the record."""
        deposit = Deposit(
            data=cda(ins=self.patient.ins) if data is None else data,
            media_type="text/xml",
            **values,  # type: ignore[arg-type]
        )
        (filed,) = await self.house.records.feed(
            caller, Submission(ins=self.patient.ins, deposits=(deposit,))
        )
        return filed

    async def documents(self, **conditions: object) -> tuple[Document, ...]:
        """What is in the record, whoever may see it."""
        attending = Caller(role=Standing.PROFESSIONAL, id="899999999999", profession="10")
        await self.house.place.database.write(
            lambda uow: relations.set_attending(uow, self.patient.owner_id, attending.id, "test", 0)
        )
        query = DocumentQuery(**{"statuses": (), **conditions})  # type: ignore[arg-type]
        return (await self.house.records.search(attending, self.patient.ins, query)).documents

    async def make_attending(self, idnat: str) -> None:
        now = self.house.clock.millis()
        await self.house.place.database.write(
            lambda uow: relations.set_attending(uow, self.patient.owner_id, idnat, "test", now)
        )

    async def block(self, idnat: str) -> None:
        now = self.house.clock.millis()
        await self.house.place.database.write(
            lambda uow: relations.block(uow, self.patient.owner_id, idnat, "test", now)
        )

    async def oppose(self, kind: ConsentKind, value: Consent = Consent.DENY) -> None:
        now, owner_id = self.house.clock.millis(), self.patient.owner_id
        await self.house.place.database.write(
            lambda uow: consents.record(uow, owner_id, kind, value, "test", now, reason="motif")
        )

    def traces(self, action: str) -> list[Trace]:
        """What was done so, the newest first."""
        found = self.house.place.database.read_now(
            lambda connection: traces_of(connection, self.patient.owner_id, TraceQuery(limit=1000))
        )
        return [each for each in found if each.action == action]


async def post(browser: httpx2.AsyncClient, path: str, page: str, **fields: str) -> httpx2.Response:
    """Posts a form as the page made it."""
    return await browser.post(path, data={"csrf": await form_token(browser, page), **fields})


async def upload(
    browser: httpx2.AsyncClient, path: str, data: bytes, name: str = "lettre.pdf", **fields: str
) -> httpx2.Response:
    """Posts a file with the fields of the form; a field given as "" is left out."""
    typed = {
        "type": "11488-4",
        "date": "2026-03-12",
        "title": "",
        "visible": "tous",
        "informed": "1",
        **fields,
    }
    kept = {field: value for field, value in typed.items() if value}
    return await browser.post(
        path,
        data={"csrf": await form_token(browser, path), **kept},
        files={"file": (name, data, "application/pdf")},
    )


def said(page: str) -> str:
    """The text of a page without its elements."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))
