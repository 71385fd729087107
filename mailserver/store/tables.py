"""The tables of the message store: folders, mails and the messages that put a mail into a folder."""

from __future__ import annotations

from enum import IntFlag

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from foundation.database import identity, metadata


class Flag(IntFlag):
    """System flags as stored (RFC 9051 §2.3.2)."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


folder = Table(
    "folder",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("special_use", String(16)),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("recent_uid", BigInteger, nullable=False),  # first UID that no session has been told is \Recent
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("owner_id", "name"),
)
"""A mailbox in the sense of IMAP; INBOX is stored in upper case, levels are separated by "/"."""

mail = Table(
    "mail",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("blob_id", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("message_id", String(998)),
    Column("subject", String(998), nullable=False),  # decoded
    Column("envelope", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("bodystructure", LargeBinary, nullable=False),
    Column("parts", LargeBinary, nullable=False),
    Index("mail_by_message_id", "owner_id", "message_id"),
)
"""One owner's copy of a message: what IMAP asks for is rendered here once, at delivery."""

message = Table(
    "message",
    metadata,
    Column("folder_id", ForeignKey("folder.id", ondelete="CASCADE"), primary_key=True),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("mail_id", ForeignKey("mail.id"), nullable=False),
    Column("flags", Integer, nullable=False),
    Column("keywords", String, nullable=False),  # separated by one space, sorted
    Column("modseq", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("saved_at", BigInteger, nullable=False),  # when it came into this folder (RFC 8514)
    Column(
        "size", BigInteger, nullable=False
    ),  # of the mail, kept here too: lists are made from this table alone
    Index("message_by_mail", "mail_id"),
    Index("message_by_modseq", "folder_id", "modseq"),
    sqlite_with_rowid=False,
)
"""A mail in a folder under its UID (RFC 9051 §2.3.1.1); COPY adds a row, never a body."""

vanished = Table(
    "vanished",
    metadata,
    Column("folder_id", ForeignKey("folder.id", ondelete="CASCADE"), primary_key=True),
    Column("modseq", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""UIDs that left a folder, and at which modification sequence: what a client that comes back must forget (RFC 7162)."""
