"""Passwords: argon2id, computed off the event loop, the same time for an account that does not exist."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""The parameters OWASP gives as its first choice: 19 MiB, two passes."""
_MAX_PASSWORD_BYTES = 1024
_DECOY = _HASHER.hash(secrets.token_urlsafe(16))


async def hash_password(plain: str) -> str:
    """The argon2id string to store."""
    return await asyncio.to_thread(_HASHER.hash, plain)


def _verify(stored: str | None, plain: str) -> bool:
    if len(plain.encode(errors="surrogatepass")) > _MAX_PASSWORD_BYTES:
        return False
    try:
        right = _HASHER.verify(stored or _DECOY, plain)
    except (VerificationError, InvalidHashError):
        return False
    return right and stored is not None


class PasswordMemory:
    """Remembers, for this process only, which password opened which stored hash.

    A mail client opens several connections a minute; argon2id each time would cost more than its mail. What is
    kept is a keyed hash under a key that dies with the process; a changed password has another stored hash and
    is verified in full.
    """

    def __init__(self, *, capacity: int = 10_000) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._capacity = capacity
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="passwords")

    def __repr__(self) -> str:
        return "PasswordMemory(...)"

    async def verify(self, stored: str | None, plain: str) -> bool:
        """Whether `plain` is the password; quick for one that was right before.

        `None` (no such account) takes as long as a wrong password.
        """
        digest = hmac.digest(self._key, plain.encode(errors="surrogatepass"), hashlib.sha256)
        if stored is not None:
            known = self._known.get(stored)
            if known is not None and hmac.compare_digest(known, digest):
                return True
        # Two threads: guesses wait for each other, and 19 MiB each stays a bounded sum.
        right = await asyncio.get_running_loop().run_in_executor(self._pool, _verify, stored, plain)
        if right and stored is not None:
            while len(self._known) >= self._capacity:
                self._known.popitem(last=False)
            self._known[stored] = digest
        return right
