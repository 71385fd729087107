"""One attempt by SCRAM, and the salts of accounts that do not exist."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mailserver.signin.scram import ITERATIONS, SALT_BYTES, Verifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailserver.envelope import Principal, Refused


@dataclass(frozen=True, slots=True)
class ScramAttempt:
    """What the exchange needs of the desk (mailserver.sasl.mechanisms.ScramAttempt)."""

    verifier: Verifier = field(repr=False)
    right: Callable[[], Awaitable[Principal | Refused]]
    wrong: Callable[[], Awaitable[Refused]]
    abandoned: Callable[[], None]


class Decoys:
    """Verifiers of accounts that have none: the same for the same account at every start, and never right."""

    def __init__(self, master_key: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"vaguemestre scram decoys").derive(master_key)

    def __repr__(self) -> str:
        return "Decoys(...)"

    def of(self, account: str) -> Verifier:
        """A salt as long as a real one, with the count of a real one."""
        drawn = hmac.digest(self._key, account.encode(errors="surrogatepass"), hashlib.sha512)
        return Verifier(drawn[:SALT_BYTES], ITERATIONS, drawn[SALT_BYTES : SALT_BYTES + 32], drawn[-32:])
