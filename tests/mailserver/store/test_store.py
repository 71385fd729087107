"""The store by itself: batches, flags, copies, expunges and what they leave in the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.events import Events
from foundation.mime.scanner import scan
from foundation.vault import BlobNotFound
from mailserver.imap.structure import render
from mailserver.store.append import Appended, NewMail, append, create_folders
from mailserver.store.copy import Transfer, transfer
from mailserver.store.expunge import expunge
from mailserver.store.flags import Change, FlagChange, TooManyKeywords, change_flags
from mailserver.store.folders import (
    FolderRefusal,
    create_folder,
    delete_folder,
    find_folder,
    list_folders,
    name_is_possible,
    rename_folder,
)
from mailserver.store.images import FolderImages
from mailserver.store.messages import Column, read_messages
from mailserver.store.recent import claim_recent
from mailserver.store.selection import BATCH, UidBatch, batches
from mailserver.store.tables import Flag, mail, message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

    Deliver = Callable[..., Awaitable[Appended]]

NOW = 1_773_413_650_000


@pytest.fixture
async def owner(database: Database, vault: Vault) -> int:
    def unit(uow: UnitOfWork) -> int:
        owner_id = vault.create_owner(uow)
        create_folders(uow, owner_id, NOW)
        return owner_id

    return await database.write(unit)


@pytest.fixture
def deliver(database: Database, vault: Vault, owner: int) -> Callable[..., Awaitable[Appended]]:
    async def put(
        folder: str = "INBOX", flags: int = 0, keywords: str = "", text: bytes = b"body"
    ) -> Appended:
        raw = b"Subject: s\r\n\r\n" + text
        sealed = await vault.seal(raw)

        def unit(uow: UnitOfWork) -> Appended:
            blob_id = vault.store(uow, sealed, [owner])
            new = NewMail(blob_id, len(raw), render(raw, scan(raw)), NOW, flags, keywords)
            return append(uow, owner, folder, new)

        return await database.write(unit)

    return put


ALL = UidBatch(1, 2**32 - 1)


def test_one_slice_becomes_ranges() -> None:
    uids = list(range(10, 10 + 3 * BATCH))
    assert list(batches(uids, [(5, 2 * BATCH + 7)])) == [
        UidBatch(15, BATCH + 14),
        UidBatch(BATCH + 15, 2 * BATCH + 14),
        UidBatch(2 * BATCH + 15, 2 * BATCH + 16),
    ]


def test_several_slices_become_lists() -> None:
    uids = list(range(0, 5 * BATCH, 2))
    found = list(batches(uids, [(0, 1), (3, BATCH + 3), (2 * BATCH, 2 * BATCH + 2)]))
    assert [len(batch.uids or ()) for batch in found] == [BATCH, 3]
    together = [uid for batch in found for uid in batch.uids or ()]
    assert together == [*uids[0:1], *uids[3 : BATCH + 3], *uids[2 * BATCH : 2 * BATCH + 2]]


def test_no_slice_is_no_batch() -> None:
    assert list(batches([1, 2], [])) == list(batches([], [(0, 0)])) == []


async def test_flags_change_only_what_changes(database: Database, deliver: Deliver) -> None:
    placed = [await deliver(flags=flags) for flags in (0, Flag.SEEN, Flag.FLAGGED)]
    folder_id = placed[0].folder_id
    add = FlagChange(Change.ADD, Flag.SEEN)
    changed = await database.write(lambda uow: change_flags(uow, folder_id, [ALL], add))
    assert [found.flags for found in changed.messages] == [1, 1, 5]
    image = await FolderImages(database, Events()).current(folder_id)
    assert image is not None
    assert [modseq == changed.modseq for modseq in image.modseqs] == [True, False, True]
    again = await database.write(lambda uow: change_flags(uow, folder_id, [ALL], add))
    assert again.modseq == changed.modseq


@pytest.mark.parametrize(
    ("change", "words", "expected"),
    [
        (Change.ADD, ("b", "C"), ["b C", "a b C", "b C d"]),
        (Change.REMOVE, ("A", "c"), ["", "", "d"]),
        (Change.REPLACE, ("C",), ["C", "C", "c"]),
        (Change.REPLACE, (), ["", "", ""]),
    ],
)
async def test_keywords_are_sets_that_ignore_case(
    database: Database, deliver: Deliver, change: Change, words: tuple[str, ...], expected: list[str]
) -> None:
    folder_id = (await deliver()).folder_id
    await deliver(keywords="a")
    await deliver(keywords="c d")
    changed = await database.write(
        lambda uow: change_flags(uow, folder_id, [UidBatch(1, 3, (1, 2, 3))], FlagChange(change, 0, words))
    )
    assert [sorted(found.keywords.upper().split()) for found in changed.messages] == [
        sorted(text.upper().split()) for text in expected
    ]


async def test_too_many_keywords_change_nothing(database: Database, deliver: Deliver) -> None:
    folder_id = (await deliver(keywords=" ".join(f"k{number}" for number in range(60)))).folder_id
    words = tuple(f"n{number}" for number in range(5))
    with pytest.raises(TooManyKeywords):
        await database.write(
            lambda uow: change_flags(uow, folder_id, [ALL], FlagChange(Change.ADD, 0, words))
        )
    rows = await database.read(lambda conn: list(read_messages(conn, folder_id, ALL, (Column.KEYWORDS,))))
    assert len(rows[0].keywords.split()) == 60


async def test_a_body_leaves_the_vault_with_its_last_message(
    database: Database, vault: Vault, owner: int, deliver: Deliver
) -> None:
    placed = await deliver(flags=Flag.DELETED)
    blob_id = await database.read(lambda conn: conn.execute(select(mail.c.blob_id)).scalar_one())
    archive = await database.read(lambda conn: find_folder(conn, owner, "Archive"))
    assert archive is not None
    await database.write(lambda uow: transfer(uow, placed.folder_id, [ALL], archive, Transfer.COPY, now=NOW))
    await database.write(lambda uow: expunge(uow, vault, owner, placed.folder_id, [ALL]))
    assert await vault.read(owner, blob_id) == b"Subject: s\r\n\r\nbody"
    await database.write(lambda uow: expunge(uow, vault, owner, archive.id, [ALL]))
    with pytest.raises(BlobNotFound):
        await vault.read(owner, blob_id)
    assert (
        await database.read(lambda conn: conn.execute(select(func.count()).select_from(mail)).scalar()) == 0
    )


async def test_two_mails_of_one_content_are_released_one_by_one(
    database: Database, vault: Vault, owner: int, deliver: Deliver
) -> None:
    placed = await deliver(flags=Flag.DELETED)
    await deliver()
    blob_id = await database.read(lambda conn: conn.execute(select(mail.c.blob_id)).scalars().first())
    assert blob_id is not None
    await database.write(lambda uow: expunge(uow, vault, owner, placed.folder_id, [ALL]))
    assert await vault.read(owner, blob_id) == b"Subject: s\r\n\r\nbody"


async def test_deleting_a_folder_releases_its_mails(
    database: Database, vault: Vault, owner: int, deliver: Deliver
) -> None:
    create = await database.write(
        lambda uow: create_folder(uow, owner, "X/Y", uidvalidities=[9, 10], now=NOW)
    )
    assert isinstance(create, int)
    await deliver("X/Y")
    assert await database.write(lambda uow: delete_folder(uow, vault, owner, "X/Y")) is None
    counts = await database.read(
        lambda conn: [
            conn.execute(select(func.count()).select_from(table)).scalar() for table in (mail, message)
        ]
    )
    assert counts == [0, 0]


async def test_a_move_keeps_date_flags_and_order(database: Database, owner: int, deliver: Deliver) -> None:
    folder_id = (await deliver(flags=Flag.SEEN, keywords="k")).folder_id
    await deliver(text=b"two")
    await deliver(text=b"three")
    await deliver("Trash")
    chosen = [UidBatch(1, 3, (1, 3))]
    target = await database.read(lambda conn: find_folder(conn, owner, "Trash"))
    assert target is not None
    moved = await database.write(lambda uow: transfer(uow, folder_id, chosen, target, Transfer.MOVE, now=NOW))
    assert (moved.sources, list(moved.targets)) == ((1, 3), [2, 3])
    trash = await database.read(lambda conn: find_folder(conn, owner, "Trash"))
    assert trash is not None
    rows = await database.read(
        lambda conn: list(
            read_messages(
                conn, trash.id, ALL, (Column.FLAGS, Column.KEYWORDS, Column.RECEIVED_AT, Column.SIZE)
            )
        )
    )
    assert [tuple(row) for row in rows[1:]] == [(2, 1, "k", NOW, 18), (3, 0, "", NOW, 19)]
    image = await FolderImages(database, Events()).current(folder_id)
    assert image is not None
    assert list(image.uids) == [2]
    assert trash.uidnext == 4


async def test_recent_is_given_once(database: Database, deliver: Deliver) -> None:
    folder_id = (await deliver()).folder_id
    await deliver()
    assert await database.write(lambda uow: claim_recent(uow, folder_id)) == (1, 3)
    assert await database.write(lambda uow: claim_recent(uow, folder_id)) == (0, 0)
    await deliver()
    assert await database.write(lambda uow: claim_recent(uow, folder_id)) == (3, 4)


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "/a", "a/ /b", "a\0", "a\n", "a\u202eb", "a*", "%", "x" * 256, "/".join("a" * 21)],
)
def test_a_name_that_no_folder_can_have(name: str) -> None:
    assert not name_is_possible(name)


async def test_renaming_takes_the_children_along(database: Database, vault: Vault, owner: int) -> None:
    def unit(uow: UnitOfWork) -> list[object]:
        return [
            create_folder(uow, owner, "A/B/C", uidvalidities=[7] * 3, now=NOW),
            rename_folder(uow, owner, "A/B", "Z/Y", uidvalidities=[8] * 3, now=NOW),
            rename_folder(uow, owner, "A", "INBOX", uidvalidities=[8] * 3, now=NOW),
            rename_folder(uow, owner, "Sent", "Other", uidvalidities=[8] * 3, now=NOW),
            rename_folder(uow, owner, "Z", "x" * 252, uidvalidities=[8] * 3, now=NOW),
        ]

    made, *refused = await database.write(unit)
    assert isinstance(made, int)
    assert refused == [
        None,
        FolderRefusal.EXISTS,
        FolderRefusal.IS_SPECIAL,
        FolderRefusal.BAD_NAME,
    ]
    names = await database.read(lambda conn: [found.name for found in list_folders(conn, owner)])
    assert [name for name in names if name[0] in "AZ"] == ["A", "Archive", "Z", "Z/Y", "Z/Y/C"]


async def test_a_box_has_a_bounded_number_of_folders(
    database: Database, owner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailserver.store.folders.MAX_FOLDERS", 8)

    def unit(uow: UnitOfWork) -> list[object]:
        return [
            create_folder(uow, owner, name, uidvalidities=[7] * 3, now=NOW) for name in ("A/B", "C", "A/B")
        ]

    assert (await database.write(unit))[1:] == [FolderRefusal.TOO_MANY, FolderRefusal.EXISTS]
