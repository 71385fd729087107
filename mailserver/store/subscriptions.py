"""Which mailboxes a person wants to see: names, whether or not a folder bears them (RFC 9051 §6.3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, String, Table, bindparam, delete, insert, select

from foundation.database import metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

MAX_SUBSCRIPTIONS = 5000
MAX_NAME = 600
"""A name of another box has its address in front."""

subscription = Table(
    "subscription",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(MAX_NAME), primary_key=True),
    sqlite_with_rowid=False,
)
"""Mailbox names as their reader calls them; deleting a folder leaves its subscription (RFC 9051 §6.3.5)."""

_NAMES = select(subscription.c.name).where(subscription.c.owner_id == bindparam("owner"))
_INSERT = insert(subscription)
_DELETE = delete(subscription).where(
    subscription.c.owner_id == bindparam("owner"), subscription.c.name == bindparam("name_")
)


def subscribed_names(connection: Connection, owner_id: int) -> frozenset[str]:
    """Every name the owner subscribed to."""
    return frozenset(row[0] for row in run(connection, _NAMES, {"owner": owner_id}))


def subscribe(uow: UnitOfWork, owner_id: int, names: Iterable[str]) -> bool:
    """Adds names, also of folders that do not exist; False, and nothing done, where there are too many."""
    known = subscribed_names(uow.connection, owner_id)
    new = [name for name in names if name not in known]
    if len(known) + len(new) > MAX_SUBSCRIPTIONS:
        return False
    uow.run_each(_INSERT, [{"owner_id": owner_id, "name": name} for name in new])
    uow.publish(f"owner:{owner_id}")
    return True


def unsubscribe(uow: UnitOfWork, owner_id: int, name: str) -> None:
    """Takes a name away; one that was not there is as good."""
    uow.run(_DELETE, {"owner": owner_id, "name_": name})
    uow.publish(f"owner:{owner_id}")
