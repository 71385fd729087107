"""The SASL mechanisms (RFC 4422) as conversations: the same for SMTP and IMAP, which only carry the octets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from mailserver.envelope import Principal, Refused
from mailserver.refusals import TOKEN_REFUSED
from mailserver.sasl import messages
from mailserver.sasl.scram import ServerFirst, parse_client_first

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mailserver.refusals import Refusal
    from mailserver.sasl.scram import Verifies
    from mailserver.signin.application import Scope

USERNAME = b"Username:"
PASSWORD = b"Password:"


class Mechanism(StrEnum):
    """Names as they are announced, the strongest first."""

    SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    XOAUTH2 = "XOAUTH2"
    OAUTHBEARER = "OAUTHBEARER"
    EXTERNAL = "EXTERNAL"


class Malformed(Exception):
    """The client's message is none of the mechanism; nothing was tried."""


class ActsForAnother(Malformed):
    """The client wants to act as somebody else than its password says, which nobody may."""


class EndsBehind(Exception):
    """The connection ends behind this challenge."""

    def __init__(self, challenge: bytes) -> None:
        super().__init__()
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who knocks: network address, verified client certificate (DER), which service, this server's binding."""

    peer: str
    scope: Scope
    certificate: bytes | None = field(default=None, repr=False)
    endpoint: bytes | None = field(default=None, repr=False)


class Doors(Protocol):
    """What judges credentials (mailserver.signin.desk)."""

    def mechanisms(self) -> frozenset[Mechanism]:
        """What may be offered under TLS."""
        ...

    @property
    def closes_behind_refused_tokens(self) -> bool: ...

    @property
    def token_configuration(self) -> str: ...

    async def password(
        self, login: str, password: str, *, peer: str, scope: Scope
    ) -> Principal | Refused: ...

    async def token(
        self, login: str, token: str, *, peer: str, certificate: bytes | None, scope: Scope
    ) -> Principal | Refused: ...

    async def certificate(
        self, login: str, der: bytes | None, *, peer: str, scope: Scope
    ) -> Principal | Refused: ...

    async def scram(self, login: str, *, peer: str) -> ScramAttempt | Refused: ...

    def still_holds(self, principal: Principal) -> bool: ...

    def ended(self, principal: Principal) -> Refusal | None:
        """Why what let somebody in would no longer; None while it still would."""
        ...


class ScramAttempt(Protocol):
    """One attempt by SCRAM that is heard; one of the three ends it."""

    @property
    def verifier(self) -> Verifies: ...
    @property
    def right(self) -> Callable[[], Awaitable[Principal | Refused]]:
        """The client has proved that it knows the password."""
        ...

    @property
    def wrong(self) -> Callable[[], Awaitable[Refused]]:
        """It has not."""
        ...

    @property
    def abandoned(self) -> Callable[[], None]:
        """It went away; the salt it was told helps no guess."""
        ...


def offered(doors: Doors, visitor: Visitor) -> tuple[Mechanism, ...]:
    """The mechanisms to announce to a client, in the order of their names' table.

    Channel binding needs a channel. EXTERNAL is announced to who has shown a certificate: Cyrus SASL (mbsync,
    Postfix) tries it wherever it stands, with a password in hand (RFC 4422 appendix A.1).
    """
    taken = doors.mechanisms()
    if visitor.endpoint is None:
        taken -= {Mechanism.SCRAM_SHA_256_PLUS}
    if visitor.certificate is None:
        taken -= {Mechanism.EXTERNAL}
    return tuple(each for each in Mechanism if each in taken)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One AUTH or AUTHENTICATE. `initial` is the initial response (RFC 4959, RFC 4954 §4), None without one.

    `ask` sends a challenge and gives the client's answer, both decoded; it raises what ends the exchange.
    """

    doors: Doors
    visitor: Visitor
    ask: Callable[[bytes], Awaitable[bytes]]
    initial: bytes | None = field(default=None, repr=False)

    async def conduct(self, mechanism: Mechanism) -> Principal | Refused:
        """Who signed in, or why not. Raises Malformed, EndsBehind, and whatever `ask` raises."""
        return await _CONDUCT[mechanism](self)

    async def first(self, prompt: bytes = b"") -> bytes:
        """The client's first message, asked for where it did not come along."""
        return self.initial if self.initial is not None else await self.ask(prompt)


