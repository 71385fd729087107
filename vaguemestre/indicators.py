"""The monthly figures of an operator: boxes, last sign-ins, messages (Réf#1, indicators).

The columns are this program's own: those of Réf#1 are not public. What is not known is said so, never made up.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from directory.bals import BalState, bal, in_chunks
from directory.publication import State, bal_publication
from foundation.clock import PARIS, from_millis, to_millis, to_paris
from foundation.trail import trail
from mailserver.tracking.months import months
from mailserver.tracking.tables import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

UNKNOWN: Final = "inconnue"
"""The date of the last sign-in of a box that the trail knows none of."""
PATIENTS: Final = "USAGER"
"""The type of the patients' boxes, which are no BAL."""

BAL: Final = ("adresse", "type", "etat", "creation", "suspension", "fermeture", "liste_rouge", "publiee")
CONNEXIONS: Final = ("adresse", "type", "date")
MESSAGES: Final = (
    "mois",
    "domaine",
    "type",
    "sens",
    "nil",
    "messages",
    "octets",
    "non_distribues",
    *OUTCOMES,
)

_SIGN_INS: Final = (
    select(trail.c.subject, func.max(trail.c.at))
    .where(trail.c.action == "signin.accepted")
    .group_by(trail.c.subject)
)
_PUBLISHED: Final = select(bal_publication.c.owner_id).where(bal_publication.c.state == State.PUBLISHED.value)
_DELIVERED: Final = "message.delivered"
_STATE: Final = "bal.state"


@dataclass(frozen=True, slots=True)
class Month:
    """A month on the clocks of Paris; `start` and `end` are epoch ms, the end not included."""

    number: int
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Month | None:
        """`2025-03`; None for anything else."""
        year, dash, month = text.partition("-")
        if not (dash and text.isascii() and len(text) == 7 and year.isdecimal() and month.isdecimal()):
            return None
        if not (1970 < int(year) < 9999 and 1 <= int(month) <= 12):
            return None
        first = datetime(int(year), int(month), 1, tzinfo=PARIS)
        after = datetime(int(year) + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=PARIS)
        start, end = (to_millis(each.astimezone(UTC)) for each in (first, after))
        return cls(int(year) * 100 + int(month), start, end)

    def __str__(self) -> str:
        return f"{self.number // 100}-{self.number % 100:02d}"


@dataclass(frozen=True, slots=True)
class Indicators:
    """Three tables; each row has the columns of BAL, CONNEXIONS or MESSAGES."""

    bal: list[dict[str, Any]]
    connexions: list[dict[str, Any]]
    messages: list[dict[str, Any]]


# ref: F41
def collect(connection: Connection, month: Month, patient_domain: str) -> Indicators:
    """The figures of one month, from the boxes, the trail and the counts."""
    boxes = list(connection.execute(select(bal).where(bal.c.created_at < month.end).order_by(bal.c.address)))
    published = set(connection.execute(_PUBLISHED).scalars())
    suspended = _last(connection, _STATE, month.end, outcome=BalState.SUSPENDED)
    signed_in = _last_sign_ins(connection, boxes, month.end)
    return Indicators(
        [
            {
                "adresse": box.address,
                "type": box.type,
                "etat": box.state,
                "creation": _day(box.created_at),
                "suspension": _day(suspended.get(f"bal:{box.owner_id}")),
                "fermeture": _day(box.closed_at),
                "liste_rouge": "oui" if box.red_list else "non",
                "publiee": "oui" if box.owner_id in published and not box.red_list else "non",
            }
            for box in boxes
        ],
        [
            {
                "adresse": box.address,
                "type": box.type,
                "date": _day(signed_in.get(f"bal:{box.owner_id}")) or UNKNOWN,
            }
            for box in boxes
        ],
        [*_sent(connection, month), *_received(connection, month, patient_domain)],
    )


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A table as CSV (RFC 4180), in UTF-8, with its header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _last_sign_ins(connection: Connection, boxes: Sequence[Row[Any]], end: int) -> dict[str, int]:
    """When each box was last signed in to, before `end`.

    The box remembers the day of its last one; only where that was later, or none is known, the trail is asked.
    """
    found: dict[str, int] = {}
    others: list[str] = []
    for box in boxes:
        if box.last_sign_in_at is not None and box.last_sign_in_at < end:
            found[f"bal:{box.owner_id}"] = box.last_sign_in_at
        else:
            others.append(f"bal:{box.owner_id}")
    for some in in_chunks(others):
        wanted = _SIGN_INS.where(trail.c.subject.in_(some), trail.c.at < end)
        found |= {row[0]: row[1] for row in connection.execute(wanted)}
    return found


def _last(connection: Connection, action: str, end: int, *, outcome: str | None = None) -> dict[str, int]:
    """When each subject last had this action, before `end`."""
    statement = (
        select(trail.c.subject, func.max(trail.c.at))
        .where(trail.c.action == action, trail.c.at < end)
        .group_by(trail.c.subject)
    )
    if outcome is not None:
        statement = statement.where(trail.c.outcome == outcome)
    return {row[0]: row[1] for row in connection.execute(statement)}


def _sent(connection: Connection, month: Month) -> list[dict[str, Any]]:
    return [
        {
            "mois": str(month),
            "domaine": row["domain"],
            "type": row["type"],
            "sens": "envoi",
            "nil": row["nil"],
            "messages": row["messages"],
            "octets": row["octets"],
            "non_distribues": row["bounced"],
            **{name: row[name] for name in OUTCOMES},
        }
        for row in months(connection, month.number)
    ]


def _received(connection: Connection, month: Month, patient_domain: str) -> list[dict[str, Any]]:
    """Copies put into boxes, from the trail: rows of a version that named no box are counted without a domain."""
    whose = {
        row.owner_id: (row.address.rpartition("@")[2], row.type)
        for row in connection.execute(select(bal.c.owner_id, bal.c.address, bal.c.type))
    }
    statement = (
        select(trail.c.detail)
        .where(
            trail.c.seq >= _first_seq(connection, month.start),
            trail.c.seq < _first_seq(connection, month.end),
            trail.c.action == _DELIVERED,
        )
        .execution_options(yield_per=1000)
    )
    found: dict[tuple[str, str], list[int]] = {}
    for (text,) in connection.execute(statement):
        detail = json.loads(text)
        owner_id = detail.get("owner")
        key = whose.get(owner_id, (patient_domain, PATIENTS)) if owner_id is not None else ("", "")
        counts = found.setdefault(key, [0, 0])
        counts[0] += 1
        counts[1] += detail.get("bytes", 0)
    return [
        {
            "mois": str(month),
            "domaine": domain,
            "type": type_,
            "sens": "reception",
            "nil": "",
            "messages": messages,
            "octets": octets,
            "non_distribues": "",
            **dict.fromkeys(OUTCOMES, ""),
        }
        for (domain, type_), (messages, octets) in sorted(found.items())
    ]


def _first_seq(connection: Connection, at: int) -> int:
    """The first row of the trail written at `at` or later; rows stand in the order of time, so it is found by halves."""
    low, high = 1, (connection.execute(select(func.max(trail.c.seq))).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(select(trail.c.at).where(trail.c.seq == middle)).scalar()
        if found is not None and found < at:
            low = middle + 1
        else:
            high = middle
    return low


def _day(millis: int | None) -> str:
    return to_paris(from_millis(millis)).date().isoformat() if millis is not None else ""
