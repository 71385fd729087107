"""Rows: one `MetaData` for the house, units of work that are on disk when they return, and snapshots to read.

A unit of work is a plain function of a `UnitOfWork`. Units that arrive together are run one after another in
one transaction and share one sync to disk (group commit); each has its own savepoint, so one that fails takes
no other with it. Nobody is answered before the commit is durable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BigInteger, Column, Integer, MetaData, event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, CursorResult, Executable, Select, Table

    from foundation.cipher import DatabaseKey
    from foundation.events import Events
    from foundation.prepared import Answer, PreparedStatements, Statement

T = TypeVar("T")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every package declares its tables here, beside the code that uses them."""


def identity(name: str) -> Column[int]:
    """A primary key that the database numbers, 64 bits on every engine.

    A number is never given twice, also after its row is gone: the trail and URLs name rows by it.
    """
    column: Column[int] = Column(
        name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )

    @event.listens_for(column, "after_parent_attach")
    def _attached(_column: Column[int], table: Table) -> None:
        table.dialect_options["sqlite"]["autoincrement"] = True

    return column


class DatabaseUnavailable(Exception):
    """The database cannot be opened; the text is one sentence for the operator."""


def only_sqlite(url: str) -> str:
    """The sentence for a database this version does not serve; the address may hold a password."""
    return f"database.url: only sqlite:/// is served by this version, not {url.partition(':')[0]}"


class UnitOfWork:
    """What a unit may do inside its transaction, and what it wants done once the transaction is on disk."""

    __slots__ = ("_prepared", "callbacks", "connection", "memo", "topics")

    def __init__(self, connection: Connection, memo: dict[str, Any], prepared: PreparedStatements) -> None:
        self.connection = connection
        self._prepared = prepared
        self.memo = memo
        """Facts that hold inside this transaction only (the end of a hash chain); undone with the unit."""
        self.topics: list[str] = []
        self.callbacks: list[Callable[[], None]] = []

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs a statement; a list of parameters runs it once for each."""
        return self.connection.execute(statement, parameters)

    def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
        """As `execute`, quick and plain: for statements of the hot path that are module constants.

        No value is converted: columns of integers, text and bytes only.
        """
        return self._prepared.run(statement, parameters)

    def run_each(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        """As `run`, once for each of `parameters`."""
        if parameters:
            self._prepared.run_each(statement, parameters)

    def publish(self, topic: str) -> None:
        """Wakes the listeners of `topic` after the commit."""
        self.topics.append(topic)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the event loop after the commit; not called when the unit fails."""
        self.callbacks.append(callback)


class Database(ABC):
    """An open database. Safe to use from one event loop."""

    @classmethod
    async def open(
        cls, url: str, *, key: DatabaseKey | None = None, events: Events | None = None
    ) -> Database:
        """Opens `sqlite:///path`, encrypted with `key` where one is given.

        Raises DatabaseUnavailable with a sentence for anything it cannot open.
        """
        if url.startswith("sqlite:///"):
            from foundation.sqlite import SqliteDatabase

            return await SqliteDatabase.open_file(url, key=key, events=events)
        raise DatabaseUnavailable(only_sqlite(url))

    @abstractmethod
    async def write(self, unit: Callable[[UnitOfWork], T]) -> T:
        """Runs a unit of work and returns its result when it is on disk.

        An exception of the unit undoes the unit alone and is raised here.
        """

    @abstractmethod
    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs a query over one snapshot, off the event loop."""

    @abstractmethod
    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Runs a quick look-up by key on the calling thread, which must be the event loop's."""

    @abstractmethod
    def look_up(self, statement: Select[Any], parameters: Mapping[str, Any]) -> Any | None:
        """The first row of a prepared statement, on the event loop and without a transaction: one call of the driver.

        As `UnitOfWork.run`: for statements that are module constants and find a row by its key.
        """

    @abstractmethod
    def data_version(self) -> int:
        """A number that differs from the last one when something was committed since, here or by another process.

        Only for comparing two answers of one open database; on the event loop, some microseconds. A change
        may also be a false alarm.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finishes the units that were handed in, then closes."""


async def create_all(database: Database) -> None:
    """Creates every declared table; for tests (the product migrates)."""
    await database.write(lambda uow: metadata.create_all(uow.connection))
