"""What left a folder, when a message came into it, its size beside its flags; subscriptions by name.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("saved_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("message", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE message SET saved_at = received_at, size = (SELECT size FROM mail WHERE mail.id = message.mail_id)"
    )
    op.create_index("message_by_modseq", "message", ["folder_id", "modseq"])
    op.create_table(
        "vanished",
        sa.Column("folder_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("modseq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folder.id"], name=op.f("fk_vanished_folder_id_folder"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("folder_id", "modseq", "uid", name=op.f("pk_vanished")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "subscription",
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=600), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["vault_owner.id"],
            name=op.f("fk_subscription_owner_id_vault_owner"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner_id", "name", name=op.f("pk_subscription")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO subscription (owner_id, name) SELECT owner_id, name FROM folder WHERE subscribed = 1"
    )
    op.drop_column("folder", "subscribed")
    _compose_names()


def _compose_names() -> None:
    """Names are looked up composed (NFC) from here on; one whose composed form is taken gets its id behind it."""
    folder = sa.table("folder", sa.column("id"), sa.column("owner_id"), sa.column("name"))
    rows = op.get_bind().execute(sa.select(folder.c.id, folder.c.owner_id, folder.c.name)).all()
    taken = {(owner_id, name) for _, owner_id, name in rows}
    for id_, owner_id, name in rows:
        composed = unicodedata.normalize("NFC", name)
        if composed == name:
            continue
        if (owner_id, composed) in taken:
            composed = f"{composed[:235]} {id_}"
        taken.add((owner_id, composed))
        op.execute(sa.update(folder).where(folder.c.id == id_).values(name=composed))


def downgrade() -> None:
    op.add_column("folder", sa.Column("subscribed", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE folder SET subscribed = 1 WHERE EXISTS (SELECT 1 FROM subscription"
        " WHERE subscription.owner_id = folder.owner_id AND subscription.name = folder.name)"
    )
    op.drop_table("subscription")
    op.drop_table("vanished")
    op.drop_index("message_by_modseq", "message")
    op.drop_column("message", "size")
    op.drop_column("message", "saved_at")
