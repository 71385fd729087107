"""Reads an extract into a file beside the directory, batch by batch; a reading that was cut short is gone on with."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from directory.annuaire.schema import MAILBOX_COLUMNS
from directory.extracts import Checkpoint, ExtractKind, ExtractReader, ExtractRefused
from directory.rows import (
    PERSON_COLUMNS,
    ROLE_COLUMNS,
    STRUCTURE_COLUMNS,
    Impossible,
    activity_row,
    digest_of,
    mailbox_row,
    qualification_row,
)
from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from directory.extracts import BadLine, Record
    from directory.rows import Values
    from directory.sources import Source

BATCH = 20_000
"""Lines in one transaction."""
_FORMAT = 1
_STRUCTURES_REMEMBERED = 500_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")

STAGED: Mapping[ExtractKind, Mapping[str, tuple[str, ...]]] = {
    ExtractKind.MAILBOXES: {"mailbox": (*MAILBOX_COLUMNS[:-1], "digest")},
    ExtractKind.ACTIVITIES: {
        "person": (*PERSON_COLUMNS, "digest"),
        "structure": (*STRUCTURE_COLUMNS, "digest"),
        "role": ("id", *ROLE_COLUMNS, "digest"),
    },
    ExtractKind.SKILLS: {"qualification": ("idnat", "code", "label", "type_code", "type_label")},
    ExtractKind.DIPLOMAS: {"qualification": ("idnat", "code", "label", "type_code", "type_label")},
}
"""The staged tables of each kind; the first column is the key, and rows keep the number of their line."""

_LABELS: Mapping[ExtractKind, tuple[tuple[str, int], ...]] = {
    ExtractKind.MAILBOXES: tuple(
        (name, MAILBOX_COLUMNS.index(name)) for name in ("category", "profession", "skill")
    ),
    ExtractKind.ACTIVITIES: tuple(
        (name, ROLE_COLUMNS.index(name))
        for name in (
            "category",
            "profession",
            "skill",
            "practice",
            "sector",
            "pharmacist_section",
            "function",
            "kind",
        )
    ),
    ExtractKind.SKILLS: (("skill", 2),),
    ExtractKind.DIPLOMAS: (("diploma", 2),),
}
"""Nomenclatures, with the place of the label in a row; the code stands before it."""
_MOST_LABELS = 50_000


@dataclass(frozen=True, slots=True)
class Staged:
    """An extract that was read whole, in a file of its own."""

    path: Path
    kind: ExtractKind
    sha256: str
    rows: int
    bad_lines: int
    bad: tuple[BadLine, ...]


def draft_of(folder: Path, kind: ExtractKind) -> Path:
    """Where an extract of a kind is staged."""
    return folder / f".{kind.value}.staged"


def stage(source: Source, folder: Path, progress: Callable[[int], None]) -> Staged:
    """Reads an extract; `progress` is told the bytes read.

    Raises ExtractRefused, and what the disk and the driver raise.
    """
    with source.open() as stream:
        reader = ExtractReader(stream)
        draft = _Draft(draft_of(folder, reader.kind), reader.kind, _identity(source))
        try:
            checkpoint = draft.checkpoint()
            if checkpoint is None:
                draft.clear()
            if checkpoint is None or reader.go_on_from(checkpoint):
                return _read(reader, draft, progress)
            draft.clear()
        except ExtractRefused:
            draft.discard()
            raise
        finally:
            draft.close()
    return stage(source, folder, progress)  # another file under the same name: from its beginning


def _read(reader: ExtractReader, draft: _Draft, progress: Callable[[int], None]) -> Staged:
    records = iter(reader)
    while batch := list(islice(records, BATCH)):
        draft.append(batch, reader)
        progress(reader.bytes_read)
    reader.judge()
    draft.append([], reader)
    return Staged(draft.path, reader.kind, reader.sha256, reader.rows, reader.bad_lines, tuple(reader.bad))


class _Draft:
    def __init__(self, path: Path, kind: ExtractKind, identity: str) -> None:
        self.path = path
        self._kind = kind
        self._identity = identity
        self._sorter = _SORTERS[kind]()
        self._connection = self._open()

    def checkpoint(self) -> Checkpoint | None:
        """How far an earlier reading of the same source came; None where there is none to go on with."""
        try:
            row = self._connection.execute("SELECT identity, checkpoint FROM about").fetchone()
        except dbapi.DatabaseError:
            return None
        return Checkpoint(**json.loads(row[1])) if row is not None and row[0] == self._identity else None

    def discard(self) -> None:
        """Leaves nothing to go on with."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)

    def clear(self) -> None:
        """Begins again, without a row."""
        self.discard()
        self._connection = self._open()
        self._connection.execute("CREATE TABLE about (identity TEXT, checkpoint TEXT)")
        self._connection.execute(
            "CREATE TABLE label (nomenclature TEXT, code TEXT, label TEXT, PRIMARY KEY (nomenclature, code))"
        )
        for table, columns in STAGED[self._kind].items():
            self._connection.execute(f"CREATE TABLE {table} (line INTEGER, {', '.join(columns)})")

    def append(self, batch: Iterable[Record], reader: ExtractReader) -> None:
        """Keeps the rows of some lines and how far the reading is: both or nothing."""
        for record in batch:
            try:
                self._sorter.take(record)
            except Impossible as impossible:
                reader.reject(record.line, str(impossible))
        connection = self._connection
        connection.execute("BEGIN")
        try:
            for table, rows in self._sorter.rows.items():
                places = ", ".join("?" * (len(STAGED[self._kind][table]) + 1))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
                rows.clear()
            labels = [(*key, label) for key, label in self._sorter.labels.items()]
            connection.executemany("INSERT OR IGNORE INTO label VALUES (?, ?, ?)", labels)
            connection.execute("DELETE FROM about")
            said = json.dumps(asdict(reader.checkpoint))
            connection.execute("INSERT INTO about VALUES (?, ?)", (self._identity, said))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()

    def _open(self) -> dbapi.Connection:
        connection = dbapi.connect(self.path, isolation_level=None)
        # A process that is killed loses nothing by this; after a fall of the machine the draft is another's.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-16384")
        return connection


