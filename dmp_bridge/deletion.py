"""Deletes a document of a record because the one who may has sent it back for that (ANS: action D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier import notices, registry, traces
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.dossier.notices import NoticeEvent

if TYPE_CHECKING:
    from dmp_bridge.dossier.caller import Caller
    from foundation.clock import Clock
    from foundation.database import UnitOfWork


# ref: DMP-F36
def delete(uow: UnitOfWork, caller: Caller, document_id: int, clock: Clock) -> None:
    """Deletes logically what `dmp_bridge.filing` has allowed to be deleted; done twice it changes nothing more."""
    found = registry.document_by_id(uow.connection, document_id)
    if found is None or found.status is Status.DELETED:
        return
    now = clock.millis()
    registry.revise(uow, found, Status.DELETED, found.visibilities, actor=caller.id, at=now)
    traces.append(uow, caller, Change.DELETE, owner_id=found.owner_id, document_id=document_id, clock=clock)
    notices.leave(
        uow,
        found.owner_id,
        NoticeEvent.DOCUMENT_CHANGED,
        now=now,
        document_id=document_id,
        caller=caller,
    )
    uow.publish(f"owner:{found.owner_id}")
