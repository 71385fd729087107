"""The life of a document: identities, versions of the metadata, submissions, associations and who did what.

Documents of an earlier version are given identities, and a first version of their metadata.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UUID = (
    "'urn:uuid:' || lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)"
    " || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
)
_TEXTS = {
    "logical_id": 64,
    "entry_uuid": 64,
    "mime_type": 100,
    "facility_code": 64,
    "setting_code": 64,
    "depositor_id": 64,
    "depositor_structure": 64,
}
_TIMES = ("submission_id", "invisible_since", "announced_at", "revealed_at")
_INDEXES = {
    "document_by_act": [
        *("owner_id", "status", "act_at", "id", "type_code", "origin"),
        *("masked_to_professionals", "invisible_to_patient", "invisible_to_representatives"),
        *("author_id", "institution_id", "depositor_id", "depositor_structure"),
    ],
    "document_by_unique_id": ["unique_id"],
    "document_by_logical_id": ["logical_id"],
    "document_by_submission": ["submission_id"],
}


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["owner_id"], ["vault_owner.id"], name=op.f(f"fk_{table}_owner_id_vault_owner")
    )


def _document(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["document_id"], ["document.id"], name=op.f(f"fk_{table}_document_id_document")
    )


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def upgrade() -> None:
    for name, length in _TEXTS.items():
        op.add_column("document", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    op.add_column("document", sa.Column("entry", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("document", sa.Column("metadata_version", sa.Integer(), nullable=False, server_default="1"))
    for name in ("act_at", "changed_at"):
        op.add_column("document", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in _TIMES:
        op.add_column("document", sa.Column(name, sa.BigInteger(), nullable=True))
    names = (
        "origin",
        "media_type",
        "owner_id",
        "invisible_to_patient",
        "service_start_at",
        "creation_at",
        "filed_at",
    )
    document = sa.table("document", *map(sa.column, (*names, *_TEXTS, *_TIMES, "act_at", "changed_at")))
    of_patient = document.c.origin == "patient"
    op.execute(
        sa.update(document).values(
            logical_id=sa.text(_UUID),
            entry_uuid=sa.text(_UUID),
            mime_type=sa.case((of_patient, document.c.media_type), else_="text/xml"),
            depositor_id=sa.case((of_patient, sa.literal("patient:").concat(document.c.owner_id)), else_=""),
            invisible_since=sa.case((document.c.invisible_to_patient == 1, document.c.filed_at)),
            act_at=sa.func.coalesce(document.c.service_start_at, document.c.creation_at, 0),
            changed_at=document.c.filed_at,
        )
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "document", columns)
    op.create_index("document_by_entry_uuid", "document", ["entry_uuid"], unique=True)
    op.create_table(
        "submission_set",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        _text("unique_id", 256),
        _text("entry_uuid", 64),
        _text("source_id", 256),
        _text("title", 256),
        _text("content_type", 64),
        _text("depositor_id", 64),
        _text("depositor_name", 256),
        _text("depositor_structure", 64),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        _owner("submission_set"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission_set")),
        sa.UniqueConstraint("owner_id", "unique_id", name=op.f("uq_submission_set_owner_id_unique_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("submission_set_by_entry_uuid", "submission_set", ["entry_uuid"], unique=True)
    op.create_index("submission_set_by_time", "submission_set", ["owner_id", "submitted_at", "id"])
    op.create_table(
        "association",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        _text("entry_uuid", 64),
        _text("kind", 16),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        _text("target", 256),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        _owner("association"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_association")),
        sa.UniqueConstraint("source_id", "kind", "target", name=op.f("uq_association_source_id_kind_target")),
        sqlite_autoincrement=True,
    )
    op.create_index("association_by_target", "association", ["owner_id", "target"])
    op.create_index("association_by_target_id", "association", ["target_id"])
    op.create_index("association_by_entry_uuid", "association", ["entry_uuid"], unique=True)
    op.create_table(
        "document_revision",
        sa.Column("document_id", _ID, autoincrement=False, nullable=False),
        sa.Column("metadata_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        _text("entry_uuid", 64),
        _text("status", 16),
        sa.Column("masked_to_professionals", sa.Boolean(), nullable=False),
        sa.Column("invisible_to_patient", sa.Boolean(), nullable=False),
        sa.Column("invisible_to_representatives", sa.Boolean(), nullable=False),
        _text("actor", 64),
        sa.Column("at", sa.BigInteger(), nullable=False),
        _document("document_revision"),
        _owner("document_revision"),
        sa.PrimaryKeyConstraint("document_id", "metadata_version", name=op.f("pk_document_revision")),
    )
    op.create_index("document_revision_by_entry_uuid", "document_revision", ["entry_uuid"])
    op.execute(
        "INSERT INTO document_revision SELECT id, 1, owner_id, entry_uuid, status, masked_to_professionals,"
        " invisible_to_patient, invisible_to_representatives, depositor_id, filed_at FROM document"
    )
    op.create_table(
        "document_term",
        sa.Column("owner_id", _ID, nullable=False),
        _text("kind", 16),
        _text("code", 256),
        sa.Column("document_id", _ID, nullable=False),
        _document("document_term"),
        _owner("document_term"),
        sa.PrimaryKeyConstraint("owner_id", "kind", "code", "document_id", name=op.f("pk_document_term")),
    )
    op.create_table(
        "record_access",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        _text("action", 32),
        _text("outcome", 32),
        sa.Column("document_id", sa.BigInteger(), nullable=True),
        _text("caller_id", 64),
        _text("caller_name", 256),
        _text("role", 16),
        _text("profession", 16),
        _text("skill", 16),
        _text("structure_id", 64),
        _text("structure_name", 256),
        _text("mode", 16),
        _text("motive", 512),
        _text("channel", 16),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_access")),
        sqlite_autoincrement=True,
    )
    op.create_index("record_access_by_record", "record_access", ["owner_id", "id"])
    op.create_index("record_access_by_caller", "record_access", ["owner_id", "caller_id", "id"])


def downgrade() -> None:
    for table in ("record_access", "document_term", "document_revision", "association", "submission_set"):
        op.drop_table(table)
    for name in (*_INDEXES, "document_by_entry_uuid"):
        op.drop_index(name, "document")
    with op.batch_alter_table("document") as batch_op:
        for name in (*_TEXTS, "entry", "metadata_version", "act_at", "changed_at", *_TIMES):
            batch_op.drop_column(name)
