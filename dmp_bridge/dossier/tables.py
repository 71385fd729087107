"""The tables around the documents of a record: how each came, changed and hangs together, and who did what with it."""

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

submission_set = Table(
    "submission_set",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("unique_id", String(256), nullable=False),
    Column("entry_uuid", String(64), nullable=False),
    Column("source_id", String(256), nullable=False),
    Column("title", String(256), nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("depositor_id", String(64), nullable=False),
    Column("depositor_name", String(256), nullable=False),
    Column("depositor_structure", String(64), nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    UniqueConstraint("owner_id", "unique_id"),
    Index("submission_set_by_entry_uuid", "entry_uuid", unique=True),
    Index("submission_set_by_time", "owner_id", "submitted_at", "id"),
)
"""SubmissionSet (IHE ITI TF-3 §4.2.3.3): what was deposited together, by whom and when (epoch milliseconds)."""

submission_reference = Table(
    "submission_reference",
    metadata,
    Column("submission_id", ForeignKey("submission_set.id"), primary_key=True),
    Column("document_id", ForeignKey("document.id"), primary_key=True),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Index("submission_reference_by_document", "document_id"),
    Index("submission_reference_by_record", "owner_id"),
)
"""The submission sets that name a document which was there before them (HasMember with SubmissionSetStatus Reference,
IHE ITI TF-3 §4.2.2.1.1). The one set that brought it (Original) is `submission_id` of the document."""

association = Table(
    "association",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("entry_uuid", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # RPLC | XFRM | XFRM_RPLC | APND | signs
    Column("source_id", BigInteger, nullable=False),
    Column("target", String(256), nullable=False),
    Column("target_id", BigInteger),
    UniqueConstraint("source_id", "kind", "target"),
    Index("association_by_target", "owner_id", "target"),
    Index("association_by_target_id", "target_id"),
    Index("association_by_entry_uuid", "entry_uuid", unique=True),
)
"""Association between documents (IHE ITI TF-3 §4.2.2.2). `target` is the uniqueId or entryUUID as it was said;
`target_id` stays empty until that document is there: a replacement may arrive before what it replaces."""

document_revision = Table(
    "document_revision",
    metadata,
    Column("document_id", ForeignKey("document.id"), primary_key=True),
    Column("metadata_version", Integer, primary_key=True, autoincrement=False),
    Column("owner_id", ForeignKey("vault_owner.id"), nullable=False),
    Column("entry_uuid", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("masked_to_professionals", Boolean, nullable=False),
    Column("invisible_to_patient", Boolean, nullable=False),
    Column("invisible_to_representatives", Boolean, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("document_revision_by_entry_uuid", "entry_uuid"),
)
"""Each version of the metadata of a document, append-only: the current one too."""

document_term = Table(
    "document_term",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),  # event | reference
    Column("code", String(256), primary_key=True),
    Column("document_id", ForeignKey("document.id"), primary_key=True),
)
"""What a document is found by and has several of: eventCodeList and referenceIdList."""

record_access = Table(
    "record_access",
    metadata,
    identity("id"),
    Column("owner_id", BigInteger),
    Column("at", BigInteger, nullable=False),
    Column("action", String(32), nullable=False),
    Column("outcome", String(32), nullable=False),  # ok, or the reason of the refusal
    Column("document_id", BigInteger),
    Column("caller_id", String(64), nullable=False),
    Column("caller_name", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("profession", String(16), nullable=False),
    Column("skill", String(16), nullable=False),
    Column("structure_id", String(64), nullable=False),
    Column("structure_name", String(256), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("motive", String(512), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("is_secret", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Index("record_access_by_record", "owner_id", "id"),
    Index("record_access_by_caller", "owner_id", "caller_id", "id"),
)
"""Who did what with a record, refusals too (CSP R1111-43). `owner_id` is empty where nobody has the INS asked for.
The digest of each row stands in the trail, whose chain proves it."""
