"""The national extracts live in files of their own; here stays what this operator publishes and hides itself.

The extracts have to be imported again after the upgrade. A box on the red list, suspended or closed is hidden
from the first moment on.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
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
_IN_FILES_NOW = (
    "directory_activity",
    "directory_entry",
    "directory_import",
    "directory_staged_activity",
    "directory_staged_entry",
    "directory_tombstone",
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
    for table in _IN_FILES_NOW:
        op.drop_table(table)


def downgrade() -> None:
    op.drop_table("published_mailbox")

    op.create_table(
        "directory_activity",
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("idnat", sa.String(length=64), nullable=False),
        sa.Column("person_id_type", sa.String(length=2), nullable=True),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("title", sa.String(length=20), nullable=True),
        sa.Column("civility", sa.String(length=20), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("category_code", sa.String(length=10), nullable=True),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("profession_code", sa.String(length=10), nullable=True),
        sa.Column("profession", sa.String(length=150), nullable=True),
        sa.Column("skill_type_code", sa.String(length=10), nullable=True),
        sa.Column("skill_code", sa.String(length=20), nullable=True),
        sa.Column("skill", sa.String(length=200), nullable=True),
        sa.Column("practice_code", sa.String(length=10), nullable=True),
        sa.Column("practice", sa.String(length=100), nullable=True),
        sa.Column("siret", sa.String(length=14), nullable=True),
        sa.Column("finess", sa.String(length=9), nullable=True),
        sa.Column("finess_legal", sa.String(length=9), nullable=True),
        sa.Column("structure_technical_id", sa.String(length=64), nullable=True),
        sa.Column("structure", sa.String(length=255), nullable=True),
        sa.Column("structure_sign", sa.String(length=255), nullable=True),
        sa.Column("postal_code", sa.String(length=10), nullable=True),
        sa.Column("city", sa.String(length=150), nullable=True),
        sa.Column("department_code", sa.String(length=10), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("sector_code", sa.String(length=10), nullable=True),
        sa.Column("sector", sa.String(length=150), nullable=True),
        sa.Column("role_code", sa.String(length=20), nullable=True),
        sa.Column("role", sa.String(length=150), nullable=True),
        sa.Column("kind_code", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_directory_activity")),
    )
    with op.batch_alter_table("directory_activity", schema=None) as batch_op:
        batch_op.create_index("directory_activity_by_idnat", ["idnat"], unique=False)

    op.create_table(
        "directory_entry",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("type", sa.String(length=3), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("idnat", sa.String(length=64), nullable=True),
        sa.Column("person_id_type", sa.String(length=2), nullable=True),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("civility", sa.String(length=20), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("category_code", sa.String(length=10), nullable=True),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("profession_code", sa.String(length=10), nullable=True),
        sa.Column("profession", sa.String(length=150), nullable=True),
        sa.Column("skill_code", sa.String(length=20), nullable=True),
        sa.Column("skill", sa.String(length=200), nullable=True),
        sa.Column("structure_id_type", sa.String(length=2), nullable=True),
        sa.Column("structure_id", sa.String(length=64), nullable=True),
        sa.Column("structure", sa.String(length=255), nullable=True),
        sa.Column("structure_sign", sa.String(length=255), nullable=True),
        sa.Column("service", sa.String(length=255), nullable=True),
        sa.Column("digital", sa.Boolean(), nullable=False),
        sa.Column("street", sa.String(length=400), nullable=True),
        sa.Column("postal_code", sa.String(length=10), nullable=True),
        sa.Column("city", sa.String(length=150), nullable=True),
        sa.Column("department", sa.String(length=10), nullable=True),
        sa.Column("country", sa.String(length=10), nullable=True),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_directory_entry")),
    )
    with op.batch_alter_table("directory_entry", schema=None) as batch_op:
        batch_op.create_index("directory_entry_by_idnat", ["idnat"], unique=False)
        batch_op.create_index("directory_entry_by_structure", ["structure_id"], unique=False)

    op.create_table(
        "directory_import",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("extract", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("generated_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("duplicates", sa.BigInteger(), nullable=True),
        sa.Column("bad_lines", sa.BigInteger(), nullable=True),
        sa.Column("added", sa.BigInteger(), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=True),
        sa.Column("removed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_import")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("directory_import", schema=None) as batch_op:
        batch_op.create_index(
            "directory_import_by_extract", ["extract", "state", "finished_at"], unique=False
        )

    op.create_table(
        "directory_staged_activity",
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("idnat", sa.String(length=64), nullable=False),
        sa.Column("person_id_type", sa.String(length=2), nullable=True),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("title", sa.String(length=20), nullable=True),
        sa.Column("civility", sa.String(length=20), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("category_code", sa.String(length=10), nullable=True),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("profession_code", sa.String(length=10), nullable=True),
        sa.Column("profession", sa.String(length=150), nullable=True),
        sa.Column("skill_type_code", sa.String(length=10), nullable=True),
        sa.Column("skill_code", sa.String(length=20), nullable=True),
        sa.Column("skill", sa.String(length=200), nullable=True),
        sa.Column("practice_code", sa.String(length=10), nullable=True),
        sa.Column("practice", sa.String(length=100), nullable=True),
        sa.Column("siret", sa.String(length=14), nullable=True),
        sa.Column("finess", sa.String(length=9), nullable=True),
        sa.Column("finess_legal", sa.String(length=9), nullable=True),
        sa.Column("structure_technical_id", sa.String(length=64), nullable=True),
        sa.Column("structure", sa.String(length=255), nullable=True),
        sa.Column("structure_sign", sa.String(length=255), nullable=True),
        sa.Column("postal_code", sa.String(length=10), nullable=True),
        sa.Column("city", sa.String(length=150), nullable=True),
        sa.Column("department_code", sa.String(length=10), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("sector_code", sa.String(length=10), nullable=True),
        sa.Column("sector", sa.String(length=150), nullable=True),
        sa.Column("role_code", sa.String(length=20), nullable=True),
        sa.Column("role", sa.String(length=150), nullable=True),
        sa.Column("kind_code", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_directory_staged_activity")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("directory_staged_activity", schema=None) as batch_op:
        batch_op.create_index(
            "directory_staged_activity_by_digest", ["import_id", "digest", "place"], unique=False
        )

    op.create_table(
        "directory_staged_entry",
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("type", sa.String(length=3), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("idnat", sa.String(length=64), nullable=True),
        sa.Column("person_id_type", sa.String(length=2), nullable=True),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("civility", sa.String(length=20), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("category_code", sa.String(length=10), nullable=True),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("profession_code", sa.String(length=10), nullable=True),
        sa.Column("profession", sa.String(length=150), nullable=True),
        sa.Column("skill_code", sa.String(length=20), nullable=True),
        sa.Column("skill", sa.String(length=200), nullable=True),
        sa.Column("structure_id_type", sa.String(length=2), nullable=True),
        sa.Column("structure_id", sa.String(length=64), nullable=True),
        sa.Column("structure", sa.String(length=255), nullable=True),
        sa.Column("structure_sign", sa.String(length=255), nullable=True),
        sa.Column("service", sa.String(length=255), nullable=True),
        sa.Column("digital", sa.Boolean(), nullable=False),
        sa.Column("street", sa.String(length=400), nullable=True),
        sa.Column("postal_code", sa.String(length=10), nullable=True),
        sa.Column("city", sa.String(length=150), nullable=True),
        sa.Column("department", sa.String(length=10), nullable=True),
        sa.Column("country", sa.String(length=10), nullable=True),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_directory_staged_entry")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("directory_staged_entry", schema=None) as batch_op:
        batch_op.create_index(
            "directory_staged_entry_by_address", ["import_id", "address", "place"], unique=False
        )

    op.create_table(
        "directory_tombstone",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_directory_tombstone")),
    )
    with op.batch_alter_table("directory_tombstone", schema=None) as batch_op:
        batch_op.create_index("directory_tombstone_by_time", ["removed_at"], unique=False)
