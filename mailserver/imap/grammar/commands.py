"""The commands of IMAP4rev1 and of the extensions that are offered, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.fetch import NO_MODIFIERS

if TYPE_CHECKING:
    from mailserver.imap.grammar.fetch import FetchAttribute, FetchModifiers
    from mailserver.imap.grammar.flags import FlagList
    from mailserver.imap.grammar.sequence import SequenceSet


class Numbering(StrEnum):
    """How a command names messages: by sequence number, or (UID FETCH …) by unique identifier."""

    SEQUENCE = "sequence"
    UID = "uid"


class StoreMode(StrEnum):
    """FLAGS, +FLAGS and -FLAGS of STORE."""

    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


class Command:
    """What a client asks for, with its arguments."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Capability(Command):
    """RFC 3501 §6.1.1"""


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """RFC 3501 §6.1.2"""


@dataclass(frozen=True, slots=True)
class Logout(Command):
    """RFC 3501 §6.1.3"""


@dataclass(frozen=True, slots=True)
class Id(Command):
    """RFC 2971 §3.1; what the client says of itself is parsed and dropped."""


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """RFC 3501 §6.2.1"""


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """RFC 3501 §6.2.2, with the initial response of RFC 4959 (still base64, "=" for the empty one)."""

    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login(Command):
    """RFC 3501 §6.2.3"""

    user: bytes = field(repr=False)
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Create(Command):
    """RFC 9051 §6.3.4, with the special uses of RFC 6154 §3 in upper case."""

    mailbox: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete(Command):
    """RFC 3501 §6.3.4"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename(Command):
    """RFC 3501 §6.3.5"""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    """RFC 3501 §6.3.6"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command):
    """RFC 3501 §6.3.7"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """RFC 2177"""


@dataclass(frozen=True, slots=True)
class Check(Command):
    """RFC 3501 §6.4.1"""


@dataclass(frozen=True, slots=True)
class Close(Command):
    """RFC 3501 §6.4.2"""


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    """RFC 3691"""


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    """RFC 3501 §6.4.3, and UID EXPUNGE of RFC 4315 §2.1 with `uids`."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """RFC 9051 §6.4.5"""

    numbering: Numbering
    messages: SequenceSet
    attributes: tuple[FetchAttribute, ...]
    modifiers: FetchModifiers = NO_MODIFIERS


@dataclass(frozen=True, slots=True)
class Store(Command):
    """RFC 9051 §6.4.6, with UNCHANGEDSINCE of RFC 7162 §3.1.3."""

    numbering: Numbering
    messages: SequenceSet
    mode: StoreMode
    silent: bool
    flags: FlagList
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy(Command):
    """RFC 3501 §6.4.7"""

    numbering: Numbering
    messages: SequenceSet
    mailbox: str


@dataclass(frozen=True, slots=True)
class Move(Command):
    """RFC 6851"""

    numbering: Numbering
    messages: SequenceSet
    mailbox: str
