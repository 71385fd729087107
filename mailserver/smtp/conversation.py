"""One SMTP connection without its commands: lines in, replies out, time, limits, TLS, and the end.

Built on `aiosmtpd.smtp.SMTP`, whose stream set-up, session objects and command naming are kept. What is
replaced is tested, fault by fault, in tests/mailserver/smtp/test_aiosmtpd_faults.py.
"""

from __future__ import annotations

import asyncio
import secrets
import traceback
from asyncio import StreamReader, StreamReaderProtocol
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from aiosmtpd.smtp import SMTP, Session

from foundation.log import get_logger
from mailserver.smtp import replies
from mailserver.smtp.gate import Client

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from mailserver.smtp.budget import MemoryBudget
    from mailserver.smtp.census import Census
    from mailserver.smtp.gate import Gate
    from mailserver.smtp.policy import ListenerPolicy

_READ_LIMIT: Final = 16 * 1024  # what the stream buffers before it stops reading the socket, halved
_TURN: Final = 32  # pipelined commands of one client before the others have their turn
_WEB_VERBS: Final = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"HOST:"})

_log = get_logger(__name__)


class Closing(Exception):
    """The conversation ends here; what was replied before still goes out."""


class Conversation(SMTP):
    """Reads command lines and calls the method that `commands` names for the verb."""

    commands: ClassVar[Mapping[bytes, Callable[[Any, str], Awaitable[None]]]] = {}

    # What aiosmtpd's own initialiser would set for each connection anew and which never differs here.
    event_handler = None
    data_size_limit = None
    enable_SMTPUTF8 = True  # noqa: N815
    require_starttls = False
    _decode_data = False
    _tls_handshake_okay = True
    _tls_protocol = None
    _original_transport = None
    _auth_require_tls = True
    _auth_required = False
    _authenticator = None
    _auth_callback = None
    _ehlo_hook_ver = None
    _proxy_timeout = None
    _enforce_call_limit = False

    _paused: bool  # asyncio: the client does not read what we write

    def __init__(
        self,
        policy: ListenerPolicy,
        gate: Gate,
        census: Census,
        budget: MemoryBudget,
        tls_context: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        # Not SMTP.__init__: it inspects every member of protocol and handler for each connection (0.16 ms)
        # and clears a dictionary that all connections share. A test compares the attributes it would set.
        self.loop = loop
        reader = StreamReader(limit=_READ_LIMIT, loop=loop)
        StreamReaderProtocol.__init__(self, reader, client_connected_cb=self._cb_client_connected, loop=loop)
        self._buffer: bytearray = reader._buffer  # type: ignore[attr-defined]
        self.__ident__ = "ESMTP"
        self.hostname = policy.hostname
        self.tls_context = tls_context
        self.session: Session | None = None
        self.envelope: Any = None
        self.transport: asyncio.Transport | None = None
        self._timeout_duration = policy.limits.idle
        self._timeout_handle: asyncio.TimerHandle | None = None
        self._handler_coroutine: asyncio.Task[None] | None = None

        self._auth_methods = {}
        self._handle_hooks = {}
        self._smtp_methods = {}
        self.command_size_limits = {}  # aiosmtpd's is one for all connections and grows with each EHLO

        self._policy = policy
        self._limits = policy.limits
        self._gate = gate
        self._census = census
        self._budget = budget
        self._client = Client("", policy.name)
        self._replies: list[bytes] = []
        self._deadline = 0.0
        self._errors = 0
        self._junk = 0
        self._is_listening = False  # waits for a command, with nothing under way
        self._is_reading_content = False
        self._is_delivering = False  # must not be cancelled
        self._has_said_all = False  # the client has closed its end
        self._is_leaving = False  # was asked to end

    # Connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the client or turn it away. Called once; STARTTLS does not come back here."""
        transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        peername = transport.get_extra_info("peername")
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        self._client.peer = peer
        self.session = Session(self.loop)
        self.session.peer = peername
        if transport.get_extra_info("ssl_object") is not None:
            self._secured(transport)
        if not self._census.enter(self, peer):
            _log.warning("smtp.too_many_connections", listener=self._policy.name)
            transport.write(replies.TOO_MANY_CONNECTIONS)
            transport.close()
            return
        self._deadline = self.loop.time() + self._limits.idle
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. A delivery that runs is let finish; everything else stops."""
        self._stop_timer()
        StreamReaderProtocol.connection_lost(self, error)
        if self._handler_coroutine is not None and not self._is_delivering:
            self._handler_coroutine.cancel()
        self.transport = None

    def eof_received(self) -> bool | None:
        """The client will send no more; it may still read, so commands already here are answered."""
        self._has_said_all = True
        return StreamReaderProtocol.eof_received(self)

    def shut_down(self) -> None:
        """End with 421 as soon as nothing of a message is under way."""
        self._is_leaving = True
        if self._is_listening and self.transport is not None:
            self.transport.write(replies.SHUTTING_DOWN)
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection; a delivery that runs still finishes."""
        self._is_leaving = True
        if self.transport is not None:
            self.transport.abort()

    def _secured(self, transport: asyncio.Transport) -> None:
        ssl_object = transport.get_extra_info("ssl_object")
        assert self.session is not None
        self.session.ssl = {"ssl_object": ssl_object}
        self._client.is_secured = True
        self._client.certificate = ssl_object.getpeercert(binary_form=True)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        """RFC 3207: upgrade, and forget all that was said before."""
        plain = self.transport
        assert plain is not None
        try:
            transport = await self.loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=self._limits.handshake
            )
        except OSError as error:  # SSLError and a handshake that takes too long are such
            _log.info("smtp.tls_failed", listener=self._policy.name, kind=type(error).__name__)
            plain.abort()
            raise Closing from error
        if transport is None:
            raise Closing
        self.transport = transport
        self._transport = transport
        self._reader._transport = transport  # type: ignore[attr-defined]
        self._writer._transport = transport  # type: ignore[attr-defined]
        self._over_ssl = True
        self._client = Client(self._client.peer, self._policy.name)
        self._secured(transport)

    # Time ----------------------------------------------------------------------------------------------------

    def _allow(self, seconds: float) -> None:
        """The client has this long until something is due; the timer is set anew only when it fires."""
        self._deadline = self.loop.time() + seconds

    def _expect_by(self, deadline: float) -> None:
        """As `_allow`, at a time that may be nearer than the one the timer is set to."""
        self._deadline = deadline
        timer = self._timeout_handle
        if timer is not None and deadline < timer.when():
            timer.cancel()
            self._timeout_handle = self.loop.call_at(deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        now = self.loop.time()
        if self._is_delivering:
            # Our own work takes the time, not the client.
            self._deadline = now + self._limits.idle
        if now < self._deadline:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
            return
        self._timeout_handle = None
        transport = self.transport
        if transport is None:
            return
        if transport.get_write_buffer_size():
            transport.abort()  # does not read what we say either
            return
        transport.write(replies.TOO_SLOW)
        transport.close()

    def _stop_timer(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None

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
        transport.write(output)
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
            self.reply(replies.greeting(self._policy.hostname))
            await self._converse()
        except Closing:
            pass
        finally:
            self._stop_timer()
            self._finish()
            self._census.leave(self, self._client.peer)

    def _finish(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._replies:
            transport.write(b"".join(self._replies))
            self._replies.clear()
        transport.close()

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
        if self._is_reading_content:
            raise Closing  # what follows would be content read as commands

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
