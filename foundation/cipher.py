"""The cipher of the embedded database: its key, and how a connection is given it.

The file is SQLCipher 4's, page by page: AES-256-CBC with a new random IV at each write, then HMAC-SHA256. Format:
pages of 4096 bytes; SQLCipher's own default, HMAC-SHA512, costs 0.05 ms more at each delivery and half as much again
when a page is read from disk; pages of 8192 bytes gain nothing and make a full-text index larger by a third. Both
are part of the format: with other values the file does not open.

The key is random by descent (HKDF of the master key), so no password is stretched. The write-ahead log is encrypted
page by page as the file is; sorts and temporary tables stay in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from foundation.vault import read_master_key

if TYPE_CHECKING:
    from foundation.driver import dbapi
    from foundation.settings import Settings

_INFO = b"vaguemestre database cipher 1"
_PAGE_BYTES = 4096
_HMAC = "HMAC_SHA256"


@dataclass(frozen=True, slots=True)
class DatabaseKey:
    """The 32 bytes that open an encrypted database."""

    raw: bytes = field(repr=False)

    @property
    def literal(self) -> str:
        """A raw key as SQLCipher reads it."""
        return f"x'{self.raw.hex()}'"


def derive_key(master_key: bytes) -> DatabaseKey:
    """The database's key under a master key of the vault (RFC 5869)."""
    return DatabaseKey(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(master_key))


def key_of(settings: Settings) -> DatabaseKey | None:
    """The key of an operator's database; None where `database.cipher` is off. Raises VaultUnavailable."""
    if not settings.database.cipher:
        return None
    return derive_key(read_master_key(settings.path(settings.vault.master_key_file)))


def unlock(connection: dbapi.Connection, key: DatabaseKey | None) -> None:
    """Gives a new connection its key, before it reads anything."""
    # SQLCipher writes to standard error by itself; what goes wrong is raised as well.
    connection.execute("PRAGMA cipher_log_level=NONE")
    if key is not None:
        connection.execute(f'PRAGMA key="{key.literal}"')
        set_format(connection, "main")


def set_format(connection: dbapi.Connection, schema: str) -> None:
    """Tells the format of an encrypted file that is open as `schema`."""
    connection.execute(f"PRAGMA {schema}.cipher_page_size={_PAGE_BYTES}")
    connection.execute(f"PRAGMA {schema}.cipher_hmac_algorithm={_HMAC}")
