"""Submission sets that refer to documents which were there before them.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "submission_reference",
        sa.Column("submission_id", _ID, nullable=False),
        sa.Column("document_id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{target}.id"], name=op.f(f"fk_submission_reference_{column}_{target}")
            )
            for column, target in (
                ("submission_id", "submission_set"),
                ("document_id", "document"),
                ("owner_id", "vault_owner"),
            )
        ),
        sa.PrimaryKeyConstraint("submission_id", "document_id", name=op.f("pk_submission_reference")),
    )
    op.create_index("submission_reference_by_document", "submission_reference", ["document_id"])
    op.create_index("submission_reference_by_record", "submission_reference", ["owner_id"])


def downgrade() -> None:
    op.drop_table("submission_reference")
