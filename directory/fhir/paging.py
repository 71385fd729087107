"""The token of a next page: the whole search, the generation it runs on and where it stands, sealed (AES-256-GCM).

Nothing is kept on the server; nobody can read a token, change it, or use that of another caller.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from directory.fhir.outcome import Refused
from directory.fhir.systems import ResourceType

if TYPE_CHECKING:
    from directory.fhir.query import Query

_INFO = b"vaguemestre fhir page 1"
_NONCE_BYTES = 12
_LONGEST = 16_000
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: which of the resource types, and behind which key of it."""

    kind: int = 0
    after: str = ""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a token says."""

    generation: str
    kinds: tuple[ResourceType, ...]
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    position: Position
    total: int | None = None


class PageTokens:
    """Seals and opens tokens under a key that comes from the master key of the vault (RFC 5869)."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(master_key))

    def seal(self, caller: str, generation: str, query: Query, position: Position, total: int | None) -> str:
        """The token of the page of `query` that begins at `position`, for this caller alone."""
        told = [
            generation,
            [kind.value for kind in query.kinds],
            query.pairs,
            [position.kind, position.after],
            total,
        ]
        plain = zlib.compress(json.dumps(told, ensure_ascii=False).encode())
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, caller.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, caller: str, token: str) -> Continuation:
        """What a token says; raises Refused for one that is not ours, or not this caller's."""
        wrong = Refused(400, "value", "Ce jeton de page n'est pas de ce service.", expression="_page_token")
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
        generation, kinds, pairs, (kind, after), total = json.loads(plain)
        return Continuation(
            generation,
            tuple(ResourceType(each) for each in kinds),
            tuple((name, value) for name, value in pairs),
            Position(kind, after),
            total,
        )
