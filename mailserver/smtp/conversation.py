"""One SMTP connection without its commands: lines in, replies out, and how much of either is too much."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Final

from foundation.log import get_logger
from mailserver.smtp import replies
from mailserver.smtp.connection import Closing, Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_TURN: Final = 32  # pipelined commands of one client before the others have their turn
_WEB_VERBS: Final = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"HOST:"})

_log = get_logger(__name__)


class Conversation(Connection):
    """Reads command lines and calls the method that `commands` names for the verb."""

    commands: ClassVar[Mapping[bytes, Callable[[Any, str], Awaitable[None]]]] = {}

    _is_reading_content = False
    _errors = 0
    _junk = 0

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._replies: list[bytes] = []

    # Replies -------------------------------------------------------------------------------------------------

    def reply(self, line: bytes) -> None:
        """Queue one reply; replies to pipelined commands go out together (RFC 2920 §3.2)."""
        self._replies.append(line)

    async def flush(self) -> None:
        """Write what is queued, and wait while the client reads too slowly."""
        if not self._replies:
            return
        transport = self.transport
        if transport is None or transport.is_closing():
            raise Closing
        output = b"".join(self._replies) if len(self._replies) > 1 else self._replies[0]
        self._replies.clear()
        self._send(output)
        if self._paused:
            try:
                await self._writer.drain()
            except ConnectionError:
                raise Closing from None

    def count_error(self, line: bytes) -> None:
        """Reply to something that is no proper command; after too many of them the conversation ends."""
        self._errors += 1
        self.reply(line)
        if self._errors >= self._limits.errors:
            self.reply(replies.TOO_MANY_ERRORS)
            raise Closing

    def count_junk(self) -> None:
        """Note a command that moves no mail; after too many of them the conversation ends."""
        self._junk += 1
        if self._junk > self._limits.junk:
            self.reply(replies.TOO_MUCH_JUNK)
            raise Closing

    # Commands ------------------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            if self._implicit is not None:
                await self._secure()
            self.reply(replies.greeting(self._policy.hostname))
            await self._converse()
        except Closing:
            pass
        except Exception as error:
            self.log_failure(error)
        finally:
            self._stop_timer()
            self._finish()
            self._census.leave(self, self._client.peer)

    def _finish(self) -> None:
        last = b"".join(self._replies)
        self._replies.clear()
        self._close(last)

    async def _converse(self) -> None:
        commands = 0
        while True:
            if self._replies and b"\n" not in self._buffer:
                await self.flush()
            if self._is_leaving:
                self.reply(replies.SHUTTING_DOWN)
                return
            self._deadline = self.loop.time() + self._limits.idle
            self._is_listening = True
            line = await self.read_line(self._limits.sign_in_bytes)
            self._is_listening = False
            try:
                await self._execute(line)
            except Closing:
                raise
            except Exception as error:
                self.failed(error)
            commands += 1
            if not commands % _TURN:
                # Flushed too: who never stops sending would never be made to read.
                await self.flush()
                await asyncio.sleep(0)

    async def read_line(self, limit: int) -> bytes:
        """The next line without its CRLF; raises Closing when it is too long or not ended by CRLF."""
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            self.reply(replies.LINE_TOO_LONG)
            raise Closing from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closing from None
        if not line.endswith(b"\r\n"):
            # Accepted as a line end here and not by the next server, a bare LF smuggles commands.
            self.reply(replies.BARE_LINE_END)
            raise Closing
        if len(line) > limit:
            self.reply(replies.LINE_TOO_LONG)
            raise Closing
        return line[:-2]

    async def _execute(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        command = self.commands.get(verb) or self.commands.get(verb.upper())
        if command is None:
            if verb.upper() in _WEB_VERBS:
                self.reply(replies.NOT_A_WEB_SERVER)
                raise Closing
            self.count_error(replies.UNKNOWN_COMMAND if verb.isalnum() else replies.NOT_TEXT)
            return
        if len(line) + 2 > self._limits.command_bytes and verb.upper() != b"AUTH":
            self.reply(replies.LINE_TOO_LONG)
            raise Closing
        try:
            argument = rest.decode()
        except UnicodeDecodeError:
            self.count_error(replies.NOT_TEXT)
            return
        if not argument.isprintable() and any(ord(char) < 32 or 127 <= ord(char) < 160 for char in argument):
            self.count_error(replies.NOT_TEXT)
            return
        await command(self, argument)

    def failed(self, error: Exception) -> None:
        """Our own error while a command ran: the client may try again and learns a reference, no more."""
        self.reply(replies.failure(self.log_failure(error)))
        if self._is_reading_content or self._is_shaking_hands:
            raise Closing  # what follows would be content, or TLS, read as commands

    def log_failure(self, error: Exception) -> str:
        """Log where the error happened, not its text, which may hold addresses; the reference of the line."""
        reference = secrets.token_hex(4)
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        _log.error(
            "smtp.failure",
            reference=reference,
            listener=self._policy.name,
            kind=type(error).__name__,
            where=[f"{frame.name}:{frame.lineno}" for frame in frames],
        )
        return reference
