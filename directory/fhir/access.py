"""Who asks: the API key of the header ESANTE-API-KEY, and the domains its operator may publish."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.settings import ApiKey

HEADER = "ESANTE-API-KEY"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Caller:
    """An operator or a reader, by a name that may stand in the trail."""

    name: str
    domains: frozenset[str] = frozenset()
    """What it may publish: boxes of these domains."""

    def may_publish(self, address: str) -> bool:
        return address.rpartition("@")[2].lower() in self.domains


class Keys:
    """The keys that are known, as SHA-256. `nobody` is who asks without a key; None where a key is needed."""

    def __init__(self, keys: Sequence[ApiKey], nobody: Caller | None) -> None:
        self._nobody = nobody
        self._known = [
            (key.sha256, Caller(key.name, frozenset(domain.lower() for domain in key.domains)))
            for key in keys
        ]

    def caller(self, key: str | None) -> Caller:
        """Who presents `key`; raises Refused (401)."""
        if key is None:
            if self._nobody is None:
                raise Refused(401, "login", f"Une clé d'API est attendue dans l'en-tête {HEADER}.")
            return self._nobody
        digest = hashlib.sha256(key[:_LONGEST].encode()).hexdigest()
        found = None
        for known, caller in self._known:  # all of them: the time taken tells nothing
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise Refused(401, "login", "Cette clé d'API n'est pas connue.")
        return found
