"""Messages for a hospital's system: in their order, until they are answered, and never two of one number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dmp_bridge.hl7 import er7
from dmp_bridge.hl7.destinations import Folder, System
from dmp_bridge.hl7.mdm import Event
from dmp_bridge.hl7.mllp import Endpoint
from dmp_bridge.hl7.outbox import (
    HL7_JOB,
    MAX_REJECTIONS,
    MessageState,
    Outbox,
    Outgoing,
    Told,
    hasten,
    left_of,
    listed,
    waiting,
)
from foundation.jobs import Worker
from tests.dmp_bridge.hl7.system import HospitalSystem, accept, answer, framed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dmp_bridge.hl7.destinations import Destination
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events
    from foundation.vault import Vault

BOX = "dpi@hopital-demo.mssante.fr"


class Place:
    """An outbox, and the worker that empties it."""

    def __init__(
        self, database: Database, vault: Vault, clock: FixedClock, events: Events, owner_id: int
    ) -> None:
        self.database, self.vault, self.clock, self.events = database, vault, clock, events
        self.owner_id = owner_id
        self.settled: list[Outgoing] = []

    def outbox(self, destination: Destination) -> Outbox:
        return Outbox(
            self.database,
            self.vault,
            self.clock,
            {BOX: destination},
            lambda _uow, found: self.settled.append(found),
        )

    def worker(self, outbox: Outbox, name: str = "main") -> Worker:
        return Worker(self.database, self.events, self.clock, {HL7_JOB: outbox.send}, name=name)

    async def put(self, outbox: Outbox, number: str, *, mail_id: int = 1) -> bool:
        message = f"MSH|^~\\&|A|B|C|D|20260313||MDM^T02^MDM_T02|{number}|T|2.6\rPID|||1\r".encode()
        sealed = await self.vault.seal(message)
        told = Told(number, Event.NEW, self.owner_id, mail_id, "2", 0, {"mail_id": mail_id})
        return await self.database.write(lambda uow: outbox.put(uow, BOX, told, sealed))

    async def states(self) -> dict[str, str | None]:
        def query(connection: Any) -> dict[str, str | None]:
            return {
                each.control_id: each.code or each.state.value
                for state in MessageState
                for each in listed(connection, state)
            }

        return await self.database.read(query)


@pytest.fixture
async def place(database: Database, vault: Vault, clock: FixedClock, events: Events) -> Place:
    owner_id = await database.write(vault.create_owner)
    return Place(database, vault, clock, events, owner_id)


@pytest.fixture
async def system() -> AsyncIterator[HospitalSystem]:
    async with HospitalSystem().listening() as listening:
        yield listening


def over_mllp(place: Place, system: HospitalSystem) -> Outbox:
    return place.outbox(System(Endpoint("127.0.0.1", system.port), answer_seconds=5.0))


# ref: DMP-F40, F44
async def test_messages_go_out_in_their_order_over_one_connection(
    place: Place, system: HospitalSystem
) -> None:
    outbox = over_mllp(place, system)
    numbers = [f"M{number:02}" for number in range(20)]
    for number in numbers:
        assert await place.put(outbox, number)
    await place.worker(outbox).drain()
    assert system.numbers == numbers
    assert system.connections == 1
    assert set((await place.states()).values()) == {"accepted"}
    assert await place.database.read(waiting) == 0


async def test_what_was_told_before_is_not_told_again(place: Place, system: HospitalSystem) -> None:
    outbox = over_mllp(place, system)
    assert await place.put(outbox, "M1")
    assert not await place.put(outbox, "M1", mail_id=2)
    await place.worker(outbox).drain()
    assert not await place.put(outbox, "M1", mail_id=3)
    await place.worker(outbox).drain()
    assert system.numbers == ["M1"]


async def test_a_refusal_is_kept_with_its_code_and_nothing_behind_it_waits(
    place: Place, system: HospitalSystem
) -> None:
    error = "ERR||PID^1^3|207^Application error^messageErrorCondition|E|902^Identifiant de patient inconnu"
    system.answers = lambda message: (
        answer(message, "AE", error) if message.header.get(10) == "M1" else accept(message)
    )
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.put(outbox, "M2", mail_id=2)
    await place.worker(outbox).drain()
    assert await place.states() == {"M1": "902", "M2": "accepted"}
    assert [(each.control_id, each.code) for each in place.settled] == [("M1", "902"), ("M2", None)]
    assert place.settled[0].payload == {"mail_id": 1}


async def test_a_system_that_is_down_gets_everything_when_it_comes_back(
    place: Place, clock: FixedClock
) -> None:
    async with HospitalSystem().listening() as gone:
        port = gone.port
    system = HospitalSystem()
    outbox = place.outbox(System(Endpoint("127.0.0.1", port)))
    for number in ("M1", "M2"):
        await place.put(outbox, number)
    for _ in range(15):
        await place.worker(outbox).drain()
        clock.advance(timedelta(minutes=11))
    assert set((await place.states()).values()) == {"waiting"}
    async with system.listening(port):
        await place.worker(outbox).drain()
    assert system.numbers == ["M1", "M2"]


async def test_nothing_is_tried_again_before_its_time_but_on_demand(
    place: Place, system: HospitalSystem
) -> None:
    system.answers = lambda _message: None
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.worker(outbox).drain()
    await place.worker(outbox).drain()
    assert system.numbers == ["M1"]
    system.answers = accept
    await place.database.write(lambda uow: hasten(uow, BOX))
    await place.worker(outbox).drain()
    assert system.numbers == ["M1", "M1"]


@pytest.mark.parametrize(
    "said",
    [
        None,
        b"\x0bnonsense\x1c\r",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        framed("MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.6\rMSA|AA|OTHER"),
        b"\x0b" + b"x" * 300_000 + b"\x1c\r",
    ],
)
async def test_a_message_without_its_acknowledgement_is_sent_again_under_the_same_number(
    place: Place, system: HospitalSystem, clock: FixedClock, said: bytes | None
) -> None:
    system.answers = lambda _message: said
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.put(outbox, "M2")
    await place.worker(outbox).drain()
    assert await place.states() == {"M1": "waiting", "M2": "waiting"}
    system.answers = accept
    clock.advance(timedelta(seconds=3))
    await place.worker(outbox).drain()
    assert system.numbers == ["M1", "M1", "M2"]
    assert set((await place.states()).values()) == {"accepted"}


async def test_not_now_is_tried_again_and_refused_in_the_end(
    place: Place, system: HospitalSystem, clock: FixedClock
) -> None:
    system.answers = lambda message: (
        answer(message, "AR") if message.header.get(10) == "M1" else accept(message)
    )
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.put(outbox, "M2")
    for _ in range(MAX_REJECTIONS - 1):
        await place.worker(outbox).drain()
        assert set(system.numbers) == {"M1"}
        clock.advance(timedelta(minutes=11))
    await place.worker(outbox).drain()
    assert await place.states() == {"M1": "906", "M2": "accepted"}
    assert system.numbers == ["M1"] * MAX_REJECTIONS + ["M2"]


async def test_a_message_in_the_hand_of_a_process_that_died_is_sent_by_the_next_one(
    place: Place, system: HospitalSystem, clock: FixedClock
) -> None:
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    claimed = await place.database.write(lambda uow: outbox._claim(uow, BOX))
    assert isinstance(claimed, Outgoing)
    other = over_mllp(place, system)
    await place.worker(other, "second").drain()
    assert system.numbers == []
    clock.advance(timedelta(minutes=3))
    await place.worker(other, "second").drain()
    assert system.numbers == ["M1"]


async def test_what_is_left_of_a_mail_is_counted(place: Place, system: HospitalSystem) -> None:
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.put(outbox, "M2")
    await place.put(outbox, "M3", mail_id=2)
    assert await place.database.read(lambda connection: left_of(connection, place.owner_id, 1)) == 2
    await place.worker(outbox).drain()
    assert await place.database.read(lambda connection: left_of(connection, place.owner_id, 1)) == 0


async def test_the_message_itself_is_kept_no_longer_than_needed(place: Place, system: HospitalSystem) -> None:
    outbox = over_mllp(place, system)
    await place.put(outbox, "M1")
    await place.worker(outbox).drain()
    [found] = await place.database.read(lambda connection: listed(connection, MessageState.ACCEPTED))
    assert found.blob_id is None


async def test_a_box_that_the_settings_name_no_more_waits(place: Place, system: HospitalSystem) -> None:
    await place.put(over_mllp(place, system), "M1")
    without = Outbox(place.database, place.vault, place.clock, {}, lambda _uow, _found: None)
    assert not without.serves(BOX)
    await place.worker(without).drain()
    assert await place.states() == {"M1": "waiting"}


async def test_a_system_is_asked_over_tls(place: Place) -> None:
    import ssl

    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    async with HospitalSystem().listening(tls=theirs) as system:
        outbox = place.outbox(System(Endpoint("127.0.0.1", system.port, ours)))
        await place.put(outbox, "M1")
        await place.worker(outbox).drain()
        stranger = place.outbox(System(Endpoint("127.0.0.1", system.port, ssl.create_default_context())))
        await place.put(stranger, "M2")
        await place.worker(stranger).drain()
    assert system.numbers == ["M1"]
    assert await place.states() == {"M1": "accepted", "M2": "waiting"}


# ref: DMP-F40
async def test_a_folder_gets_whole_files_in_their_order(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "dpi"
    outbox = place.outbox(Folder(folder))
    for number in ("M1", "M2"):
        await place.put(outbox, number)
    await place.worker(outbox).drain()
    assert set((await place.states()).values()) == {"waiting"}, "there is no folder yet"
    folder.mkdir()
    place.clock.advance(timedelta(seconds=3))
    await place.worker(outbox).drain()
    files = sorted(folder.iterdir())
    assert [er7.read(each.read_bytes()).header.get(10) for each in files] == ["M1", "M2"]
    assert [each.suffix for each in files] == [".hl7", ".hl7"]


async def test_a_unit_that_fails_leaves_no_message(place: Place, system: HospitalSystem) -> None:
    outbox = over_mllp(place, system)
    sealed = await place.vault.seal(b"x")

    def unit(uow: UnitOfWork) -> None:
        outbox.put(uow, BOX, Told("M1", Event.NEW, place.owner_id, 1, "2", 0, {}), sealed)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await place.database.write(unit)
    assert await place.states() == {}
