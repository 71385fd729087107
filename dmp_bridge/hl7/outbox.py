"""The messages for hospitals' own systems: written down with what they tell of, sent in their order, never lost.

A message is sent until the other system answers for good; sent again, it bears the same MSH-10. Nothing overtakes
another one of the same box: a replacement comes after what it replaces.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from dmp_bridge.codes import ErrorCode
from dmp_bridge.hl7.mllp import Unreachable
from foundation import jobs, trail
from foundation.database import identity, metadata
from foundation.log import get_logger
from foundation.vault import BlobNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from dmp_bridge.hl7.destinations import Destination
    from dmp_bridge.hl7.mdm import Event
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.vault import SealedBlob, Vault

HL7_JOB: Final = "hl7"
"""Payload: `box`, the address whose messages are to be sent."""

hl7_message = Table(
    "hl7_message",
    metadata,
    identity("id"),
    Column("control_id", String(20), nullable=False, unique=True),
    Column("box", String(320), nullable=False),
    Column("event", String(3), nullable=False),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("mail_id", BigInteger, nullable=False),
    Column("part", String(64), nullable=False),
    Column("item", Integer, nullable=False),
    Column("blob_id", BigInteger),  # none once it is settled
    Column("state", String(16), nullable=False),  # waiting | accepted | refused
    Column("code", String(3)),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
    Column("answer_to", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Index("hl7_message_by_box", "box", "state", "id"),
    Index("hl7_message_by_mail", "owner_id", "mail_id"),
)
"""Times in epoch milliseconds; `answer_to` is the payload of the report on the mail, as JSON."""

MAX_REJECTIONS: Final = 12
"""After so many "not now" (AR) a message counts as refused: about an hour and a half."""
_LONGEST_DELAY: Final = 600
_LEASE_MILLIS: Final = 120_000
_log = get_logger(__name__)


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message; `part` and `item` name the attachment it tells of."""

    id: int
    control_id: str
    box: str
    event: str
    owner_id: int
    mail_id: int
    part: str
    item: int
    blob_id: int | None
    state: MessageState
    code: str | None
    attempts: int
    next_at: int
    claimed_until: int
    answer_to: str = field(repr=False)
    made_at: int
    settled_at: int | None

    @property
    def payload(self) -> dict[str, Any]:
        """Of the report on the mail."""
        found: dict[str, Any] = json.loads(self.answer_to)
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """What a message is about, to be written down with it."""

    control_id: str
    event: Event
    owner_id: int
    mail_id: int
    part: str
    item: int
    answer_to: Mapping[str, Any]


_NAMES = tuple(each.name for each in fields(Outgoing))
_COLUMNS = tuple(hl7_message.c[name] for name in _NAMES)
_OLDEST = (
    select(*_COLUMNS)
    .where(hl7_message.c.box == bindparam("box"), hl7_message.c.state == MessageState.WAITING.value)
    .order_by(hl7_message.c.id)
    .limit(1)
)
_KNOWN = select(hl7_message.c.id).where(hl7_message.c.control_id == bindparam("control_id"))
_LEFT = (
    select(func.count())
    .select_from(hl7_message)
    .where(
        hl7_message.c.owner_id == bindparam("owner"),
        hl7_message.c.mail_id == bindparam("mail"),
        hl7_message.c.state == MessageState.WAITING.value,
    )
)
_WAITING = (
    select(func.count()).select_from(hl7_message).where(hl7_message.c.state == MessageState.WAITING.value)
)


