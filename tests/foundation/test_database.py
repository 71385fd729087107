from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select

from foundation.database import Database, DatabaseUnavailable, UnitOfWork
from foundation.database_file import connect

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from foundation.events import Events

thing = Table(
    "test_thing",
    MetaData(),  # its own: the house's tables are compared with the migrations
    Column("id", Integer, primary_key=True),
    Column("name", String, unique=True),
    info={"test": True},
)


@pytest.fixture(autouse=True)
async def _a_table(database: Database) -> None:
    await database.write(lambda uow: thing.create(uow.connection))


def add(name: str):
    def unit(uow: UnitOfWork) -> int:
        uow.publish(f"thing:{name}")
        result = uow.execute(insert(thing), {"name": name})
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    return unit


def names(connection: Connection) -> set[str]:
    return set(connection.execute(select(thing.c.name)).scalars())


async def test_a_unit_is_readable_once_it_returned(database: Database) -> None:
    await database.write(add("one"))
    assert await database.read(names) == {"one"}
    assert database.read_now(names) == {"one"}


async def test_a_unit_that_fails_takes_no_other_of_its_group_with_it(database: Database) -> None:
    await database.write(add("taken"))
    results = await asyncio.gather(
        *(database.write(add(name)) for name in ("a", "taken", "b", "taken", "c")), return_exceptions=True
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False, True, False]
    assert await database.read(names) == {"taken", "a", "b", "c"}


async def test_what_a_failed_unit_wrote_before_it_failed_is_undone(database: Database) -> None:
    def unit(uow: UnitOfWork) -> None:
        uow.execute(insert(thing), {"name": "half"})
        raise ValueError

    with pytest.raises(ValueError):
        await database.write(unit)
    assert await database.read(names) == set()


async def test_listeners_hear_of_commits_and_not_of_failures(database: Database, events: Events) -> None:
    with events.subscribe("thing:a", "thing:b") as heard:
        await database.write(add("a"))
        with pytest.raises(Exception, match="UNIQUE"):
            await database.write(lambda uow: (add("b")(uow), add("a")(uow)))
        assert heard.take() == {"thing:a"}


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="readonly"):
        await database.read(lambda connection: connection.execute(insert(thing), {"name": "x"}))


async def test_many_units_share_few_commits(database: Database, tmp_path: Path) -> None:
    commits = 0

    def count(*_args: object) -> None:
        nonlocal commits
        commits += 1

    from sqlalchemy import event

    event.listen(database._write_engine, "commit", count)  # type: ignore[attr-defined]
    await asyncio.gather(*(database.write(add(f"n{number}")) for number in range(200)))
    assert len(await database.read(names)) == 200
    assert commits < 100


async def test_another_process_may_write_between_our_commits(database: Database, tmp_path: Path) -> None:
    await database.write(add("ours"))
    with connect(tmp_path / "test.db", None) as other:
        other.execute("INSERT INTO test_thing(name) VALUES ('theirs')")
    await database.write(add("ours too"))
    assert await database.read(names) == {"ours", "theirs", "ours too"}


async def test_the_data_version_changes_with_commits_of_ours_and_of_others_and_with_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    first = database.data_version()
    await database.read(names)
    assert database.data_version() == first
    await database.write(add("ours"))
    second = database.data_version()
    assert second != first
    with connect(tmp_path / "test.db", None) as other:
        other.execute("INSERT INTO test_thing(name) VALUES ('theirs')")
    # A look-up in between takes notice for itself, not for who compares.
    assert database.read_now(names) == {"ours", "theirs"}
    third = database.data_version()
    assert third != second
    with pytest.raises(ValueError):
        await database.write(lambda _uow: int("x"))
    assert database.data_version() == third


async def test_an_url_of_another_engine_is_refused_in_one_sentence() -> None:
    with pytest.raises(DatabaseUnavailable, match="only sqlite"):
        await Database.open("mysql://localhost/x")


async def test_a_missing_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await Database.open(f"sqlite:///{tmp_path}/no/where.db")


async def test_close_finishes_what_was_handed_in(tmp_path: Path) -> None:
    opened = await Database.open(f"sqlite:///{tmp_path}/x.db")
    await opened.write(lambda uow: thing.create(uow.connection))
    writing = [asyncio.ensure_future(opened.write(add(f"n{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    await opened.close()
    await asyncio.gather(*writing)
    with connect(tmp_path / "x.db", None) as check:
        assert check.execute("SELECT count(*) FROM test_thing").fetchone() == (50,)


async def test_the_number_of_a_deleted_row_is_never_given_again(database: Database) -> None:
    from foundation.vault import vault_owner

    def one(uow: UnitOfWork) -> int:
        result = uow.execute(insert(vault_owner), {"wrapped_key": b"k"})
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    first = await database.write(one)
    await database.write(lambda uow: uow.execute(delete(vault_owner)))
    assert await database.write(one) == first + 1


async def test_a_commit_that_fails_fails_its_whole_group_and_the_next_group_is_fine(
    database: Database,
) -> None:
    from sqlalchemy import text

    from foundation.vault import blob_grant

    def breaks_the_commit(uow: UnitOfWork) -> None:
        uow.execute(text("PRAGMA defer_foreign_keys=ON"))
        uow.execute(insert(blob_grant), {"owner_id": 999, "blob_id": 999, "wrapped_key": b"", "uses": 1})

    results = await asyncio.gather(
        database.write(add("with it")), database.write(breaks_the_commit), return_exceptions=True
    )
    assert isinstance(results[1], Exception)
    stored = await database.read(names)
    # The first unit shared the commit that failed, or had a commit of its own: it was told which.
    assert ("with it" in stored) == (not isinstance(results[0], Exception))
    await database.write(add("after"))
    assert "after" in await database.read(names)


async def test_what_fails_after_a_commit_keeps_nobody_waiting(database: Database, events: Events) -> None:
    def breaks_afterwards(uow: UnitOfWork) -> str:
        def raises() -> None:
            raise OSError("read-only")

        uow.after_commit(raises)
        uow.publish("thing:broken")
        return "stored"

    with events.subscribe("thing:broken", "thing:a") as heard:
        answers = await asyncio.wait_for(
            asyncio.gather(
                database.write(breaks_afterwards), database.write(add("a")), database.write(add("b"))
            ),
            10,
        )
        assert answers[0] == "stored"
        assert heard.take() == {"thing:broken", "thing:a"}
    assert await database.read(names) == {"a", "b"}
