"""The embedded engine: SQLite in WAL mode, synchronous=FULL, one writer thread with group commit."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from foundation.cipher import unlock
from foundation.database import Database, DatabaseUnavailable, UnitOfWork
from foundation.database_file import make_ready
from foundation.driver import dbapi
from foundation.log import get_logger
from foundation.prepared import prepare_on, prepared_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Engine, Select
    from sqlalchemy.pool import ConnectionPoolEntry

    from foundation.cipher import DatabaseKey
    from foundation.events import Events

T = TypeVar("T")
_log = get_logger(__name__)

_GROUP_LIMIT = 128
"""Units in one commit: enough to share a sync, few enough that the first one waits only some milliseconds."""
_READERS = 4
_BUSY_MILLIS = 20_000
"""How long a writer waits for another process (a command line) to finish its own transaction."""


def engine_for(url: str, *, key: DatabaseKey | None = None, begin: str | None = None) -> Engine:
    """An engine whose transactions start with the given BEGIN; without one, its user begins and ends them.

    Connections are given `key` one by one; it is in no URL and in no error.

    The driver's own guessing when to begin is switched off.
    """
    engine = create_engine(
        url,
        module=dbapi,
        poolclass=NullPool,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: dbapi.Connection, record: ConnectionPoolEntry) -> None:
        unlock(connection, key)
        prepare_on(record.info, connection)
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLIS}")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA secure_delete=FAST")

    if begin is not None:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    return engine


def driver_of(connection: Connection) -> dbapi.Connection:
    """The driver's connection below one of SQLAlchemy's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, dbapi.Connection)
    return driver


def _end(connection: Connection) -> None:
    """Rolls back what is still open, and lets SQLAlchemy forget the transaction it took for begun."""
    try:
        connection.rollback()
        driver = driver_of(connection)
        if driver.in_transaction:
            driver.rollback()
    except Exception:
        connection.invalidate()  # the next use opens the file anew


class _Handed:
    """A unit on its way through the writer."""

    __slots__ = ("error", "future", "result", "unit", "uow")

    def __init__(self, unit: Callable[[UnitOfWork], Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.uow: UnitOfWork | None = None


class SqliteDatabase(Database):
    """SQLite behind the interface of `Database`."""

    def __init__(self, url: str, key: DatabaseKey | None, events: Events | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._events = events
        self._write_engine = engine_for(url, key=key)
        self._read_engine = engine_for(url, key=key)
        self._handed: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_forever, name="database-writer", daemon=True)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="database-reader")
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._closed = False

    @classmethod
    async def open_file(cls, url: str, *, key: DatabaseKey | None, events: Events | None) -> SqliteDatabase:
        """Opens or creates the file of `sqlite:///path`."""
        await asyncio.to_thread(make_ready, url, key)
        database = cls(url, key, events)
        database._writer.start()
        return database

    async def write(self, unit: Callable[[UnitOfWork], T]) -> T:
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._handed.put(_Handed(unit, future))
        return await future

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._loop.run_in_executor(self._readers, self._query, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        return self._query(query)

    def look_up(self, statement: Select[Any], parameters: Mapping[str, Any]) -> Any | None:
        return prepared_of(self._reader()).run(statement, parameters).first()

    def data_version(self) -> int:
        row: tuple[int] = driver_of(self._reader()).execute("PRAGMA data_version").fetchone()
        return row[0]

    def _query(self, query: Callable[[Connection], T]) -> T:
        connection = self._reader()
        # Told to the driver directly: through SQLAlchemy's own transaction a look-up costs half as much again.
        driver_of(connection).execute("BEGIN")
        try:
            return query(connection)
        finally:
            _end(connection)

    def _reader(self) -> Connection:
        """The calling thread's own connection."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._read_engine.connect()
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.rollback()
            self._local.connection = connection
            self._reading.append(connection)
        return connection

    def _write_forever(self) -> None:
        connection = self._write_engine.connect()
        try:
            while True:
                first = self._handed.get()
                if first is None:
                    return
                group = [first]
                last = False
                while len(group) < _GROUP_LIMIT:
                    try:
                        handed = self._handed.get_nowait()
                    except queue.Empty:
                        break
                    if handed is None:
                        last = True
                        break
                    group.append(handed)
                self._run(connection, group)
                self._call_soon(group)
                if last:
                    return
        finally:
            connection.close()

    def _run(self, connection: Connection, group: list[_Handed]) -> None:
        try:
            driver = driver_of(connection)
            prepared = prepared_of(connection)
            driver.execute("BEGIN IMMEDIATE")
            memo: dict[str, Any] = {}
            for handed in group:
                driver.execute("SAVEPOINT unit")
                uow = UnitOfWork(connection, dict(memo), prepared)
                try:
                    handed.result = handed.unit(uow)
                except BaseException as error:
                    handed.error = error
                    driver.execute("ROLLBACK TO unit")
                else:
                    handed.uow = uow
                    memo = uow.memo
                driver.execute("RELEASE unit")
            driver.commit()
        except BaseException as error:
            # The commit itself failed (disk full, lost lock): no unit of the group is on disk.
            for handed in group:
                handed.error = handed.error or error
                handed.uow = None
        finally:
            _end(connection)

    def _call_soon(self, group: list[_Handed]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._answer, group)
        except RuntimeError:
            # The loop is gone; what was committed stays committed.
            return

    def _answer(self, group: list[_Handed]) -> None:
        topics: dict[str, None] = {}
        for handed in group:
            if not handed.future.done():
                if handed.error is not None:
                    handed.future.set_exception(handed.error)
                else:
                    handed.future.set_result(handed.result)
            if handed.uow is not None:
                topics.update(dict.fromkeys(handed.uow.topics))
        if self._events is not None:
            for topic in topics:
                self._events.publish(topic)
        # Last, and each on its own: what is on disk is answered and told, whatever a callback meets.
        for handed in group:
            for callback in handed.uow.callbacks if handed.uow is not None else ():
                try:
                    callback()
                except Exception as error:
                    _log.error("after a commit", error=type(error).__name__)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._handed.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown(wait=True)
        for connection in self._reading:
            connection.close()
        self._reading.clear()
        await asyncio.sleep(0)  # lets the answers of the last group reach their callers
        self._write_engine.dispose()
        self._read_engine.dispose()
