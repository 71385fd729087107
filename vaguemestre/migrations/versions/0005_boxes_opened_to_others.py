"""Boxes that others open: delegations, access lists, \\Seen of each person, quotas and annotations.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "delegation",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("rights", sa.String(length=16), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        _of("delegation", "owner_id", "vault_owner"),
        _of("delegation", "member_id", "vault_owner"),
        sa.PrimaryKeyConstraint("owner_id", "member_id", name=op.f("pk_delegation")),
        sqlite_with_rowid=False,
    )
    op.create_index("delegation_by_member", "delegation", ["member_id"])
    op.create_table(
        "folder_access",
        sa.Column("folder_id", _ID, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("rights", sa.String(length=16), nullable=False),
        _of("folder_access", "folder_id", "folder"),
        _of("folder_access", "member_id", "vault_owner"),
        sa.PrimaryKeyConstraint("folder_id", "member_id", name=op.f("pk_folder_access")),
        sqlite_with_rowid=False,
    )
    op.create_index("folder_access_by_member", "folder_access", ["member_id"])
    op.create_table(
        "personal_seen",
        sa.Column("owner_id", _ID, nullable=False),
        _of("personal_seen", "owner_id", "vault_owner"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_personal_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "seen",
        sa.Column("folder_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id", "uid"],
            ["message.folder_id", "message.uid"],
            name=op.f("fk_seen_folder_id_uid_message"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        _of("seen", "person_id", "vault_owner"),
        sa.PrimaryKeyConstraint("folder_id", "uid", "person_id", name=op.f("pk_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "box_quota",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("octet_limit", sa.BigInteger(), nullable=True),
        sa.Column("message_limit", sa.BigInteger(), nullable=True),
        _of("box_quota", "owner_id", "vault_owner"),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_box_quota")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO box_quota (owner_id, octets, messages)"
        " SELECT folder.owner_id, coalesce(sum(message.size), 0), count(message.uid)"
        " FROM folder LEFT JOIN message ON message.folder_id = folder.id GROUP BY folder.owner_id"
    )
    op.create_table(
        "folder_annotation",
        sa.Column("folder_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("entry", sa.String(length=255), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        _of("folder_annotation", "folder_id", "folder"),
        _of("folder_annotation", "person_id", "vault_owner"),
        sa.PrimaryKeyConstraint("folder_id", "person_id", "entry", name=op.f("pk_folder_annotation")),
        sqlite_with_rowid=False,
    )
    op.create_index("folder_annotation_by_person", "folder_annotation", ["person_id"])
    op.create_table(
        "server_annotation",
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("entry", sa.String(length=255), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        _of("server_annotation", "person_id", "vault_owner"),
        sa.PrimaryKeyConstraint("person_id", "entry", name=op.f("pk_server_annotation")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in (
        "server_annotation",
        "folder_annotation",
        "box_quota",
        "seen",
        "personal_seen",
        "folder_access",
        "delegation",
    ):
        op.drop_table(table)
