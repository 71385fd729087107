"""The tables of the patient's will: consents, who stands how towards the record, wishes, notices, closing."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table

from foundation.database import identity, metadata

_OWNER = "vault_owner.id"

record_consent = Table(
    "record_consent",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey(_OWNER), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("value", String(8), nullable=False),
    Column("structure_id", String(64), nullable=False),  # empty: towards everybody
    Column("reason", String(500), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("record_consent_by_owner", "owner_id", "kind"),
)
"""What was said, by whom and when; rows are added and never changed: the last one holds."""

record_relation = Table(
    "record_relation",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey(_OWNER), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject_id", String(64), nullable=False),  # PS_IdNat or Struct_IdNat
    Column("subject_name", String(256), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("declared_by", String(64), nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", String(64)),
    Index("record_relation_by_owner", "owner_id", "ended_at"),
    Index("record_relation_by_subject", "subject_id", "ended_at"),
)
"""How a professional or a structure stands towards a record; a row that ended stays as history."""

record_preference = Table(
    "record_preference",
    metadata,
    Column("owner_id", ForeignKey(_OWNER), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("value", String(320), nullable=False),
    sqlite_with_rowid=False,
)

record_notice = Table(
    "record_notice",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey(_OWNER), nullable=False),  # whose record it is about
    Column("event", String(32), nullable=False),
    Column("addressee", String(16), nullable=False),  # holder | representative | attending
    Column("addressee_id", String(64), nullable=False),  # owner id, or PS_IdNat of the attending doctor
    Column("document_id", BigInteger),
    Column("caller_id", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # waiting | sent | shown | failed
    Column("settled_at", BigInteger),
    Index("record_notice_by_owner", "owner_id", "at"),
    Index("record_notice_by_state", "state"),
)
"""What somebody is to be told about a record: the page shows it, an e-mail without health data says that it is there."""

record_guardianship = Table(
    "record_guardianship",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey(_OWNER), nullable=False),
    Column("representative_owner", ForeignKey(_OWNER), nullable=False),
    Column("kind", String(16), nullable=False),  # parental | tutelle | curatelle
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("ended_at", BigInteger),
    Column("ended_by", String(64)),
    Column("declared_by", String(64), nullable=False),
    Index("record_guardianship_by_owner", "owner_id", "ended_at"),
)
"""Why somebody represents or assists somebody; `directory.patients` holds who may act today."""

record_closing = Table(
    "record_closing",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey(_OWNER), nullable=False),
    Column("closed_at", BigInteger, nullable=False),
    Column("closed_by", String(64), nullable=False),
    Column("purge_at", BigInteger, nullable=False),
    Column("deletion_asked_at", BigInteger),
    Column("deletion_asked_by", String(64)),
    Column("reopened_at", BigInteger),
    Column("purged_at", BigInteger),
    Index("record_closing_by_owner", "owner_id"),
    Index("record_closing_by_time", "purge_at"),
)
"""An archive of a closed record, until it is reopened or deleted (CSP R1111-36)."""
