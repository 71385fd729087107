"""What an encrypted database shows on disk, and who gets in."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from foundation.cipher import DatabaseKey, derive_key, key_of
from foundation.database import Database, DatabaseUnavailable
from foundation.database_file import connect, damaged_pages
from foundation.settings import from_values
from foundation.vault import VaultUnavailable, read_master_key, write_master_key
from tests.foundation.test_database import add, names, thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

KEY = derive_key(bytes(range(32)))
OTHER = derive_key(bytes(32))
MARKER = "Résultats de Mme Dupont-Marqueur"
BY_NAME = select(thing.c.id, thing.c.name).where(thing.c.name == bindparam("wanted"))


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'cipher.db'}"


@pytest.fixture
async def encrypted(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(url(tmp_path), key=KEY)
    await opened.write(lambda uow: thing.create(uow.connection))
    yield opened
    await opened.close()


def holds(tmp_path: Path, words: bytes) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("cipher.db*") if words in path.read_bytes())


def index_texts(connection: Connection) -> None:
    connection.execute(
        text("CREATE VIRTUAL TABLE words USING fts5(t, content='', contentless_delete=1, tokenize='trigram')")
    )
    connection.execute(text("INSERT INTO words(rowid, t) VALUES (1, :t)"), {"t": MARKER})


async def test_neither_the_file_nor_its_log_shows_a_row_or_a_term_of_an_index(
    tmp_path: Path, encrypted: Database
) -> None:
    await encrypted.write(add(MARKER))
    await encrypted.write(lambda uow: index_texts(uow.connection))
    assert (tmp_path / "cipher.db-wal").stat().st_size > 4096
    with connect(tmp_path / "cipher.db", KEY) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
    assert (tmp_path / "cipher.db").stat().st_size > 4096
    for words in (MARKER.encode(), MARKER.encode().lower()[-8:], b"test_thing", b"SQLite format 3"):
        assert holds(tmp_path, words) == []
    assert await encrypted.read(names) == {MARKER}


async def test_without_the_cipher_the_same_search_finds_the_row(tmp_path: Path) -> None:
    opened = await Database.open(url(tmp_path))
    await opened.write(lambda uow: thing.create(uow.connection))
    await opened.write(add(MARKER))
    found = holds(tmp_path, MARKER.encode())
    await opened.close()
    assert found == ["cipher.db-wal"]
    assert holds(tmp_path, MARKER.encode()) == ["cipher.db"]


async def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path, encrypted: Database) -> None:
    await encrypted.write(add("kept"))
    await encrypted.close()
    again = await Database.open(url(tmp_path), key=KEY)
    assert await again.read(names) == {"kept"}
    await again.close()


async def test_writer_readers_and_loop_share_the_file(encrypted: Database) -> None:
    async def one(number: int) -> set[str]:
        await encrypted.write(add(f"n{number}"))
        assert f"n{number}" in encrypted.read_now(names)
        return await encrypted.read(names)

    seen = await asyncio.gather(*(one(number) for number in range(100)))
    assert all(f"n{number}" in each for number, each in enumerate(seen))
    assert len(await encrypted.read(names)) == 100


async def test_prepared_statements_and_their_errors_are_those_of_a_plain_file(encrypted: Database) -> None:
    insertion = insert(thing)
    await encrypted.write(lambda uow: uow.run(insertion, {"name": MARKER}))
    row = await encrypted.write(lambda uow: uow.run(BY_NAME, {"wanted": MARKER}).first())
    assert row.name == MARKER
    with pytest.raises(IntegrityError) as refused:
        await encrypted.write(lambda uow: uow.run(insertion, {"name": MARKER}))
    assert MARKER not in str(refused.value)


async def test_another_process_writes_with_the_key_and_is_noticed(
    tmp_path: Path, encrypted: Database
) -> None:
    before = encrypted.data_version()
    with connect(tmp_path / "cipher.db", KEY) as other:
        other.execute("INSERT INTO test_thing(name) VALUES ('theirs')")
    assert encrypted.data_version() != before
    assert await encrypted.read(names) == {"theirs"}


# Refused -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def closed_file(tmp_path: Path, encrypted: Database) -> Path:
    """An encrypted file of many pages that nobody has open."""
    for number in range(300):
        await encrypted.write(add(f"{number} {MARKER * 20}"))
    await encrypted.close()
    return tmp_path / "cipher.db"


async def sentence(tmp_path: Path, key: DatabaseKey | None) -> str:
    content = (tmp_path / "cipher.db").read_bytes()
    with pytest.raises(DatabaseUnavailable) as refused:
        await Database.open(url(tmp_path), key=key)
    assert (tmp_path / "cipher.db").read_bytes() == content
    return str(refused.value)


async def test_another_key_is_refused_in_one_sentence(tmp_path: Path, closed_file: Path) -> None:
    assert "another master key, or a damaged file" in await sentence(tmp_path, OTHER)


async def test_no_key_is_refused_and_the_command_named(tmp_path: Path, closed_file: Path) -> None:
    assert "vaguemestre database decrypt" in await sentence(tmp_path, None)


async def test_a_plain_file_is_refused_and_the_command_named(tmp_path: Path) -> None:
    await (await Database.open(url(tmp_path))).close()
    assert "vaguemestre database encrypt" in await sentence(tmp_path, KEY)


@pytest.mark.parametrize(
    ("left", "words"),
    [(0, "was cut off"), (1000, "damaged file"), (8192, "is damaged"), (-4096, "is damaged")],
)
async def test_a_file_that_was_cut_off_is_refused_and_left_as_it_is(
    tmp_path: Path, closed_file: Path, left: int, words: str
) -> None:
    closed_file.write_bytes(closed_file.read_bytes()[:left])
    assert words in await sentence(tmp_path, KEY)


async def test_a_plain_file_that_was_cut_off_is_refused_as_well(tmp_path: Path) -> None:
    opened = await Database.open(url(tmp_path))
    await opened.write(lambda uow: thing.create(uow.connection))
    await opened.close()
    file = tmp_path / "cipher.db"
    file.write_bytes(file.read_bytes()[:4096])
    assert "is damaged" in await sentence(tmp_path, None)


async def test_a_changed_page_is_found_by_its_number_and_never_read_as_something_else(
    tmp_path: Path, closed_file: Path
) -> None:
    assert damaged_pages(closed_file, KEY) == []
    content = bytearray(closed_file.read_bytes())
    content[9 * 4096 + 100] ^= 1
    closed_file.write_bytes(content)
    assert damaged_pages(closed_file, KEY) == ["HMAC verification failed for page 10"]
    opened = await Database.open(url(tmp_path), key=KEY)
    with pytest.raises(DBAPIError, match="malformed"):
        await opened.read(lambda connection: connection.execute(select(thing)).fetchall())
    await opened.close()


async def test_a_missing_file_is_made_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    opened = await Database.open(url(tmp_path), key=KEY)
    assert (tmp_path / "cipher.db").stat().st_size > 0
    assert (tmp_path / "cipher.db").stat().st_mode & 0o777 == 0o600
    await opened.close()
    assert [path.name for path in tmp_path.iterdir()] == ["cipher.db"]


# The key -----------------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_master_key_and_is_another_one(tmp_path: Path) -> None:
    write_master_key(tmp_path / "keys" / "master.key")
    master = read_master_key(tmp_path / "keys" / "master.key")
    key = key_of(from_values(tmp_path, {}))
    assert key == derive_key(master)
    assert key != derive_key(bytes(32))
    assert key.raw != master
    assert len(key.raw) == 32


def test_the_derivation_is_part_of_the_format() -> None:
    assert KEY.raw.hex() == "6f51344489ebdd47377ce12fc965624530a94728fe3baca269b43816373ec9d2"


def test_the_setting_switches_the_key_off(tmp_path: Path) -> None:
    assert key_of(from_values(tmp_path, {"database": {"cipher": False}})) is None


def test_a_missing_master_key_is_said(tmp_path: Path) -> None:
    with pytest.raises(VaultUnavailable, match="does not exist"):
        key_of(from_values(tmp_path, {}))


async def test_the_key_is_in_no_repr_no_error_and_no_log(
    tmp_path: Path, encrypted: Database, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [repr(KEY), str(KEY), repr(encrypted), repr(vars(encrypted))]
    with pytest.raises(DBAPIError) as failed:
        await encrypted.read(lambda connection: connection.execute(text("SELECT nothing FROM nowhere")))
    said.append(repr(failed.value) + str(failed.value))
    await encrypted.close()
    with pytest.raises(DatabaseUnavailable) as refused:
        await Database.open(url(tmp_path), key=OTHER)
    error: BaseException | None = refused.value
    while error is not None:
        said.append(repr(error))
        error = error.__cause__ or error.__context__
    told = capfd.readouterr()
    said += [caplog.text, told.out, told.err]
    assert told.err == ""
    for key in (KEY, OTHER):
        assert not [each for each in said if key.raw.hex() in each or repr(key.raw) in each]
