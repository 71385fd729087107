"""The assertions that software showed to the XDS interface, so that none is shown again by somebody else.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vihf_shown",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_vihf_shown")),
    )
    op.create_index("vihf_shown_by_expiry", "vihf_shown", ["expires_at"])


def downgrade() -> None:
    op.drop_table("vihf_shown")
