"""What patients were told and said of their records, who stands how towards them, wishes, notices, closing.

Who represents an adult already is their guardian, and a record that is closed or opposed begins its archive.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BIG = sa.BigInteger()
_TABLES = (
    "record_closing",
    "record_guardianship",
    "record_notice",
    "record_preference",
    "record_relation",
    "record_consent",
)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _number(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=nullable)


def _table(name: str, *columns: sa.Column[Any], owners: tuple[str, ...] = ("owner_id",)) -> None:
    op.create_table(
        name,
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        *(sa.Column(owner, _ID, nullable=False) for owner in owners),
        *columns,
        *(
            sa.ForeignKeyConstraint([owner], ["vault_owner.id"], name=op.f(f"fk_{name}_{owner}"))
            for owner in owners
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    _table(
        "record_consent",
        _text("kind", 16),
        _text("value", 8),
        _text("structure_id", 64),
        _text("reason", 500),
        _text("actor", 64),
        _number("at", nullable=False),
    )
    op.create_index("record_consent_by_owner", "record_consent", ["owner_id", "kind"])
    _table(
        "record_relation",
        _text("kind", 16),
        _text("subject_id", 64),
        _text("subject_name", 256),
        _number("since", nullable=False),
        _number("until"),
        _text("declared_by", 64),
        _number("ended_at"),
        _text("ended_by", 64, nullable=True),
    )
    op.create_index("record_relation_by_owner", "record_relation", ["owner_id", "ended_at"])
    op.create_index("record_relation_by_subject", "record_relation", ["subject_id", "ended_at"])
    op.create_table(
        "record_preference",
        sa.Column("owner_id", _ID, nullable=False),
        _text("name", 32),
        _text("value", 320),
        sa.ForeignKeyConstraint(["owner_id"], ["vault_owner.id"], name=op.f("fk_record_preference_owner_id")),
        sa.PrimaryKeyConstraint("owner_id", "name", name=op.f("pk_record_preference")),
        sqlite_with_rowid=False,
    )
    _table(
        "record_notice",
        _text("event", 32),
        _text("addressee", 16),
        _text("addressee_id", 64),
        _number("document_id"),
        _text("caller_id", 64),
        _number("at", nullable=False),
        _text("state", 16),
        _number("settled_at"),
    )
    op.create_index("record_notice_by_owner", "record_notice", ["owner_id", "at"])
    op.create_index("record_notice_by_state", "record_notice", ["state"])
    _table(
        "record_guardianship",
        _text("kind", 16),
        _number("since", nullable=False),
        _number("until"),
        _number("ended_at"),
        _text("ended_by", 64, nullable=True),
        _text("declared_by", 64),
        owners=("owner_id", "representative_owner"),
    )
    op.create_index("record_guardianship_by_owner", "record_guardianship", ["owner_id", "ended_at"])
    _table(
        "record_closing",
        _number("closed_at", nullable=False),
        _text("closed_by", 64),
        _number("purge_at", nullable=False),
        _number("deletion_asked_at"),
        _text("deletion_asked_by", 64, nullable=True),
        _number("reopened_at"),
        _number("purged_at"),
    )
    op.create_index("record_closing_by_owner", "record_closing", ["owner_id"])
    op.create_index("record_closing_by_time", "record_closing", ["purge_at"])
    op.execute(
        "INSERT INTO record_guardianship (owner_id, representative_owner, kind, since, declared_by)"
        " SELECT patient_owner, representative_owner,"
        " CASE WHEN p.birth_date <= date('now', '-18 years') THEN 'tutelle' ELSE 'parental' END,"
        " p.created_at, 'operator' FROM representative r JOIN patient p ON p.owner_id = r.patient_owner"
    )
    op.execute(
        "INSERT INTO record_closing (owner_id, closed_at, closed_by, purge_at)"
        " SELECT owner_id, coalesce(closed_at, created_at), 'operator',"
        " CAST(strftime('%s', coalesce(closed_at, created_at) / 1000, 'unixepoch', '+10 years') AS INTEGER) * 1000"
        " FROM patient WHERE state IN ('closed', 'opposed')"
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
