"""What a box holds and may hold (RFC 9208): counted in the transactions that add and remove messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sqlalchemy import BigInteger, Column, ForeignKey, Table, bindparam, insert, select, update

from foundation.database import metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from foundation.settings import QuotaSettings

box_quota = Table(
    "box_quota",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("octets", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("octet_limit", BigInteger),
    Column("message_limit", BigInteger),
    sqlite_with_rowid=False,
)
"""One row for each box. A mail counts in every folder it lies in; a limit is NULL where the settings say it, 0: none."""

_INSERT = insert(box_quota)
_OF = box_quota.c.owner_id == bindparam("owner")
_COUNT = (
    update(box_quota)
    .where(_OF)
    .values(
        octets=box_quota.c.octets + bindparam("more_octets"),
        messages=box_quota.c.messages + bindparam("more_messages"),
    )
)
_READ = select(
    box_quota.c.octets, box_quota.c.messages, box_quota.c.octet_limit, box_quota.c.message_limit
).where(_OF)
_LIMIT = (
    update(box_quota)
    .where(_OF)
    .values(octet_limit=bindparam("octets_"), message_limit=bindparam("messages_"))
)


class OverQuota(Exception):
    """A box would hold more than it may; raised inside the transaction, which it undoes."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """What a box may hold, in octets and messages; 0: no limit."""

    octets: int = 0
    messages: int = 0

    @classmethod
    def of(cls, settings: QuotaSettings) -> Self:
        """The limits of boxes that have none of their own."""
        return cls(settings.storage_bytes, settings.messages)


NO_LIMITS = QuotaLimits()


# ref: F47
@dataclass(frozen=True, slots=True)
class Quota:
    """What a box holds, and what it may."""

    octets: int
    messages: int
    limits: QuotaLimits
    own: tuple[int | None, int | None] = (None, None)
    """The limits that were given to this box, None where the settings say them."""

    @classmethod
    def of(
        cls,
        octets: int | None,
        messages: int | None,
        octet_limit: int | None,
        message_limit: int | None,
        defaults: QuotaLimits,
    ) -> Self:
        """The quota of a row of `box_quota`, or of none."""
        limits = QuotaLimits(
            defaults.octets if octet_limit is None else octet_limit,
            defaults.messages if message_limit is None else message_limit,
        )
        return cls(octets or 0, messages or 0, limits, (octet_limit, message_limit))

    @property
    def is_full(self) -> bool:
        """Nothing more is delivered: a limit is reached."""
        limits = self.limits
        return bool(
            (limits.octets and self.octets >= limits.octets)
            or (limits.messages and self.messages >= limits.messages)
        )

    @property
    def is_exceeded(self) -> bool:
        """The box holds more than a limit."""
        limits = self.limits
        return bool(
            (limits.octets and self.octets > limits.octets)
            or (limits.messages and self.messages > limits.messages)
        )


def open_quota(uow: UnitOfWork, owner_id: int) -> None:
    """Begins to count for a new box."""
    uow.run(
        _INSERT,
        {"owner_id": owner_id, "octets": 0, "messages": 0, "octet_limit": None, "message_limit": None},
    )


def count(uow: UnitOfWork, owner_id: int, octets: int, messages: int) -> None:
    """Notes that so much came into a box, or left it where negative."""
    uow.run(_COUNT, {"owner": owner_id, "more_octets": octets, "more_messages": messages})


def quota_of(connection: Connection, owner_id: int, defaults: QuotaLimits = NO_LIMITS) -> Quota:
    """The quota of a box; `defaults` are the limits of the settings."""
    row = run(connection, _READ, {"owner": owner_id}).first()
    return (
        Quota(0, 0, defaults)
        if row is None
        else Quota.of(row.octets, row.messages, row.octet_limit, row.message_limit, defaults)
    )


def enforce(uow: UnitOfWork, owner_id: int, defaults: QuotaLimits) -> None:
    """Raises OverQuota when the box now holds more than it may: nothing of the unit stays."""
    if quota_of(uow.connection, owner_id, defaults).is_exceeded:
        raise OverQuota


def set_limits(uow: UnitOfWork, owner_id: int, octets: int | None, messages: int | None) -> None:
    """Gives a box limits of its own: None as in the settings, 0 for none."""
    uow.run(_LIMIT, {"owner": owner_id, "octets_": octets, "messages_": messages})
