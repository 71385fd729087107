"""The portal's tables: who is signed in, and how often somebody tried and failed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from foundation.database import metadata

portal_session = Table(
    "portal_session",
    metadata,
    # The token itself is only in the person's cookie: whoever reads this table cannot sign in with it.
    Column("token_hash", String(64), primary_key=True),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index("portal_session_by_owner", "owner_id"),
    Index("portal_session_by_age", "created_at"),
)

portal_attempt = Table(
    "portal_attempt",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("since_at", BigInteger, nullable=False),
    Index("portal_attempt_by_age", "since_at"),
)
"""Attempts to sign in since `since_at`, by account, network address and the two together, all hashed."""
