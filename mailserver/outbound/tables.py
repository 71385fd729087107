"""The tables of the queue between operators: messages, their destinations, who is still waiting there.

Everything of one message starts its keys with the message, so that the tables can be partitioned together. A row is
there as long as there is work: what was sent or returned is gone, and its trace is in the trail.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
)

from foundation.database import identity, metadata


class Stage(IntEnum):
    """How far the wait of a message for one destination has gone."""

    WAITING = 0
    WARNED = 1
    """Its sender was told of the delay, or did not want to know."""
    DROPPED = 2
    """The operator took it out; its sender is still to be told."""


outbound_message = Table(
    "outbound_message",
    metadata,
    identity("id"),
    Column("queue_id", String(64), nullable=False),
    Column("sender", String(320), nullable=False),  # "" for the null reverse-path
    Column("blob_id", BigInteger, nullable=False),  # granted to the owner of the queue
    Column("size", BigInteger, nullable=False),
    Column("arrived_at", BigInteger, nullable=False),
    Column("ret", String(4)),
    Column("envid", String(100)),
    Column("utf8", Integer, nullable=False),
    Column("origin", String(8), nullable=False),
    Index("outbound_message_by_queue_id", "queue_id"),
)
"""One message, whatever the number of its destinations; its body lies in the vault."""

outbound_delivery = Table(
    "outbound_delivery",
    metadata,
    Column("message_id", ForeignKey("outbound_message.id"), primary_key=True),
    Column("domain", String(255), primary_key=True),
    Column("arrived_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("claimed_by", String(64)),  # None: waiting
    Column("code", String(16)),  # the last cause, of the table of refusals
    Column("reply", String(512)),  # what the peer said, made harmless
    Index("outbound_delivery_due", "claimed_by", "domain", "next_at"),
    Index("outbound_delivery_by_age", "stage", "arrived_at"),
    sqlite_with_rowid=False,
)
"""A message on its way to one domain. It expires by its age and the settings of the day."""

outbound_recipient = Table(
    "outbound_recipient",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("domain", String(255), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("notify", String(32), nullable=False),  # RFC 3461 §4.1, separated by commas; "": nothing was asked
    Column("orcpt", String(500)),
    Column("code", String(16)),  # why this one alone was put off
    Column("reply", String(512)),
    ForeignKeyConstraint(
        ["message_id", "domain"],
        ["outbound_delivery.message_id", "outbound_delivery.domain"],
        ondelete="CASCADE",
    ),
    sqlite_with_rowid=False,
)
"""Who is still to be reached."""

outbound_domain = Table(
    "outbound_domain",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row, of the connection
    Column("next_at", BigInteger, nullable=False),
    Column("code", String(16)),
    Column("reply", String(512)),
    sqlite_with_rowid=False,
)
"""A destination, and until when nobody knocks there: one row puts off all that waits for a dead host."""

outbound_owner = Table(
    "outbound_owner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
)
"""One row: the owner under whose key the bodies of the queue lie."""
