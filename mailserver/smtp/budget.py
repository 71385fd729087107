"""One budget of memory for all messages that are being received or delivered."""

from __future__ import annotations

import asyncio
from typing import Self


class MemoryBudget:
    """Grants octets first come, first served; whoever waits too long goes without.

    Without it a few hundred clients that each send 25 MB would fill the machine, since content is held in
    memory until the transaction that stores it is on disk.
    """

    def __init__(self, total: int = 96 * 1024 * 1024) -> None:
        self._total = total
        self._free = total
        self._waiting: dict[asyncio.Future[None], int] = {}  # in order of arrival

    @property
    def total(self) -> int:
        """Octets there are."""
        return self._total

    @property
    def free(self) -> int:
        """Octets that nobody holds."""
        return self._free

    async def reserve(self, amount: int, timeout: float) -> int:  # noqa: ASYNC109 - a refusal, not an exception
        """Wait for the octets; the amount granted, or 0 when they did not come free within the seconds.

        More than the whole budget is granted as the whole budget: such a message goes alone.
        """
        amount = min(amount, self._total)
        if not self._waiting and amount <= self._free:
            self._free -= amount
            return amount
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = amount
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError:
            self._withdraw(turn, amount)
            return 0
        except BaseException:
            self._withdraw(turn, amount)
            raise
        return amount

    def take(self, amount: int) -> bool:
        """Reserve without waiting, behind everybody who waits."""
        if self._waiting or amount > self._free:
            return False
        self._free -= amount
        return True

    def release(self, amount: int) -> None:
        """Give octets back."""
        self._free += amount
        self._grant()

    def _withdraw(self, turn: asyncio.Future[None], amount: int) -> None:
        if turn.done() and not turn.cancelled():
            # Granted in the same turn of the loop in which the wait was given up.
            self._free += amount
        self._waiting.pop(turn, None)
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            turn = next(iter(self._waiting))
            amount = self._waiting[turn]
            if not turn.done():
                if amount > self._free:
                    return
                self._free -= amount
                turn.set_result(None)
            del self._waiting[turn]


class Reservation:
    """What one message holds of the budget, given back at the end of the `with` block."""

    __slots__ = ("_budget", "_held")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
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
            self._budget.release(self._held)
            self._held = 0

    def covers(self, size: int) -> bool:
        """Whether so many octets are reserved; whoever holds all there is needs no more."""
        return size <= self._held or self._held == self._budget.total

    async def begin(self, amount: int, timeout: float) -> bool:  # noqa: ASYNC109
        """Reserve for the first time, waiting up to the seconds."""
        self._held = await self._budget.reserve(amount, timeout)
        return self._held > 0

    def extend(self, amount: int) -> bool:
        """Hold so many octets in all, without waiting: two that hold and wait would wait for each other."""
        if not self._budget.take(amount - self._held):
            return False
        self._held = amount
        return True
