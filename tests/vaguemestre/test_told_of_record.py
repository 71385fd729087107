"""What the bridge made of a mail is in its sender's history, and its X-MSS fields are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dmp_bridge.intake import Bridge
from foundation.jobs import Worker
from foundation.metrics import Metrics
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.envelope import Accepted
from mailserver.tracking import months, view
from mailserver.tracking.months import month_of
from mailserver.tracking.view import Stage
from tests.dmp_bridge.builders import PNG, cda, mail, xdm
from tests.mailserver.place import Place, patient_address
from vaguemestre.bridging import told_of_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault
    from mailserver.tracking.view import Recipient

GOOD = ("IHE_XDM.zip", "application/zip", xdm(cda()))
TWICE = (
    "IHE_XDM.zip",
    "application/zip",
    xdm(cda(), cda(unique_id="1.2.250.1.999.1.2", set_id="1.2.250.1.999.2", version=2)),
)
FOREIGN = ("IHE_XDM.zip", "application/zip", xdm(cda(ins="160012345678990"), ins="160012345678990"))
BROKEN = ("IHE_XDM.zip", "application/zip", GOOD[2][:200])
PHOTO = ("photo.png", "image/png", PNG)


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def worker(place: Place, events: Events, metrics: Metrics) -> AsyncIterator[Worker]:
    tell = told_of_record(place.clock, metrics)
    bridge = Bridge(place.database, place.vault, place.clock, place.settings, tell=tell)
    yield Worker(place.database, events, place.clock, {BRIDGE_JOB: bridge.handle})
    await bridge.close()


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


async def history(
    place: Place,
    worker: Worker,
    marie: Bal,
    patient: Patient,
    *attachments: tuple[str, str, bytes],
    fields: str = "",
) -> Recipient:
    """The patient's line in the history of a mail that the bridge has looked at."""
    content = fields.encode() + mail(*attachments, sender=marie.address, recipient=patient_address(patient))
    answer = await place.send(marie, patient_address(patient), content=content)
    assert isinstance(answer, Accepted)
    await worker.drain()
    [found] = place.database.read_now(lambda connection: view.find(connection, answer.queue_id))
    [recipient] = found.recipients
    return recipient


def counts(place: Place) -> dict[str, Any]:
    month = month_of(place.clock.millis())
    [row] = place.database.read_now(lambda connection: months.months(connection, month))
    return {name: row[name] for name in months_columns(row) if row[name]}


def months_columns(row: dict[str, Any]) -> list[str]:
    return [
        name for name in row if name.partition("_")[0] in {"codecda", "ins", "nil", "mes"} and "_" in name
    ]


@pytest.mark.parametrize(
    ("attachment", "stage", "code"),
    [
        (GOOD, Stage.FILED, None),
        (FOREIGN, Stage.REFUSED, "904"),
        (BROKEN, Stage.REFUSED, "906"),
        (PHOTO, Stage.DELIVERED, None),
    ],
)
async def test_the_sender_sees_what_became_of_the_documents(
    place: Place,
    worker: Worker,
    marie: Bal,
    patient: Patient,
    attachment: tuple[str, str, bytes],
    stage: Stage,
    code: str | None,
) -> None:
    found = await history(place, worker, marie, patient, attachment)
    assert (found.stage, found.record_code) == (stage, code)


# ref: ECO.2.4.1
# ref: ECO.2.4.2, F24
@pytest.mark.parametrize(
    ("attachment", "fields", "expected"),
    [
        (GOOD, "X-MSS-CODECDA: 11502-2\r\nX-MSS-INS: O\r\nX-MSS-NIL: 3734\r\n", ("set", "set", "set")),
        (GOOD, "X-MSS-CODECDA: 34112-3\r\nX-MSS-INS: N\r\n", ("degraded", "degraded", "degraded")),
        (GOOD, "", ("degraded", "degraded", "degraded")),
        (FOREIGN, "X-MSS-CODECDA: 11502-2\r\nX-MSS-INS: O\r\n", ("set", "set", "degraded")),
        (TWICE, "X-MSS-CODECDA: 11502-2\r\n", ("degraded", "degraded", "degraded")),
        (TWICE, "X-MSS-CODECDA: 11502-2,11502-2\r\n", ("set", "degraded", "degraded")),
        (PHOTO, "X-MSS-NIL: 3734\r\n", ("absent", "absent", "set")),
        (PHOTO, "X-MSS-CODECDA: 11502-2\r\n", ("degraded", "absent", "degraded")),
    ],
)
async def test_the_fields_are_held_against_the_documents(
    place: Place,
    worker: Worker,
    marie: Bal,
    patient: Patient,
    attachment: tuple[str, str, bytes],
    fields: str,
    expected: tuple[str, str, str],
) -> None:
    await history(place, worker, marie, patient, attachment, fields=fields)
    codes, ins, nil = expected
    assert counts(place) == {f"codecda_{codes}": 1, f"ins_{ins}": 1, f"nil_{nil}": 1, "mes_absent": 1}


async def test_an_archive_that_cannot_be_opened_judges_nobody(
    place: Place, worker: Worker, marie: Bal, patient: Patient, metrics: Metrics
) -> None:
    await history(place, worker, marie, patient, BROKEN, fields="X-MSS-CODECDA: 11502-2\r\n")
    assert counts(place) == {}
    assert "vaguemestre_mss_headers_total{" not in metrics.render().decode()


async def test_a_message_to_two_patients_is_judged_once(
    place: Place, worker: Worker, marie: Bal, patient: Patient, metrics: Metrics
) -> None:
    other = await place.add_patient("1600123456789")
    content = mail(GOOD, sender=marie.address, recipient=patient_address(patient))
    await place.send(marie, patient_address(patient), patient_address(other), content=content)
    await worker.drain()
    assert counts(place)["codecda_degraded"] == 1
    shown = metrics.render().decode()
    assert 'vaguemestre_mss_headers_total{header="X-MSS-CODECDA",outcome="degraded"} 1.0' in shown


async def test_mail_of_another_operator_is_filed_without_a_history(
    place: Place, worker: Worker, patient: Patient
) -> None:
    content = mail(GOOD, sender="marie@ailleurs.mssante.fr", recipient=patient_address(patient))
    await place.receive("marie@ailleurs.mssante.fr", patient_address(patient), content=content)
    await worker.drain()
    assert [row.action for row in place.trail()] == ["message.delivered", "record.TD2.1", "document.filed"]
