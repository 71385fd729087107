"""Who is connected to one listener, and whether one more may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from foundation.crowd import Crowd

if TYPE_CHECKING:
    from mailserver.smtp.policy import Limits


class Guest(Protocol):
    """A conversation as its listener sees it."""

    def shut_down(self) -> None:
        """Say 421 as soon as nothing of a message is under way."""
        ...

    def abort(self) -> None:
        """Drop the connection, unless a delivery runs."""
        ...


class Census:
    """The conversations of one listener, in total and by network address."""

    def __init__(self, limits: Limits) -> None:
        self._crowd = Crowd(limits.connections, limits.connections_per_peer)
        self._guests: set[Guest] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._is_closing = False

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: Guest, peer: str) -> bool:
        """Count a conversation in; False when the listener or this peer has enough."""
        if self._is_closing or not self._crowd.enter(peer):
            return False
        self._guests.add(guest)
        self._empty.clear()
        return True

    def leave(self, guest: Guest, peer: str) -> None:
        """Count a conversation out; again is harmless."""
        if guest not in self._guests:
            return
        self._guests.discard(guest)
        self._crowd.leave(peer)
        if not self._guests:
            self._empty.set()

    async def close(self, grace: float) -> None:
        """Ask everybody to leave; who still sends a message has the seconds, a delivery has all it needs."""
        self._is_closing = True
        for guest in tuple(self._guests):
            guest.shut_down()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for guest in tuple(self._guests):
                guest.abort()
            await self._empty.wait()
