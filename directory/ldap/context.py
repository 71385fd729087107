"""What every LDAP session shares: the directory behind it, who may bind, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl

    from directory.annuaire.view import View
    from directory.ldap.doors import Doors


class HasViews(Protocol):
    """The directory (directory.annuaire.annuaire)."""

    def view(self, generation: str | None = None, *, seconds: float | None = None) -> View:
        """`seconds` is the time a search of it may take. Raises GenerationGone."""
        ...


@dataclass(frozen=True, slots=True)
class LdapLimits:
    """Bounds of a session; octets and seconds."""

    message_bytes: int = 256 * 1024
    message_bytes_before_bind: int = 64 * 1024
    pending: int = 32
    """Requests that wait for the one being worked on; then nothing more is read."""
    entries: int = 1000
    """Of one answer, or of one page."""
    search_seconds: float = 10.0
    """From the moment a search is read to its answer; a client may ask for less."""
    connections: int = 2_000
    connections_per_address: int = 600
    handshake_seconds: float = 20.0
    bind_seconds: float = 60.0
    """Without a request, before anybody has bound."""
    idle_seconds: float = 15 * 60.0
    """Without a request, behind a bind."""
    stalled_seconds: float = 60.0
    """A client that reads nothing is cut after this."""
    access_seconds: float = 15.0
    """How often a session makes sure that what let its client in still would."""
    refused_binds: int = 5
    kept_bytes: int = 32 * 1024 * 1024
    """Of answers that are kept for whoever asks the same, while the directory does not change."""
    waiting_searches: int = 64
    """Searches without the help of an index that wait, of all sessions together; more are told that we are busy."""


@dataclass(frozen=True, slots=True)
class LdapContext:
    """The surroundings of the LDAP server, made once by the program that wires everything."""

    directory: HasViews
    doors: Doors
    tls: ssl.SSLContext | None = None
    limits: LdapLimits = field(default_factory=LdapLimits)
    anonymous: bool = True
    """Whether a client may search that has not bound."""
