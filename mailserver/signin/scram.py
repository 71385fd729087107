"""What the server keeps to verify SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): neither the password nor enough to sign in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, bindparam, delete, insert, select

from foundation.database import metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

ITERATIONS = 100_000
"""RFC 7677 §4 asks for 4096 at least. Clients compute it at each sign-in: about 40 ms."""
SALT_BYTES = 16
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)

scram_verifier = Table(
    "scram_verifier",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("stored_key", LargeBinary(32), nullable=False),
    Column("server_key", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)
"""Verifiers of the boxes whose password was set while `accounts.scram` was on."""

_FIND = select(
    scram_verifier.c.salt,
    scram_verifier.c.iterations,
    scram_verifier.c.stored_key,
    scram_verifier.c.server_key,
).where(scram_verifier.c.owner_id == bindparam("owner"))
_INSERT = insert(scram_verifier)
_DELETE = delete(scram_verifier).where(scram_verifier.c.owner_id == bindparam("owner"))


@dataclass(frozen=True, slots=True)
class Verifier:
    """Salt, iteration count, StoredKey and ServerKey of one password (RFC 5802 §3)."""

    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def derive(plain: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
    """The verifier of a password, with a new salt where none is given; tens of milliseconds."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(plain), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hashlib.sha256)
    server_key = hmac.digest(salted, b"Server Key", hashlib.sha256)
    return Verifier(salt, iterations, hashlib.sha256(client_key).digest(), server_key)


def prepared(plain: str) -> bytes:
    """The password in UTF-8 after SASLprep (RFC 4013); as it is where SASLprep refuses it, as most clients do."""
    mapped = "".join(
        " " if stringprep.in_table_c12(each) else each for each in plain if not stringprep.in_table_b1(each)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    refused = (
        not normal or not _is_one_way(normal) or any(test(each) for test in _PROHIBITED for each in normal)
    )
    return (plain if refused else normal).encode(errors="surrogatepass")


def _is_one_way(text: str) -> bool:
    """RFC 3454 §6: right-to-left letters stand alone, first and last."""
    if not any(stringprep.in_table_d1(each) for each in text):
        return True
    if any(stringprep.in_table_d2(each) for each in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])


def store(uow: UnitOfWork, owner_id: int, verifier: Verifier | None) -> None:
    """Keeps the verifier of a box in place of an earlier one; None: the box has none."""
    uow.run(_DELETE, {"owner": owner_id})
    if verifier is not None:
        row = {
            "owner_id": owner_id,
            "salt": verifier.salt,
            "iterations": verifier.iterations,
            "stored_key": verifier.stored_key,
            "server_key": verifier.server_key,
        }
        uow.run(_INSERT, row)


def find(connection: Connection, owner_id: int) -> Verifier | None:
    """The verifier of a box."""
    row = run(connection, _FIND, {"owner": owner_id}).first()
    return Verifier(row.salt, row.iterations, row.stored_key, row.server_key) if row is not None else None
