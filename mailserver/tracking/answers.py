"""Reports that come back for a tracked message: who may say what of whom, and what is believed.

A box speaks for its own address alone, another operator for the domains its certificate is listed for. So nobody
writes into the history of somebody else's recipient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, or_, select, update

from foundation.identifiers import Address
from mailserver.tracking import journal
from mailserver.tracking.journal import Setback
from mailserver.tracking.reports import What
from mailserver.tracking.tables import Awaited, tracked_message, tracked_recipient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import BindParameter, Update

    from foundation.database import UnitOfWork
    from mailserver.tracking.reports import ArrivedReport, Told

_M = tracked_message.c
_R = tracked_recipient.c
_ITS = or_(_M.owner_id == bindparam("owner"), _M.sent_by == bindparam("owner"))
_BY_MESSAGE_ID = (
    select(_M.id).where(_M.message_id == bindparam("named"), _ITS).order_by(_M.id.desc()).limit(1)
)
_BY_ENVID = select(_M.id).where(_M.envid == bindparam("named"), _ITS).order_by(_M.id.desc()).limit(1)
_RECIPIENTS = select(_R.address, _R.box_id).where(_R.message_id == bindparam("key"))
_OF = update(tracked_recipient).where(_R.message_id == bindparam("key"), _R.address == bindparam("who"))
_AT: BindParameter[int] = bindparam("at")
_ANSWERED = int(Awaited.NOTHING)
_WITHOUT_DELIVERY = _R.awaits.op("&")(int(Awaited.DISPOSITION))
_NOTES: Mapping[What, Update] = MappingProxyType(
    {
        What.DELAYED: _OF.values(delayed_at=_AT, code=None, reply=bindparam("said")),
        What.DELIVERED: _OF.values(
            delivered_at=func.coalesce(_R.delivered_at, _AT), awaits=_WITHOUT_DELIVERY
        ),
        What.RELAYED: _OF.values(awaits=_WITHOUT_DELIVERY),
        What.READ: _OF.values(read_at=func.coalesce(_R.read_at, _AT), awaits=_ANSWERED),
        What.PROCESSED: _OF.values(filed_at=func.coalesce(_R.filed_at, _AT), awaits=_ANSWERED),
        What.REFUSED: _OF.values(
            refused_at=func.coalesce(_R.refused_at, _AT),
            record_code=func.coalesce(_R.record_code, bindparam("named")),
            awaits=_ANSWERED,
        ),
        What.ENDED: _OF.values(awaits=_ANSWERED),
    }
)
"""What each word changes; a failure is counted as well, see `journal.failed_of`."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Who brings a report.

    `authors` are the addresses of its From, which the author check has judged. `domains` are those that another
    operator's certificate is listed for; None where no certificate was asked for.
    """

    authors: frozenset[str] = field(repr=False)
    domains: frozenset[str] | None = None
    is_peer: bool = False

    def may_tell(self, address: str, *, is_here: bool, of_disposition: bool) -> bool:
        """Whether this witness is believed about a recipient. `is_here`: the box is one of this operator's."""
        if not self.is_peer:
            # What becomes of mail in our own queue and boxes we know ourselves.
            return of_disposition and address in self.authors
        domain = address.rpartition("@")[2]
        if is_here or (self.domains is not None and domain not in self.domains):
            return False
        if self.domains is None or of_disposition:
            return any(author.rpartition("@")[2] == domain for author in self.authors)
        return True


def arrived(uow: UnitOfWork, owner_id: int, report: ArrivedReport, witness: Witness, at: int) -> None:
    """A report was delivered to a box: what it may say of a message that this box sent, or its bearer in the name of
    another, is noted.
    """
    key = _find(uow, owner_id, report)
    if key is None:
        return
    rows = {_canonical(row.address): row for row in uow.run(_RECIPIENTS, {"key": key})}
    for told in report.told:
        row = rows.get(_canonical(told.final)) or rows.get(_canonical(told.original))
        if row is None:
            continue
        address = _canonical(row.address)
        if witness.may_tell(address, is_here=row.box_id is not None, of_disposition=report.is_disposition):
            _note(uow, key, row.address, told, at)


def _find(uow: UnitOfWork, owner_id: int, report: ArrivedReport) -> int | None:
    searches = [(_BY_MESSAGE_ID, each) for each in report.message_ids]
    if report.envid:
        searches.append((_BY_ENVID, report.envid))
    for statement, named in searches:
        row = uow.run(statement, {"owner": owner_id, "named": named}).first()
        if row is not None:
            key: int = row.id
            return key
    return None


def _canonical(address: str) -> str:
    return str(Address.parse(address) or address.lower())


def _note(uow: UnitOfWork, key: int, address: str, told: Told, at: int) -> None:
    if told.what is What.FAILED:
        journal.failed_of(uow, key, [Setback(address, None, told.said)], at)
        return
    names = {"key": key, "who": address, "at": at, "said": told.said, "named": told.code}
    uow.run(_NOTES[told.what], names)