async def _plain(exchange: Exchange) -> Principal | Refused:
    """RFC 4616"""
    found = messages.parse_plain(await exchange.first())
    if found is not None and found.acts_for_another:
        raise ActsForAnother
    return await _password(exchange, found)


async def _login(exchange: Exchange) -> Principal | Refused:
    """Outlook sends the name behind AUTH LOGIN, others wait for the challenge."""
    user = await exchange.first(USERNAME)
    return await _password(exchange, messages.credentials(user, await exchange.ask(PASSWORD)))


async def _password(exchange: Exchange, found: messages.Credentials | None) -> Principal | Refused:
    if found is None:
        raise Malformed
    visitor = exchange.visitor
    return await exchange.doors.password(found.login, found.password, peer=visitor.peer, scope=visitor.scope)


# ref: ECO.1.2.1
async def _xoauth2(exchange: Exchange) -> Principal | Refused:
    found = messages.parse_xoauth2(await exchange.first())
    return await _token(exchange, found, messages.xoauth2_refusal())


async def _oauthbearer(exchange: Exchange) -> Principal | Refused:
    """RFC 7628"""
    found = messages.parse_oauthbearer(await exchange.first())
    return await _token(exchange, found, messages.oauthbearer_refusal(exchange.doors.token_configuration))


# ref: F19
async def _token(
    exchange: Exchange, found: messages.BearerToken | None, refusal: bytes
) -> Principal | Refused:
    visitor = exchange.visitor
    answer: Principal | Refused = Refused(TOKEN_REFUSED)
    if found is not None:
        answer = await exchange.doors.token(
            found.login, found.token, peer=visitor.peer, certificate=visitor.certificate, scope=visitor.scope
        )
    if isinstance(answer, Refused) and not answer.refusal.is_temporary:
        if exchange.doors.closes_behind_refused_tokens:
            raise EndsBehind(refusal)
        await exchange.ask(refusal)  # RFC 7628 §3.2.3: an answer that says nothing, then the failure
    return answer


async def _external(exchange: Exchange) -> Principal | Refused:
    """RFC 4422 appendix A: the certificate of the handshake says who."""
    login = messages.authorization(await exchange.first())
    if login is None:
        raise Malformed
    visitor = exchange.visitor
    return await exchange.doors.certificate(
        login, visitor.certificate, peer=visitor.peer, scope=visitor.scope
    )


async def _scram(exchange: Exchange) -> Principal | Refused:
    return await _scram_with(exchange, plus=False)


async def _scram_plus(exchange: Exchange) -> Principal | Refused:
    return await _scram_with(exchange, plus=True)


async def _scram_with(exchange: Exchange, *, plus: bool) -> Principal | Refused:
    """RFC 5802 §5"""
    first = parse_client_first(await exchange.first(), exchange.visitor.endpoint, plus=plus)
    if first is None:
        raise Malformed
    attempt = await exchange.doors.scram(first.login, peer=exchange.visitor.peer)
    if isinstance(attempt, Refused):
        return attempt
    challenge = ServerFirst.answer(first, attempt.verifier)
    try:
        signature = challenge.check(await exchange.ask(challenge.message))
    except BaseException:
        attempt.abandoned()
        raise
    if signature is None:
        return await attempt.wrong()
    answer = await attempt.right()
    if isinstance(answer, Principal):
        await exchange.ask(signature)  # neither SMTP nor IMAP sends data along with its success
    return answer


_CONDUCT: Mapping[Mechanism, Callable[[Exchange], Awaitable[Principal | Refused]]] = MappingProxyType(
    {
        Mechanism.SCRAM_SHA_256_PLUS: _scram_plus,
        Mechanism.SCRAM_SHA_256: _scram,
        Mechanism.PLAIN: _plain,
        Mechanism.LOGIN: _login,
        Mechanism.XOAUTH2: _xoauth2,
        Mechanism.OAUTHBEARER: _oauthbearer,
        Mechanism.EXTERNAL: _external,
    }
)
