"""The client's side of SMTP between operators: greeting, STARTTLS, one transaction after the other (RFC 5321, RFC 3207).

Nothing of a message is said before TLS stands, and nothing is taken for done that the server did not say at its time.
Own code, because the libraries at hand (aiosmtplib 5.1) read one reply at a time and drop or keep what comes unasked
for, so that a 250 sent before the content counts; hold the whole message thrice, rewrite its line ends, do not
pipeline, and clear what was injected before TLS instead of hanging up.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certs.trust import fault_of_handshake
from mailserver.outbound.content import Stuffing, Unsendable
from mailserver.outbound.outcome import REFUSAL_OF, Failure, Unreached
from mailserver.outbound.replies import Extensions, Garbled, Reply, harmless_text
from mailserver.outbound.transaction import Attempt
from mailserver.outbound.wire import Closing, Lost, Wire
from mailserver.refusals import (
    PEER_DEFERRED,
    PEER_GARBLED,
    PEER_WITHOUT_TLS,
    UNREACHABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.outbound.content import Body
    from mailserver.outbound.outcome import Outcome
    from mailserver.outbound.transaction import Letter

_WINDOW = 100
"""Commands that go out before their replies are read."""
_TAIL = 32 * 1024
"""Octets of the content that go out together with its end."""
_READY = 220
_CLOSING = 421
_UNKNOWN_COMMAND = frozenset({500, 502})
"""To EHLO: a server from before 1995, which has no STARTTLS either (RFC 5321 §4.1.4)."""
_FAULTS = (Lost, Closing, Garbled, ssl.SSLError)
_TLS_VERSION = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"})


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds a server may take for each step (RFC 5321 §4.5.3.2), and the slowest it may read a message."""

    connect: float = 30
    greeting: float = 300
    hello: float = 300
    handshake: float = 60
    mail: float = 300
    rcpt: float = 300
    each_recipient: float = 5
    """What the replies to many recipients may take on the average, beyond one slow reply for each command."""
    data: float = 120
    block: float = 180
    end: float = 600
    leave: float = 5
    bytes_per_second: int = 4096


class Conversation:
    """A connection over which messages can be sent, one at a time."""

    def __init__(self, wire: Wire, server: str, extensions: Extensions, patience: Patience) -> None:
        """Use `open`."""
        self._wire = wire
        self._extensions = extensions
        self._patience = patience
        self._needs_reset = False
        self.server = server
        self.carried = 0
        """Messages that were tried over this connection."""

    @classmethod
    async def open(
        cls,
        address: str,
        port: int,
        *,
        server: str,
        hostname: str,
        context: ssl.SSLContext,
        patience: Patience,
    ) -> Conversation:
        """Connects and comes as far as TLS: the caller judges the certificate next. Raises Unreached."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience.connect):
                _, wire = await loop.create_connection(Wire, address, port)
        except TimeoutError:
            raise Unreached(Failure(UNREACHABLE, "the connection timed out")) from None
        except OSError as error:
            raise Unreached(Failure(UNREACHABLE, harmless_text(error.strerror or "no connection"))) from error
        try:
            extensions = await _secure(wire, server, hostname, context, patience)
        except _FAULTS as fault:
            wire.end()
            raise Unreached(failure_of_fault(fault)) from fault
        except BaseException:
            wire.close()
            raise
        return cls(wire, server, extensions, patience)

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate (DER)."""
        return self._wire.certificate

    @property
    def is_usable(self) -> bool:
        """Whether another message may be tried here."""
        return self._wire.fault is None

    async def send(self, letter: Letter) -> Outcome:
        """Brings one message; whatever happens on the way is in the outcome."""
        self.carried += 1
        attempt = Attempt(letter, self._extensions, self.server)
        try:
            await self._transact(letter.body, attempt)
        except _FAULTS as fault:
            self._wire.close()
            attempt.give_up(failure_of_fault(fault))
            attempt.is_lost = True
        except Unsendable as unsendable:
            # Only the connection's end keeps the server from taking what it has for the whole.
            self._wire.close()
            attempt.give_up(Failure(unsendable.refusal))
        except BaseException:
            self._wire.close()
            raise
        return attempt.outcome()

    async def leave(self) -> None:
        """Says QUIT and hangs up; an answer is not waited for long."""
        try:
            if self._wire.fault is None:
                self._wire.command(b"QUIT\r\n")
                await self._wire.reply(self._patience.leave)
        except _FAULTS:
            pass
        finally:
            self._wire.end()

    def close(self) -> None:
        """Hangs up at once."""
        self._wire.close()

    async def _transact(self, body: Body, attempt: Attempt) -> None:
        if not attempt.is_open:
            return
        if self._needs_reset:
            self._wire.command(b"RSET\r\n")
            await self._reply(self._patience.mail)
        self._needs_reset = True
        await self._envelope(attempt)
        if not attempt.may_begin:
            return
        if not attempt.is_open:
            # It waits for content that is for nobody. The lone dot of RFC 2920 §3.1 could pass for a message.
            self._wire.close()
            return
        await self._content(body)
        attempt.on_end(await self._reply(self._patience.end))
        self._needs_reset = False

    async def _envelope(self, attempt: Attempt) -> None:
        patience = self._patience
        steps: list[tuple[bytes, Callable[[Reply], None], float]]
        steps = [(attempt.mail_line(), attempt.on_mail, patience.mail)]
        steps += [(line, take, patience.rcpt) for line, take in attempt.rcpt_lines()]
        steps.append((b"DATA\r\n", attempt.on_data, patience.data))
        pipelines = "PIPELINING" in self._extensions
        window = _WINDOW if pipelines else 1
        whole = patience.mail + patience.rcpt + patience.data + patience.each_recipient * len(steps)
        try:
            async with asyncio.timeout(whole):
                for start in range(0, len(steps), window):
                    if not (pipelines or attempt.is_open):
                        return
                    batch = steps[start : start + window]
                    self._wire.command(b"".join(line for line, _, _ in batch), len(batch))
                    for _, take, seconds in batch:
                        take(await self._reply(seconds))
        except TimeoutError:
            raise Lost("the server answered too slowly") from None

    async def _content(self, body: Body) -> None:
        patience = self._patience
        stuffing = Stuffing()
        try:
            async with asyncio.timeout(patience.block + body.size / patience.bytes_per_second):
                held = b""
                async for block in body.blocks():
                    await self._wire.content(held, patience.block)
                    held = stuffing.add(block)
                await self._wire.content(held[:-_TAIL], patience.block)
        except TimeoutError:
            raise Lost("the server read the message too slowly") from None
        self._wire.end_of_content(held[-_TAIL:] + stuffing.end())

    async def _reply(self, seconds: float) -> Reply:
        reply = await self._wire.reply(seconds)
        if reply.code == _CLOSING:
            raise Closing(reply)
        return reply


