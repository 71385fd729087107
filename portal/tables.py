"""The portal's tables: who is signed in and half signed in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from foundation.database import metadata

portal_session = Table(
    "portal_session",
    metadata,
    # The token itself is only in the person's cookie: whoever reads this table cannot sign in with it.
    Column("token_hash", String(64), primary_key=True),
    Column("public_id", String(16), nullable=False),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", ForeignKey("vault_owner.id", ondelete="CASCADE")),
    Column("strength", String(8), nullable=False),
    Column("credential", LargeBinary, nullable=False),
    Column("agent", String(64), nullable=False),
    Column("peer", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("pocket", LargeBinary),
    Index("portal_session_by_owner", "owner_id"),
    Index("portal_session_by_person", "person_id"),
    Index("portal_session_by_age", "created_at"),
)
"""`owner_id` is the box that is open, `person_id` the own box of a delegate who opened it; `public_id` names the
session to its person; `pocket` is sealed under the token (portal/pocket.py)."""

portal_half_open = Table(
    "portal_half_open",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("credential", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("portal_half_open_by_owner", "owner_id"),
    Index("portal_half_open_by_age", "created_at"),
)
"""Professionals whose password was right and whose second factor is awaited."""
