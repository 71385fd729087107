"""The tables of the directory as imported: published mailboxes, activities of professionals, and their imports."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from foundation.database import identity, metadata


def _mailbox_columns() -> list[Column[object]]:
    return [
        Column("type", String(3), nullable=False),
        Column("domain", String(255), nullable=False),
        Column("idnat", String(64)),  # of the person: 8 + RPPS
        Column("person_id_type", String(2)),
        Column("person_id", String(64)),
        Column("civility", String(20)),
        Column("last_name", String(100)),
        Column("first_name", String(100)),
        Column("category_code", String(10)),
        Column("category", String(100)),
        Column("profession_code", String(10)),
        Column("profession", String(150)),
        Column("skill_code", String(20)),  # savoir-faire
        Column("skill", String(200)),
        Column("structure_id_type", String(2)),
        Column("structure_id", String(64)),  # 1 + FINESS, 3 + SIRET
        Column("structure", String(255)),
        Column("structure_sign", String(255)),
        Column("service", String(255)),
        Column("digital", Boolean, nullable=False),  # "Dématérialisation": no paper wanted
        Column("street", String(400)),
        Column("postal_code", String(10)),
        Column("city", String(150)),
        Column("department", String(10)),
        Column("country", String(10)),
        Column("folded", Text, nullable=False),  # everything a search looks at, as directory.folding
        Column(
            "digest", LargeBinary(16), nullable=False
        ),  # of all of the above: what changed since yesterday
    ]


def _activity_columns() -> list[Column[object]]:
    return [
        Column("idnat", String(64), nullable=False),
        Column("person_id_type", String(2)),
        Column("person_id", String(64)),
        Column("title", String(20)),  # civilité d'exercice: DR, PR
        Column("civility", String(20)),
        Column("last_name", String(100)),
        Column("first_name", String(100)),
        Column("category_code", String(10)),
        Column("category", String(100)),
        Column("profession_code", String(10)),
        Column("profession", String(150)),
        Column("skill_type_code", String(10)),
        Column("skill_code", String(20)),
        Column("skill", String(200)),
        Column("practice_code", String(10)),  # mode d'exercice: L, S, B
        Column("practice", String(100)),
        Column("siret", String(14)),
        Column("finess", String(9)),
        Column("finess_legal", String(9)),
        Column("structure_technical_id", String(64)),
        Column("structure", String(255)),
        Column("structure_sign", String(255)),
        Column("postal_code", String(10)),
        Column("city", String(150)),
        Column("department_code", String(10)),
        Column("phone", String(40)),
        Column("sector_code", String(10)),
        Column("sector", String(150)),
        Column("role_code", String(20)),
        Column("role", String(150)),
        Column("kind_code", String(20)),  # genre d'activité
    ]


directory_entry = Table(
    "directory_entry",
    metadata,
    Column("address", String(320), primary_key=True),
    *_mailbox_columns(),
    Column("updated_at", BigInteger, nullable=False),  # when an import last wrote this row
    Index("directory_entry_by_idnat", "idnat"),
    Index("directory_entry_by_structure", "structure_id"),
)
"""A published mailbox, as the day's Extraction_Correspondance_MSSante says."""

directory_activity = Table(
    "directory_activity",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),
    *_activity_columns(),
    Index("directory_activity_by_idnat", "idnat"),
)
"""One activity of one professional (PS_LibreAcces_Personne_activite); its own digest is its key."""

staged_entry = Table(
    "directory_staged_entry",
    metadata,
    Column("import_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("address", String(320), nullable=False),
    *_mailbox_columns(),
    Index("directory_staged_entry_by_address", "import_id", "address", "place"),
    sqlite_with_rowid=False,
)
"""Rows of an import that is not switched yet."""

staged_activity = Table(
    "directory_staged_activity",
    metadata,
    Column("import_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(16), nullable=False),
    *_activity_columns(),
    Index("directory_staged_activity_by_digest", "import_id", "digest", "place"),
    sqlite_with_rowid=False,
)

directory_import = Table(
    "directory_import",
    metadata,
    identity("id"),
    Column("extract", String(40), nullable=False),
    Column("source", String(255), nullable=False),  # file name
    Column("sha256", String(64)),
    Column("generated_at", BigInteger),  # from the name of the file, where it says so
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("state", String(16), nullable=False),  # loading, switched, refused
    Column("reason", String(500)),
    Column("rows", BigInteger),
    Column("duplicates", BigInteger),
    Column("bad_lines", BigInteger),
    Column("added", BigInteger),
    Column("changed", BigInteger),
    Column("removed", BigInteger),
    Index("directory_import_by_extract", "extract", "state", "finished_at"),
)

directory_tombstone = Table(
    "directory_tombstone",
    metadata,
    Column("address", String(320), primary_key=True),
    Column("removed_at", BigInteger, nullable=False),
    Column("import_id", BigInteger, nullable=False),
    Index("directory_tombstone_by_time", "removed_at"),
)
"""An address that was published and is no more."""
