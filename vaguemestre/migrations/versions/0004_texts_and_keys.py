"""What SEARCH, SORT and THREAD compare of mails, beside them; old mails are read once the program runs.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mail_key",
        sa.Column("mail_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("sent_day", sa.Integer()),
        sa.Column("is_reply", sa.Integer(), nullable=False),
        sa.Column("base_subject", sa.String(), nullable=False),
        sa.Column("from_", sa.String(), nullable=False),
        sa.Column("to_", sa.String(), nullable=False),
        sa.Column("cc", sa.String(), nullable=False),
        sa.Column("display_from", sa.String(), nullable=False),
        sa.Column("display_to", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("references_", sa.String(), nullable=False),
        sa.Column("preview", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mail.id"], name=op.f("fk_mail_key_mail_id_mail"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_mail_key")),
    )
    op.create_index("mail_key_by_thread", "mail_key", ["thread_id"])
    op.create_table(
        "mail_text",
        sa.Column("mail_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("lacks", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mail.id"], name=op.f("fk_mail_text_mail_id_mail"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_mail_text")),
    )
    op.create_index(
        "mail_text_lacking",
        "mail_text",
        ["owner_id", "mail_id"],
        sqlite_where=sa.text("lacks > 0"),
        postgresql_where=sa.text("lacks > 0"),
    )
    op.execute(
        "CREATE VIRTUAL TABLE mail_index USING fts5"
        "(text, tokenize='trigram case_sensitive 1', detail=none, content='', contentless_delete=1)"
    )
    op.execute(
        "CREATE TRIGGER mail_text_leaves AFTER DELETE ON mail_text WHEN old.lacks & 1 = 0 BEGIN "
        "DELETE FROM mail_index WHERE rowid = (old.owner_id << 40) | old.mail_id; END"
    )
    # 5: neither text nor index.
    op.execute(
        "INSERT INTO mail_text (mail_id, owner_id, lacks, head, body) SELECT id, owner_id, 5, '', x'' FROM mail"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER mail_text_leaves")
    op.execute("DROP TABLE mail_index")
    op.drop_table("mail_text")
    op.drop_table("mail_key")
