"""What became of each message, for its sender, and the NIL of who sends.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OUTCOMES = (
    "codecda_set",
    "codecda_absent",
    "codecda_degraded",
    "ins_set",
    "ins_absent",
    "ins_degraded",
    "nil_set",
    "nil_absent",
    "nil_degraded",
    "mes_set",
    "mes_absent",
    "mes_degraded",
)


def upgrade() -> None:
    op.create_table(
        "tracked_message",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=998), nullable=True),
        sa.Column("envid", sa.String(length=100), nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("nil", sa.String(length=40), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("alerted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["vault_owner.id"], name=op.f("fk_tracked_message_owner_id_vault_owner")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracked_message")),
        sqlite_autoincrement=True,
    )
    op.create_index("tracked_message_by_owner", "tracked_message", ["owner_id"])
    op.create_index("tracked_message_by_queue_id", "tracked_message", ["queue_id"])
    op.create_index("tracked_message_by_message_id", "tracked_message", ["message_id"])
    for name, column in (("tracked_message_by_due", "due_at"), ("tracked_message_by_envid", "envid")):
        op.create_index(name, "tracked_message", [column], sqlite_where=sa.text(f"{column} IS NOT NULL"))
    op.create_table(
        "tracked_recipient",
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("box_id", sa.BigInteger(), nullable=True),
        sa.Column("awaits", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("delayed_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("filed_at", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("server", sa.String(length=255), nullable=True),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("reply", sa.String(length=512), nullable=True),
        sa.Column("record_code", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["tracked_message.id"],
            name=op.f("fk_tracked_recipient_message_id_tracked_message"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", "address", name=op.f("pk_tracked_recipient")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sent_month",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=3), nullable=False),
        sa.Column("nil", sa.String(length=40), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("bounced", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _OUTCOMES),
        sa.PrimaryKeyConstraint("month", "domain", "type", "nil", name=op.f("pk_sent_month")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("sent_month", "tracked_recipient", "tracked_message"):
        op.drop_table(table)
