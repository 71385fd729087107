"""One budget of memory for all messages that are being received or delivered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

Holders = tuple[Hashable, ...]
"""On whose behalf octets are held."""


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """Somebody who waits."""

    amount: int
    holders: Holders
    granted: asyncio.Future[None]


class MemoryBudget:
    """Grants octets first come, first served; whoever waits too long goes without.

    Without it a few hundred clients that each send 25 MB would fill the machine, since content is held in
    memory until the transaction that stores it is on disk. `holders` are on whose behalf octets are asked for: a
    network address, a certificate. Each of them has half of all at most, or one message if that is larger, and who
    waits because of its own half holds up nobody else.
    """

    def __init__(self, total: int = 100 * 1024 * 1024) -> None:
        self._total = total
        self._free = total
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[_Turn, None] = {}  # in order of arrival

    @property
    def total(self) -> int:
        """Octets there are."""
        return self._total

    @property
    def free(self) -> int:
        """Octets that nobody holds."""
        return self._free

    async def reserve(self, amount: int, timeout: float, holders: Holders = ()) -> int:  # noqa: ASYNC109 - a refusal, not an exception
        """Wait for the octets; the amount granted, or 0 when they did not come free within the seconds.

        More than the whole budget is granted as the whole budget: such a message goes alone.
        """
        amount = min(amount, self._total)
        turn = _Turn(amount, holders, asyncio.get_running_loop().create_future())
        self._waiting[turn] = None
        self._grant()
        try:
            async with asyncio.timeout(timeout):
                await turn.granted
        except TimeoutError:
            self._withdraw(turn)
            return 0
        except BaseException:
            self._withdraw(turn)
            raise
        return amount

    def extend(self, held: int, amount: int, holders: Holders = ()) -> bool:
        """Hold `amount` in the place of `held`, without waiting, behind everybody who waits for what is free."""
        if amount - held > self._free or any(
            self._has_room(turn.holders, turn.amount) for turn in self._waiting
        ):
            return False
        if not self._has_room(holders, amount, held):
            return False
        self._take(amount - held, holders)
        return True

    def take(self, amount: int) -> bool:
        """Reserve on nobody's behalf without waiting, behind everybody who waits for what is free."""
        return self.extend(0, amount)

    def release(self, amount: int, holders: Holders = ()) -> None:
        """Give octets back."""
        self._take(-amount, holders)
        self._grant()

    def _has_room(self, holders: Holders, amount: int, held: int = 0) -> bool:
        """Whether each of the holders stays within its half, or would hold nothing else."""
        return all(
            self._held[holder] - held + amount <= self._total // 2 or self._held[holder] == held
            for holder in holders
        )

    def _take(self, amount: int, holders: Holders) -> None:
        self._free -= amount
        for holder in holders:
            self._held[holder] += amount
            if not self._held[holder]:
                del self._held[holder]

    def _withdraw(self, turn: _Turn) -> None:
        if turn.granted.done() and not turn.granted.cancelled():
            # Granted in the same turn of the loop in which the wait was given up.
            self._take(-turn.amount, turn.holders)
        self._waiting.pop(turn, None)
        self._grant()

    def _grant(self) -> None:
        for turn in tuple(self._waiting):
            if not turn.granted.done():
                if not self._has_room(turn.holders, turn.amount):
                    continue
                if turn.amount > self._free:
                    return
                self._take(turn.amount, turn.holders)
                turn.granted.set_result(None)
            del self._waiting[turn]


class Reservation:
    """What one message holds of the budget, given back at the end of the `with` block."""

    __slots__ = ("_budget", "_held", "_holders")

    def __init__(self, budget: MemoryBudget, holders: Holders = ()) -> None:
        self._budget = budget
        self._holders = holders
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def is_begun(self) -> bool:
        """Whether anything is held."""
        return self._held > 0

    def release(self) -> None:
        """Give all back; again is harmless."""
        if self._held:
            self._budget.release(self._held, self._holders)
            self._held = 0

    def covers(self, size: int) -> bool:
        """Whether so many octets are reserved; whoever holds all there is needs no more."""
        return size <= self._held or self._held == self._budget.total

    async def begin(self, amount: int, timeout: float) -> bool:  # noqa: ASYNC109
        """Reserve for the first time, waiting up to the seconds."""
        self._held = await self._budget.reserve(amount, timeout, self._holders)
        return self._held > 0

    def extend(self, amount: int) -> bool:
        """Hold so many octets in all, without waiting: two that hold and wait would wait for each other."""
        if not self._budget.extend(self._held, amount, self._holders):
            return False
        self._held = amount
        return True
