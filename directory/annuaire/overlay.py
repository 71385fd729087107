"""What this operator publishes and hides, in memory, searched as the extracts are; it follows the mail database."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import astuple

from directory.annuaire.files import Budget
from directory.annuaire.published import Standing
from directory.annuaire.said import Said
from directory.annuaire.schema import create_growing
from directory.annuaire.shelves import MAILBOXES
from directory.annuaire.texts import mailbox_text, name_words
from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from directory.annuaire.published import Published

SCHEMA = "ours"


class Overlay:
    """Mailboxes that are shown, and addresses that are not. Safe to use from any number of threads."""

    def __init__(self) -> None:
        self.version = 0
        """Of the newest change that is in."""
        self.addresses: frozenset[str] = frozenset()
        """Those of which this operator says how they stand, shown or not: what an extract says of them is void."""
        self.removed: dict[str, int] = {}
        self.terms = _Terms(self)
        self._shown = 0
        self.said = Said()
        """What the mailboxes said that are shown, or were."""
        self._lock = threading.RLock()
        self._budget = Budget()
        self._connection = dbapi.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute(f"ATTACH DATABASE ':memory:' AS {SCHEMA}")
        for statement in create_growing(SCHEMA):
            self._connection.execute(statement)
        self._connection.execute(
            f"CREATE VIRTUAL TABLE temp.terms USING fts5vocab('{SCHEMA}', 'mailbox_index', 'row')"
        )
        self._connection.set_progress_handler(lambda: int(self._budget.is_over), 20_000)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @property
    def rows(self) -> int:
        """How many mailboxes are shown."""
        return self._shown

    @contextmanager
    def held(self, until: float = float("inf")) -> Iterator[dbapi.Connection]:
        """The connection, for one thread at a time, until a moment of `time.monotonic`."""
        with self._lock:
            self._budget.until = until
            yield self._connection

    def apply(self, changes: Sequence[Published]) -> None:
        """Takes up what changed, in the order of the changes."""
        columns = MAILBOXES.told
        insert = (
            f"INSERT INTO {SCHEMA}.mailbox ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        )
        with self.held() as connection:
            connection.execute("BEGIN")
            for change in changes:
                box = change.mailbox
                row = connection.execute(
                    f"DELETE FROM {SCHEMA}.mailbox WHERE address = ? RETURNING place", (box.address,)
                ).fetchone()
                if row is not None:
                    connection.execute(f"DELETE FROM {SCHEMA}.mailbox_index WHERE rowid = ?", row)
                self.removed.pop(box.address, None)
                if change.standing is Standing.SHOWN:
                    place = connection.execute(
                        insert, (box.address, box.type.value, *astuple(box)[2:])
                    ).lastrowid
                    connection.execute(
                        f"INSERT INTO {SCHEMA}.mailbox_index (rowid, text) VALUES (?, ?)",
                        (place, mailbox_text(box)),
                    )
                    self._name(connection, name_words(box))
                    self.said.add(box)
                elif change.standing is Standing.REMOVED:
                    self.removed[box.address] = box.updated_at
            connection.execute("COMMIT")
            (self._shown,) = connection.execute(f"SELECT count(*) FROM {SCHEMA}.mailbox").fetchone()
            self.addresses |= {change.mailbox.address for change in changes}
            # the last of all: what a search of another thread keeps under a version was found in all of it
            self.version = max([self.version, *(change.version for change in changes)])

    def _name(self, connection: dbapi.Connection, words: Iterable[str]) -> None:
        for word in words:
            row = connection.execute(
                f"INSERT OR IGNORE INTO {SCHEMA}.name (word) VALUES (?) RETURNING place", (word,)
            ).fetchone()
            if row is not None:
                connection.execute(
                    f"INSERT INTO {SCHEMA}.name_index (rowid, text) VALUES (?, ?)", (row[0], f" {word} ")
                )


class _Terms:
    """The trigrams of an index that grows: which there are is asked of the index itself."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def documents(self, term: str) -> int:
        return max(self._overlay.rows, 1) if term else 0

    def starting(self, prefix: str, at_most: int) -> Sequence[str]:
        with self._overlay.held() as connection:
            rows: Iterable[tuple[str]] = connection.execute(
                "SELECT term FROM temp.terms WHERE term >= ? AND term < ? LIMIT ?",
                (prefix, prefix + "\U0010ffff", at_most),
            )
            return [term for (term,) in rows]
