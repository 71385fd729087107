"""What an SMTP conversation, a web page or a report hands to delivery, and what delivery answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailserver.store.rights import ALL_RIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailserver.refusals import Refusal
    from mailserver.store.rights import Right


class Origin(StrEnum):
    """Where a message comes from, which decides whether it may leave again."""

    SUBMISSION = "submission"
    """A box that signed in: to anybody in the espace de confiance."""
    PEER = "peer"
    """Another operator: to boxes of this one alone, never relayed."""
    HOUSE = "house"
    """Written here: a patient's answer, a report, an automatic answer."""


@dataclass(frozen=True, slots=True)
class RecipientDsn:
    """What the sender asked for one recipient (RFC 3461 §4). `notify` is empty where nothing was asked."""

    notify: frozenset[str] = frozenset()
    orcpt: str | None = None


NOTHING_ASKED = RecipientDsn()


@dataclass(frozen=True, slots=True)
class DsnRequest:
    """What the sender wants to be told (RFC 3461): RET ("FULL", "HDRS"), ENVID (xtext as received), by recipient."""

    ret: str | None = None
    envid: str | None = None
    by_recipient: Mapping[str, RecipientDsn] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, recipient: str) -> RecipientDsn:
        """The request for one recipient, as it stood in RCPT."""
        return self.by_recipient.get(recipient, NOTHING_ASKED)


NO_DSN = DsnRequest()


class Means(StrEnum):
    """What a sign-in was made with."""

    PASSWORD = "password"  # noqa: S105 - the name of a means
    APPLICATION = "application"
    SCRAM = "scram"
    TOKEN = "token"  # noqa: S105 - the name of a means
    CERTIFICATE = "certificate"


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
    means: Means = Means.PASSWORD
    grant: int = 0
    """The row of the application password or certificate that let it in."""
    person_id: int | None = None
    """The own box of the person who signed in to a structure's box, as its delegate."""
    until: int | None = None
    """Epoch ms at which what let it in ends; None where it does not."""
    rights: frozenset[Right] = ALL_RIGHTS
    """What the person may do in this box: all, but for a delegate."""

    @property
    def bearer_id(self) -> int:
        """The owner of the own box of the person who signed in."""
        return self.person_id if self.person_id is not None else self.owner_id


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way: RFC 5321 §2.3.1 envelope and content.

    `sender` is "" for the null reverse-path; `content` has CRLF line ends and no dot-stuffing; `protocol` is
    the RFC 3848 word that goes into Received. `speaks_for` are the domains that a peer's certificate is listed
    for, and `peer_host` the common name of that certificate; None where no certificate was asked for.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    principal: Principal | None
    peer: str
    helo: str
    protocol: str
    origin: Origin = Origin.PEER
    dsn: DsnRequest = NO_DSN
    utf8: bool = False
    speaks_for: frozenset[str] | None = field(default=None, repr=False)
    peer_host: str | None = None


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
