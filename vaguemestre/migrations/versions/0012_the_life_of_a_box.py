"""The life of a box, what it shows, what the national directory was told of it; correspondents; operators.

The last sign-in of each box is taken from the trail. Boxes of an earlier version are published when the operator
says so: `vaguemestre directory publish --all`.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of(table: str, column: str, target: str, key: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.{key}"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("bal", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("bal", sa.Column("changed_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("bal", sa.Column("reason", sa.String(length=200), nullable=True))
    for name in ("last_sign_in_at", "kept_at", "warned_at"):
        op.add_column("bal", sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE bal SET changed_at = coalesce((SELECT max(at) FROM trail"
        " WHERE subject = 'bal:' || bal.owner_id AND action = 'bal.state'), created_at),"
        " last_sign_in_at = (SELECT max(at) FROM trail"
        " WHERE subject = 'bal:' || bal.owner_id AND action = 'signin.accepted')"
    )
    op.create_table(
        "bal_listing",
        sa.Column("owner_id", _ID, autoincrement=False, nullable=False),
        sa.Column("structure", sa.String(length=64), nullable=True),
        sa.Column("service", sa.String(length=255), nullable=True),
        sa.Column("description", sa.String(length=255), nullable=True),
        sa.Column("responsible", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("accepts_xdm", sa.Boolean(), nullable=False),
        sa.Column("largest_bytes", sa.BigInteger(), nullable=True),
        sa.Column("patient_may_answer", sa.Boolean(), nullable=False),
        _of("bal_listing", "owner_id", "bal", "owner_id"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_bal_listing")),
    )
    op.create_table(
        "bal_publication",
        sa.Column("owner_id", _ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("published", sa.Text(), nullable=True),
        sa.Column("unsure", sa.Text(), nullable=False),
        _of("bal_publication", "owner_id", "bal", "owner_id"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_bal_publication")),
    )
    op.create_index("bal_publication_by_state", "bal_publication", ["state"])
    op.create_table(
        "favourite_correspondent",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        _of("favourite_correspondent", "owner_id", "vault_owner", "id"),
        sa.PrimaryKeyConstraint("owner_id", "address", name=op.f("pk_favourite_correspondent")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operator_account",
        sa.Column("owner_id", _ID, autoincrement=False, nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        _of("operator_account", "owner_id", "vault_owner", "id"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_operator_account")),
        sa.UniqueConstraint("username", name=op.f("uq_operator_account_username")),
    )


def downgrade() -> None:
    for table in ("operator_account", "favourite_correspondent", "bal_publication", "bal_listing"):
        op.drop_table(table)
    with op.batch_alter_table("bal") as batch_op:
        for name in ("warned_at", "kept_at", "last_sign_in_at", "reason", "changed_at", "version"):
            batch_op.drop_column(name)
