"""Counts what boxes send: by month, domain, type of box and software, with what its X-MSS fields were worth.

# ref: ECO.2.4.3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from foundation.clock import from_millis, to_paris
from mailserver.tracking.tables import OUTCOMES, outcome_column, sent_month

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from foundation.mime.mss_headers import MssHeader, MssHeaders, Outcome

MAX_NILS: Final = 10_000
"""Values of X-MSS-NIL counted apart in one month; whoever writes a new one each time fills no table."""
OTHERS: Final = "(autres)"
ABSENT: Final = "(aucun)"
MALFORMED: Final = "(invalide)"
_ALWAYS: Final = frozenset({OTHERS, ABSENT, MALFORMED})

_M = sent_month.c
_COUNTED: Final = ("messages", "octets", "bounced", *OUTCOMES)
_NOTHING: Final[Mapping[str, int]] = dict.fromkeys(_COUNTED, 0)
_ADD = (
    update(sent_month)
    .where(
        _M.month == bindparam("of_month"),
        _M.domain == bindparam("of_domain"),
        _M.type == bindparam("of_type"),
        _M.nil == bindparam("of_nil"),
    )
    .values({name: _M[name] + bindparam(name) for name in _COUNTED})
)
_BEGIN = insert(sent_month)
_NILS = select(func.count(_M.nil.distinct()).label("found")).where(_M.month == bindparam("of_month"))
_KNOWN = select(_M.nil).where(_M.month == bindparam("of_month"), _M.nil == bindparam("of_nil")).limit(1)


# ref: ECO.2.4.3
def nil_of(headers: MssHeaders) -> str:
    """How a message's software is counted."""
    if headers.nil is None:
        return ABSENT
    return headers.product or MALFORMED


def month_of(at: int) -> int:
    """The month on the clocks of Paris, as 202503. `at` is epoch ms."""
    there = to_paris(from_millis(at))
    return there.year * 100 + there.month


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of a box of this domain and type. `bounced`: the recipients who are not reached, as known at once.

    `at` is epoch ms; `outcomes` is None where the attachments are not judged yet.
    """

    at: int
    domain: str
    type: str
    nil: str
    octets: int
    bounced: int
    outcomes: Mapping[MssHeader, Outcome] | None


# ref: F24
def count_sent(uow: UnitOfWork, sent: Sent) -> str:
    """Counts one message; gives the NIL it was counted under."""
    month, domain, type, nil = month_of(sent.at), sent.domain, sent.type, sent.nil
    counts = {**_NOTHING, "messages": 1, "octets": sent.octets, "bounced": sent.bounced}
    if sent.outcomes is not None:
        counts |= _columns(sent.outcomes)
    if _add(uow, (month, domain, type, nil), counts):
        return nil
    if nil not in _ALWAYS and not _has_room(uow, month, nil):
        nil = OTHERS
        if _add(uow, (month, domain, type, nil), counts):
            return nil
    uow.run(_BEGIN, {"month": month, "domain": domain, "type": type, "nil": nil, **counts})
    return nil


def count_bounced(uow: UnitOfWork, at: int, domain: str, type: str, nil: str, recipients: int) -> None:
    """Counts recipients whom a message of that month did not reach."""
    _add(uow, (month_of(at), domain, type, nil), {**_NOTHING, "bounced": recipients})


def count_outcomes(
    uow: UnitOfWork, at: int, domain: str, type: str, nil: str, outcomes: Mapping[MssHeader, Outcome]
) -> None:
    """Counts what the fields of a message were worth, once its attachments were looked at."""
    _add(uow, (month_of(at), domain, type, nil), {**_NOTHING, **_columns(outcomes)})


def months(connection: Connection, month: int) -> list[dict[str, Any]]:
    """Every row of one month, by domain, type and NIL."""
    statement = select(sent_month).where(_M.month == month).order_by(_M.domain, _M.type, _M.nil)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _columns(outcomes: Mapping[MssHeader, Outcome]) -> dict[str, int]:
    return {outcome_column(header, outcome): 1 for header, outcome in outcomes.items()}


def _add(uow: UnitOfWork, key: tuple[int, str, str, str], counts: Mapping[str, int]) -> bool:
    names = dict(zip(("of_month", "of_domain", "of_type", "of_nil"), key, strict=True))
    return bool(uow.run(_ADD, {**names, **counts}).rowcount)


def _has_room(uow: UnitOfWork, month: int, nil: str) -> bool:
    if uow.run(_KNOWN, {"of_month": month, "of_nil": nil}).first() is not None:
        return True
    found = uow.run(_NILS, {"of_month": month}).first()
    return found is None or found.found < MAX_NILS
