"""Where messages for a hospital's own system go: a folder that it empties, or its MLLP listener."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from dmp_bridge.hl7 import er7
from dmp_bridge.hl7.ack import read_acknowledgement
from dmp_bridge.hl7.mllp import Connection, Unreachable
from foundation.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from dmp_bridge.hl7.ack import Acknowledgement
    from dmp_bridge.hl7.mllp import Endpoint

_MODE: Final = 0o640
"""The other system reads as a member of the group."""


class Destination(Protocol):
    """Where the messages of one box go. `deliver` raises Unreachable where nobody can say that it has arrived."""

    async def deliver(self, message: bytes, name: str) -> Acknowledgement | None: ...

    async def close(self) -> None: ...


class Folder:
    """A folder that the other system empties: what is written there has arrived."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def deliver(self, message: bytes, name: str) -> Acknowledgement | None:
        try:
            await asyncio.to_thread(write_atomically, self._path / f"{name}.hl7", message, _MODE)
        except OSError as error:
            raise Unreachable(f"the folder cannot be written: {error.strerror}") from error
        return None

    async def close(self) -> None:
        """There is nothing open."""


class System:
    """A system that answers by MLLP; one connection lasts until nothing is left to send."""

    def __init__(self, endpoint: Endpoint, **seconds: float) -> None:
        self._connection = Connection(endpoint, **seconds)

    async def deliver(self, message: bytes, name: str) -> Acknowledgement | None:
        try:
            found = read_acknowledgement(await self._connection.exchange(message))
        except er7.Malformed as error:
            await self._connection.close()
            raise Unreachable("what came is no acknowledgement") from error
        if found.control_id != name.rpartition("-")[2]:
            await self._connection.close()
            raise Unreachable("the acknowledgement is that of another message")
        return found

    async def close(self) -> None:
        await self._connection.close()
