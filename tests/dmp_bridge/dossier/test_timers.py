from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from directory.patients import PatientState, representatives_of
from dmp_bridge import record
from dmp_bridge.dossier import closing, minority, traces
from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.notices import NoticeEvent, notices_of
from dmp_bridge.dossier.timers import Timers, visible_from
from dmp_bridge.tables import document
from foundation import trail
from foundation.clock import FixedClock, to_millis
from foundation.trail import Verified
from foundation.vault import BlobNotFound
from tests.dmp_bridge.dossier.people import add, file

if TYPE_CHECKING:
    from directory.patients import Patient
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


@pytest.fixture
def timers(database: Database, vault: Vault, clock: FixedClock) -> Timers:
    return Timers(database, vault, clock)


def events(database: Database, patient: Patient) -> list[NoticeEvent]:
    return [each.event for each in database.read_now(lambda c: notices_of(c, patient.owner_id))][::-1]


# ref: DMP-F19
async def test_an_unseen_document_is_announced_after_two_weeks_and_shown_after_a_month(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    document_id = await file(database, vault, patient, clock.millis(), unseen=True)

    def shown() -> bool:
        return database.read_now(lambda c: record.document(c, patient.owner_id, document_id)) is not None

    clock.advance(timedelta(days=13))
    assert await timers.look() == 0
    clock.advance(timedelta(days=1))
    assert await timers.look() == 1
    assert await timers.look() == 0
    assert events(database, patient) == [NoticeEvent.RECORD_UPDATED]
    assert not shown()
    clock.advance(timedelta(days=16))
    assert await timers.look() == 0
    assert not shown()
    clock.advance(timedelta(days=1))
    assert await timers.look() == 1
    assert shown()
    assert events(database, patient) == [NoticeEvent.RECORD_UPDATED, NoticeEvent.DOCUMENT_VISIBLE]
    assert await timers.look() == 0


async def test_the_notice_after_two_weeks_does_not_name_the_document(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    await file(database, vault, patient, clock.millis(), unseen=True)
    clock.advance(timedelta(days=14))
    await timers.look()
    (notice,) = database.read_now(lambda c: notices_of(c, patient.owner_id))
    assert notice.document_id is None


async def test_what_shows_itself_gets_a_new_version_of_its_metadata_and_a_trace(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    document_id = await file(database, vault, patient, clock.millis(), unseen=True)
    clock.advance(timedelta(days=40))
    assert await timers.look() == 1
    row = database.read_now(lambda c: c.execute(select(document).where(document.c.id == document_id)).one())
    assert row.metadata_version == 2
    assert row.entry_uuid != "urn:uuid:1.2.3"
    assert row.invisible_since is None
    (trace,) = database.read_now(lambda c: traces.traces_of(c, patient.owner_id, traces.TraceQuery()))
    assert (trace.action, trace.caller_id, trace.document_id) == ("show-to-patient", "system", document_id)


@pytest.mark.parametrize(
    ("deposited", "shown"),
    [
        (datetime(2026, 3, 13, 14, tzinfo=UTC), datetime(2026, 4, 13, 13, tzinfo=UTC)),  # summer time between
        (datetime(2026, 1, 31, 9, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)),
        (datetime(2028, 1, 29, 9, tzinfo=UTC), datetime(2028, 2, 29, 9, tzinfo=UTC)),
        (datetime(2026, 12, 15, 9, tzinfo=UTC), datetime(2027, 1, 15, 9, tzinfo=UTC)),
    ],
)
def test_a_month_is_one_of_the_calendar(deposited: datetime, shown: datetime) -> None:
    assert visible_from(to_millis(deposited)) == to_millis(shown)


# ref: DMP-F20
async def test_parental_authority_ends_at_eighteen(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    child = await add(database, vault, clock, "1080399999001", birth_date="2008-03-20")
    await _represent(database, child, patient, GuardianshipKind.PARENTAL, clock)

    def parents() -> int:
        return len(database.read_now(lambda c: representatives_of(c, child.owner_id)))

    clock.advance(timedelta(days=6))
    assert await timers.look() == 0
    assert parents() == 1
    clock.advance(timedelta(days=1))
    assert await timers.look() == 1
    assert parents() == 0
    assert events(database, child) == [NoticeEvent.MAJORITY]
    assert events(database, patient) == []
    assert await timers.look() == 0


async def test_a_guardian_of_an_adult_stays_until_the_judgment_ends(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    adult = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    await _represent(database, adult, patient, GuardianshipKind.TUTELLE, clock, days=10)
    clock.advance(timedelta(days=9))
    assert await timers.look() == 0
    clock.advance(timedelta(days=1))
    assert await timers.look() == 1
    assert database.read_now(lambda c: representatives_of(c, adult.owner_id)) == []


async def _represent(
    database: Database,
    holder: Patient,
    guardian: Patient,
    kind: GuardianshipKind,
    clock: FixedClock,
    days: int | None = None,
) -> None:
    now = clock.millis()
    until = None if days is None else now + days * 24 * 3600 * 1000
    await database.write(
        lambda uow: minority.represent(
            uow, holder.owner_id, guardian.owner_id, kind, "operator", now, until=until
        )
    )


# ref: DMP-F21
async def test_the_archive_of_a_closed_record_is_deleted_after_ten_years(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    await file(database, vault, patient, clock.millis())
    blob_id = database.read_now(lambda c: c.execute(select(document.c.blob_id)).scalar_one())
    await _into(database, patient, PatientState.CLOSED, clock)
    clock.advance(timedelta(days=3653))  # 13 March 2036, three leap days on
    clock.advance(timedelta(hours=-1))
    assert await timers.look() == 0
    assert await vault.read(patient.owner_id, blob_id) == b"a report"
    clock.advance(timedelta(hours=2))
    assert await timers.look() == 1
    assert database.read_now(lambda c: c.execute(select(document)).all()) == []
    with pytest.raises(BlobNotFound):
        await vault.read(patient.owner_id, blob_id)
    assert await timers.look() == 0
    assert isinstance(await database.read(trail.verify), Verified)


async def test_on_express_request_the_archive_is_deleted_within_three_months(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    for number in range(230):
        await file(database, vault, patient, clock.millis(), f"1.2.{number}", data=b"%d" % number)
    other = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    await file(database, vault, other, clock.millis(), "9.9.9", data=b"1")
    await _into(database, patient, PatientState.CLOSED, clock)
    asked = await database.write(
        lambda uow: closing.ask_deletion(uow, patient.owner_id, "patient:1", clock.millis())
    )
    assert asked.purge_at <= clock.millis() + 90 * 24 * 3600 * 1000
    clock.advance(timedelta(days=29))
    assert await timers.look() == 0
    clock.advance(timedelta(days=1))
    assert await timers.look() == 1
    (kept,) = database.read_now(lambda c: c.execute(select(document)).all())
    assert kept.owner_id == other.owner_id
    assert await vault.read(other.owner_id, kept.blob_id) == b"1", "what another record holds stays"


async def test_reopening_takes_the_archive_up_again_and_nothing_is_deleted(
    database: Database, vault: Vault, patient: Patient, clock: FixedClock, timers: Timers
) -> None:
    document_id = await file(database, vault, patient, clock.millis())
    await _into(database, patient, PatientState.CLOSED, clock)
    await database.write(lambda uow: closing.ask_deletion(uow, patient.owner_id, "patient:1", clock.millis()))
    await _into(database, patient, PatientState.ACTIVATED, clock)
    clock.advance(timedelta(days=4000))
    assert await timers.look() == 0
    assert database.read_now(lambda c: record.document(c, patient.owner_id, document_id)) is not None
    assert database.read_now(lambda c: closing.closing_of(c, patient.owner_id)) is None


async def test_only_what_is_closed_is_deleted_on_request(
    database: Database, patient: Patient, clock: FixedClock
) -> None:
    ask = partial(closing.ask_deletion, owner_id=patient.owner_id, actor="patient:1", now=clock.millis())
    with pytest.raises(closing.ClosingRefused, match="clos"):
        await database.write(ask)


async def _into(database: Database, patient: Patient, state: PatientState, clock: FixedClock) -> None:
    await database.write(
        lambda uow: closing.change_state(uow, patient.ins, state, "operator", clock.millis())
    )
