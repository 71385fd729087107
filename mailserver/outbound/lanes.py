"""A lane brings one message after the other to one domain, over a connection that it keeps while there is work.

A lane has one message in flight at most, and settles it before the next one's last octet: after a crash no more
messages can arrive twice than there were lanes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.log import get_logger
from foundation.vault import IN_DATABASE_BYTES, BlobDamaged, BlobNotFound
from mailserver.outbound.claims import Claim, Claimed, claim_next, release
from mailserver.outbound.content import Body
from mailserver.outbound.outcome import Failure, Outcome, Unreached
from mailserver.outbound.settlement import WELL_AGAIN, Backoff, next_of
from mailserver.outbound.transaction import Letter
from mailserver.refusals import INTERNAL, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.vault import Vault
    from mailserver.outbound.connector import Connector, Link
    from mailserver.outbound.schedule import Schedule
    from mailserver.outbound.settlement import Settler

_log = get_logger(__name__)

_MESSAGES_OF_CONNECTION = 100
_CONNECTION_SECONDS = 300.0
_IDLE_SECONDS = 3.0
_TURN = 20
"""Messages after which a lane lets another domain go first, where one waits."""
_GROWTH = 5
"""Messages in a row with more behind them: worth another connection, whose handshake costs as much."""
_LOSSES = 3
"""Connections that broke in the middle of a message, one after the other: the server is ill, not the message."""
_REFUSED_SECONDS = 30.0
"""How long what a server was found to be holds for the other messages of its domain."""
_NOTHING = Claim(None, has_more=False)


class Slots:
    """Who may talk: a bounded number of lanes at once, in the order they asked."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self._asking = 0

    @property
    def are_wanted(self) -> bool:
        """Whether somebody waits."""
        return self._asking > 0

    async def take(self) -> None:
        """Waits for a slot."""
        self._asking += 1
        try:
            await self._free.acquire()
        finally:
            self._asking -= 1

    def give(self) -> None:
        """Gives one back."""
        self._free.release()


@dataclass(slots=True, eq=False)
class Place:
    """A domain as this process deals with it: its lanes, and what they found out together."""

    domain: str
    grow: Callable[[Place], None]
    failures: int = 0
    most: int = 1
    """Lanes that make sense; less once the server took no further connection."""
    losses: int = 0
    lanes: set[Lane] = field(default_factory=set)
    idle: deque[asyncio.Future[None]] = field(default_factory=deque)
    started: float = 0.0

    @property
    def established(self) -> int:
        """Lanes with a connection."""
        return sum(lane.is_established for lane in self.lanes)

    def wake(self) -> bool:
        """Sends an idle lane back to work; False where there is none."""
        while self.idle:
            waiter = self.idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return True
        return False


@dataclass(frozen=True, slots=True)
class Tools:
    """What every lane works with."""

    database: Database
    vault: Vault
    clock: Clock
    connector: Connector
    settler: Settler
    schedule: Schedule
    slots: Slots
    name: str


