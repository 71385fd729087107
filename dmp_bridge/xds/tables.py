"""The table of the XDS interface: which assertions were shown, so that none is shown again by somebody else."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table

from foundation.database import metadata

vihf_shown = Table(
    "vihf_shown",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("certificate", LargeBinary(32), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("vihf_shown_by_expiry", "expires_at"),
)
"""SHA-256 of the signer and ID of an assertion, and of the TLS certificate that showed it first; kept till it ends."""
