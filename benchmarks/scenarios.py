"""The benchmarks by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks import imap_rows as rows
from benchmarks.bridging import Bridge
from benchmarks.delivery import Deliver
from benchmarks.exchange import NewConnections, Outbound, TwoOperators
from benchmarks.fhir_rows import Contains
from benchmarks.imap_figures import IdleMemory, OpenAgain, OpenFirst, Push, Resynchronise
from benchmarks.imap_mix import Mix
from benchmarks.imap_rows import Appending, Reading, SigningIn
from benchmarks.ldap_rows import Delay, Searching, words
from benchmarks.national import ImportMailboxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.run import Scenario

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "deliver_4k_1": Deliver(size=4096, connections=1, messages=400),
        "deliver_4k_10": Deliver(size=4096, connections=10, messages=1000),
        "deliver_4k_50": Deliver(size=4096, connections=50, messages=1500),
        "deliver_1m_10": Deliver(size=1 << 20, connections=10, messages=200),
        "mx_tls_new_connection": NewConnections(size=4096, connections=10, messages=600),
        "outbound_10k": Outbound(size=10_240, connections=8, messages=500),
        "two_operators_4k": TwoOperators(size=4096, connections=8, messages=500),
        "imap_envelope": Reading(commands=rows.metadata),
        "imap_uidflags": Reading(commands=rows.uid_flags),
        "imap_body": Reading(commands=rows.bodies),
        "imap_search": Reading(
            commands=rows.shuffled(rows.SEARCHES), compared=rows.SEARCHES, needs="LITERAL+"
        ),
        "imap_sort": Reading(commands=rows.shuffled(rows.SORTS), compared=rows.SORTS, needs="SORT"),
        "imap_thread": Reading(
            commands=rows.shuffled(rows.THREADS),
            compared=rows.THREADS,
            needs="THREAD=REFERENCES THREAD=ORDEREDSUBJECT",
        ),
        "imap_status": Reading(commands=rows.status_and_noop),
        "imap_append": Appending(),
        "imap_login": SigningIn(),
        "imap_mix": Mix(),
        "imap_qresync": Resynchronise(messages=20_000),
        "imap_push_p95_ms": Push(),
        "imap_open_100k_seconds": OpenFirst(messages=100_000),
        "imap_open_100k_again_seconds": OpenAgain(messages=100_000),
        "imap_idle_session_kb": IdleMemory(sessions=2000),
        "imap_idle_tls_session_kb": IdleMemory(sessions=2000, over_tls=True),
        "bridge_xdm_per_second": Bridge(unit="documents/s"),
        "import_bal_seconds": ImportMailboxes(),
        "ldap_substring": Searching(clients=16),
        "ldap_substring_p95_ms": Delay(),
        "ldap_words": Searching(clients=16, asked=words),
        "ldap_words_p95_ms": Delay(asked=words),
        "fhir_contains_p95_ms": Contains(),
    }
)
"""Every benchmark by the name it has in results.json."""
