"""Boxes that deposit structured documents in the record, and messages for the hospital's own system.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bal_integration",
        sa.Column("owner_id", _ID, autoincrement=False, nullable=False),
        sa.Column("deposits", sa.Boolean(), nullable=False),
        sa.Column("forwards_to", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["forwards_to"],
            ["bal.owner_id"],
            name=op.f("fk_bal_integration_forwards_to_bal"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["bal.owner_id"], name=op.f("fk_bal_integration_owner_id_bal"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_bal_integration")),
    )
    op.create_table(
        "hl7_message",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("control_id", sa.String(length=20), nullable=False),
        sa.Column("box", sa.String(length=320), nullable=False),
        sa.Column("event", sa.String(length=3), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=3), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("answer_to", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["vault_owner.id"], name=op.f("fk_hl7_message_owner_id_vault_owner")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hl7_message")),
        sa.UniqueConstraint("control_id", name=op.f("uq_hl7_message_control_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("hl7_message_by_box", "hl7_message", ["box", "state", "id"])
    op.create_index("hl7_message_by_mail", "hl7_message", ["owner_id", "mail_id"])


def downgrade() -> None:
    op.drop_table("hl7_message")
    op.drop_table("bal_integration")
