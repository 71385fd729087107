"""How professionals sign in: application passwords, second factors, SCRAM, certificates.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owner(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_owner_id_vault_owner")
    return sa.ForeignKeyConstraint(["owner_id"], ["vault_owner.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "application_password",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("last_peer", sa.String(length=64), nullable=True),
        _owner("application_password"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_password")),
        sa.UniqueConstraint("digest", name=op.f("uq_application_password_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index("application_password_by_owner", "application_password", ["owner_id"])
    op.create_table(
        "second_factor",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        _owner("second_factor"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_second_factor")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "second_factor_offer",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        _owner("second_factor_offer"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_second_factor_offer")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recovery_code",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        _owner("recovery_code"),
        sa.PrimaryKeyConstraint("owner_id", "digest", name=op.f("pk_recovery_code")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scram_verifier",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("iterations", sa.Integer(), nullable=False),
        sa.Column("stored_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("server_key", sa.LargeBinary(length=32), nullable=False),
        _owner("scram_verifier"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_scram_verifier")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bal_certificate",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("dn", sa.String(length=2048), nullable=False),
        sa.Column("name_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _owner("bal_certificate"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bal_certificate")),
        sa.UniqueConstraint("name_key", "owner_id", name=op.f("uq_bal_certificate_name_key_owner_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("bal_certificate_by_owner", "bal_certificate", ["owner_id"])
    op.create_table(
        "signin_place",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_signin_place")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_signin_place_last_at"), "signin_place", ["last_at"])
    op.add_column("signin_failure", sa.Column("account", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_signin_failure_account"), "signin_failure", ["account"])
    op.drop_table("portal_attempt")


def downgrade() -> None:
    op.create_table(
        "portal_attempt",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_portal_attempt")),
    )
    op.create_index("portal_attempt_by_age", "portal_attempt", ["since_at"])
    op.drop_index(op.f("ix_signin_failure_account"), "signin_failure")
    op.drop_column("signin_failure", "account")
    for table in (
        "signin_place",
        "bal_certificate",
        "scram_verifier",
        "recovery_code",
        "second_factor_offer",
        "second_factor",
        "application_password",
    ):
        op.drop_table(table)