class Lane:
    """One connection's worth of work for one domain."""

    def __init__(self, tools: Tools, place: Place) -> None:
        self._tools = tools
        self._place = place
        self._link: Link | None = None
        self._opened_at = 0.0
        self._has_slot = False
        self._row = 0
        self._refused: tuple[Failure, float] | None = None
        self._is_ending = False
        self.in_hand: Claimed | None = None
        """What is claimed and not settled."""
        self.outcome: Outcome | None = None
        """What the server did with it, once that is known: whoever has it must not get it again."""
        self.is_sending = False
        self._opening: asyncio.Timeout | None = None
        self._opening_since = 0.0

    @property
    def opening_since(self) -> float | None:
        """Since when (loop time) it waits for a server to come to the point; None: it does not, or gave it up."""
        return self._opening_since if self._opening is not None else None

    def give_way(self) -> None:
        """Ends the wait for a server that is not there yet, as if its time were up."""
        if self._opening is not None:
            self._opening.reschedule(0)
            self._opening = None

    @property
    def is_established(self) -> bool:
        return self._link is not None

    def end(self) -> None:
        """Lets the lane settle what it sends, and no more."""
        self._is_ending = True

    async def run(self) -> None:
        """Works until nothing is due, or the domain is out of reach."""
        try:
            claim = await self._claim()
            while claim.claimed is not None:
                self.in_hand, self.outcome = claim.claimed, None
                claim = await self._deliver(claim.claimed, has_more=claim.has_more)
                self.in_hand, self.outcome = claim.claimed, None
                if claim.claimed is None and self._link is not None and not self._is_ending:
                    claim = await self._idle()
            self._rest()
            await self._leave()
        finally:
            self._rest()
            if self._link is not None:
                self._link.conversation.close()

    async def _claim(self) -> Claim:
        now = self._tools.clock.millis()
        return await self._tools.database.write(
            lambda uow: claim_next(uow, self._place.domain, self._tools.name, now)
        )

    async def _deliver(self, claimed: Claimed, *, has_more: bool) -> Claim:
        connector = self._tools.connector
        await connector.refresh()
        failure = connector.reachable(claimed.domain)
        if failure is not None:
            return await self._settle(claimed, Outcome.same(claimed.addresses, failure))
        while True:
            failure = await self._connected()
            if failure is not None:
                return await self._unreached(claimed, failure)
            assert self._link is not None
            if await self._turn():
                await connector.refresh()
                if not self._is_trusted(self._link):
                    continue  # while it waited for its turn
            if has_more and self._row % _GROWTH == 0:
                self._place.grow(self._place)
            conversation = self._link.conversation
            self.is_sending = True
            try:
                outcome = await self._send(claimed)
                if outcome.is_unheard and conversation.carried > 1:
                    continue  # it was idle too long for the server's taste
                self.outcome = outcome
                return await self._conclude(claimed, outcome)
            finally:
                self.is_sending = False

    async def _connected(self) -> Failure | None:
        """A connection that may carry mail now, or why there is none."""
        loop = asyncio.get_running_loop()
        if self._link is not None and (
            not self._link.conversation.is_usable
            or self._link.conversation.carried >= _MESSAGES_OF_CONNECTION
            or loop.time() - self._opened_at > _CONNECTION_SECONDS
            or not self._is_trusted(self._link)
        ):
            await self._leave()
        if self._link is not None:
            return None
        if self._refused is not None and loop.time() < self._refused[1]:
            return self._refused[0]
        self._rest()
        self._opening_since = loop.time()
        try:
            async with asyncio.timeout(None) as self._opening:
                self._link = await self._tools.connector.open(self._place.domain)
        except Unreached as unreached:
            self._refused = (unreached.failure, loop.time() + _REFUSED_SECONDS)
            return unreached.failure
        except TimeoutError:
            if self._link is None:
                return Failure(UNREACHABLE, "the server did not answer in time")
        finally:
            self._opening = None
        self._opened_at = loop.time()
        return None

    def _is_trusted(self, link: Link) -> bool:
        """Whether the server would be believed if it came now: it may have been revoked since the handshake."""
        return not isinstance(self._tools.connector.judge(self._place.domain, link.conversation), Failure)

    async def _turn(self) -> bool:
        """Waits for a slot, and says whether it had to; one that was held for long goes to whoever waits for it."""
        slots = self._tools.slots
        self._row += 1
        if self._has_slot and slots.are_wanted and self._row % _TURN == 0:
            self._rest()
        if self._has_slot:
            return False
        await slots.take()
        self._has_slot = True
        return True

    def _rest(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._tools.slots.give()

    async def _send(self, claimed: Claimed) -> Outcome:
        assert self._link is not None
        try:
            letter = Letter(
                claimed.sender,
                claimed.recipients,
                await self._body(claimed),
                claimed.ret,
                claimed.envid,
                claimed.utf8,
            )
            return await self._link.conversation.send(letter)
        except (BlobDamaged, BlobNotFound) as error:
            _log.error("outbound: body lost", queue=claimed.queue_id, error=type(error).__name__)
            return Outcome.same(claimed.addresses, Failure(INTERNAL, "the body cannot be read"))

    async def _body(self, claimed: Claimed) -> Body:
        tools = self._tools
        owner = await tools.settler.owner()
        if claimed.size <= IN_DATABASE_BYTES:
            content = tools.database.read_now(
                lambda connection: tools.vault.open_now(connection, owner, claimed.blob_id)
            )
            return Body(content, claimed.size)
        blocks = tools.vault.stream(owner, claimed.blob_id)
        return Body(await anext(blocks), claimed.size, blocks)

    async def _conclude(self, claimed: Claimed, outcome: Outcome) -> Claim:
        place = self._place
        if not outcome.is_lost:
            place.losses = 0
            well = WELL_AGAIN if place.failures else None
            place.failures = 0
            return await self._settle(claimed, outcome, well)
        place.losses += 1
        if place.losses < _LOSSES:
            return await self._settle(claimed, outcome)
        place.losses = 0
        cause = next(failure for failure in outcome.results.values() if failure is not None)
        return await self._settle(claimed, outcome, self._backoff(cause))

    async def _unreached(self, claimed: Claimed, failure: Failure) -> Claim:
        """No connection. Where others of the domain stand, the server only wants no more of them."""
        if self._place.established:
            self._place.most = self._place.established
            await self._tools.database.write(lambda uow: release(uow, claimed, self._tools.name))
            return _NOTHING
        final = self._tools.settler.is_final(failure)
        outcome = Outcome.same(claimed.addresses, failure)
        return await self._settle(claimed, outcome, None if final else self._backoff(failure))

    def _backoff(self, cause: Failure) -> Backoff:
        self._place.failures += 1
        now = self._tools.clock.millis()
        return Backoff(self._place.failures, self._tools.schedule.retry_at(now, self._place.failures), cause)

    async def _settle(self, claimed: Claimed, outcome: Outcome, backoff: Backoff | None = None) -> Claim:
        tools = self._tools
        goes_on = not self._is_ending and (backoff is None or backoff.cause is None)
        following = next_of(self._place.domain, tools.name, tools.clock.millis()) if goes_on else None
        verdict = tools.settler.verdict(claimed, outcome)
        return await tools.settler.settle(claimed, verdict, backoff=backoff, following=following)

    async def _idle(self) -> Claim:
        """Keeps the connection for a moment, in case there is more to bring."""
        self._rest()
        waiter = asyncio.get_running_loop().create_future()
        self._place.idle.append(waiter)
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await waiter
        except TimeoutError:
            return _NOTHING
        finally:
            if waiter in self._place.idle:
                self._place.idle.remove(waiter)
        return await self._claim()

    async def _leave(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            await link.conversation.leave()
