"""Remembers what was delivered but not yet acknowledged, so that a retransmission makes no second copy.

Between the commit and the 250 a connection can break or the machine can fall; the client then sends the very
same envelope again, as RFC 5321 §4.1.1.4 tells it to. A receipt, written in the delivery's own transaction,
lets us answer 250 without delivering twice. The 250 once sent, the receipt goes with the next transaction.

Two clients may also send identical bytes at the same moment, and mean two messages. Those that are on their way
in this process therefore stand in different slots of one digest; only a slot nobody is working on is old news.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, LargeBinary, Table, bindparam, delete, insert
from sqlalchemy.exc import IntegrityError

from foundation.database import metadata
from foundation.log import get_logger

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from mailserver.envelope import Envelope

delivery_receipt = Table(
    "delivery_receipt",
    metadata,
    Column("digest", LargeBinary(34), primary_key=True),
    Column("created_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

_INSERT = insert(delivery_receipt)
_DELETE = delete(delivery_receipt).where(delivery_receipt.c.digest == bindparam("key"))
_EXPIRE = delete(delivery_receipt).where(delivery_receipt.c.created_at < bindparam("before"))

LIFE_MILLIS = 24 * 3600 * 1000
"""How long a client may wait before it sends again; mail servers try again within hours."""
_EXPIRE_EVERY_MILLIS = 3600 * 1000
_ACKNOWLEDGE_SECONDS = 0.25
"""A 250 follows its commit within milliseconds; after this it is not coming, the connection is gone."""
_FLUSH_SECONDS = 1.0
_ABANDONED_SECONDS = 60.0
_MAX_FREED = 500
_log = get_logger(__name__)


class AlreadyDelivered(Exception):
    """This very envelope is on disk, and its sender was never told."""


def digest_of(envelope: Envelope) -> bytes:
    """What makes two transmissions the same: who signed in, sender, recipients and every byte as received."""
    digest = hashlib.sha256()
    principal = envelope.principal.address if envelope.principal is not None else ""
    for part in (principal, envelope.sender, *sorted(envelope.recipients)):
        digest.update(f"{len(part)}:{part},".encode())
    digest.update(envelope.content)
    return digest.digest()


@dataclass(slots=True, eq=False)
class Claim:
    """One delivery of a digest, from before its transaction until its 250 is out."""

    digest: bytes
    slot: int
    queue_id: str
    since: float
    committed: bool = False
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> bytes:
        return _key(self.digest, self.slot)


def _key(digest: bytes, slot: int) -> bytes:
    return digest + slot.to_bytes(2)


class Receipts:
    """The receipts of one process, over a table that outlives it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._live: dict[bytes, list[Claim]] = {}
        self._claims: dict[str, Claim] = {}
        self._freed: list[bytes] = []  # to be deleted by the next transaction
        self._leaving: set[bytes] = set()  # those, and what a transaction is deleting now
        self._expired_at = 0
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()

    async def claim(self, digest: bytes, queue_id: str) -> Claim:
        """A slot for this delivery, once every identical one that is committed has been answered or given up."""
        while unanswered := next((claim for claim in self._live.get(digest, ()) if claim.committed), None):
            try:
                await asyncio.wait_for(unanswered.acknowledged.wait(), _ACKNOWLEDGE_SECONDS)
            except TimeoutError:
                self._forget(unanswered)
        live = self._live.setdefault(digest, [])
        taken = {claim.slot for claim in live}
        slot = next(
            number for number in count() if number not in taken and _key(digest, number) not in self._leaving
        )
        claim = Claim(digest, slot, queue_id, asyncio.get_running_loop().time())
        live.append(claim)
        self._claims[queue_id] = claim
        return claim

    def take_freed(self) -> list[bytes]:
        """Keys of receipts that are of no more use, for the next transaction to delete."""
        freed, self._freed = self._freed[:_MAX_FREED], self._freed[_MAX_FREED:]
        return freed

    def gone(self, freed: list[bytes]) -> None:
        """The transaction that deleted these keys is on disk."""
        self._leaving.difference_update(freed)

    def give_back(self, freed: list[bytes]) -> None:
        """Takes back keys whose transaction failed."""
        self._freed += freed

    def write(self, uow: UnitOfWork, claim: Claim, freed: list[bytes]) -> None:
        """Writes the receipt of `claim` in the delivery's transaction; raises AlreadyDelivered."""
        now = self._clock.millis()
        if freed:
            uow.run_each(_DELETE, [{"key": key} for key in freed])
        if now - self._expired_at > _EXPIRE_EVERY_MILLIS:
            self._expired_at = now
            uow.execute(_EXPIRE, {"before": now - LIFE_MILLIS})
        try:
            uow.run(_INSERT, {"digest": claim.key, "created_at": now})
        except IntegrityError as error:
            raise AlreadyDelivered from error

    def committed(self, claim: Claim) -> None:
        """The delivery is on disk; its 250 is due."""
        claim.committed = True
        self._drop_abandoned()

    def withdraw(self, claim: Claim) -> None:
        """The delivery did not happen; nothing was written."""
        self._forget(claim)

    def acknowledge(self, queue_id: str) -> None:
        """The 250 went out: a retransmission cannot come any more, the same bytes are a new message."""
        claim = self._claims.get(queue_id)
        if claim is None:
            return
        self._forget(claim)
        self._freed.append(claim.key)
        self._leaving.add(claim.key)
        claim.acknowledged.set()
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._start_flush)

    async def close(self) -> None:
        """Writes what is left to write."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        await asyncio.gather(*self._flushing)
        await self._delete_freed()

    def _forget(self, claim: Claim) -> None:
        self._claims.pop(claim.queue_id, None)
        live = self._live.get(claim.digest, [])
        with contextlib.suppress(ValueError):
            live.remove(claim)
        if not live:
            self._live.pop(claim.digest, None)

    def _drop_abandoned(self) -> None:
        # The oldest stands first; a delivery in hand is never dropped, however slow the disk is.
        before = asyncio.get_running_loop().time() - _ABANDONED_SECONDS
        while self._claims:
            oldest = next(iter(self._claims.values()))
            if not oldest.committed or oldest.since > before:
                return
            self._forget(oldest)

    def _start_flush(self) -> None:
        self._flush = None
        task = asyncio.get_running_loop().create_task(self._delete_freed())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _delete_freed(self) -> None:
        while freed := self.take_freed():
            keys = [{"key": key} for key in freed]
            try:
                await self._database.write(lambda uow, keys=keys: uow.execute(_DELETE, keys))  # type: ignore[misc]
            except Exception as error:
                # A receipt that stays does no harm: the next delivery deletes it, or its age does.
                self.give_back(freed)
                _log.warning("receipts not deleted", count=len(freed), error=type(error).__name__)
                return
            self.gone(freed)