class _Sorter(ABC):
    """Puts lines into rows of the staged tables."""

    def __init__(self, kind: ExtractKind) -> None:
        self.rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in STAGED[kind]}
        self.labels: dict[tuple[str, str], str] = {}
        self._nomenclatures = _LABELS[kind]

    @abstractmethod
    def take(self, record: Record) -> None:
        """Raises Impossible."""

    def _learn(self, values: Values) -> None:
        for nomenclature, place in self._nomenclatures:
            code, label = values[place - 1], values[place]
            if code and label and len(self.labels) < _MOST_LABELS:
                self.labels.setdefault((nomenclature, str(code)), str(label))


class _Mailboxes(_Sorter):
    def __init__(self) -> None:
        super().__init__(ExtractKind.MAILBOXES)

    def take(self, record: Record) -> None:
        values = mailbox_row(record)
        self._learn(values)
        self.rows["mailbox"].append((record.line, *values, record.digest))


class _Activities(_Sorter):
    def __init__(self) -> None:
        super().__init__(ExtractKind.ACTIVITIES)
        self._person = b""
        self._structures: set[bytes] = set()

    def take(self, record: Record) -> None:
        activity = activity_row(record)
        line, role = record.line, activity.role
        self._learn(role)
        self.rows["role"].append((line, activity.role_id, *role, digest_of(role)))
        # lines of one person and of one structure say the same of them again and again
        digest = digest_of(activity.person)
        if digest != self._person:
            self._person = digest
            self.rows["person"].append((line, *activity.person, digest))
        if activity.structure is not None:
            digest = digest_of(activity.structure)
            if digest not in self._structures:
                if len(self._structures) < _STRUCTURES_REMEMBERED:
                    self._structures.add(digest)
                self.rows["structure"].append((line, *activity.structure, digest))


class _Qualifications(_Sorter):
    def take(self, record: Record) -> None:
        values = qualification_row(record)
        self._learn(values)
        self.rows["qualification"].append((record.line, *values))


_SORTERS: Mapping[ExtractKind, Callable[[], _Sorter]] = {
    ExtractKind.MAILBOXES: _Mailboxes,
    ExtractKind.ACTIVITIES: _Activities,
    ExtractKind.SKILLS: lambda: _Qualifications(ExtractKind.SKILLS),
    ExtractKind.DIPLOMAS: lambda: _Qualifications(ExtractKind.DIPLOMAS),
}


def _identity(source: Source) -> str:
    """What has to be the same for a reading to go on: the file, this program's format, the machine's boot."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text(encoding="ascii").strip()
    return json.dumps([_FORMAT, source.name, source.size, source.generated_at, boot])