class Outbox:
    """Sends what was put into it. `settled` is called in the transaction in which a message is answered for good."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        destinations: Mapping[str, Destination],
        settled: Callable[[UnitOfWork, Outgoing], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._destinations = dict(destinations)
        self._settled = settled
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def serves(self, box: str) -> bool:
        """Whether the documents of this box go to a system of its own."""
        return box in self._destinations

    async def close(self) -> None:
        """Closes the connections."""
        for destination in self._destinations.values():
            await destination.close()

    def put(self, uow: UnitOfWork, box: str, told: Told, sealed: SealedBlob) -> bool:
        """Writes a message down in the caller's transaction; False where it was told before."""
        if uow.execute(_KNOWN, {"control_id": told.control_id}).first() is not None:
            self._vault.drop(uow, sealed)
            return False
        now = self._clock.millis()
        uow.execute(
            insert(hl7_message),
            {
                "control_id": told.control_id,
                "box": box,
                "event": told.event.value,
                "owner_id": told.owner_id,
                "mail_id": told.mail_id,
                "part": told.part[:64],
                "item": told.item,
                "blob_id": self._vault.store(uow, sealed, (told.owner_id,)),
                "state": MessageState.WAITING.value,
                "attempts": 0,
                "next_at": now,
                "claimed_until": 0,
                "answer_to": json.dumps(told.answer_to),
                "made_at": now,
            },
        )
        jobs.enqueue(uow, HL7_JOB, {"box": box})
        return True

    # ref: DMP-F40, F44
    async def send(self, job: Job) -> Callable[[UnitOfWork], None]:
        """The handler of the job "hl7": sends what waits for one box, the oldest first, until one has to wait."""
        box = str(job.payload["box"])
        destination = self._destinations.get(box)
        if destination is None:
            return _nothing  # the settings name it no more; what waits is sent when they do again
        async with self._locks[box]:
            try:
                while True:
                    found = await self._database.write(lambda uow: self._claim(uow, box))
                    if found is None:
                        return _nothing
                    if isinstance(found, int):
                        return _later(box, found)
                    delayed = await self._send(found, destination)
                    if delayed is not None:
                        return _later(box, delayed)
            finally:
                await destination.close()

    def given_up(self, uow: UnitOfWork, job: Job) -> None:
        """The job "hl7" failed for the last time: what waits for its box is not lost, another one comes later."""
        later = self._clock.millis() + _LONGEST_DELAY * 1000
        jobs.enqueue(uow, HL7_JOB, {"box": job.payload["box"]}, run_at=later)

    def _claim(self, uow: UnitOfWork, box: str) -> Outgoing | int | None:
        """The oldest message that waits; the time to look again at one that another process has in hand."""
        row = uow.execute(_OLDEST, {"box": box}).first()
        if row is None:
            return None
        found, now = _outgoing(row), self._clock.millis()
        if found.next_at > now:
            return None  # whoever put it off has left the job that comes back to it
        if found.claimed_until > now:
            return found.claimed_until
        uow.execute(
            update(hl7_message).where(hl7_message.c.id == found.id).values(claimed_until=now + _LEASE_MILLIS)
        )
        return found

    async def _send(self, found: Outgoing, destination: Destination) -> int | None:
        """Sends one message; the time to try again where it has to wait."""
        assert found.blob_id is not None
        try:
            message = await self._vault.read(found.owner_id, found.blob_id)
            answer = await destination.deliver(message, f"{found.id:012d}-{found.control_id}")
        except BlobNotFound:
            await self._settle(found, ErrorCode.OTHER)
            return None
        except Unreachable as reason:
            _log.warning("HL7 message not delivered", message=found.id, reason=str(reason))
            return await self._put_off(found)
        if answer is not None and not answer.is_final and found.attempts + 1 < MAX_REJECTIONS:
            return await self._put_off(found)
        code = None if answer is None else answer.code
        if answer is not None and not answer.is_final:
            code = ErrorCode.OTHER
        await self._settle(found, code)
        return None

    async def _settle(self, found: Outgoing, code: ErrorCode | None) -> None:
        state = MessageState.ACCEPTED if code is None else MessageState.REFUSED
        now = self._clock.millis()

        def unit(uow: UnitOfWork) -> None:
            value = None if code is None else code.value
            uow.execute(
                update(hl7_message)
                .where(hl7_message.c.id == found.id)
                .values(
                    state=state.value,
                    code=value,
                    attempts=found.attempts + 1,
                    settled_at=now,
                    blob_id=None,
                    claimed_until=0,
                )
            )
            if found.blob_id is not None:
                self._vault.release(uow, found.owner_id, found.blob_id)
            trail.append(
                uow,
                f"hl7.{state.value}",
                actor="system",
                subject=f"mail:{found.mail_id}",
                outcome=value or "ok",
                detail={"message": found.id, "event": found.event},
                clock=self._clock,
            )
            row = uow.execute(select(*_COLUMNS).where(hl7_message.c.id == found.id)).one()
            self._settled(uow, _outgoing(row))

        await self._database.write(unit)

    async def _put_off(self, found: Outgoing) -> int:
        delay = min(_LONGEST_DELAY, 2 ** min(found.attempts + 1, 16)) * 1000
        next_at: int = self._clock.millis() + delay
        await self._database.write(
            lambda uow: uow.execute(
                update(hl7_message)
                .where(hl7_message.c.id == found.id)
                .values(attempts=found.attempts + 1, next_at=next_at, claimed_until=0)
            )
        )
        return next_at


def left_of(connection: Connection, owner_id: int, mail_id: int) -> int:
    """How many messages about a mail are not answered yet."""
    names = {"owner": owner_id, "mail": mail_id}
    return int(connection.execute(_LEFT, names).scalar_one())


def waiting(connection: Connection) -> int:
    """How many messages wait for hospitals' systems."""
    return int(connection.execute(_WAITING).scalar_one())


def listed(connection: Connection, state: MessageState, *, limit: int = 1000) -> list[Outgoing]:
    """The messages in a state, the oldest first."""
    wanted = (
        select(*_COLUMNS).where(hl7_message.c.state == state.value).order_by(hl7_message.c.id).limit(limit)
    )
    return [_outgoing(row) for row in connection.execute(wanted)]


def hasten(uow: UnitOfWork, box: str) -> int:
    """Lets what waits for a box be sent at once; how many messages that are."""
    waits = (hl7_message.c.box == box) & (hl7_message.c.state == MessageState.WAITING.value)
    hastened = uow.execute(update(hl7_message).where(waits).values(next_at=0)).rowcount
    if hastened:
        jobs.enqueue(uow, HL7_JOB, {"box": box})
    return hastened


def _outgoing(row: Any) -> Outgoing:
    values = dict(zip(_NAMES, row, strict=True))
    return Outgoing(**(values | {"state": MessageState(values["state"])}))


def _later(box: str, at: int) -> Callable[[UnitOfWork], None]:
    def unit(uow: UnitOfWork) -> None:
        jobs.enqueue(uow, HL7_JOB, {"box": box}, run_at=at)

    return unit


def _nothing(_uow: UnitOfWork) -> None:
    return None
