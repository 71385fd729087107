"""Absences of the bearers of boxes.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owner(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_owner_id_vault_owner")
    return sa.ForeignKeyConstraint(["owner_id"], ["vault_owner.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "absence",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        _owner("absence"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_absence")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "absence_told",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("sender", sa.LargeBinary(length=32), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        _owner("absence_told"),
        sa.PrimaryKeyConstraint("owner_id", "sender", name=op.f("pk_absence_told")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("absence_told", "absence"):
        op.drop_table(table)
