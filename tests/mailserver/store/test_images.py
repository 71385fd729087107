"""Images of folders: what is taken over from the last one is what a fresh reading finds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from foundation.events import Events
from foundation.mime.scanner import scan
from mailserver.imap.structure import render
from mailserver.store.append import NewMail, append, create_folders
from mailserver.store.copy import Transfer, transfer
from mailserver.store.expunge import expunge
from mailserver.store.flags import Change, FlagChange, change_flags
from mailserver.store.folders import delete_folder, find_folder, rename_folder
from mailserver.store.images import FolderImage, FolderImages, Step, vanished_since
from mailserver.store.recent import claim_recent
from mailserver.store.selection import UidBatch
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault
    from mailserver.store.folders import Folder

NOW = 1_773_413_650_000
RAW = b"Subject: s\r\n\r\nbody"
ALL = UidBatch(1, 2**32 - 1)


class Box:
    """A mailbox whose INBOX a test changes at random."""

    def __init__(self, database: Database, events: Events, vault: Vault, owner_id: int) -> None:
        self.database = database
        self.vault = vault
        self.owner_id = owner_id
        self.images = FolderImages(database, events)

    async def folder(self, name: str = "INBOX") -> Folder:
        found = await self.database.read(lambda conn: find_folder(conn, self.owner_id, name))
        assert found is not None
        return found

    async def image(self, name: str = "INBOX") -> FolderImage:
        image = await self.images.current((await self.folder(name)).id)
        assert image is not None
        return image

    async def deliver(self, count: int = 1, flags: int = 0, keywords: str = "") -> None:
        sealed = await self.vault.seal(RAW)

        def unit(uow: UnitOfWork) -> None:
            blob_id = self.vault.store(uow, sealed, [self.owner_id])
            for _ in range(count):
                new = NewMail(blob_id, len(RAW), render(RAW, scan(RAW)), NOW, flags, keywords)
                append(uow, self.owner_id, "INBOX", new)

        await self.database.write(unit)

    async def change(self, uids: tuple[int, ...], change: FlagChange) -> None:
        chosen = [UidBatch(uids[0], uids[-1], uids)]
        inbox = await self.folder()
        await self.database.write(lambda uow: change_flags(uow, inbox.id, chosen, change))

    async def expunge(self) -> None:
        inbox = await self.folder()
        await self.database.write(lambda uow: expunge(uow, self.vault, self.owner_id, inbox.id, [ALL]))

    async def move(self, uids: tuple[int, ...], name: str) -> None:
        inbox, target = await self.folder(), await self.folder(name)
        chosen = [UidBatch(uids[0], uids[-1], uids)]
        await self.database.write(lambda uow: transfer(uow, inbox.id, chosen, target, Transfer.MOVE, now=NOW))


@pytest.fixture
async def box(database: Database, events: Events, vault: Vault) -> Box:
    def unit(uow: UnitOfWork) -> int:
        owner_id = vault.create_owner(uow)
        create_folders(uow, owner_id, NOW)
        return owner_id

    return Box(database, events, vault, await database.write(unit))


async def _act(box: Box, dice: random.Random, uids: list[int]) -> None:
    some = tuple(sorted(dice.sample(uids, min(len(uids), dice.randint(1, 4)))))
    match dice.randrange(6 if some else 1):
        case 0:
            await box.deliver(dice.randint(1, 3), dice.choice([0, 1, 4]), dice.choice(["", "k", "a b"]))
        case 1 | 2:
            change = FlagChange(dice.choice(list(Change)), dice.choice([1, 4, 8]), dice.choice([(), ("x",)]))
            await box.change(some, change)
        case 3:
            await box.change(some, FlagChange(Change.ADD, Flag.DELETED))
            await box.expunge()
        case 4:
            await box.move(some, dice.choice(["Trash", "INBOX"]))
        case _:
            inbox = await box.folder()
            await box.database.write(lambda uow: claim_recent(uow, inbox.id))


@pytest.mark.parametrize("seed", range(6))
async def test_a_followed_image_is_what_a_fresh_reading_finds(box: Box, seed: int) -> None:
    dice = random.Random(seed)
    told = first = await box.image()
    history: list[Step] = []
    for turn in range(60):
        await _act(box, dice, list(told.uids))
        if turn % 3:
            continue
        image = await box.image()
        fresh = await FolderImages(box.database, Events()).current(image.folder_id)
        assert image == fresh
        step = box.images.step(told, image)
        history.append(step)
        assert set(step.vanished) >= set(told.uids) - set(image.uids)
        flags_before = {
            uid: (told.flags[place], told.keywords.get(uid)) for place, uid in enumerate(told.uids)
        }
        flags_now = {
            uid: (image.flags[place], image.keywords.get(uid)) for place, uid in enumerate(image.uids)
        }
        assert {uid for uid, value in flags_now.items() if flags_before.get(uid) != value} <= set(
            step.changed
        )
        told = image
    whole = box.images.step(first, told)
    assert set(whole.changed) == set(told.uids)
    assert not set(whole.vanished) & set(told.uids)


async def test_steps_that_were_forgotten_are_worked_out_from_the_images(box: Box) -> None:
    await box.deliver(5)
    before = await box.image()
    await box.change((2, 4), FlagChange(Change.ADD, Flag.DELETED))
    await box.expunge()
    await box.change((1,), FlagChange(Change.ADD, Flag.SEEN))
    await box.deliver()
    after = await FolderImages(box.database, Events()).current(before.folder_id)
    assert after is not None
    assert box.images.step(before, after) == Step((2, 4), (1, 6))


async def test_many_changes_at_once_are_taken_over_too(box: Box) -> None:
    await box.deliver(700)
    assert (await box.image()).unseen == 700
    await box.change(tuple(range(1, 701)), FlagChange(Change.ADD, Flag.SEEN | Flag.DELETED))
    image = await box.image()
    assert (image.unseen, image.deleted, image.first_unseen) == (0, 700, None)
    await box.expunge()
    assert len((await box.image()).uids) == 0


async def test_what_left_is_known_by_modification_sequence(box: Box) -> None:
    await box.deliver(4)
    start = await box.image()
    await box.move((2,), "Trash")
    middle = await box.image()
    await box.change((1,), FlagChange(Change.ADD, Flag.DELETED))
    await box.expunge()
    since = [
        await box.database.read(lambda conn, known=known: vanished_since(conn, start.folder_id, known))
        for known in (start.modseq, middle.modseq)
    ]
    assert since == [[1, 2], [1]]


async def test_renaming_the_inbox_empties_it_for_who_has_it_open(box: Box) -> None:
    await box.deliver(3)
    before = await box.image()
    await box.database.write(
        lambda uow: rename_folder(uow, box.owner_id, "INBOX", "Old", uidvalidities=[5], now=NOW)
    )
    after = await box.image()
    assert box.images.step(before, after) == Step((1, 2, 3), ())
    assert list((await box.image("Old")).uids) == [1, 2, 3]


async def test_a_deleted_folder_has_no_image(box: Box) -> None:
    inbox = await box.folder()
    await box.database.write(
        lambda uow: rename_folder(uow, box.owner_id, "INBOX", "Old", uidvalidities=[5], now=NOW)
    )
    old = await box.image("Old")
    await box.database.write(lambda uow: delete_folder(uow, box.vault, box.owner_id, "Old"))
    assert await box.images.current(old.folder_id) is None
    assert await box.images.current(inbox.id) is not None
