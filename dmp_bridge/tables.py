"""The tables of the bridge: the documents of a record, and what became of every attachment of a mail."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from foundation.database import identity, metadata

document = Table(
    "document",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("unique_id", String(256), nullable=False),
    Column("set_id", String(256)),
    Column("version_number", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # approved | deprecated
    Column("origin", String(16), nullable=False),  # professional | patient
    Column("title", String(128), nullable=False),
    Column("type_code", String(64), nullable=False),
    Column("class_code", String(16)),
    Column("category", String(16), nullable=False),
    Column("format_code", String(128), nullable=False),
    Column("confidentiality", String(1), nullable=False),  # N | R | V
    Column("masked_to_professionals", Boolean, nullable=False),
    Column("invisible_to_patient", Boolean, nullable=False),
    Column("invisible_to_representatives", Boolean, nullable=False),
    Column("language", String(16), nullable=False),
    Column("creation_at", BigInteger),
    Column("service_start_at", BigInteger),
    Column("service_stop_at", BigInteger),
    Column("author_id", String(64), nullable=False),
    Column("author_name", String(256), nullable=False),
    Column("author_specialty", String(256), nullable=False),
    Column("institution", String(256), nullable=False),
    Column("institution_id", String(64), nullable=False),
    Column("sender", String(320), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha1", String(40), nullable=False),
    Column("media_type", String(100), nullable=False),  # of what a person is shown
    Column("blob_id", BigInteger, nullable=False),
    Column("display_blob_id", BigInteger),
    Column("mail_id", BigInteger, nullable=False),
    Column("filed_at", BigInteger, nullable=False),
    UniqueConstraint("owner_id", "unique_id"),
    Index("ix_document_set", "owner_id", "set_id"),
)
"""DocumentEntry in one row (IHE ITI TF-3 §4.2.3.2), times in epoch milliseconds; the bytes are in the vault."""

filing = Table(
    "filing",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("mail_id", BigInteger, nullable=False),
    Column("mail_blob_id", BigInteger, nullable=False),
    Column("part", String(64), nullable=False),
    Column("item", Integer, nullable=False),
    Column("filename", String(256), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # filed | duplicate | offered | refused | copy | kept
    Column("code", String(3)),
    Column("sentence", String(512), nullable=False),
    Column("document_id", BigInteger),
    Column("title", String(128)),  # of a clinical document
    Column("category", String(16)),
    Column("hidden", Boolean, nullable=False),  # the patient must not be shown or given this attachment
    Column("sender", String(320), nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("owner_id", "mail_id", "part", "item"),
)
"""One row per attachment of a mail, or per document of a package: what the patient is told about it."""
