"""The national extracts live in files of their own; here stays what this operator publishes and hides itself.

The extracts have to be imported again after the upgrade. A box on the red list, suspended or closed is hidden
from the first moment on.

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

_TEXTS = (
    ("idnat", 64),
    ("person_id_type", 2),
    ("person_id", 64),
    ("civility", 20),
    ("last_name", 100),
    ("first_name", 100),
    ("category_code", 10),
    ("category", 100),
    ("profession_code", 10),
    ("profession", 150),
    ("skill_code", 20),
    ("skill", 200),
    ("structure_id_type", 2),
    ("structure_id", 64),
    ("structure", 255),
    ("structure_sign", 255),
    ("service", 255),
    ("location", 255),
    ("distribution", 255),
    ("street_number", 20),
    ("street_repeat", 20),
    ("street_type", 50),
    ("street_name", 255),
    ("locality", 255),
    ("routing", 255),
    ("postal_code", 10),
    ("department", 10),
    ("country", 10),
)


def upgrade() -> None:
    op.create_table(
        "published_mailbox",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("type", sa.String(length=3), nullable=False),
        sa.Column("digital", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.String(length=length), nullable=True) for name, length in _TEXTS),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=True),
        sa.Column("responsible", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_published_mailbox")),
    )
    op.create_index("published_mailbox_by_version", "published_mailbox", ["version"])
    op.create_index("published_mailbox_by_idnat", "published_mailbox", ["idnat"])
    op.create_index("published_mailbox_by_structure", "published_mailbox", ["structure_id"])
    op.execute(
        "INSERT INTO published_mailbox (address, type, digital, idnat, updated_at, standing, version)"
        " SELECT address, type, 0, idnat, created_at,"
        " CASE WHEN state = 'closed' THEN 'removed' WHEN state = 'suspended' THEN 'suspended' ELSE 'red_list' END,"
        " row_number() OVER (ORDER BY address)"
        " FROM bal WHERE red_list OR state <> 'active'"
    )


def downgrade() -> None:
    op.drop_table("published_mailbox")
