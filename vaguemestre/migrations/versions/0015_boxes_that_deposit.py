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


def downgrade() -> None:
    op.drop_table("bal_integration")
