"""other operators"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbound_domain",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("reply", sa.String(length=512), nullable=True),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_outbound_domain")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbound_message",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("ret", sa.String(length=4), nullable=True),
        sa.Column("envid", sa.String(length=100), nullable=True),
        sa.Column("utf8", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_message")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbound_message", schema=None) as batch_op:
        batch_op.create_index("outbound_message_by_queue_id", ["queue_id"], unique=False)

    op.create_table(
        "outbound_delivery",
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("reply", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["outbound_message.id"], name=op.f("fk_outbound_delivery_message_id")
        ),
        sa.PrimaryKeyConstraint("message_id", "domain", name=op.f("pk_outbound_delivery")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("outbound_delivery", schema=None) as batch_op:
        batch_op.create_index("outbound_delivery_by_age", ["stage", "arrived_at"], unique=False)
        batch_op.create_index("outbound_delivery_due", ["claimed_by", "domain", "next_at"], unique=False)

    op.create_table(
        "outbound_owner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["vault_owner.id"], name=op.f("fk_outbound_owner_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_owner")),
    )
    op.create_table(
        "outbound_recipient",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("notify", sa.String(length=32), nullable=False),
        sa.Column("orcpt", sa.String(length=500), nullable=True),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("reply", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id", "domain"],
            ["outbound_delivery.message_id", "outbound_delivery.domain"],
            name=op.f("fk_outbound_recipient_message_id_domain"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", "domain", "address", name=op.f("pk_outbound_recipient")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reading_receipt",
        sa.Column("mail_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mail.id"], name=op.f("fk_reading_receipt_mail_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_reading_receipt")),
    )
