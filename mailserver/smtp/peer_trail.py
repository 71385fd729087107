"""Writes down what was refused to other operators: each one counted, the trail kept from flooding."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Final

from foundation import trail
from mailserver.smtp.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.metrics import Metrics
    from mailserver.refusals import Refusal
    from mailserver.smtp.gate import Client

_ROWS_A_MINUTE: Final = 600
"""Rows of all peers together; a second of them may come at once."""
_LONGEST_DETAIL: Final = 256


class PeerTrail:
    """At most one row a second for each network address and code: whoever is refused must not fill the disk."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._rows = Rates(60, burst=1, now=now)
        self._all_rows = Rates(_ROWS_A_MINUTE, burst=_ROWS_A_MINUTE // 10, now=now)

    def count(self, client: Client, refusal: Refusal) -> None:
        """A refusal that is nobody's misuse of the trust space: a full box, an unknown recipient."""
        self._metrics.refused(client.listener, refusal.code)

    async def refused(self, client: Client, refusal: Refusal, *, domain: str = "", name: str = "") -> None:
        """A refusal between operators. `domain` is that of the sender, `name` the DN of the certificate."""
        self.count(client, refusal)
        if not self._rows.take(f"{refusal.code} {_network(client.peer)}") or not self._all_rows.take(""):
            return
        detail = {"domain": domain[:_LONGEST_DETAIL], "dn": name[:_LONGEST_DETAIL]}
        await self._database.write(
            lambda uow: trail.append(
                uow,
                "peer.refused",
                actor="peer",
                subject=f"listener:{client.listener}",
                outcome=refusal.code,
                detail={key: value for key, value in detail.items() if value},
                clock=self._clock,
            )
        )


def _network(peer: str) -> str:
    """An IPv4 address, or the /64 that one IPv6 customer has to himself."""
    if ":" not in peer:
        return peer
    try:
        return str(ipaddress.ip_network((peer.partition("%")[0], 64), strict=False))
    except ValueError:
        return peer
