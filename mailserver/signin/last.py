"""When boxes were last signed in to, by their bearers and by whom they are open to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from directory.bals import BalState, bal
from mailserver.store.acl import delegation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_MEMBER = bal.alias("member")
_OWN = select(bal.c.owner_id, bal.c.last_sign_in_at).where(bal.c.last_sign_in_at.is_not(None))
_BY_DELEGATES = (
    select(delegation.c.owner_id, func.max(_MEMBER.c.last_sign_in_at).label("last_sign_in_at"))
    .join(_MEMBER, _MEMBER.c.owner_id == delegation.c.member_id)
    .where(_MEMBER.c.state == BalState.ACTIVE.value, _MEMBER.c.last_sign_in_at.is_not(None))
    .group_by(delegation.c.owner_id)
)


def used_at(connection: Connection, owner_ids: Sequence[int] | None = None) -> dict[int, int]:
    """The last sign-in of every box that had one, or of some (a page of them); epoch ms, of the first one on that day.

    A structure's box is used by those it is open to, who sign in to their own.
    """
    own, delegates = _OWN, _BY_DELEGATES
    if owner_ids is not None:
        own = own.where(bal.c.owner_id.in_(owner_ids))
        delegates = delegates.where(delegation.c.owner_id.in_(owner_ids))
    found: dict[int, int] = {row.owner_id: row.last_sign_in_at for row in connection.execute(own)}
    for row in connection.execute(delegates):
        found[row.owner_id] = max(found.get(row.owner_id, 0), row.last_sign_in_at)
    return found
