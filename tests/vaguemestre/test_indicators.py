"""The figures of a month: what is counted, what is told to be unknown."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import note_sign_in
from directory.publication import Entry, note_published
from foundation import trail
from mailserver.envelope import Accepted
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, patient_address
from vaguemestre.indicators import (
    BAL,
    CONNEXIONS,
    MESSAGES,
    UNKNOWN,
    Indicators,
    Month,
    as_csv,
    collect,
)
from vaguemestre.indicators import (
    PATIENTS as TYPE_OF_PATIENTS,
)

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

LEA = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


async def figures(place: Place, month: str = "2026-03") -> Indicators:
    wanted = Month.parse(month)
    assert wanted is not None
    return await place.database.read(lambda connection: collect(connection, wanted, PATIENTS))


def said(place: Place, subject: str, action: str, outcome: str = "accepted") -> Any:
    return lambda uow: trail.append(
        uow, action, actor=subject, subject=subject, outcome=outcome, clock=place.clock
    )


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03", datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)),
        ("2025-12", datetime(2025, 11, 30, 23, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_month_is_that_of_paris(text: str, start: datetime, end: datetime) -> None:
    month = Month.parse(text)
    assert month is not None
    assert str(month) == text
    assert (month.start, month.end) == (int(start.timestamp() * 1000), int(end.timestamp() * 1000))


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13", "2026-00", "26-03", "2026-3", "2026/03", "٢٠٢٦-٠٣", "9999-01", "2026-03-01"],
)
def test_what_is_no_month_is_none(text: str) -> None:
    assert Month.parse(text) is None


# ref: F41
async def test_each_box_has_a_line_with_its_life(place: Place) -> None:
    marie = await place.add("marie")
    shut = await place.add("ferme", type="ORG", red_list=True)
    await place.database.write(said(place, f"bal:{shut.owner_id}", "bal.state", "suspended"))
    place.clock.advance(timedelta(days=1))
    await place.shut(shut)
    entry = Entry("Practitioner", (), marie.address, "PER", red_list=False)
    await place.database.write(lambda uow: note_published(uow, marie.owner_id, entry, 0))
    place.clock.advance(timedelta(days=30))
    await place.add("plus-tard")
    assert (await figures(place)).bal == [
        {
            "adresse": shut.address,
            "type": "ORG",
            "etat": "closed",
            "creation": "2026-03-13",
            "suspension": "2026-03-13",
            "fermeture": "2026-03-14",
            "liste_rouge": "oui",
            "publiee": "non",
        },
        {
            "adresse": marie.address,
            "type": "PER",
            "etat": "active",
            "creation": "2026-03-13",
            "suspension": "",
            "fermeture": "",
            "liste_rouge": "non",
            "publiee": "oui",
        },
    ]


# ref: F41
async def test_the_last_sign_in_is_a_date_or_told_to_be_unknown(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    for _ in range(2):
        await place.database.write(said(place, f"bal:{marie.owner_id}", "signin.accepted"))
        place.clock.advance(timedelta(days=2))
    place.clock.advance(timedelta(days=30))
    await place.database.write(said(place, f"bal:{marie.owner_id}", "signin.accepted"))
    assert (await figures(place)).connexions == [
        {"adresse": marie.address, "type": "PER", "date": "2026-03-15"},
        {"adresse": paul.address, "type": "PER", "date": UNKNOWN},
    ]


async def test_what_a_box_remembers_of_its_last_sign_in_saves_the_trail(place: Place) -> None:
    marie = await place.add("marie")
    now = place.clock.millis()
    await place.database.write(lambda uow: note_sign_in(uow, marie.owner_id, now))
    assert (await figures(place, "2026-04")).connexions == [
        {"adresse": marie.address, "type": "PER", "date": "2026-03-13"}
    ]
    # The trail knows the last one before the end of the month, the box only the last of all.
    await place.database.write(said(place, f"bal:{marie.owner_id}", "signin.accepted"))
    place.clock.advance(timedelta(days=30))
    later = place.clock.millis()
    await place.database.write(lambda uow: note_sign_in(uow, marie.owner_id, later))
    assert (await figures(place)).connexions[0]["date"] == "2026-03-13"


async def test_messages_are_counted_both_ways(place: Place) -> None:
    marie = await place.add("marie")
    ward = await place.add("cardiologie", type="ORG")
    patient = await place.add_patient()
    answer = await place.send(
        marie, ward.address, patient_address(patient), LEA, f"personne@{DOMAIN}", headers=("X-MSS-NIL: 3734",)
    )
    assert isinstance(answer, Accepted)
    await place.receive(LEA, ward.address)
    [outgoing, *incoming] = (await figures(place)).messages
    assert (outgoing["domaine"], outgoing["type"], outgoing["sens"]) == (DOMAIN, "PER", "envoi")
    assert (outgoing["nil"], outgoing["messages"], outgoing["non_distribues"]) == ("3734", 1, 1)
    assert (outgoing["nil_set"], outgoing["codecda_absent"]) == (1, 1)
    size = len((await place.kept(patient.owner_id))[0].content)
    assert outgoing["octets"] == size
    assert [(row["domaine"], row["type"], row["messages"]) for row in incoming] == [
        (DOMAIN, "ORG", 2),
        (PATIENTS, TYPE_OF_PATIENTS, 1),
    ]
    assert incoming[1]["octets"] == size
    place.clock.advance(timedelta(days=30))
    assert (await figures(place, "2026-04")).messages == []
    assert len((await figures(place)).messages) == 3


async def test_rows_that_name_no_box_are_counted_without_one(place: Place) -> None:
    def unit(uow: UnitOfWork) -> None:
        trail.append(
            uow,
            "message.delivered",
            actor="peer",
            subject="mail:1",
            outcome="delivered",
            detail={"bytes": 10},
            clock=place.clock,
        )

    await place.database.write(unit)
    [row] = (await figures(place)).messages
    assert (row["domaine"], row["type"], row["messages"], row["octets"]) == ("", "", 1, 10)


async def test_every_row_has_the_columns_of_its_file(place: Place) -> None:
    marie = await place.add("marie")
    await place.send(marie, marie.address)
    found = await figures(place)
    for columns, rows in ((BAL, found.bal), (CONNEXIONS, found.connexions), (MESSAGES, found.messages)):
        assert rows
        text = as_csv(columns, rows).decode()
        read = list(csv.DictReader(io.StringIO(text)))
        assert [tuple(row) for row in read] == [columns] * len(rows)
        assert read[0] == {name: str(value) for name, value in rows[0].items()}
