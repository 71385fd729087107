from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from directory.patients import add_representative
from dmp_bridge.dossier import traces
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.desk import Change, DocumentQuery, Submission
from dmp_bridge.dossier.traces import Disproven, Proven, TraceQuery, to_csv, to_json
from dmp_bridge.rights.vocabulary import Role
from foundation import trail
from foundation.identifiers import ins_key
from tests.dmp_bridge.dossier.wards import (
    ATTENDING,
    DOCTOR,
    INS,
    NURSE,
    OTHER_DOCTOR,
    STRUCTURE,
    add,
    deposit,
    document,
    reason_of,
)

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from tests.dmp_bridge.dossier.wards import Ward


async def verify(ward: Ward) -> Proven | Disproven:
    return await ward.database.read(traces.verify)


async def tamper(ward: Ward, statement: str) -> None:
    await ward.database.write(lambda uow: uow.execute(text(statement)).close())


async def visits(ward: Ward) -> None:
    """A scripted session of seven traces: one fed, one masked, two read, one searched, two refused."""
    (filed,) = await ward.feed()
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK)
    await ward.desk.read(ward.patient, filed.document_id)
    await ward.authorise(DOCTOR)
    await ward.desk.read(DOCTOR, filed.document_id)
    await ward.documents(DOCTOR)
    await reason_of(ward.desk.read(OTHER_DOCTOR, filed.document_id))
    await reason_of(ward.desk.change(ward.patient, filed.document_id, Change.DELETE))


# ref: DMP-F27
async def test_every_read_write_and_refusal_leaves_one_trace(ward: Ward) -> None:
    await visits(ward)
    told = [(each.caller_id, each.action, each.outcome) for each in await ward.traces()]
    doctor, patient = DOCTOR.id, ward.patient.id
    assert told == [
        (doctor, "TD2.1", "ok"),
        (patient, "mask", "ok"),
        (patient, "read", "ok"),
        (doctor, "TD3.2", "ok"),
        (doctor, "TD3.1", "ok"),
        (OTHER_DOCTOR.id, "TD3.2", "not-authorised"),
        (patient, "delete", "not-own"),
    ]


async def test_the_patient_and_the_attending_doctor_see_all_others_their_own(ward: Ward) -> None:
    await visits(ward)
    await ward.attend()
    assert len(await ward.desk.traces(ward.patient, INS, TraceQuery())) == 7
    assert len(await ward.desk.traces(ATTENDING, INS, TraceQuery())) == 8
    own = await ward.desk.traces(DOCTOR, INS, TraceQuery())
    assert {each.caller_id for each in own} == {DOCTOR.id}
    assert await ward.desk.traces(NURSE, INS, TraceQuery()) == []
    assert await reason_of(ward.desk.traces(STRUCTURE, INS, TraceQuery())) is not None


async def test_professionals_see_one_year_or_the_last_hundred(ward: Ward) -> None:
    await ward.authorise(DOCTOR)
    for _ in range(3):
        await ward.documents(DOCTOR)
    ward.clock.advance(timedelta(days=400))
    assert len(await ward.desk.traces(DOCTOR, INS, TraceQuery())) == 3
    for _ in range(100):
        await ward.database.write(
            lambda uow: traces.append(uow, DOCTOR, "TD3.1", owner_id=ward.owner_id, clock=ward.clock)
        )
    recent = await ward.desk.traces(DOCTOR, INS, TraceQuery(limit=1000))
    assert min(each.at for each in recent) == ward.clock.millis()
    assert len(await ward.desk.traces(ward.patient, INS, TraceQuery(limit=1000))) == 105


async def test_pages_of_traces_join_without_a_gap(ward: Ward) -> None:
    await visits(ward)
    all_of = await ward.traces()
    first = await ward.traces(limit=3)
    second = await ward.traces(limit=3, before_id=first[0].id)
    assert [*second, *first] == all_of[-6:]


