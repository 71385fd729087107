"""The second factor of a box: codes of an authenticator application (TOTP, RFC 6238), and recovery codes.

The secret is sealed under the master key, bound to its owner: a copy of the table makes no codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from foundation.database import metadata
from foundation.prepared import run
from foundation.vault import BlobDamaged, read_master_key
from mailserver.signin import spoken

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from foundation.settings import Settings

STEP_MS = 30_000
DIGITS = 6
RECOVERY_CODES = 10
OFFER_MS = 15 * 60 * 1000
"""How long a secret that was shown waits for its first code."""
_SECRET_BYTES = 20
_RECOVERY_GROUPS = 4
_INFO = b"vaguemestre second factor 1"

second_factor = Table(
    "second_factor",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""`last_step` is the step of the last code that was taken: neither it nor an earlier one is taken again."""

second_factor_offer = Table(
    "second_factor_offer",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Secrets that were shown and wait for a first code."""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    sqlite_with_rowid=False,
)
"""Recovery codes that were not used; 80 random bits each, so that a digest suffices."""

_OF = second_factor.c.owner_id == bindparam("owner")
_OFFER_OF = second_factor_offer.c.owner_id == bindparam("owner")
_CODES_OF = recovery_code.c.owner_id == bindparam("owner")
_FIND = select(second_factor.c.sealed_secret, second_factor.c.last_step).where(_OF)
_ENROLLED_AT = select(second_factor.c.enrolled_at).where(_OF)
_ADVANCE = (
    update(second_factor)
    .where(_OF, second_factor.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"))
)
_INSERT = insert(second_factor)
_DELETE = delete(second_factor).where(_OF)
_FIND_OFFER = select(second_factor_offer.c.sealed_secret, second_factor_offer.c.until).where(_OFFER_OF)
_INSERT_OFFER = insert(second_factor_offer)
_DELETE_OFFER = delete(second_factor_offer).where(_OFFER_OF)
_INSERT_CODE = insert(recovery_code)
_USE_CODE = delete(recovery_code).where(_CODES_OF, recovery_code.c.digest == bindparam("digest"))
_DELETE_CODES = delete(recovery_code).where(_CODES_OF)
_COUNT_CODES = select(func.count()).select_from(recovery_code).where(_CODES_OF)


def new_secret() -> bytes:
    """160 random bits, what RFC 4226 §4 (R6) recommends."""
    return secrets.token_bytes(_SECRET_BYTES)


def base32(secret: bytes) -> str:
    """The secret as a person types it into an application that reads no QR code."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, address: str, issuer: str) -> str:
    """The secret as authenticator applications read it: otpauth://totp/ISSUER:ADDRESS?…"""
    label = quote(f"{issuer}:{address}", safe="@:")
    asked = {"secret": base32(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": 30}
    return f"otpauth://totp/{label}?{urlencode(asked, quote_via=quote)}"


def code(secret: bytes, now: int) -> str:
    """The six digits of the step that `now` (epoch ms) lies in."""
    return _hotp(secret, now // STEP_MS)


def _hotp(secret: bytes, counter: int) -> str:
    """RFC 4226 §5.3: dynamic truncation of HMAC-SHA-1."""
    digest = hmac.digest(secret, struct.pack(">Q", counter), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def _step_of(secret: bytes, typed: str, now: int) -> int | None:
    """The step whose code was typed: this one, or one beside it for a clock that differs (RFC 6238 §5.2)."""
    digits = "".join(typed.split()).encode(errors="replace")
    found = None
    for step in (now // STEP_MS + shift for shift in (-1, 0, 1)):
        if hmac.compare_digest(_hotp(secret, step).encode(), digits):
            found = step
    return found


class SecondFactors:
    """Second factors under one master key."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(master_key))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of an operator. Raises VaultUnavailable."""
        return cls(read_master_key(settings.path(settings.vault.master_key_file)))

    def __repr__(self) -> str:
        return "SecondFactors(...)"

    def offer(self, uow: UnitOfWork, owner_id: int, now: int) -> bytes:
        """A new secret to show; it counts for nothing until `confirm` brings its first code, within 15 minutes."""
        secret = new_secret()
        uow.run(_DELETE_OFFER, {"owner": owner_id})
        row = {"owner_id": owner_id, "sealed_secret": self._seal(owner_id, secret), "until": now + OFFER_MS}
        uow.run(_INSERT_OFFER, row)
        return secret

    def offered(self, connection: Connection, owner_id: int, now: int) -> bytes | None:
        """The secret that waits for its first code."""
        row = run(connection, _FIND_OFFER, {"owner": owner_id}).first()
        return self._open(owner_id, row.sealed_secret) if row is not None and now < row.until else None

    def confirm(self, uow: UnitOfWork, owner_id: int, code: str, now: int) -> list[str] | None:
        """As `enrol`, with the secret that was offered; None also where none waits any more."""
        secret = self.offered(uow.connection, owner_id, now)
        codes = self.enrol(uow, owner_id, secret, code, now) if secret is not None else None
        if codes is not None:
            uow.run(_DELETE_OFFER, {"owner": owner_id})
        return codes

    def enrol(self, uow: UnitOfWork, owner_id: int, secret: bytes, code: str, now: int) -> list[str] | None:
        """Makes a secret the box's second factor, in place of an earlier one; None where the code is wrong.

        Returns the recovery codes, which are told nowhere else.
        """
        step = _step_of(secret, code, now)
        if step is None:
            return None
        self._put(uow, owner_id, secret, step, now)
        codes = [spoken.draw(_RECOVERY_GROUPS) for _ in range(RECOVERY_CODES)]
        uow.run_each(
            _INSERT_CODE, [{"owner_id": owner_id, "digest": _digest(owner_id, each)} for each in codes]
        )
        return codes

    def impose(self, uow: UnitOfWork, owner_id: int, secret: bytes, now: int) -> None:
        """Gives a box a known second factor without recovery codes: fictive people of a sandbox."""
        self._put(uow, owner_id, secret, -1, now)

    def verify(self, uow: UnitOfWork, owner_id: int, code: str, now: int) -> bool:
        """Whether this is a code of the application, of a step not taken before, or a recovery code, used up now."""
        row = uow.run(_FIND, {"owner": owner_id}).first()
        if row is None:
            return False
        step = _step_of(self._open(owner_id, row.sealed_secret), code, now)
        if step is not None:
            return uow.run(_ADVANCE, {"owner": owner_id, "step": step}).rowcount > 0
        return uow.run(_USE_CODE, {"owner": owner_id, "digest": _digest(owner_id, code)}).rowcount > 0

    def _put(self, uow: UnitOfWork, owner_id: int, secret: bytes, step: int, now: int) -> None:
        remove(uow, owner_id)
        row = {
            "owner_id": owner_id,
            "sealed_secret": self._seal(owner_id, secret),
            "last_step": step,
            "enrolled_at": now,
        }
        uow.run(_INSERT, row)

    def _seal(self, owner_id: int, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, secret, str(owner_id).encode())

    def _open(self, owner_id: int, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], str(owner_id).encode())
        except InvalidTag as error:
            raise BlobDamaged("a second factor does not open: another master key?") from error


def is_enrolled(connection: Connection, owner_id: int) -> bool:
    """Whether the box has a second factor."""
    return enrolled_at(connection, owner_id) is not None


def enrolled_at(connection: Connection, owner_id: int) -> int | None:
    """Since when the box has a second factor (epoch ms); None: it has none."""
    row = run(connection, _ENROLLED_AT, {"owner": owner_id}).first()
    return row.enrolled_at if row is not None else None


def codes_left(connection: Connection, owner_id: int) -> int:
    """Recovery codes that were not used."""
    ((count,),) = run(connection, _COUNT_CODES, {"owner": owner_id}).tuples()
    return int(count)


def remove(uow: UnitOfWork, owner_id: int) -> bool:
    """Takes the second factor away, its recovery codes with it; False where there was none."""
    uow.run(_DELETE_CODES, {"owner": owner_id})
    return uow.run(_DELETE, {"owner": owner_id}).rowcount > 0


def _digest(owner_id: int, code: str) -> bytes:
    words = f"recovery code\0{owner_id}\0{spoken.plain_of(code)}"
    return hashlib.sha256(words.encode(errors="surrogatepass")).digest()
