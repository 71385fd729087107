"""A patient with an open record, and a bridge that files into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import dmp_bridge.tables  # noqa: F401 - declares its tables before the database is made
from directory.patients import PatientState, add_patient
from dmp_bridge import record
from dmp_bridge.intake import Bridge
from foundation import jobs
from foundation.identifiers import OID_TEST, ins_key
from foundation.jobs import Job
from foundation.settings import Settings, from_values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dmp_bridge.record import Document, Filing
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

NUMBER = "2790351215189"
PATIENT_INS = NUMBER + ins_key(NUMBER)
SENDER = "marie.martin@medecin.mssante.fr"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a test of the bridge works with."""

    bridge: Bridge
    database: Database
    vault: Vault
    owner_id: int

    async def deliver(self, message: bytes, *, mail_id: int = 1, sender: str = SENDER) -> list[Filing]:
        """Stores a message as a delivery does and lets the bridge handle its job."""
        job = await self.store(message, mail_id=mail_id, sender=sender)
        await self.handle(job)
        return await self.filings(mail_id)

    async def store(self, message: bytes, *, mail_id: int = 1, sender: str = SENDER) -> Job:
        sealed = await self.vault.seal(message)
        blob_id = await self.database.write(lambda uow: self.vault.store(uow, sealed, (self.owner_id,)))
        payload = {
            "owner_id": self.owner_id,
            "mail_id": mail_id,
            "blob_id": blob_id,
            "sender": sender,
            "message_id": "<m1@medecin.mssante.fr>",
        }
        return Job(mail_id, "bridge", payload, 1)

    async def handle(self, job: Job) -> None:
        await self.database.write(await self.bridge.handle(job))

    async def filings(self, mail_id: int = 1) -> list[Filing]:
        found = await self.database.read(
            lambda connection: record.filings_of(connection, self.owner_id, [mail_id])
        )
        return found.get(mail_id, [])

    async def documents(self, status: record.Status | None = record.Status.APPROVED) -> list[Document]:
        return await self.database.read(
            lambda connection: record.list_documents(connection, self.owner_id, status=status)
        )

    async def waiting(self) -> int:
        return await self.database.read(jobs.waiting)


MakeDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def make_desk(
    tmp_path: Path, database: Database, vault: Vault, clock: FixedClock
) -> AsyncIterator[MakeDesk]:
    bridges: list[Bridge] = []

    async def make(
        *, state: PatientState = PatientState.ACTIVATED, structured: str = "file", traits: str = "refuse"
    ) -> Desk:
        settings: Settings = from_values(tmp_path, {"bridge": {"structured": structured, "traits": traits}})
        bridge = Bridge(database, vault, clock, settings)
        bridges.append(bridge)

        def add(uow: UnitOfWork) -> int:
            return add_patient(
                uow,
                vault,
                ins=PATIENT_INS,
                ins_oid=OID_TEST,
                birth_name="Pat Trois",
                first_names="Dominique Marie",
                birth_date="1979-03-28",
                sex="F",
                state=state,
                password_hash=None,
                now=clock.millis(),
            ).owner_id

        return Desk(bridge, database, vault, await database.write(add))

    yield make
    for bridge in bridges:
        await bridge.close()


@pytest.fixture
async def desk(make_desk: MakeDesk) -> Desk:
    return await make_desk()
