"""The id of a Patient: its number with a mark, so that nobody comes from counting to a record or to an INS."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dmp_bridge.fhir.document_query import number_of

_INFO: Final = b"vaguemestre fhir patient id 1"
_MARK: Final = 24


class PatientIds:
    """Makes and reads ids under a key that comes from the master key of the vault (RFC 5869)."""

    def __init__(self, master_key: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=_INFO).derive(master_key)

    def identity(self, owner_id: int) -> str:
        """The id of a vault owner's Patient."""
        return f"{owner_id}-{self._mark(owner_id)}"

    def owner_id(self, identity: str) -> int:
        """The vault owner of an id that this service made; 0, which nobody is, for any other."""
        number, _, mark = identity.partition("-")
        owner_id = number_of(number)
        return owner_id if hmac.compare_digest(mark.encode(), self._mark(owner_id).encode()) else 0

    def _mark(self, owner_id: int) -> str:
        return hmac.new(self._key, str(owner_id).encode(), hashlib.sha256).hexdigest()[:_MARK]
