"""Statements of the hot path, compiled once and handed to the driver as they are.

SQLAlchemy spends about 50 µs on each execution of a Core statement; a delivery runs ten of them (measured: 0.62 ms
a transaction, 0.26 ms this way). A prepared statement is the same Core expression, so it stays portable; what is
given up is the conversion of values: columns of integers, text and bytes only, no expanding IN.
"""

from __future__ import annotations

from collections import namedtuple
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Insert, Select
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError

from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Delete, Update

    Statement = Select[Any] | Insert | Update | Delete

_DIALECT = sqlite_dialect(paramstyle="qmark")
_CAPACITY = 1000


class Answer:
    """What a prepared statement returned; rows are named tuples."""

    __slots__ = ("_cursor", "_row")

    def __init__(self, cursor: dbapi.Cursor, row: Callable[[Sequence[Any]], Any] | None) -> None:
        self._cursor = cursor
        self._row = row

    def first(self) -> Any | None:
        """The first row, or None; the others are not read."""
        row = self._cursor.fetchone()
        self._cursor.close()
        return self._row(row) if row is not None and self._row is not None else None

    def __iter__(self) -> Iterator[Any]:
        assert self._row is not None
        return map(self._row, self._cursor.fetchall())

    def stream(self) -> Generator[Any, None, None]:
        """The rows one by one, read as they are taken; whoever stops early closes the iterator."""
        assert self._row is not None
        try:
            for row in self._cursor:
                yield self._row(row)
        finally:
            self._cursor.close()

    def tuples(self) -> list[tuple[Any, ...]]:
        """All rows, plain."""
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    @property
    def inserted_id(self) -> int:
        """The number the database gave to the inserted row."""
        assert self._cursor.lastrowid is not None
        return self._cursor.lastrowid


class _Compiled:
    """A statement as SQL text, and where its parameters go."""

    __slots__ = ("pick", "row", "sql")

    def __init__(self, statement: Statement, names: tuple[str, ...]) -> None:
        compiled = statement.compile(
            dialect=_DIALECT, column_keys=list(names) if isinstance(statement, Insert) else None
        )
        self.sql = str(compiled)
        positions = tuple(compiled.positiontup or ())
        constants = {name: bind.value for name, bind in compiled.binds.items() if name not in names}
        self.pick = _picker(positions, constants)
        self.row = _row_maker(statement) if isinstance(statement, Select) else None


_KEY = "vaguemestre.prepared"


def prepare_on(info: dict[str, Any], connection: dbapi.Connection) -> None:
    """Gives a new connection its prepared statements; `info` is the pool's record of it."""
    info[_KEY] = PreparedStatements(connection)


def prepared_of(connection: Connection) -> PreparedStatements:
    """The prepared statements of the driver's connection below."""
    found: PreparedStatements = connection.info[_KEY]
    return found


def run(connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
    """Runs a statement of the hot path in the transaction the connection is in, reading or writing."""
    return prepared_of(connection).run(statement, parameters)


def _as_sqlalchemy(sql: str, error: dbapi.Error) -> Exception:
    """The error a caller of Core would have caught; without the values, which may be a person's."""
    raised: Exception = DBAPIError.instance(
        sql, None, error, dbapi.Error, hide_parameters=True, dialect=_DIALECT
    )
    return raised


def _row_maker(statement: Select[Any]) -> Callable[[Sequence[Any]], Any]:
    row: Any = namedtuple("Row", [str(column.key) for column in statement.selected_columns], rename=True)  # type: ignore[misc]
    maker: Callable[[Sequence[Any]], Any] = row._make
    return maker


def _picker(
    positions: tuple[str, ...], constants: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if not positions:
        return lambda _parameters: ()
    if not any(name in constants for name in positions):
        pick = itemgetter(*positions)
        return pick if len(positions) > 1 else lambda parameters: (pick(parameters),)
    return lambda parameters: [
        constants[name] if name in constants else parameters[name] for name in positions
    ]


class PreparedStatements:
    """The statements one connection has run, compiled."""

    def __init__(self, connection: dbapi.Connection) -> None:
        self.connection = connection
        self._compiled: dict[tuple[Statement, tuple[str, ...]], _Compiled] = {}

    def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
        """Runs a statement once."""
        compiled = self._get(statement, tuple(parameters))
        try:
            cursor = self.connection.execute(compiled.sql, compiled.pick(parameters))
        except dbapi.Error as error:
            raise _as_sqlalchemy(compiled.sql, error) from error
        return Answer(cursor, compiled.row)

    def run_each(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Runs a statement once for each of `parameters`, which all have the same names."""
        compiled = self._get(statement, tuple(parameters[0]))
        try:
            self.connection.executemany(compiled.sql, [compiled.pick(each) for each in parameters])
        except dbapi.Error as error:
            raise _as_sqlalchemy(compiled.sql, error) from error

    def _get(self, statement: Statement, names: tuple[str, ...]) -> _Compiled:
        key = (statement, names)
        compiled = self._compiled.get(key)
        if compiled is None:
            if len(self._compiled) >= _CAPACITY:
                self._compiled.clear()  # somebody makes statements instead of naming them
            compiled = self._compiled[key] = _Compiled(statement, names)
        return compiled