# ref: DMP-F43
async def test_the_trail_proves_the_traces(ward: Ward) -> None:
    await visits(ward)
    assert await verify(ward) == Proven(7)
    rows = await ward.database.read(
        lambda c: [row for row in trail.rows(c) if row.action.startswith("record.")]
    )
    assert len(rows) == 7
    told = " ".join(f"{row.actor} {row.subject} {row.detail}" for row in rows)
    assert INS not in told
    assert DOCTOR.name not in told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record_access SET caller_id = 'another' WHERE id = 4",
        "UPDATE record_access SET owner_id = 99 WHERE id = 4",
        "UPDATE record_access SET outcome = 'ok' WHERE id = 6",
        "DELETE FROM record_access WHERE id = 4",
        "DELETE FROM record_access WHERE id = 7",
        (
            "INSERT INTO record_access SELECT 99, owner_id, at, action, outcome, document_id, caller_id, caller_name, role,"
            " profession, skill, structure_id, structure_name, mode, motive, channel, is_secret, detail"
            " FROM record_access WHERE id = 1"
        ),
        "UPDATE record_access SET id = 99 WHERE id = 4",
    ],
)
async def test_a_trace_that_was_changed_removed_or_invented_is_found(ward: Ward, statement: str) -> None:
    await visits(ward)
    await tamper(ward, statement)
    assert isinstance(await verify(ward), Disproven)


async def test_traces_that_the_law_lets_go_do_not_break_the_proof(ward: Ward) -> None:
    await visits(ward)
    await ward.database.write(lambda uow: traces.erase(uow, ward.owner_id, actor="system", clock=ward.clock))
    assert await verify(ward) == Proven(0)
    await ward.documents()
    assert await verify(ward) == Proven(1)
    await tamper(ward, "DELETE FROM record_access")
    assert isinstance(await verify(ward), Disproven)


# ref: DMP-F20
async def test_a_representative_learns_nothing_secret_from_the_traces(ward: Ward) -> None:
    minor = "2150350000000" + ins_key("2150350000000")

    def family(uow: UnitOfWork) -> int:
        child = add(uow, ward.vault, ward.clock.millis(), ins=minor, birth_date="2015-03-28")
        add_representative(uow, child, parent)
        return child

    parent = ward.owner_id
    child = await ward.database.write(family)
    holder = Caller(role=Role.PATIENT, id=f"patient:{child}", owner_id=child)
    guardian = Caller(role=Role.REPRESENTATIVE, id=f"patient:{parent}", owner_id=parent)
    secret = deposit(
        document(ins=minor, birth="20150328"), visibilities=frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX"})
    )
    await ward.desk.feed(DOCTOR, Submission(ins=minor, deposits=(secret,)))
    await ward.desk.search(replace(holder, is_secret=True), minor, DocumentQuery())
    told = await ward.desk.traces(guardian, minor, TraceQuery())
    assert [each.caller_id for each in told] == []
    assert len(await ward.desk.traces(holder, minor, TraceQuery())) == 3


async def test_a_question_about_nobody_is_traced_too(ward: Ward) -> None:
    await reason_of(ward.desk.existence(DOCTOR, "160012345678990"))
    assert await verify(ward) == Proven(1)
    assert await ward.traces() == []


async def test_traces_are_given_out_as_json_and_as_a_table_without_formulas(ward: Ward) -> None:
    await ward.database.write(
        lambda uow: traces.append(
            uow, replace(DOCTOR, name="=HYPERLINK(1)"), "TD3.2", owner_id=ward.owner_id, clock=ward.clock
        )
    )
    found = await ward.traces()
    (row,) = csv.DictReader(io.StringIO(to_csv(found)), delimiter=";")
    assert row["caller_name"] == "'=HYPERLINK(1)"
    (told,) = json.loads(to_json(found))
    assert (told["caller_name"], told["at"]) == ("=HYPERLINK(1)", "2026-03-13T15:54:10.000+01:00")
