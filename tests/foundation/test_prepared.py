from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from foundation.driver import dbapi
from foundation.prepared import PreparedStatements
from foundation.vault import vault_owner
from tests.foundation.test_database import thing

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork

INSERT = insert(thing)
BY_NAME = select(thing.c.id, thing.c.name).where(thing.c.name == bindparam("wanted"))
RENAME = update(thing).where(thing.c.name == bindparam("old")).values(name=bindparam("new"))
CONSTANT = update(thing).where(thing.c.id > 0).values(name="always")
ALL = select(thing.c.name).order_by(thing.c.name)


@pytest.fixture(autouse=True)
async def _a_table(database: Database) -> None:
    await database.write(lambda uow: thing.create(uow.connection))


async def test_a_prepared_statement_does_what_the_same_core_statement_does(database: Database) -> None:
    def unit(uow: UnitOfWork) -> tuple[object, ...]:
        number = uow.run(INSERT, {"name": "one"}).inserted_id
        uow.run_each(INSERT, [{"name": "two"}, {"name": "three"}])
        assert uow.run(RENAME, {"new": "deux", "old": "two"}).rowcount == 1
        assert uow.run(RENAME, {"old": "nobody", "new": "x"}).rowcount == 0
        row = uow.run(BY_NAME, {"wanted": "one"}).first()
        assert (row.id, row.name) == (number, "one")
        assert uow.run(BY_NAME, {"wanted": "two"}).first() is None
        return tuple(row.name for row in uow.run(ALL, {}))

    assert await database.write(unit) == ("deux", "one", "three")


async def test_constants_of_a_statement_are_bound_as_well(database: Database) -> None:
    await database.write(lambda uow: uow.run(INSERT, {"name": "one"}))
    await database.write(lambda uow: uow.run(CONSTANT, {}))
    assert await database.write(lambda uow: [row.name for row in uow.run(ALL, {})]) == ["always"]


async def test_an_insert_is_compiled_for_the_columns_it_is_given(database: Database) -> None:
    await database.write(lambda uow: uow.run(INSERT, {"name": "a"}))
    await database.write(lambda uow: uow.run(INSERT, {"id": 77, "name": "b"}))
    row = await database.write(lambda uow: uow.run(BY_NAME, {"wanted": "b"}).first())
    assert row is not None
    assert row.id == 77


async def test_its_errors_are_those_of_core_and_hide_the_values(database: Database) -> None:
    await database.write(lambda uow: uow.run(INSERT, {"name": "secret-name"}))
    with pytest.raises(IntegrityError) as refused:
        await database.write(lambda uow: uow.run(INSERT, {"name": "secret-name"}))
    assert "secret-name" not in str(refused.value)
    with pytest.raises(IntegrityError) as refused:
        await database.write(lambda uow: uow.run_each(INSERT, [{"name": "secret-name"}]))
    assert "secret-name" not in str(refused.value)


async def test_a_failing_prepared_statement_undoes_its_unit_alone(database: Database) -> None:
    def unit(uow: UnitOfWork) -> None:
        uow.run(INSERT, {"name": "half"})
        uow.run(INSERT, {"name": "half"})

    with pytest.raises(IntegrityError):
        await database.write(unit)
    assert await database.write(lambda uow: list(uow.run(ALL, {}))) == []


def test_statements_made_on_the_fly_do_not_fill_the_memory() -> None:
    with dbapi.connect(":memory:") as connection:
        connection.execute("CREATE TABLE vault_owner (id INTEGER PRIMARY KEY, wrapped_key BLOB)")
        prepared = PreparedStatements(connection)
        for number in range(2500):
            prepared.run(delete(vault_owner).where(vault_owner.c.id == number), {})
        assert len(prepared._compiled) <= 1000
    connection.close()
