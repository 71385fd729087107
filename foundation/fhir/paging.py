"""The token of a next page: whatever has to be known to go on, sealed for one caller (AES-256-GCM).

Nothing is kept on the server; nobody can read a token, change it, or use that of another caller.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import zlib
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from foundation.fhir.outcome import Refused

NEXT_PAGE = "_page_token"
_NONCE_BYTES = 12
_LONGEST = 16_000
_MOST_BYTES = 64 * 1024


class SealedTokens:
    """Seals and opens tokens under a key that comes from the master key of the vault (RFC 5869).

    `info` names the interface: a token of one is no token of another.
    """

    def __init__(self, master_key: bytes, info: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=info).derive(master_key))

    def seal(self, caller: str, told: Any) -> str:
        """The token that says `told`, which is JSON, for this caller alone."""
        plain = zlib.compress(json.dumps(told, ensure_ascii=False).encode())
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, caller.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, caller: str, token: str) -> Any:
        """What a token says; raises Refused for one that is not ours, or not this caller's."""
        wrong = Refused(400, "value", "Ce jeton de page n'est pas de ce service.", expression=NEXT_PAGE)
        if len(token) > _LONGEST:
            raise wrong
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            plain = zlib.decompressobj().decompress(
                self._cipher.decrypt(nonce, rest, caller.encode()), _MOST_BYTES
            )
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise wrong from error
        return json.loads(plain)