# ref: F12
async def _secure(
    wire: Wire, server: str, hostname: str, context: ssl.SSLContext, patience: Patience
) -> Extensions:
    """From the greeting to the extensions that are offered under TLS."""
    hello = f"EHLO {hostname}\r\n".encode("ascii")
    _expect(await wire.reply(patience.greeting))
    wire.command(hello)
    reply = await wire.reply(patience.hello)
    if reply.code in _UNKNOWN_COMMAND:
        raise Unreached(Failure(PEER_WITHOUT_TLS, reply.text))
    _expect(reply)
    if "STARTTLS" not in Extensions.of(reply):
        raise Unreached(Failure(PEER_WITHOUT_TLS))
    wire.command(b"STARTTLS\r\n")
    reply = await wire.reply(patience.hello)
    if reply.is_permanent:
        raise Unreached(Failure(PEER_WITHOUT_TLS, reply.text))
    if reply.code >= 400:
        # 454 is "TLS not available due to temporary reason" (RFC 3207 §4).
        raise Unreached(Failure(PEER_DEFERRED, reply.text))
    if reply.code != _READY:
        raise Garbled(f"the reply to STARTTLS is {reply.code}")
    try:
        await wire.start_tls(context, server, patience.handshake)
        wire.command(hello)
        reply = await wire.reply(patience.hello)
    except Lost as lost:
        # A server that was there a moment ago, and has something against our certificate or our TLS.
        raise Unreached(Failure(PEER_DEFERRED, f"TLS: {lost}")) from lost
    _expect(reply)
    return Extensions.of(reply)


def _expect(reply: Reply) -> None:
    """Goes on after 2yz. A server that does not want to talk now may want to later, whatever its code says.

    Nothing was said of a message yet, and 554 is what both a server that is too busy and one that will never take
    mail say here (RFC 5321 §3.1): the other hosts are asked, and time decides.
    """
    if reply.code >= 400:
        raise Unreached(Failure(PEER_DEFERRED, reply.text))
    if not reply.is_positive:
        raise Garbled(f"the reply {reply.code} fits no command")


def failure_of_fault(fault: Exception) -> Failure:
    """What it means that a connection went wrong."""
    if isinstance(fault, Closing):
        return Failure(PEER_DEFERRED, fault.reply.text)
    if isinstance(fault, Garbled):
        return Failure(PEER_GARBLED, str(fault))
    if isinstance(fault, ssl.SSLError):
        return _failure_of_tls(fault)
    return Failure(UNREACHABLE, str(fault))


def _failure_of_tls(error: ssl.SSLError) -> Failure:
    peer = fault_of_handshake(error)
    if peer is not None:
        words = getattr(error, "verify_message", None) or peer.value
        return Failure(REFUSAL_OF[peer], harmless_text(f"TLS: {words}"))
    reason = error.reason or "handshake failed"
    words = harmless_text(f"TLS: {reason.replace('_', ' ').lower()}")
    if reason in _TLS_VERSION:
        return Failure(PEER_WITHOUT_TLS, words)
    if "ALERT" in reason:
        # Their word on our certificate, or on something else that one of the two can mend.
        return Failure(PEER_DEFERRED, words)
    return Failure(PEER_GARBLED, words)
