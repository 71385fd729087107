"""The brake on guessing API keys: a network address that showed many different wrong ones is not heard for a while.

The same wrong key again and again is a program with an old setting, and no guess.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.clock import Clock

MOST_WRONG = 20
"""Different wrong keys of one address; a hospital stands behind a single one."""
PAUSE_SECONDS = 15 * 60
_MOST_ADDRESSES = 4096
_DIGEST_BYTES = 8


@dataclass(slots=True)
class _Shown:
    until: int
    """Epoch milliseconds."""
    keys: set[bytes] = field(default_factory=set)


class Guesses:
    """Wrong keys of the last quarter of an hour, as digests; of the addresses that showed one last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: dict[str, _Shown] = {}

    def pause(self, peer: str) -> int:
        """Seconds until a key from this address is heard; 0 when it is."""
        shown = self._shown.get(_network(peer))
        if shown is None or len(shown.keys) < MOST_WRONG:
            return 0
        return max(0, -((self._clock.millis() - shown.until) // 1000))

    def wrong(self, peer: str, key: str) -> None:
        """Counts a key that nobody has."""
        now, network = self._clock.millis(), _network(peer)
        shown = self._shown.pop(network, None)
        if shown is None or shown.until <= now:
            shown = _Shown(now + PAUSE_SECONDS * 1000)
        if len(shown.keys) < MOST_WRONG:
            shown.keys.add(hashlib.sha256(key.encode(errors="replace")).digest()[:_DIGEST_BYTES])
        while len(self._shown) >= _MOST_ADDRESSES:
            del self._shown[next(iter(self._shown))]
        self._shown[network] = shown


def _network(peer: str) -> str:
    """An IPv4 address, or the /64 inside which a client of IPv6 has as many as it likes."""
    if ":" not in peer:
        return peer
    try:
        return str(ipaddress.ip_network((peer.partition("%")[0], 64), strict=False))
    except ValueError:
        return peer
