"""What one listener asks of its clients and how much it lets them do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from foundation.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener; sizes in octets, times in seconds."""

    message_bytes: int = 25 * 1024 * 1024
    command_bytes: int = 2048
    sign_in_bytes: int = 12288  # RFC 4954 §4
    recipients: int = 1000
    messages: int = 10_000  # per connection
    junk: int = 100  # commands that move no mail, since the last accepted message
    errors: int = 20  # commands that are wrong, since the last accepted message
    sign_in_failures: int = 3
    connections: int = 4000
    connections_per_peer: int = 600  # a hospital is one address
    unreserved_bytes: int = 1024 * 1024  # a message above it reserves its memory (see MemoryBudget)
    idle: float = 300.0  # RFC 5321 §4.5.3.2.7
    block: float = 180.0  # RFC 5321 §4.5.3.2.5
    bytes_per_second: int = 8192  # slowest content we wait for, after the first `block` seconds
    # The same once memory is reserved, for others may want it: 25 MB are here within 17 minutes, not within an hour.
    reserved_bytes_per_second: int = 32 * 1024
    handshake: float = 30.0
    memory: float = 30.0  # wait for the memory budget

    @classmethod
    def of(cls, settings: LimitSettings) -> Self:
        """The limits an operator has set, our own for the rest."""
        return cls(
            message_bytes=settings.message_bytes,
            recipients=settings.recipients,
            connections=settings.connections,
            connections_per_peer=settings.connections_per_address,
        )


@dataclass(frozen=True, slots=True)
class ListenerPolicy:
    """Who may do what on one port.

    `allows_plain_sign_in` is for the load tools of the sandbox on loopback: everywhere else a password is
    asked for under TLS only (RFC 4954 §4).
    """

    name: str
    hostname: str
    requires_sign_in: bool = True
    allows_plain_sign_in: bool = False
    offers_sign_in: bool = True
    limits: Limits = field(default_factory=Limits)


def submission(hostname: str, limits: Limits | None = None) -> ListenerPolicy:
    """Submission (RFC 6409) by people and software that sign in under TLS."""
    return ListenerPolicy("submission", hostname, limits=limits or Limits())


def submission_plain(hostname: str, limits: Limits | None = None) -> ListenerPolicy:
    """Sandbox: submission without TLS, sign-in allowed."""
    return ListenerPolicy("submission_plain", hostname, allows_plain_sign_in=True, limits=limits or Limits())


def mx(hostname: str, limits: Limits | None = None) -> ListenerPolicy:
    """Mail of other operators, which show a certificate instead of signing in."""
    return ListenerPolicy(
        "mx", hostname, requires_sign_in=False, offers_sign_in=False, limits=limits or Limits()
    )


def mx_plain(hostname: str, limits: Limits | None = None) -> ListenerPolicy:
    """Sandbox: as if every client were a listed peer with any sender domain."""
    return ListenerPolicy(
        "mx_plain", hostname, requires_sign_in=False, offers_sign_in=False, limits=limits or Limits()
    )
