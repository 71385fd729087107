"""Sessions of the portal that say how and from where they were opened, and those that are half open.

Who is signed in at the time of the upgrade signs in again: no session lives longer than 12 hours.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_vault_owner")
    return sa.ForeignKeyConstraint([column], ["vault_owner.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.drop_table("portal_session")
    op.create_table(
        "portal_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("public_id", sa.String(length=16), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("strength", sa.String(length=8), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("pocket", sa.LargeBinary(), nullable=True),
        _of("portal_session", "owner_id"),
        _of("portal_session", "person_id"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_portal_session")),
    )
    op.create_index("portal_session_by_owner", "portal_session", ["owner_id"])
    op.create_index("portal_session_by_person", "portal_session", ["person_id"])
    op.create_index("portal_session_by_age", "portal_session", ["created_at"])
    op.create_table(
        "portal_half_open",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _of("portal_half_open", "owner_id"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_portal_half_open")),
    )
    op.create_index("portal_half_open_by_owner", "portal_half_open", ["owner_id"])
    op.create_index("portal_half_open_by_age", "portal_half_open", ["created_at"])


def downgrade() -> None:
    op.drop_table("portal_half_open")
    op.drop_table("portal_session")
    op.create_table(
        "portal_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        _of("portal_session", "owner_id"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_portal_session")),
    )
    op.create_index("portal_session_by_owner", "portal_session", ["owner_id"])
    op.create_index("portal_session_by_age", "portal_session", ["created_at"])
