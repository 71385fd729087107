"""Which rights a command needs, in one table (RFC 4314 §4), and which flags they let a person change."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailserver.imap.replies import NO_PERMISSION
from mailserver.store.rights import Right
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailserver.imap.replies import Reply
    from mailserver.store.rights import Place


class Action(StrEnum):
    """What is done with a mailbox."""

    OPEN = "SELECT, EXAMINE"
    COUNT = "STATUS"
    CREATE = "CREATE below it"
    DELETE = "DELETE"
    RENAME = "RENAME it"
    RENAME_BELOW = "RENAME to below it"
    SUBSCRIBE = "SUBSCRIBE"
    ADD = "APPEND, COPY or MOVE into it"
    TAKE_AWAY = "MOVE or REPLACE out of it"
    EXPUNGE = "EXPUNGE, CLOSE"
    SEE_ACCESS = "GETACL, LISTRIGHTS"
    CHANGE_ACCESS = "SETACL, DELETEACL"
    SEE_QUOTA = "GETQUOTAROOT"
    NOTE_FOR_ALL = "SETMETADATA of /shared"


NEEDED: Mapping[Action, frozenset[Right]] = MappingProxyType(
    {
        Action.OPEN: frozenset({Right.READ}),
        Action.COUNT: frozenset({Right.READ}),
        Action.CREATE: frozenset({Right.CREATE}),
        Action.DELETE: frozenset({Right.DELETE_MAILBOX}),
        Action.RENAME: frozenset({Right.DELETE_MAILBOX}),
        Action.RENAME_BELOW: frozenset({Right.CREATE}),
        Action.SUBSCRIBE: frozenset({Right.LOOKUP}),
        Action.ADD: frozenset({Right.INSERT}),
        Action.TAKE_AWAY: frozenset({Right.DELETE_MESSAGES, Right.EXPUNGE}),
        Action.EXPUNGE: frozenset({Right.EXPUNGE}),
        Action.SEE_ACCESS: frozenset({Right.ADMINISTER}),
        Action.CHANGE_ACCESS: frozenset({Right.ADMINISTER}),
        Action.SEE_QUOTA: frozenset({Right.READ}),
        Action.NOTE_FOR_ALL: frozenset({Right.WRITE}),
    }
)
"""LIST and LSUB show what has `l`; what has not does not exist for the person (`Session.locate`)."""

_FLAGS: Mapping[Right, int] = MappingProxyType(
    {
        Right.SEEN: int(Flag.SEEN),
        Right.DELETE_MESSAGES: int(Flag.DELETED),
        Right.WRITE: int(Flag.ANSWERED | Flag.FLAGGED | Flag.DRAFT),
    }
)
"""The rights that each flag needs; keywords go with `w`."""


def require(place: Place, action: Action) -> Reply | None:
    """The refusal where the rights do not suffice; None where they do."""
    return None if place.rights >= NEEDED[action] else NO_PERMISSION


def changeable_flags(place: Place) -> int:
    """The system flags a person may set and take away here, as bits."""
    return sum(bits for right, bits in _FLAGS.items() if right in place.rights)


def may_change_keywords(place: Place) -> bool:
    """Whether a person may set and take away keywords here."""
    return Right.WRITE in place.rights
