"""What boxes sent in a month, by software, and what their X-MSS fields were worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation.metrics import Metrics
from mailserver.delivery.router import Router
from mailserver.envelope import Accepted
from mailserver.tracking import months
from mailserver.tracking.months import ABSENT, MALFORMED, OTHERS, Sent, count_sent, month_of
from mailserver.tracking.tables import OUTCOMES
from tests.mailserver.place import DOMAIN, Place, Space, letter
from tests.mailserver.tracking.reported import dsn

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

NIL = "X-MSS-NIL: DEV935997"
LEA = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


def rows(place: Place) -> dict[tuple[str, str], dict[str, Any]]:
    """The counts of this month, by type and NIL."""
    month = month_of(place.clock.millis())
    found = place.database.read_now(lambda connection: months.months(connection, month))
    assert {row["domain"] for row in found} <= {DOMAIN}
    return {(row["type"], row["nil"]): row for row in found}


def test_a_month_begins_at_midnight_in_paris() -> None:
    assert month_of(1_740_783_599_999) == 202502
    assert month_of(1_740_783_600_000) == 202503


# ref: ECO.2.4.3, F24
async def test_messages_are_counted_by_type_and_software(place: Place) -> None:
    marie = await place.add("marie")
    ward = await place.add("cardiologie", type="ORG")
    for number, headers in enumerate(((NIL,), (NIL,), (), ("X-MSS-NIL: ?",))):
        await place.send(marie, ward.address, headers=headers, message_id=f"<m{number}@x>")
    await place.send(ward, marie.address, headers=(NIL,))
    await place.receive(LEA, marie.address, headers=(NIL,))
    found = rows(place)
    assert {key: row["messages"] for key, row in found.items()} == {
        ("PER", "DEV935997"): 2,
        ("PER", ABSENT): 1,
        ("PER", MALFORMED): 1,
        ("ORG", "DEV935997"): 1,
    }
    size = len((await place.kept(ward.owner_id))[0].content)
    assert found["PER", "DEV935997"]["octets"] == 2 * size
    assert found["PER", ABSENT]["nil_degraded"] == 1
    assert found["PER", "DEV935997"]["nil_set"] == 2
    assert found["PER", "DEV935997"]["codecda_absent"] == 2


async def test_recipients_who_are_not_reached_are_counted_once(place: Place) -> None:
    marie = await place.add("marie")
    await place.send(marie, marie.address, LEA, f"personne@{DOMAIN}")
    assert rows(place)["PER", ABSENT]["bounced"] == 1
    report = dsn("mailer-daemon@pair.mssante.fr", marie.address, (LEA, "failed"))
    for _ in range(2):
        assert isinstance(await place.receive("", marie.address, content=report), Accepted)
    assert rows(place)["PER", ABSENT]["bounced"] == 2


async def test_fields_are_not_judged_before_the_attachments_are(place: Place) -> None:
    marie = await place.add("marie")
    content = letter(marie.address, LEA, headers=("X-MSS-INS: O",)).replace(
        b"text/plain; charset=", b"application/zip; name="
    )
    await place.send(marie, LEA, content=content)
    [row] = rows(place).values()
    assert row["messages"] == 1
    assert not any(row[name] for name in OUTCOMES)


async def test_the_metrics_show_outcomes(
    place: Place, database: Database, vault: Vault, clock: FixedClock
) -> None:
    metrics = Metrics()
    place.router = Router(database, vault, clock, place.settings, place.trust, metrics)
    marie = await place.add("marie")
    await place.send(marie, LEA, headers=("X-MSS-INS: OUI", NIL))
    shown = metrics.render().decode()
    assert 'vaguemestre_mss_headers_total{header="X-MSS-INS",outcome="degraded"} 1.0' in shown
    assert 'vaguemestre_mss_headers_total{header="X-MSS-NIL",outcome="set"} 1.0' in shown
    assert 'vaguemestre_mss_headers_total{header="X-MSS-MES",outcome="absent"} 1.0' in shown


async def test_new_values_beyond_the_bound_are_counted_together(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "MAX_NILS", 2)
    at = place.clock.millis()

    def count(uow: Any) -> list[str]:
        return [
            count_sent(uow, Sent(at, DOMAIN, type, nil, 1, 0, None))
            for type, nil in (
                ("PER", "A"),
                ("PER", "B"),
                ("PER", "C"),
                ("ORG", "A"),
                ("PER", "D"),
                ("PER", "A"),
                ("PER", ABSENT),
            )
        ]

    assert await place.database.write(count) == ["A", "B", OTHERS, "A", OTHERS, "A", ABSENT]
    assert {key: row["messages"] for key, row in rows(place).items()} == {
        ("PER", "A"): 2,
        ("PER", "B"): 1,
        ("ORG", "A"): 1,
        ("PER", OTHERS): 2,
        ("PER", ABSENT): 1,
    }
