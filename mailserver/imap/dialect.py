"""What a client has said it understands: ENABLE, and commands that enable by being used (RFC 9051 §6.3.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one session is spoken to; it only ever grows richer, until UNAUTHENTICATE."""

    is_rev2: bool = False
    """IMAP4rev2 was enabled: no \\Recent, ESEARCH in place of SEARCH, UTF-8 names."""
    has_utf8: bool = False
    """UTF8=ACCEPT was enabled (RFC 6855)."""
    tells_modseq: bool = False
    """CONDSTORE (RFC 7162 §3.1)."""
    tells_vanished: bool = False
    """QRESYNC (RFC 7162 §3.2)."""
    is_uid_only: bool = False
    """UIDONLY (RFC 9586): no message numbers either way."""

    @property
    def has_utf8_names(self) -> bool:
        """Mailbox names travel as UTF-8, not as modified UTF-7."""
        return self.is_rev2 or self.has_utf8
