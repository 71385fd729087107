"""The files of one generation, open for reading: a connection for each thread, and what is kept of them in memory."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from directory.annuaire.kept import Kept
from directory.annuaire.plans import CountedTerms
from directory.annuaire.schema import BESIDE, SCHEMAS, create, index_all
from directory.annuaire.view import TooSlow
from directory.extracts import ExtractKind
from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from directory.annuaire.conditions import Condition
    from directory.annuaire.generations import Generation
    from directory.annuaire.model import Mailbox
    from directory.annuaire.plans import Terms

_STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the clock: about a millisecond."""
_MMAP_BYTES = 1 << 30
_CACHE_KIB = 8 * 1024

_MOST_KEPT = 25_000
"""Mailboxes, twice: about 2 KB each."""


class Budget:
    """When the search of one thread has to be over, on the clock of `time.monotonic`."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = float("inf")

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until

    def check(self) -> None:
        """Raises TooSlow."""
        if self.is_over:
            raise TooSlow("The search takes too long: ask for something narrower.")


class Files:
    """The files of a generation. Safe to use from any number of threads."""

    def __init__(self, folder: Path, generation: Generation) -> None:
        """Raises FileNotFoundError, naming the file, where one is missing."""
        self.generation = generation
        self._paths = {kind: folder / part.file for kind, part in generation.parts.items()}
        for path in self._paths.values():
            if not path.is_file():
                raise FileNotFoundError(path)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[dbapi.Connection] = []
        self._terms: dict[tuple[str, str], Terms] = {}
        self._rows: dict[tuple[str, str], int] = {}
        self.bearers: dict[tuple[int, str, str, Condition], Sequence[str]] = {}
        """Of mailboxes that were asked for, see `directory.annuaire.known`."""
        self.kept: Kept[int, Mailbox] = Kept(_MOST_KEPT)

    def close(self) -> None:
        """Closes the connections of every thread; nobody may be searching."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    @property
    def connection(self) -> dbapi.Connection:
        """The connection of this thread."""
        connection: dbapi.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open()
            self._local.connection = connection
        return connection

    @property
    def budget(self) -> Budget:
        """The time of this thread's search."""
        budget: Budget | None = getattr(self._local, "budget", None)
        if budget is None:
            budget = self._local.budget = Budget()
        return budget

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bounds the time of a search; one inside another counts as part of it. Raises TooSlow."""
        budget = self.budget
        if budget.until != float("inf"):
            yield
            return
        budget.until = time.monotonic() + seconds
        try:
            yield
        except dbapi.OperationalError:
            budget.check()  # an interrupted statement says no more than that
            raise
        finally:
            budget.until = float("inf")

    def terms(self, schema: str, table: str) -> Terms:
        """The trigrams of an index."""
        found = self._terms.get((schema, table))
        if found is None:
            rows = self.connection.execute(f"SELECT term, documents FROM {schema}.{table}_trigram")
            found = self._terms[schema, table] = CountedTerms(rows)
        return found

    def rows(self, schema: str, table: str) -> int:
        """How many rows a table has."""
        found = self._rows.get((schema, table))
        if found is None:
            statement = f"SELECT max(place) FROM {schema}.{table}"  # places have no gaps
            found = self._rows[schema, table] = self.connection.execute(statement).fetchone()[0] or 0
        return found

    @cached_property
    def made_beside(self) -> bool:
        """Whether the mailboxes were imported beside these activities, which then name nobody they alone name."""
        told = self.connection.execute("SELECT value FROM boxes.about WHERE key = ?", (BESIDE,)).fetchone()
        activities = self._paths.get(ExtractKind.ACTIVITIES)
        return told is not None and told[0] == (activities.name if activities is not None else "")

    def _open(self) -> dbapi.Connection:
        connection = dbapi.connect(":memory:", isolation_level=None, uri=True, check_same_thread=False)
        for kind, schema in SCHEMAS.items():
            path = self._paths.get(kind)
            if path is None:
                connection.execute(f"ATTACH DATABASE ':memory:' AS {schema}")
                for statement in (*create(schema, kind), *index_all(schema, kind)):
                    connection.execute(statement)
            else:
                # immutable: no lock, no journal; the file is never written again
                address = f"file:{quote(str(path))}?mode=ro&immutable=1"
                connection.execute(f"ATTACH DATABASE ? AS {schema}", (address,))
                connection.execute(f"PRAGMA {schema}.mmap_size={_MMAP_BYTES}")
                connection.execute(f"PRAGMA {schema}.cache_size=-{_CACHE_KIB}")
        budget = self.budget
        connection.set_progress_handler(lambda: int(budget.is_over), _STEPS)
        with self._lock:
            self._connections.append(connection)
        return connection
