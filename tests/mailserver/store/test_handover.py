"""Messages that go from one box to another: bodies are shared, everything else is the new owner's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.mime.scanner import scan
from foundation.vault import BlobNotFound
from mailserver.imap.structure import render
from mailserver.store import handover, quota
from mailserver.store.append import NewMail, append, create_folders
from mailserver.store.copy import Carried, Transfer, transfer
from mailserver.store.expunge import expunge, remove
from mailserver.store.folders import (
    Folder,
    create_folder,
    delete_folder,
    find_folder,
    list_folders,
    rename_folder,
)
from mailserver.store.handover import Giver, hand_over
from mailserver.store.mail_keys import mail_key
from mailserver.store.messages import Column, read_messages
from mailserver.store.quota import NO_LIMITS, OverQuota, QuotaLimits, quota_of
from mailserver.store.search_index import mail_text
from mailserver.store.selection import UidBatch
from mailserver.store.tables import Flag, folder, mail, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

NOW = 1_773_413_650_000
ALL = UidBatch(1, 2**32 - 1)


class Boxes:
    """Two boxes, one of which gives to the other."""

    def __init__(self, database: Database, vault: Vault, owners: list[int]) -> None:
        self.database, self.vault, self.owners = database, vault, owners

    def folder(self, connection: Connection, box: int, name: str = "INBOX") -> Folder:
        found = find_folder(connection, self.owners[box], name)
        assert found is not None
        return found

    async def deliver(
        self, box: int = 0, text: bytes = b"body", flags: int = 0, head: bytes = b"Message-ID: <a@b.fr>"
    ) -> None:
        raw = b"Subject: Compte rendu\r\n" + head + b"\r\n\r\n" + text
        sealed = await self.vault.seal(raw)

        def unit(uow: UnitOfWork) -> None:
            blob_id = self.vault.store(uow, sealed, [self.owners[box]])
            new = NewMail(blob_id, len(raw), render(raw, scan(raw)), NOW, flags, "urgent")
            append(uow, self.owners[box], "INBOX", new)

        await self.database.write(unit)

    def give(self, uow: UnitOfWork, how: Transfer, carried: Carried | None = None) -> None:
        source, target = self.folder(uow.connection, 0), self.folder(uow.connection, 1)
        giver = Giver(source.id, source.owner_id)
        hand_over(uow, self.vault, giver, [ALL], target, how, now=NOW, carried=carried or Carried())

    def rows(self, box: int) -> list[tuple[int, int, str, int]]:
        def query(connection: Connection) -> list[tuple[int, int, str, int]]:
            columns = (Column.FLAGS, Column.KEYWORDS, Column.BLOB_ID)
            found = read_messages(connection, self.folder(connection, box).id, ALL, columns)
            return [tuple(row) for row in found]

        return self.database.read_now(query)

    def counted(self, box: int) -> tuple[int, int]:
        """What really lies in a box."""
        row = self.database.read_now(
            lambda connection: connection.execute(
                select(func.coalesce(func.sum(message.c.size), 0), func.count())
                .join(folder, folder.c.id == message.c.folder_id)
                .where(folder.c.owner_id == self.owners[box])
            ).one()
        )
        return row[0], row[1]

    def quota(self, box: int) -> tuple[int, int]:
        found = self.database.read_now(lambda connection: quota_of(connection, self.owners[box]))
        return found.octets, found.messages

    def count(self, table: object) -> int:
        statement = select(func.count()).select_from(table)  # type: ignore[arg-type]
        return self.database.read_now(lambda connection: connection.execute(statement).scalar_one())


@pytest.fixture
async def boxes(database: Database, vault: Vault) -> Boxes:
    def unit(uow: UnitOfWork) -> int:
        owner_id = vault.create_owner(uow)
        create_folders(uow, owner_id, NOW)
        return owner_id

    return Boxes(database, vault, [await database.write(unit) for _ in range(2)])


async def test_the_copy_is_the_new_owners_and_outlives_the_first(boxes: Boxes) -> None:
    await boxes.deliver(flags=Flag.SEEN | Flag.FLAGGED)
    await boxes.database.write(lambda uow: boxes.give(uow, Transfer.COPY))
    [(uid, flags, keywords, blob_id)] = boxes.rows(1)
    assert (uid, flags, keywords) == (1, Flag.SEEN | Flag.FLAGGED, "urgent")
    assert boxes.count(mail) == boxes.count(mail_key) == boxes.count(mail_text) == 2

    def drop(uow: UnitOfWork) -> None:
        remove(uow, boxes.vault, boxes.owners[0], boxes.folder(uow.connection, 0).id, 1)

    await boxes.database.write(drop)
    assert (await boxes.vault.read(boxes.owners[1], blob_id)).endswith(b"body")
    with pytest.raises(BlobNotFound):
        await boxes.vault.read(boxes.owners[0], blob_id)


async def test_what_moves_leaves_nothing_behind(boxes: Boxes) -> None:
    await boxes.deliver()
    await boxes.database.write(lambda uow: boxes.give(uow, Transfer.MOVE))
    assert boxes.rows(0) == []
    assert len(boxes.rows(1)) == 1
    assert boxes.count(mail) == boxes.count(mail_key) == boxes.count(mail_text) == 1
    assert boxes.quota(0) == (0, 0)


async def test_a_mail_that_lies_twice_in_the_folder_is_made_anew_once(boxes: Boxes) -> None:
    await boxes.deliver()

    def double(uow: UnitOfWork) -> None:
        inbox = boxes.folder(uow.connection, 0)
        transfer(uow, inbox.id, [ALL], inbox, Transfer.COPY, now=NOW)

    await boxes.database.write(double)
    await boxes.database.write(lambda uow: boxes.give(uow, Transfer.COPY))
    assert len(boxes.rows(1)) == 2
    assert boxes.count(mail) == 2


async def test_the_copy_joins_the_thread_that_the_new_owner_has(boxes: Boxes) -> None:
    await boxes.deliver(box=1)
    await boxes.deliver(head=b"Message-ID: <c@b.fr>\r\nReferences: <a@b.fr>")
    await boxes.database.write(lambda uow: boxes.give(uow, Transfer.COPY))
    threads = select(mail_key.c.thread_id).join(mail).where(mail.c.owner_id == boxes.owners[1])
    found = boxes.database.read_now(lambda connection: connection.execute(threads).scalars().all())
    assert len(found) == 2
    assert len(set(found)) == 1


async def test_only_flags_that_may_be_set_go_along(boxes: Boxes) -> None:
    await boxes.deliver(flags=Flag.SEEN | Flag.DELETED | Flag.FLAGGED)
    carried = Carried(int(Flag.SEEN), keywords=0)
    await boxes.database.write(lambda uow: boxes.give(uow, Transfer.COPY, carried))
    assert [row[1:3] for row in boxes.rows(1)] == [(Flag.SEEN, "")]


async def test_a_limit_undoes_the_whole(boxes: Boxes) -> None:
    for _ in range(3):
        await boxes.deliver()

    def unit(uow: UnitOfWork) -> None:
        boxes.give(uow, Transfer.MOVE)
        quota.enforce(uow, boxes.owners[1], QuotaLimits(messages=2))

    with pytest.raises(OverQuota):
        await boxes.database.write(unit)
    assert boxes.rows(1) == []
    assert len(boxes.rows(0)) == 3
    assert boxes.quota(1) == boxes.counted(1) == (0, 0)


async def test_a_box_has_its_own_limits_or_those_of_the_settings(boxes: Boxes) -> None:
    await boxes.deliver()
    owner = boxes.owners[0]
    octets = boxes.quota(0)[0]

    def limits(own: tuple[int | None, int | None], defaults: QuotaLimits) -> tuple[bool, bool]:
        found = boxes.database.read_now(lambda connection: quota_of(connection, owner, defaults))
        assert found.own == own
        return found.is_full, found.is_exceeded

    assert limits((None, None), NO_LIMITS) == (False, False)
    assert limits((None, None), QuotaLimits(octets)) == (True, False)
    assert limits((None, None), QuotaLimits(octets - 1)) == (True, True)
    assert limits((None, None), QuotaLimits(octets + 1, 1)) == (True, False)
    await boxes.database.write(lambda uow: quota.set_limits(uow, owner, 0, 2))
    assert limits((0, 2), QuotaLimits(1, 1)) == (False, False)


async def test_so_many_at_once_and_no_more(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await boxes.deliver()
    monkeypatch.setattr(handover, "MAX_MESSAGES", 2)
    with pytest.raises(handover.TooManyMessages):
        await boxes.database.write(lambda uow: boxes.give(uow, Transfer.COPY))
    assert boxes.rows(1) == []


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_counted_is_what_is_there_after_anything(boxes: Boxes, seed: int) -> None:
    chance = random.Random(seed)
    vault = boxes.vault

    def some_folder(connection: Connection, box: int) -> Folder:
        return chance.choice(list_folders(connection, boxes.owners[box]))

    def batch(found: Folder) -> list[UidBatch]:
        # As sessions make them: no further than the last message that was there.
        low = chance.randint(1, found.uidnext)
        return [UidBatch(low, min(low + chance.randint(0, 5), found.uidnext - 1))]

    def copy_or_move(uow: UnitOfWork) -> None:
        box = chance.randrange(2)
        source, target = some_folder(uow.connection, box), some_folder(uow.connection, chance.randrange(2))
        how = chance.choice(list(Transfer))
        if source.owner_id == target.owner_id:
            transfer(uow, source.id, batch(source), target, how, now=NOW)
        else:
            giver = Giver(source.id, source.owner_id)
            hand_over(uow, vault, giver, batch(source), target, how, now=NOW)

    def expunge_some(uow: UnitOfWork) -> None:
        source = some_folder(uow.connection, chance.randrange(2))
        expunge(uow, vault, source.owner_id, source.id, batch(source))

    def remove_one(uow: UnitOfWork) -> None:
        source = some_folder(uow.connection, chance.randrange(2))
        remove(uow, vault, source.owner_id, source.id, chance.randint(1, source.uidnext))

    def make(uow: UnitOfWork) -> None:
        name = f"f{chance.randrange(5)}"
        create_folder(uow, boxes.owners[0], name, uidvalidities=[1], now=NOW)

    def delete(uow: UnitOfWork) -> None:
        delete_folder(uow, vault, boxes.owners[0], f"f{chance.randrange(5)}")

    def rename_inbox(uow: UnitOfWork) -> None:
        name = f"f{chance.randrange(5)}"
        rename_folder(uow, boxes.owners[0], "INBOX", name, uidvalidities=[1], now=NOW)

    operations: list[Callable[[UnitOfWork], None]] = [
        copy_or_move, copy_or_move, copy_or_move, expunge_some, expunge_some, remove_one, make, delete, rename_inbox,
    ]  # fmt: skip
    for _ in range(60):
        if chance.random() < 0.3:
            flags = chance.choice((0, int(Flag.DELETED)))
            await boxes.deliver(chance.randrange(2), b"x" * chance.randrange(500), flags)
        await boxes.database.write(chance.choice(operations))
        for box in range(2):
            assert boxes.quota(box) == boxes.counted(box)
    mails = boxes.count(mail)
    assert mails == boxes.count(mail_key) == boxes.count(mail_text)
