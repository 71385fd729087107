"""Who handed in a message in the name of another box.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tracked_message", sa.Column("sent_by", sa.BigInteger(), nullable=True))
    op.create_index(
        "tracked_message_by_sender",
        "tracked_message",
        ["sent_by"],
        sqlite_where=sa.text("sent_by IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("tracked_message_by_sender", "tracked_message")
    op.drop_column("tracked_message", "sent_by")
