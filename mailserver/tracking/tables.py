"""What became of each message that a box sent, for its sender: one row a message, one a recipient; and what was sent in a month.

Rows of a message are there for `tracking.days`; a month counts boxes' mail by domain, type and software for good.
"""

from __future__ import annotations

from enum import IntFlag

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from foundation.database import identity, metadata
from foundation.mime.mss_headers import MssHeader, Outcome


class Awaited(IntFlag):
    """What a sender asked for and has not had for one recipient."""

    NOTHING = 0
    DELIVERY = 1
    """A delivery status notification of success (RFC 3461 NOTIFY=SUCCESS)."""
    DISPOSITION = 2
    """A disposition notification (RFC 8098)."""


tracked_message = Table(
    "tracked_message",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),  # of the box in whose name it was sent
    Column("queue_id", String(64), nullable=False),
    Column("message_id", String(998)),  # with its angle brackets
    Column("envid", String(100)),
    Column("subject", String(200), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("checked_at", BigInteger, nullable=False),
    Column("nil", String(40), nullable=False),  # as `sent_month` counts it; "" for a patient's answer
    Column("judged", Integer, nullable=False),  # 1: its X-MSS fields are counted
    Column("due_at", BigInteger),  # until when an answer that was asked for is waited for
    Column("alerted_at", BigInteger),
    Column("sent_by", BigInteger),  # the owner of the box of who sent it, where that is another
    Index("tracked_message_by_owner", "owner_id"),
    Index("tracked_message_by_queue_id", "queue_id"),
    Index("tracked_message_by_message_id", "message_id"),
)
for _name, _column in (
    ("tracked_message_by_due", tracked_message.c.due_at),
    ("tracked_message_by_envid", tracked_message.c.envid),
    ("tracked_message_by_sender", tracked_message.c.sent_by),
):
    # Most messages have none of these: they cost no entry here.
    Index(_name, _column, sqlite_where=_column.is_not(None))

tracked_recipient = Table(
    "tracked_recipient",
    metadata,
    Column("message_id", ForeignKey("tracked_message.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("box_id", BigInteger),  # the owner of a box that is here
    Column("awaits", Integer, nullable=False),
    Column("queued_at", BigInteger),
    Column("delayed_at", BigInteger),
    Column("accepted_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("filed_at", BigInteger),
    Column("read_at", BigInteger),
    Column("refused_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("server", String(255)),  # who took it
    Column("code", String(16)),  # of the table of refusals: why late, or why not
    Column("reply", String(512)),
    Column("record_code", String(16)),  # 900 to 906
    sqlite_with_rowid=False,
)
"""Times are epoch ms, each of the first such event but `delayed_at`, which is of the last."""


def outcome_column(header: MssHeader, outcome: Outcome) -> str:
    """Where `sent_month` counts an outcome of a field."""
    return f"{header.name.lower()}_{outcome.value}"


OUTCOMES = tuple(outcome_column(header, outcome) for header in MssHeader for outcome in Outcome)

sent_month = Table(
    "sent_month",
    metadata,
    Column("month", Integer, primary_key=True, autoincrement=False),  # 202503, in Paris
    Column("domain", String(255), primary_key=True),
    Column("type", String(3), primary_key=True),
    Column("nil", String(40), primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("bounced", BigInteger, nullable=False),  # recipients of these messages
    *(Column(name, BigInteger, nullable=False) for name in OUTCOMES),
    sqlite_with_rowid=False,
)
"""What boxes submitted, and what their X-MSS fields were worth where the attachments were looked at, or were none."""
