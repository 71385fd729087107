"""What is examined at length for somebody else does not make a delivery wait, nor the bridge behind it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dmp_bridge import record
from dmp_bridge.check.checker import Checker
from dmp_bridge.intake import Bridge
from foundation.jobs import Worker
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.envelope import Accepted
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.mailserver.place import Place, patient_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
async def checker(place: Place) -> AsyncIterator[Checker]:
    """The process that holds documents against the schematron of the kit and the other rules of conformity."""
    made = Checker(place.settings.bridge, patient_domain="patient.mssante.fr", largest=1 << 25)
    yield made
    await made.close()


def children() -> set[int]:
    """The living processes that this one has started (proc(5))."""
    own = os.getpid()
    tasks = Path(f"/proc/{own}/task").iterdir()
    return {int(each) for task in tasks for each in (task / "children").read_text().split()}


async def test_a_check_that_takes_for_ever_delays_no_delivery_and_no_filing(
    place: Place, checker: Checker, events: Events
) -> None:
    marie, patient = await place.add("marie"), await place.add_patient()
    before = children()
    await checker.check("document.xml", cda())
    [checking] = children() - before
    os.kill(checking, signal.SIGSTOP)
    try:
        check = asyncio.create_task(checker.check("document.xml", cda()))
        content = mail(
            ("IHE_XDM.zip", "application/zip", xdm(cda())),
            sender=marie.address,
            recipient=patient_address(patient),
        )
        content = b"Date: Thu, 13 Mar 2025 14:54:10 +0100\r\n" + content
        assert isinstance(await place.send(marie, patient_address(patient), content=content), Accepted)
        bridge = Bridge(place.database, place.vault, place.clock, place.settings)
        await Worker(place.database, events, place.clock, {BRIDGE_JOB: bridge.handle}).drain()
        await bridge.close()
        filed = await place.database.read(
            lambda connection: record.list_documents(connection, patient.owner_id)
        )
        assert len(filed) == 1
        assert not check.done()
    finally:
        os.kill(checking, signal.SIGCONT)
    assert (await check).findings
