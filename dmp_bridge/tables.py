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
    Text,
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
    Column("status", String(16), nullable=False),  # approved | deprecated | archived | deleted
    Column("origin", String(16), nullable=False),  # professional | patient | structure | system
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
    Column("logical_id", String(64), nullable=False),
    Column("entry_uuid", String(64), nullable=False),
    Column("metadata_version", Integer, nullable=False),
    Column("mime_type", String(100), nullable=False),  # of the original
    Column("act_at", BigInteger, nullable=False),  # what lists are sorted by
    Column("facility_code", String(64), nullable=False),
    Column("setting_code", String(64), nullable=False),
    Column("entry", Text, nullable=False),
    Column("depositor_id", String(64), nullable=False),
    Column("depositor_structure", String(64), nullable=False),
    Column("submission_id", BigInteger),
    Column("invisible_since", BigInteger),
    Column("announced_at", BigInteger),
    Column("revealed_at", BigInteger),  # to representatives
    Column("changed_at", BigInteger, nullable=False),
    UniqueConstraint("owner_id", "unique_id"),
    Index("ix_document_set", "owner_id", "set_id"),
    Index(
        "document_by_act",
        *("owner_id", "status", "act_at", "id", "type_code", "origin"),
        *("masked_to_professionals", "invisible_to_patient", "invisible_to_representatives"),
        *("author_id", "institution_id", "depositor_id", "depositor_structure"),
    ),
    Index("document_by_entry_uuid", "entry_uuid", unique=True),
    Index("document_by_unique_id", "unique_id"),
    Index("document_by_logical_id", "logical_id"),
    Index("document_by_submission", "submission_id"),
)
"""DocumentEntry in one row (IHE ITI TF-3 §4.2.3.2), times in epoch milliseconds; the bytes are in the vault.

`entry_uuid` is new with each change of the metadata, `logical_id` stays (both are new for a replacement). `entry` is a
JSON object with what nobody searches by: as `dmp_bridge/entry.py` tells it.
"""

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
    Column(
        "state", String(16), nullable=False
    ),  # filed | duplicate | offered | refused | copy | kept | deleted
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
