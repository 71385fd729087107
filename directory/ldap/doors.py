"""Who may bind: what the program that wires everything puts between this server and its sign-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Caller:
    """The mailbox that signed in; `ticket` is what `Doors.still_holds` knows it by."""

    address: str
    ticket: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """Nobody signed in; `sentence` tells why, in French."""

    sentence: str
    is_temporary: bool = False


@dataclass(frozen=True, slots=True)
class Near:
    """Whose entries come first for a caller: its structure's (IdNat_Struct), and those of these addresses."""

    structure: str | None = None
    recent: frozenset[str] = field(default=frozenset(), repr=False)


NOBODY_NEAR = Near()


class Doors(Protocol):
    """Judges credentials. `peer` is the client's network address."""

    @property
    def takes_certificates(self) -> bool: ...

    async def password(self, login: str, password: str, *, peer: str) -> Caller | Denied:
        """With an application password for LDAP, or the mailbox's own where the operator lets that open it."""
        ...

    async def certificate(self, login: str, der: bytes | None, *, peer: str) -> Caller | Denied:
        """With the certificate of the TLS handshake (DER); `login` chooses among the mailboxes it opens, or is ""."""
        ...

    def still_holds(self, caller: Caller) -> bool:
        """Whether what let the caller in still would."""
        ...

    async def near(self, caller: Caller) -> Near:
        """Whom the caller has to do with."""
        ...
