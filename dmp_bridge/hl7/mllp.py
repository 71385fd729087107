"""The minimal lower layer protocol: one HL7 message a frame, one acknowledgement a frame (HL7 v2 transport, MLLP 1)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

START: Final = b"\x0b"
END: Final = b"\x1c\r"
MAX_ANSWER: Final = 256 * 1024
"""Octets of an acknowledgement; ours have some hundred."""
CONNECT_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 60.0


class Unreachable(Exception):
    """No acknowledgement came: the other side may have the message, or not. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a system takes messages; `tls` None is for a network of one's own."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Connection:
    """One connection that sends a message after the other: `async with Connection(endpoint) as connection`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._endpoint = endpoint
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def exchange(self, message: bytes) -> bytes:
        """Sends a message and returns its acknowledgement, both without their frame. Raises Unreachable.

        After that the connection is closed, for what comes late would be taken for the answer to the next message.
        """
        try:
            reader, writer = await self._opened()
            async with asyncio.timeout(self._answer_seconds):
                writer.writelines((START, message, END))
                await writer.drain()
                return await _answer(reader)
        except Unreachable:
            await self.close()
            raise
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            await self.close()
            raise Unreachable(f"no acknowledgement: {type(error).__name__}") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes the connection; the next message opens another."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            endpoint = self._endpoint
            async with asyncio.timeout(self._connect_seconds):
                self._streams = await asyncio.open_connection(
                    endpoint.host,
                    endpoint.port,
                    ssl=endpoint.tls,
                    server_hostname=endpoint.host if endpoint.tls is not None else None,
                    limit=MAX_ANSWER,
                )
        return self._streams


async def _answer(reader: asyncio.StreamReader) -> bytes:
    if await reader.readexactly(1) != START:
        raise Unreachable("the other side does not speak MLLP")
    return (await reader.readuntil(END))[: -len(END)]
