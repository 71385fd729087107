"""What every IMAP session shares: the store behind it, who may sign in, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from directory.bals import BalType
from mailserver.store.quota import NO_LIMITS, QuotaLimits

if TYPE_CHECKING:
    import ssl

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault
    from mailserver.sasl.mechanisms import Doors


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """Bounds of a session; octets and seconds."""

    message_bytes: int = 25 * 1024 * 1024
    """Largest message of APPEND (APPENDLIMIT, RFC 7889)."""
    append_bytes: int = 64 * 1024 * 1024
    """All messages of one APPEND together (MULTIAPPEND, RFC 3502)."""
    pending_append_bytes: int = 256 * 1024 * 1024
    """Messages being received by all sessions together."""
    line_bytes: int = 64 * 1024
    literal_bytes: int = 64 * 1024
    literals: int = 64
    literal_bytes_before_sign_in: int = 8 * 1024
    literals_before_sign_in: int = 4
    discarded_literal_bytes: int = 256 * 1024 * 1024
    """A literal that nobody waits for (LITERAL+) is read and dropped up to here; beyond, the connection ends."""
    connections: int = 10_000
    connections_per_peer: int = 1_000
    connections_per_person: int = 100
    """Of one mailbox that signed in: a mail program opens about five, on each of several devices."""
    handshake_seconds: float = 20.0
    sign_in_seconds: float = 60.0
    idle_seconds: float = 30 * 60.0
    """RFC 3501 §5.4 asks for at least 30 minutes."""
    stalled_seconds: float = 5 * 60.0
    """A client that reads nothing, or stops in the middle of a literal, is cut after this."""
    literal_bytes_per_second: int = 1_000
    """What a literal has to come at, all in all, beyond the time that a client may stall."""
    commands_before_sign_in: int = 50
    access_seconds: float = 15.0
    """How often a session makes sure that its box may still be read."""
    bad_commands: int = 20
    """BAD answers in a row before the connection ends."""
    refused_sign_ins: int = 5
    body_searches: int = 2
    """Searches that read bodies at one time; others wait."""


@dataclass(frozen=True, slots=True)
class ImapContext:
    """The surroundings of the IMAP server, made once by the program that wires everything."""

    database: Database
    vault: Vault
    events: Events
    clock: Clock
    sign_in: Doors
    tls: ssl.SSLContext | None = None
    """For STARTTLS and implicit TLS; None where only plain listeners exist."""
    limits: ImapLimits = field(default_factory=ImapLimits)
    zone: tzinfo = UTC
    """In which internal dates are shown and searched."""
    opened_types: frozenset[BalType] = frozenset(BalType)
    """The kinds of boxes that others may open; without PER nobody shares a personal box."""
    quota: QuotaLimits = NO_LIMITS
    """What a box may hold that has no limits of its own."""
    endpoint: bytes | None = None
    """This server's channel binding (mailserver.sasl.scram)."""
