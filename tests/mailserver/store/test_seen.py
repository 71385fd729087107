"""\\Seen of each person: what one has read is new to the others, and images show each their own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from foundation.mime.scanner import scan
from mailserver.imap.structure import render
from mailserver.store import acl, seen
from mailserver.store.append import NewMail, append, create_folders
from mailserver.store.copy import Transfer, transfer
from mailserver.store.expunge import remove
from mailserver.store.flags import Change, FlagChange, change_flags
from mailserver.store.folders import Folder, find_folder, rename_folder
from mailserver.store.images import FolderImage, FolderImages
from mailserver.store.rights import ALL_RIGHTS
from mailserver.store.selection import UidBatch
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events
    from foundation.vault import Vault

NOW = 1_773_413_650_000
RAW = b"Subject: s\r\n\r\nbody"
ALL = UidBatch(1, 2**32 - 1)
READ = FlagChange(Change.ADD, int(Flag.SEEN))
UNREAD = FlagChange(Change.REMOVE, int(Flag.SEEN))


class Desk:
    """A box of a service with two members."""

    def __init__(self, database: Database, events: Events, vault: Vault, owners: list[int]) -> None:
        self.database, self.vault = database, vault
        self.owner, self.first, self.second = owners
        self.images = FolderImages(database, events)

    async def folder(self, name: str = "INBOX") -> Folder:
        found = await self.database.read(lambda connection: find_folder(connection, self.owner, name))
        assert found is not None
        return found

    async def image(self, viewer: int | None, name: str = "INBOX") -> FolderImage:
        image = await self.images.current((await self.folder(name)).id, viewer)
        assert image is not None
        return image

    async def read_by(self, viewer: int | None, name: str = "INBOX") -> list[int]:
        image = await self.image(viewer, name)
        return [uid for uid, flags in zip(image.uids, image.flags, strict=True) if flags & Flag.SEEN]

    async def deliver(self, count: int = 1, flags: int = 0) -> None:
        sealed = await self.vault.seal(RAW)

        def unit(uow: UnitOfWork) -> None:
            for _ in range(count):
                blob_id = self.vault.store(uow, sealed, [self.owner])
                append(
                    uow, self.owner, "INBOX", NewMail(blob_id, len(RAW), render(RAW, scan(RAW)), NOW, flags)
                )

        await self.database.write(unit)

    async def change(
        self, change: FlagChange, viewer: int | None, *uids: int, since: int | None = None
    ) -> object:
        folder_id = (await self.folder()).id
        batch = UidBatch(uids[0], uids[-1], uids) if uids else ALL
        return await self.database.write(
            lambda uow: change_flags(uow, folder_id, [batch], change, viewer=viewer, unchanged_since=since)
        )


@pytest.fixture
async def desk(database: Database, events: Events, vault: Vault) -> Desk:
    def unit(uow: UnitOfWork) -> int:
        owner_id = vault.create_owner(uow)
        create_folders(uow, owner_id, NOW)
        return owner_id

    made = Desk(database, events, vault, [await database.write(unit) for _ in range(3)])

    def open_it(uow: UnitOfWork) -> None:
        for member in (made.first, made.second):
            acl.grant(uow, made.owner, member, ALL_RIGHTS, now=NOW)
        seen.make_personal(uow, made.owner)

    await database.write(open_it)
    return made


async def test_what_one_has_read_is_new_to_the_others(desk: Desk) -> None:
    await desk.deliver(3)
    await desk.change(READ, desk.first, 1, 3)
    await desk.change(READ, desk.second, 2)
    assert await desk.read_by(desk.first) == [1, 3]
    assert await desk.read_by(desk.second) == [2]
    assert await desk.read_by(None) == []
    assert (await desk.image(desk.first)).unseen == 1
    await desk.change(UNREAD, desk.first, 3)
    assert await desk.read_by(desk.first) == [1]


async def test_other_flags_stay_one_for_all(desk: Desk) -> None:
    await desk.deliver()
    both = FlagChange(Change.ADD, int(Flag.SEEN | Flag.FLAGGED), ("urgent",))
    await desk.change(both, desk.first)
    assert (await desk.image(desk.first)).flags == bytes([Flag.SEEN | Flag.FLAGGED])
    assert (await desk.image(desk.second)).flags == bytes([Flag.FLAGGED])
    await desk.change(FlagChange(Change.REPLACE, int(Flag.ANSWERED)), desk.second)
    assert (await desk.image(desk.first)).flags == bytes([Flag.SEEN | Flag.ANSWERED])
    assert (await desk.image(desk.second)).flags == bytes([Flag.ANSWERED])


async def test_a_change_has_a_modification_sequence_once(desk: Desk) -> None:
    await desk.deliver()
    before = (await desk.image(None)).modseq
    await desk.change(READ, desk.first)
    assert (await desk.image(None)).modseq == before + 1
    await desk.change(READ, desk.first)
    assert (await desk.image(None)).modseq == before + 1


async def test_nobody_is_overtaken(desk: Desk) -> None:
    await desk.deliver(2)
    known = (await desk.image(None)).modseq
    await desk.change(FlagChange(Change.ADD, int(Flag.FLAGGED)), desk.second, 1)
    both = FlagChange(Change.ADD, int(Flag.SEEN | Flag.ANSWERED))
    changed = await desk.change(both, desk.first, since=known)
    assert changed.modified == (1,)  # type: ignore[attr-defined]
    assert [found.flags for found in changed.messages] == [Flag.SEEN | Flag.ANSWERED]  # type: ignore[attr-defined]
    assert await desk.read_by(desk.first) == [2]


async def test_the_same_image_serves_until_something_changes(desk: Desk) -> None:
    await desk.deliver(2)
    assert await desk.image(desk.first) is await desk.image(desk.first)
    assert await desk.image(desk.first) is not await desk.image(desk.second)


async def test_members_begin_with_what_is_marked_and_end_with_what_anybody_read(desk: Desk) -> None:
    await desk.deliver(1, int(Flag.SEEN))
    await desk.deliver(3)
    await desk.database.write(lambda uow: seen.make_shared(uow, desk.owner))
    await desk.database.write(lambda uow: seen.make_personal(uow, desk.owner))
    assert await desk.read_by(desk.first) == await desk.read_by(desk.second) == [1]
    await desk.change(READ, desk.first, 2)
    await desk.change(READ, desk.second, 4)
    before = await desk.image(None)
    await desk.database.write(lambda uow: seen.make_shared(uow, desk.owner))
    after = await desk.image(None)
    assert await desk.read_by(None) == [1, 2, 4]
    assert desk.images.step(before, after).changed == (1, 2, 4)


async def test_copies_are_seen_by_whoever_saw_the_first(desk: Desk) -> None:
    await desk.deliver(3)
    await desk.change(READ, desk.first, 1)
    await desk.change(READ, desk.second, 3)
    inbox, archive = await desk.folder(), await desk.folder("Archive")
    for how in Transfer:
        target = await desk.folder("Archive")
        await desk.database.write(
            lambda uow, target=target, how=how: transfer(uow, inbox.id, [ALL], target, how, now=NOW)
        )
    assert archive.uidnext == 1
    assert await desk.read_by(desk.first, "Archive") == [1, 4]
    assert await desk.read_by(desk.second, "Archive") == [3, 6]
    assert await desk.read_by(desk.first) == []


async def test_renaming_inbox_takes_along_who_read_what(desk: Desk) -> None:
    await desk.deliver(2)
    await desk.change(READ, desk.first, 2)
    await desk.database.write(
        lambda uow: rename_folder(uow, desk.owner, "INBOX", "Old", uidvalidities=[7], now=NOW)
    )
    assert await desk.read_by(desk.first, "Old") == [2]


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_taken_over_is_what_a_fresh_reading_finds(
    desk: Desk, seed: int, events: Events
) -> None:
    chance = random.Random(seed)
    await desk.deliver(5)
    folder_id = (await desk.folder()).id
    for _ in range(40):
        act = chance.random()
        image = await desk.image(None)
        if act < 0.2:
            await desk.deliver(chance.randint(1, 3))
        elif act < 0.4 and image.uids:
            uid = chance.choice(image.uids)
            await desk.database.write(
                lambda uow, uid=uid: remove(uow, desk.vault, desk.owner, folder_id, uid)
            )
        elif image.uids:
            who = chance.choice((desk.first, desk.second, None))
            uids = sorted(chance.sample(list(image.uids), min(2, len(image.uids))))
            await desk.change(chance.choice((READ, UNREAD)), who, *uids)
        if chance.random() < 0.5:
            continue
        for viewer in (desk.first, desk.second, None):
            fresh = await FolderImages(desk.database, events).current(folder_id, viewer)
            assert fresh is not None
            assert (await desk.image(viewer)).flags == fresh.flags
