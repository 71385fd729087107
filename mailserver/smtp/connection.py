"""One SMTP connection below its lines: admission, TLS, octets out, time, and the end.

Built on `aiosmtpd.smtp.SMTP`, whose stream set-up, session objects and command naming are kept. What is
replaced is tested, fault by fault, in tests/mailserver/smtp/test_aiosmtpd_faults.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from asyncio import StreamReader, StreamReaderProtocol
from typing import TYPE_CHECKING, Any, Final, cast

from aiosmtpd.smtp import SMTP, Session

from foundation.log import get_logger
from mailserver.smtp import replies
from mailserver.smtp.gate import Client
from mailserver.tls import TlsLayer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mailserver.smtp.budget import MemoryBudget
    from mailserver.smtp.census import Census
    from mailserver.smtp.gate import Gate
    from mailserver.smtp.policy import ListenerPolicy

_READ_LIMIT: Final = 16 * 1024  # what the stream buffers before it stops reading the socket, halved
_LINGER: Final = 2.0  # seconds that a client has to take in why TLS failed

_log = get_logger(__name__)


class Closing(Exception):
    """The conversation ends here; what was replied before still goes out."""


class Connection(SMTP):
    """Feeds what the client sends, decrypted, to a reader, and `_handle_client` works on it.

    `starttls` is the context that STARTTLS uses, `implicit` the one of a port that is TLS from the first octet;
    `handshakes` does their arithmetic, the loop's own threads where it is None.
    """

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
        loop: asyncio.AbstractEventLoop,
        *,
        starttls: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
        handshakes: Executor | None = None,
    ) -> None:
        # Not SMTP.__init__: it inspects every member of protocol and handler for each connection (0.16 ms)
        # and clears a dictionary that all connections share. A test compares the attributes it would set.
        self.loop = loop
        reader = StreamReader(limit=_READ_LIMIT, loop=loop)
        StreamReaderProtocol.__init__(self, reader, client_connected_cb=self._cb_client_connected, loop=loop)
        self._buffer: bytearray = reader._buffer  # type: ignore[attr-defined]
        self.__ident__ = "ESMTP"
        self.hostname = policy.hostname
        self.tls_context = starttls
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
        self._implicit = implicit
        self._handshakes = handshakes
        self._tls: TlsLayer | None = None
        self._is_shaking_hands = False
        self._deadline = 0.0
        self._is_listening = False  # waits for a command, with nothing under way
        self._is_at_work = False  # we, not the client: must not be cancelled
        self._has_said_all = False  # the client has closed its end
        self._is_leaving = False  # was asked to end

    # From the transport --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the client or turn it away; a handshake that is still to come is counted as well."""
        transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        peername = transport.get_extra_info("peername")
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        self._client.peer = peer
        self.session = Session(self.loop)
        self.session.peer = peername
        if not self._census.enter(self, peer):
            _log.warning("smtp.too_many_connections", listener=self._policy.name)
            if self._implicit is None:
                transport.write(replies.TOO_MANY_CONNECTIONS)
            transport.close()
            return
        self._deadline = self.loop.time() + self._limits.idle
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        if self._implicit is not None:
            self._begin_tls(self._implicit)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        """Octets of the wire."""
        if self._tls is None or self._is_shaking_hands:
            StreamReaderProtocol.data_received(self, data)
        else:
            self._decrypt(data)

    def eof_received(self) -> bool | None:
        """The client will send no more; it may still read, so commands already here are answered."""
        self._has_said_all = True
        return StreamReaderProtocol.eof_received(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. A delivery that runs is let finish; everything else stops."""
        self._stop_timer()
        StreamReaderProtocol.connection_lost(self, error)
        if self._handler_coroutine is not None and not self._is_at_work:
            self._handler_coroutine.cancel()
        self.transport = None

    # From the listener ---------------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """End with 421 as soon as nothing of a message is under way."""
        self._is_leaving = True
        if self._is_listening:
            self._close(replies.SHUTTING_DOWN)
        elif self._is_shaking_hands:
            self._close()

    def abort(self) -> None:
        """Drop the connection; a delivery that runs still finishes."""
        self._is_leaving = True
        if self.transport is not None:
            self.transport.abort()

    async def _handle_client(self) -> None:
        raise NotImplementedError

    # TLS -----------------------------------------------------------------------------------------------------

    def _begin_tls(self, context: ssl.SSLContext) -> None:
        """From here on the octets of the wire are TLS."""
        self._tls = TlsLayer(context)
        self._is_shaking_hands = True
        self._expect_by(self.loop.time() + self._limits.handshake)

    async def _secure(self) -> None:
        """Do the handshake, and forget all that was said before (RFC 3207 §4.2)."""
        tls = self._tls
        assert tls is not None
        try:
            await self._shake_hands(tls)
        except ssl.SSLError as error:
            _log.info("smtp.tls_failed", listener=self._policy.name, kind=error.reason)
            self._is_at_work = True
            try:
                await self._gate.handshake_failed(self._client, error)
            finally:
                self._is_at_work = False
            await self._linger()
            raise Closing from error
        self._client = Client(self._client.peer, self._policy.name)
        self._client.is_secured = True
        self._client.certificate = tls.certificate

    async def _shake_hands(self, tls: TlsLayer) -> None:
        is_done = False
        while not is_done:
            try:
                octets = await self._reader.read(_READ_LIMIT)
            except ConnectionError:
                raise Closing from None
            if not octets:
                raise Closing
            self._is_at_work = True  # who resets the connection is still told apart
            try:
                # A millisecond of arithmetic, outside the interpreter's lock: the other processor does it.
                is_done = await self.loop.run_in_executor(self._handshakes, tls.shake_hands, octets)
            finally:
                self._is_at_work = False
                self._answer(tls)
        self._is_shaking_hands = False
        early = bytes(self._buffer)  # came while the handshake was thought about
        self._buffer.clear()
        self._decrypt(early)

    def _answer(self, tls: TlsLayer) -> None:
        """Send what the protocol itself has to say: handshakes, alerts, changes of keys."""
        if self.transport is not None and not self.transport.is_closing() and (octets := tls.pending()):
            self.transport.write(octets)

    async def _linger(self) -> None:
        """Let the client read its alert: closed with octets unread, the connection would be reset under it."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.write_eof()
        self._expect_by(self.loop.time() + _LINGER)
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(_READ_LIMIT):
                pass

    def _decrypt(self, octets: bytes) -> None:
        tls = self._tls
        assert tls is not None
        try:
            content, is_over = tls.decrypt(octets)
        except ssl.SSLError as error:
            _log.info("smtp.tls_broken", listener=self._policy.name, kind=error.reason)
            self._answer(tls)
            self.abort()
            return
        self._answer(tls)
        if content:
            StreamReaderProtocol.data_received(self, content)
        if is_over and not self._has_said_all:
            self.eof_received()
            self._close()  # under TLS 1.2 it may wait for our word of the end, and reads nothing else

    # Octets out ----------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        """Write to a client that is there and has finished its handshake; nothing otherwise."""
        transport = self.transport
        if transport is not None and not transport.is_closing() and not self._is_shaking_hands:
            transport.write(data if self._tls is None else self._tls.encrypt(data))

    def _close(self, last: bytes = b"") -> None:
        """Close once all is written, under TLS with the word that nothing follows."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if not self._is_shaking_hands:
            if self._tls is not None:
                last = (self._tls.encrypt(last) if last else b"") + self._tls.close()
            if last:
                transport.write(last)
        transport.close()

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
        if self._is_at_work:
            # Our own work takes the time, not the client.
            self._deadline = now + (1.0 if self._is_shaking_hands else self._limits.idle)
        if now < self._deadline:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
            return
        self._timeout_handle = None
        transport = self.transport
        if transport is None:
            return
        if self._is_shaking_hands or transport.get_write_buffer_size():
            transport.abort()  # does not read what we say either
            return
        self._close(replies.TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
