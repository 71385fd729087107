"""A small operator with its portal: patients with passwords, a doctor who writes to them, and browsers without a screen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

from directory.annuaire.model import Mailbox
from directory.bals import BalType
from directory.patients import Patient, PatientState, patient_of, set_patient_password
from dmp_bridge.dossier.desk import Desk
from dmp_bridge.intake import Bridge
from foundation.jobs import Worker
from foundation.passwords import PasswordMemory, hash_password
from mailserver.envelope import Accepted
from mailserver.patient_reply import PatientDesk
from mailserver.reading_receipt import ReceiptDesk
from mailserver.signin.desk import SignIn
from portal.app import PortalContext, application
from portal.context import Records
from tests.directory.memory import MemoryView
from tests.mailserver.place import PATIENTS, Place, envelope, letter, patient_address
from vaguemestre.bridging import handlers

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault
    from mailserver.conversations import Conversation

PASSWORD = "cheval agrafe pile exact"
ORIGIN = "https://portail.test"
DOMINIQUE = "2790351215189"
SOMEBODY_ELSE = "1600123456789"
_FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Pauses:
    """Stands for the seconds that a refused sign-in waits."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Shelf:
    """The directory that a house searches: what a test puts there."""

    shown: MemoryView = field(default_factory=MemoryView)

    def view(self) -> MemoryView:
        return self.shown


class House:
    """The place of the delivery tests with a bridge and a portal on top."""

    def __init__(
        self, place: Place, vault: Vault, events: Events, clock: FixedClock, psc: Any = None
    ) -> None:
        self.place = place
        self.clock = clock
        self.pauses = Pauses()
        self.annuaire = Shelf()
        self.bridge = Bridge(place.database, vault, clock, place.settings)
        self.desk = PatientDesk(place.router, place.database, clock, place.settings, annuaire=self.annuaire)
        self.receipts = ReceiptDesk(place.router, place.database, vault, clock, place.settings)
        self.sign_in = SignIn(
            place.database, clock, place.settings, pause=self.pauses, vault=vault, master_key=bytes(32)
        )
        self.records = Desk.open(place.database, vault, clock, place.settings)
        self.context = PortalContext(
            settings=place.settings,
            database=place.database,
            vault=vault,
            events=events,
            clock=clock,
            passwords=PasswordMemory(),
            desk=self.desk,
            receipts=self.receipts,
            bridge=self.bridge,
            sign_in=self.sign_in,
            factors=self.sign_in.factors,
            annuaire=self.annuaire,
            psc=psc,
            records=Records.at(self.records, place.database, clock),
        )
        self.app: Starlette = application(self.context)
        jobs = handlers(self.bridge, place.router, self.receipts, place.settings, clock)
        self.worker = Worker(place.database, events, clock, jobs)

    @classmethod
    def build(
        cls,
        database: Database,
        vault: Vault,
        events: Events,
        clock: FixedClock,
        home: Path,
        *,
        psc: Any = None,
        **values: Any,
    ) -> House:
        """`psc` stands for the relying party of Pro Santé Connect."""
        place = Place(database, vault, clock, home, **{"sandbox": True, **values})
        return cls(place, vault, events, clock, psc)

    async def patient(self, number: str = DOMINIQUE, state: str = PatientState.ACTIVATED) -> Patient:
        """A patient who signs in with PASSWORD."""
        made = await self.place.add_patient(number, state)
        stored = await hash_password(PASSWORD)
        return await self.place.database.write(lambda uow: set_patient_password(uow, made.ins, stored))

    async def doctor(self, name: str = "marie.martin") -> Bal:
        """A published doctor: Dr Marie MARTIN, neurologist at the CH de Démo."""
        bal = await self.place.add(name, idnat=None)
        published = Mailbox(
            bal.address,
            BalType.PER,
            idnat="810000000001",
            civility="DR",
            last_name="MARTIN",
            first_name="MARIE",
            profession="Médecin",
            skill="Neurologie",
            structure="CH de Démo",
        )
        self.annuaire.shown.boxes = [*self.annuaire.shown.boxes, published]
        return bal

    async def write(self, doctor: Bal, patient: Patient, **values: Any) -> None:
        """The doctor's letter in the patient's box."""
        to = patient_address(patient)
        content = letter(doctor.address, to, **values)
        answer = await self.place.router.deliver(envelope(doctor, to, content=content))
        assert isinstance(answer, Accepted), answer
        await self.place.router.acknowledged(answer)

    async def deliver(self, doctor: Bal, patient: Patient, content: bytes) -> None:
        """A message as it stands, with its attachments examined and filed."""
        answer = await self.place.router.deliver(envelope(doctor, patient_address(patient), content=content))
        assert isinstance(answer, Accepted), answer
        await self.place.router.acknowledged(answer)
        await self.worker.drain()

    def browser(self, address: str = "192.0.2.7") -> httpx2.AsyncClient:
        """A browser that is not signed in."""
        transport = httpx2.ASGITransport(self.app, client=(address, 50000), raise_app_exceptions=True)
        return httpx2.AsyncClient(transport=transport, base_url=ORIGIN)

    async def signed_in(self, patient: Patient) -> httpx2.AsyncClient:
        """A browser in which this patient has signed in."""
        browser = self.browser()
        answer = await sign_in(browser, patient.ins)
        assert answer.status_code == 303, answer.text
        return browser

    def again(self, patient: Patient) -> Patient:
        """The patient as the table has it now."""
        found = self.place.database.read_now(lambda connection: patient_of(connection, patient.owner_id))
        assert found is not None
        return found

    def conversation(self, patient: Patient) -> Conversation:
        """The patient's only conversation."""
        (only,) = self.place.conversations(patient.owner_id)
        return self.place.conversation(patient.owner_id, only.id)


async def sign_in(
    browser: httpx2.AsyncClient, username: str, password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    return await browser.post("/session", data={"username": username, "password": password}, headers=headers)


async def form_token(browser: httpx2.AsyncClient, page: str = "/patient/conversations") -> str:
    """The token that the forms of a signed-in browser carry."""
    found = _FORM_TOKEN.search((await browser.get(page)).text)
    assert found is not None
    return found[1]


def address_of(patient: Patient) -> str:
    return f"{patient.ins}@{PATIENTS}"
