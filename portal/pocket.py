"""What a session keeps between two pages (a sentence, a secret shown once), sealed under the token of its cookie.

The house holds only the hash of the token: nobody who reads the table, or a copy of it, reads a pocket.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONCE_BYTES = 12


def seal(token: str, content: Mapping[str, Any]) -> bytes | None:
    """The content (JSON values) under AES-256-GCM; None for an empty one."""
    if not content:
        return None
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(token)).encrypt(nonce, json.dumps(content).encode(), None)


def unseal(token: str, sealed: bytes | None) -> dict[str, Any]:
    """The content; empty where there is none, or where it was sealed under another token."""
    if sealed is None:
        return {}
    try:
        plain = AESGCM(_key(token)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except InvalidTag:
        return {}
    content: dict[str, Any] = json.loads(plain)
    return content


def _key(token: str) -> bytes:
    return hmac.digest(token.encode(), b"pocket", hashlib.sha256)
