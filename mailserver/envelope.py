"""What an SMTP conversation, a web page or a report hands to delivery, and what delivery answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailserver.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Principal:
    """The mailbox that signed in, and whose it is.

    `idnat` is the national identifier of the bearer (RPPS with its prefix, or the structure's), None for a
    box without one.
    """

    owner_id: int
    address: str
    idnat: str | None
    name: str = field(repr=False)
    credential: bytes = field(default=b"", repr=False, compare=False)
    """A digest of what was stored about the password at sign-in: another password ends what began with this one."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way: RFC 5321 §2.3.1 envelope and content.

    `sender` is "" for the null reverse-path; `content` has CRLF line ends and no dot-stuffing; `protocol` is
    the RFC 3848 word that goes into Received.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    principal: Principal | None
    peer: str
    helo: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is on disk for every recipient."""

    queue_id: str
    owners: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The message, or one recipient of it, is not taken; nothing was stored."""

    refusal: Refusal
    recipient: str | None = None
