from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from foundation.vault import (
    BlobDamaged,
    BlobNotFound,
    Vault,
    VaultUnavailable,
    blob,
    blob_grant,
    write_master_key,
)
from foundation.vault_format import CHUNK

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database

MARKER = b"Le patient tousse depuis trois jours."
SIZES = [0, 1, 4096, 64 * 1024, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17]


async def owners(database: Database, vault: Vault, count: int) -> list[int]:
    return [await database.write(vault.create_owner) for _ in range(count)]


async def kept(database: Database, vault: Vault, data: bytes, *owner_ids: int) -> int:
    sealed = await vault.seal(data)
    return await database.write(lambda uow: vault.store(uow, sealed, owner_ids))


def files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "vault").glob("*/*"))


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_stored_is_read_back(database: Database, vault: Vault, size: int) -> None:
    [owner] = await owners(database, vault, 1)
    data = os.urandom(size)
    blob_id = await kept(database, vault, data, owner)
    assert await vault.read(owner, blob_id) == data
    assert b"".join([part async for part in vault.stream(owner, blob_id)]) == data


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (CHUNK - 1, 2), (CHUNK, CHUNK), (2 * CHUNK + 5, None), (10**9, 5)]
)
async def test_any_slice_can_be_streamed(
    database: Database, vault: Vault, start: int, length: int | None
) -> None:
    [owner] = await owners(database, vault, 1)
    data = os.urandom(3 * CHUNK + 17)
    blob_id = await kept(database, vault, data, owner)
    got = b"".join([part async for part in vault.stream(owner, blob_id, start, length)])
    assert got == (data[start:] if length is None else data[start : start + length])


async def test_nothing_of_a_body_is_readable_on_disk(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    [owner] = await owners(database, vault, 1)
    await kept(database, vault, MARKER * 10, owner)
    await kept(database, vault, os.urandom(200_000) + MARKER, owner)
    on_disk = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(on_disk) >= 3
    assert not [path for path in on_disk if MARKER in path.read_bytes()]


async def test_another_owner_cannot_read(database: Database, vault: Vault) -> None:
    owner, stranger = await owners(database, vault, 2)
    blob_id = await kept(database, vault, MARKER, owner)
    with pytest.raises(BlobNotFound):
        await vault.read(stranger, blob_id)


async def test_a_message_to_many_is_stored_once(database: Database, vault: Vault, tmp_path: Path) -> None:
    many = await owners(database, vault, 5)
    data = os.urandom(500_000)
    blob_id = await kept(database, vault, data, *many)
    assert len(files(tmp_path)) == 1
    for owner in many:
        assert await vault.read(owner, blob_id) == data


async def test_equal_content_is_stored_once_and_the_second_owner_reads_it(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    one, two = await owners(database, vault, 2)
    data = os.urandom(500_000)
    first, second = await kept(database, vault, data, one), await kept(database, vault, data, two)
    assert first == second
    await vault.settle()
    assert len(files(tmp_path)) == 1
    assert await vault.read(two, second) == data


async def test_the_last_release_deletes_row_and_file(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    one, two = await owners(database, vault, 2)
    data = os.urandom(500_000)
    blob_id = await kept(database, vault, data, one, two)
    assert await kept(database, vault, data, one) == blob_id  # one more use by the same owner
    for owner in (one, two, one):
        assert await vault.read(one, blob_id) == data
        await database.write(lambda uow, owner=owner: vault.release(uow, owner, blob_id))
    await vault.settle()
    assert files(tmp_path) == []
    assert await database.read(lambda c: c.execute(select(func.count()).select_from(blob)).scalar()) == 0
    assert (
        await database.read(lambda c: c.execute(select(func.count()).select_from(blob_grant)).scalar()) == 0
    )


async def test_a_flipped_bit_is_noticed(database: Database, vault: Vault, tmp_path: Path) -> None:
    [owner] = await owners(database, vault, 1)
    large = await kept(database, vault, os.urandom(500_000), owner)
    small = await kept(database, vault, MARKER, owner)
    [file] = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    await database.write(
        lambda uow: uow.execute(update(blob).where(blob.c.id == small).values(data=secrets.token_bytes(99)))
    )
    for blob_id in (large, small):
        with pytest.raises(BlobDamaged):
            await vault.read(owner, blob_id)


async def test_a_blob_cut_short_is_noticed(database: Database, vault: Vault, tmp_path: Path) -> None:
    [owner] = await owners(database, vault, 1)
    blob_id = await kept(database, vault, os.urandom(2 * CHUNK), owner)
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes()[: CHUNK + 100])
    with pytest.raises(BlobDamaged):
        await vault.read(owner, blob_id)


async def test_sweeping_removes_old_files_without_a_row_and_no_other(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    [owner] = await owners(database, vault, 1)
    kept_id = await kept(database, vault, os.urandom(500_000), owner)
    left = await vault.seal(os.urandom(500_000))
    young = await vault.seal(os.urandom(500_000))
    for path in files(tmp_path):
        if path.name != young.file:
            os.utime(path, (0, 0))
    assert await vault.sweep() == 1
    assert left.file not in {path.name for path in files(tmp_path)}
    assert young.file in {path.name for path in files(tmp_path)}
    assert len(await vault.read(owner, kept_id)) == 500_000


async def test_another_master_key_opens_nothing(database: Database, vault: Vault, tmp_path: Path) -> None:
    [owner] = await owners(database, vault, 1)
    blob_id = await kept(database, vault, MARKER, owner)
    write_master_key(tmp_path / "other.key")
    other = Vault.open(database, f"file://{tmp_path / 'vault'}", tmp_path / "other.key")
    with pytest.raises(BlobDamaged):
        await other.read(owner, blob_id)


async def test_a_master_key_that_others_can_read_is_refused(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(VaultUnavailable, match="chmod 600"):
        Vault.open(database, f"file://{tmp_path / 'vault'}", tmp_path / "master.key")


async def test_keys_do_not_show_in_repr(vault: Vault) -> None:
    sealed = await vault.seal(MARKER)
    assert sealed.key.hex() not in repr(sealed)
    assert repr(sealed.key) not in repr(sealed)
    assert repr(vault) == "Vault(...)"


async def test_a_file_that_cannot_be_removed_is_swept_later_and_stops_nobody(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    [owner] = await owners(database, vault, 1)
    blob_id = await kept(database, vault, os.urandom(500_000), owner)
    [file] = files(tmp_path)
    real = file.read_bytes()
    file.unlink()
    file.mkdir()  # a folder in its place: unlink fails, for root as well
    await asyncio.wait_for(database.write(lambda uow: vault.release(uow, owner, blob_id)), 10)
    await vault.settle()
    file.rmdir()
    file.write_bytes(real)
    os.utime(file, (0, 0))
    assert await vault.sweep() == 1


async def test_a_missing_file_is_damage_for_whole_and_partial_reading(
    database: Database, vault: Vault, tmp_path: Path
) -> None:
    [owner] = await owners(database, vault, 1)
    blob_id = await kept(database, vault, os.urandom(500_000), owner)
    files(tmp_path)[0].unlink()
    with pytest.raises(BlobDamaged):
        await vault.read(owner, blob_id)
    with pytest.raises(BlobDamaged):
        [part async for part in vault.stream(owner, blob_id)]
