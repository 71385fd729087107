"""Makes the file of an extract from its staged rows: sorted, each thing once, indexed, compared with the file before."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from directory.annuaire.ahead import ahead
from directory.annuaire.model import Mailbox
from directory.annuaire.schema import (
    BESIDE,
    MAILBOX_COLUMNS,
    PERSON_COLUMNS,
    ROLE_COLUMNS,
    STRUCTURE_COLUMNS,
    create,
    index_all,
)
from directory.annuaire.texts import mailbox_text, name_words, person_text, structure_text
from directory.bals import BalType
from directory.extracts import ExtractKind, ExtractRefused
from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from directory.annuaire.staging import Staged

BATCH = 5_000
LISTED = 10_000
"""Keys of each sort (added, changed, removed) that the report names; all are counted."""
TOMBSTONE_MILLIS = 400 * 24 * 3600 * 1000
_FTS_MEMORY = 12_000_000
_ANALYSED = 400
_CACHE_KIB = 32 * 1024
_TYPES: Mapping[str, BalType] = {kind.value: kind for kind in BalType}

_KEYS: Mapping[ExtractKind, tuple[str, tuple[str, ...]]] = {
    ExtractKind.MAILBOXES: ("mailbox", ("address",)),
    ExtractKind.ACTIVITIES: ("role", ("id",)),
    ExtractKind.SKILLS: ("qualification", ("idnat", "code")),
    ExtractKind.DIPLOMAS: ("qualification", ("idnat", "code")),
}
"""What an extract is counted in."""


@dataclass(frozen=True, slots=True)
class Counts:
    """`rows` are distinct things; the others are against the file before, all 0 for the first one."""

    rows: int
    added: int
    changed: int
    removed: int


def assemble(
    staged: Staged,
    target: Path,
    *,
    before: Path | None,
    people: Path | None,
    largest_loss_percent: int,
    now: int,
    progress: Callable[[float], None],
) -> Counts:
    """Writes the file `target`, whole and on disk when this returns; `progress` is told the part done, 0 to 1.

    `before` is the file of the same kind in use, `people` the one of the activities. Raises ExtractRefused
    where too much of `before` would be gone, and what the disk and the driver raise.
    """
    target.unlink(missing_ok=True)
    connection = dbapi.connect(f"file:{quote(str(target))}", uri=True, isolation_level=None)
    try:
        # Nobody reads it before it is finished, and a half one is thrown away.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}", "temp_store=FILE"):
            connection.execute(f"PRAGMA {pragma}")
        _attach(connection, "staged", staged.path)
        _attach_or_make(connection, "old", staged.kind, before)
        assembly = _Assembly(connection, staged, now, progress)
        assembly.judge(largest_loss_percent, first=before is None)
        for statement in create("main", staged.kind):
            connection.execute(statement)
        connection.execute("BEGIN")
        if staged.kind is ExtractKind.MAILBOXES:
            _attach_or_make(connection, "people", ExtractKind.ACTIVITIES, people)
            assembly.mailboxes()
            beside = people.name if people is not None else ""
            connection.execute("INSERT INTO main.about VALUES (?, ?)", (BESIDE, beside))
        elif staged.kind is ExtractKind.ACTIVITIES:
            assembly.activities()
        else:
            assembly.qualifications()
        connection.execute("INSERT INTO main.label SELECT nomenclature, code, label FROM staged.label")
        counts = assembly.compare(first=before is None)
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA analysis_limit={_ANALYSED}")
        connection.execute("ANALYZE main")
    except BaseException:
        connection.close()
        target.unlink(missing_ok=True)
        raise
    connection.close()
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return counts


class _Assembly:
    def __init__(
        self, connection: dbapi.Connection, staged: Staged, now: int, progress: Callable[[float], None]
    ) -> None:
        self._connection = connection
        self._staged = staged.path
        self._kind = kind = staged.kind
        self._now = now
        self._progress = progress
        self._table, self._key = _KEYS[kind]

    def judge(self, largest_loss_percent: int, *, first: bool) -> None:
        """Sorts the staged rows, and refuses them where too few are left of what was there."""
        execute = self._connection.execute
        key = ", ".join(self._key)
        execute(f"CREATE INDEX IF NOT EXISTS staged.{self._table}_key ON {self._table} ({key}, line)")
        if execute(f"SELECT 1 FROM staged.{self._table} LIMIT 1").fetchone() is None:
            raise ExtractRefused(f"The {self._kind} file holds no rows.")
        if first:
            return
        before = execute(f"SELECT count(*) FROM old.{self._table}").fetchone()[0]
        (removed,) = execute(
            f"SELECT count(*) FROM old.{self._table} o WHERE NOT EXISTS"
            f" (SELECT 1 FROM staged.{self._table} s WHERE {self._same('s', 'o')})"
        ).fetchone()
        if removed * 100 > largest_loss_percent * before:
            raise ExtractRefused(
                f"The {self._kind} file lacks {removed} of the {before} rows of the last import, more than"
                f" {largest_loss_percent} %: force the import if so many are really gone."
            )

    def mailboxes(self) -> None:
        """The mailboxes in the order of their addresses, and who and what only they name."""
        told = ", ".join(MAILBOX_COLUMNS[:-1])
        self._fill_fts("mailbox")
        (total,) = self._connection.execute("SELECT count(*) FROM staged.mailbox").fetchone()
        names: set[str] = set()
        with ahead(_texts_of_mailboxes(self._staged)) as batches:
            self._connection.execute(
                f"INSERT INTO main.mailbox ({told}, updated_at, digest)"
                f" SELECT {', '.join(f's.{name}' for name in MAILBOX_COLUMNS[:-1])},"
                " CASE WHEN o.digest = s.digest THEN o.updated_at ELSE ? END, s.digest"
                f" FROM {_once('staged.mailbox', 'address')} LEFT JOIN old.mailbox o ON o.address = s.address"
                " ORDER BY s.address",
                (self._now,),
            )
            self._progress(0.2)
            for texts, words in batches:
                self._index_texts("mailbox", texts)
                names |= words
                self._progress(0.2 + 0.5 * texts[-1][0] / total)
        self._finish_fts("mailbox")
        self._names(names)
        self._alone()
        self._index()
        self._people_texts("coalesce(profession_code, '') || '/'")
        self._tombstones()

    def activities(self) -> None:
        """Persons, structures and roles, each in the order of its key."""
        for table, key, columns in (
            ("person", "idnat", PERSON_COLUMNS),
            ("structure", "id", STRUCTURE_COLUMNS),
            ("role", "id", ROLE_COLUMNS),
        ):
            if table != "role":
                self._connection.execute(
                    f"CREATE INDEX IF NOT EXISTS staged.{table}_key ON {table} ({key}, line)"
                )
            told = ", ".join(columns[:-1])
            self._connection.execute(
                f"INSERT OR IGNORE INTO main.{table} ({told}, updated_at, digest)"
                f" SELECT {', '.join(f's.{name}' for name in columns[:-1])},"
                " CASE WHEN o.digest = s.digest THEN o.updated_at ELSE ? END, s.digest"
                f" FROM {_once(f'staged.{table}', key)} LEFT JOIN old.{table} o ON o.{key} = s.{key} ORDER BY s.{key}",
                (self._now,),
            )
            self._progress({"person": 0.1, "structure": 0.15, "role": 0.4}[table])
        self._index()
        self._progress(0.6)
        self._people_texts(
            "(SELECT group_concat(DISTINCT coalesce(profession_code, '') || '/' || coalesce(skill_code, ''))"
            " FROM main.role WHERE role.idnat = person.idnat)"
        )
        self._tombstones()

    def qualifications(self) -> None:
        """Skills or diplomas by person and code."""
        self._connection.execute(
            "INSERT OR IGNORE INTO main.qualification SELECT s.idnat, s.code, s.label, s.type_code, s.type_label"
            f" FROM {_once('staged.qualification', 'idnat', 'code')} ORDER BY s.idnat, s.code"
        )
        self._index()

    def compare(self, *, first: bool) -> Counts:
        """Counts, and names up to a bound, what differs from the file before."""
        execute = self._connection.execute
        (rows,) = execute(f"SELECT count(*) FROM main.{self._table}").fetchone()
        if first:
            return Counts(rows, 0, 0, 0)
        table, same = self._table, self._same("n", "o")
        differs = "0" if table == "qualification" else "n.digest <> o.digest"
        sorts = {
            "added": f"FROM main.{table} n WHERE NOT EXISTS (SELECT 1 FROM old.{table} o WHERE {same})",
            "changed": f"FROM main.{table} n JOIN old.{table} o ON {same} WHERE {differs}",
            "removed": f"FROM old.{table} n WHERE NOT EXISTS (SELECT 1 FROM main.{table} o WHERE {same})",
        }
        named = " || ' ' || ".join(f"n.{column}" for column in self._key)
        counts = {}
        for what, source in sorts.items():
            (counts[what],) = execute(f"SELECT count(*) {source}").fetchone()
            execute(f"INSERT INTO main.change SELECT ?, {named} {source} LIMIT ?", (what, LISTED))
        return Counts(rows, counts["added"], counts["changed"], counts["removed"])

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{column} = {other}.{column}" for column in self._key)

    def _index(self) -> None:
        for statement in index_all("main", self._kind):
            self._connection.execute(statement)

    def _people_texts(self, codes: str) -> None:
        """The indexes of persons and structures; `codes` selects the professions and skills of a person."""
        select = {
            "person": f"SELECT place, last_name, first_name, {codes} FROM main.person ORDER BY place",
            "structure": "SELECT place, name, sign, city, street_number, street_repeat, street_type, street_name,"
            " postal_code, sector_code FROM main.structure ORDER BY place",
        }
        texts: Mapping[str, Callable[[tuple[Any, ...]], str]] = {
            "person": lambda row: person_text(row[0], row[1], _pairs(row[2])),
            "structure": lambda row: structure_text(row[:2], row[2], row[3:7], row[7], row[8]),
        }
        for table, statement in select.items():
            self._fill_fts(table)
            rows = self._connection.execute(statement)
            while batch := rows.fetchmany(BATCH):
                self._index_texts(table, [(row[0], texts[table](row[1:])) for row in batch])
            self._finish_fts(table)
            self._progress({"person": 0.85, "structure": 0.9}[table])

    def _fill_fts(self, table: str) -> None:
        # larger pieces in memory are fewer to merge
        self._connection.execute(
            f"INSERT INTO main.{table}_index ({table}_index, rank) VALUES ('hashsize', ?)", (_FTS_MEMORY,)
        )

    def _index_texts(self, table: str, texts: Sequence[tuple[int, str]]) -> None:
        """Indexes texts by their places, thousands in one statement.

        Between two statements another thread takes over, and keeps the turn.
        """
        for first in range(0, len(texts), BATCH):
            some = texts[first : first + BATCH]
            places = ", ".join(["(?, ?)"] * len(some))
            self._connection.execute(
                f"INSERT INTO main.{table}_index (rowid, text) VALUES {places}",
                list(chain.from_iterable(some)),
            )

    def _finish_fts(self, table: str) -> None:
        """Merges the index, and notes which trigrams there are and in how many rows."""
        execute = self._connection.execute
        execute(f"INSERT INTO main.{table}_index ({table}_index) VALUES ('optimize')")
        execute(f"CREATE VIRTUAL TABLE temp.{table}_terms USING fts5vocab('main', '{table}_index', 'row')")
        execute(f"INSERT INTO main.{table}_trigram SELECT term, doc FROM temp.{table}_terms")

    def _names(self, words: set[str]) -> None:
        """The words of names, in which a typing error is looked for."""
        self._fill_fts("name")
        rows = list(enumerate(sorted(words), 1))
        self._connection.executemany("INSERT INTO main.name VALUES (?, ?)", rows)
        self._index_texts("name", [(place, f" {word} ") for place, word in rows])
        self._connection.execute("INSERT INTO main.name_index (name_index) VALUES ('optimize')")

    def _alone(self) -> None:
        """The bearers, structures and situations that no activity names: the directory knows them by their mailbox."""
        self._connection.create_function("role_id", 2, lone_role_id, deterministic=True)
        self._connection.execute(
            "INSERT OR IGNORE INTO main.person (idnat, person_id_type, person_id, title, last_name, first_name, category_code,"
            " category, profession_code, profession, updated_at)"
            " SELECT idnat, min(person_id_type), min(person_id), max(civility), min(last_name), min(first_name),"
            " max(category_code), max(category), max(profession_code), max(profession), max(updated_at)"
            " FROM main.mailbox m WHERE idnat IS NOT NULL AND last_name IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM people.person p WHERE p.idnat = m.idnat)"
            " GROUP BY idnat ORDER BY idnat"
        )
        # IdNat_Struct: 1 and a FINESS, 2 and a SIREN, 3 and a SIRET (TRE_G07)
        numbers = ", ".join(
            f"iif(structure_id LIKE '{kind}%', substr(structure_id, 2), NULL)" for kind in "123"
        )
        self._connection.execute(
            "INSERT OR IGNORE INTO main.structure (id, idnat, finess, siren, siret, name, sign, location, distribution, street_number, street_repeat,"
            " street_type, street_name, routing, postal_code, department, updated_at)"
            f" SELECT structure_id, structure_id, {numbers}, max(structure), max(structure_sign), max(location), max(distribution),"
            " max(street_number), max(street_repeat), max(street_type), max(street_name), max(routing),"
            " max(postal_code), max(department), max(updated_at)"
            " FROM main.mailbox m WHERE structure_id IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM people.structure p WHERE p.idnat = m.structure_id)"
            " GROUP BY structure_id ORDER BY structure_id"
        )
        self._connection.execute(
            "INSERT OR IGNORE INTO main.role (id, idnat, structure_id, updated_at)"
            " SELECT role_id(idnat, structure_id) AS id, idnat,"
            " coalesce((SELECT min(p.id) FROM people.structure p WHERE p.idnat = m.structure_id), structure_id),"
            " max(updated_at)"
            " FROM main.mailbox m WHERE idnat IS NOT NULL AND structure_id IS NOT NULL AND last_name IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM people.role r WHERE r.idnat = m.idnat AND (r.structure_id = m.structure_id"
            " OR r.structure_id IN (SELECT id FROM people.structure s WHERE s.idnat = m.structure_id)))"
            " GROUP BY idnat, structure_id ORDER BY id"
        )
        self._connection.execute(
            "UPDATE main.structure SET city = trim(substr(routing, instr(routing, ' ') + 1)) WHERE routing IS NOT NULL"
        )

    def _tombstones(self) -> None:
        """What was there and is no more, with the day."""
        shelves = {"person": "idnat", "structure": "id", "role": "id"}
        if self._kind is ExtractKind.MAILBOXES:
            shelves["mailbox"] = "address"
        for table, key in shelves.items():
            self._connection.execute(
                "INSERT INTO main.tombstone SELECT ?1, key, max(removed_at) FROM ("
                " SELECT key, removed_at FROM old.tombstone WHERE shelf = ?1 AND removed_at > ?2"
                f" UNION ALL SELECT {key}, ?3 FROM old.{table}) t"
                f" WHERE NOT EXISTS (SELECT 1 FROM main.{table} m WHERE m.{key} = t.key) GROUP BY key",
                (table, self._now - TOMBSTONE_MILLIS, self._now),
            )


def _once(table: str, *key: str) -> str:
    """The staged rows, the first line of each thing."""
    same = " AND ".join(f"t.{column} = s.{column}" for column in key)
    return (
        f"(SELECT * FROM {table} s WHERE NOT EXISTS"
        f" (SELECT 1 FROM {table} t WHERE {same} AND t.line < s.line)) s"
    )


def _texts_of_mailboxes(staged: Path) -> Generator[tuple[list[tuple[int, str]], set[str]], None, None]:
    """What the index holds of the mailboxes, by their places, and the words of their names; by address."""
    connection = dbapi.connect(f"file:{quote(str(staged))}?mode=ro", uri=True, isolation_level=None)
    try:
        columns = ", ".join(MAILBOX_COLUMNS[:-1])
        rows = connection.execute(f"SELECT {columns} FROM {_once('mailbox', 'address')} ORDER BY s.address")
        place = 0
        while batch := rows.fetchmany(BATCH):
            boxes = [Mailbox(row[0], _TYPES[row[1]], *row[2:]) for row in batch]
            texts = [(number, mailbox_text(box)) for number, box in enumerate(boxes, place + 1)]
            yield texts, set[str]().union(*map(name_words, boxes))
            place += len(batch)
    finally:
        connection.close()


def _attach(connection: dbapi.Connection, schema: str, path: Path) -> None:
    connection.execute(f"ATTACH DATABASE ? AS {schema}", (f"file:{quote(str(path))}?mode=rw",))


def _attach_or_make(connection: dbapi.Connection, schema: str, kind: ExtractKind, path: Path | None) -> None:
    """A file of the directory, or one without a row where there is none."""
    if path is not None:
        connection.execute(
            f"ATTACH DATABASE ? AS {schema}", (f"file:{quote(str(path))}?immutable=1&mode=ro",)
        )
        return
    connection.execute(f"ATTACH DATABASE ':memory:' AS {schema}")
    for statement in (*create(schema, kind), *index_all(schema, kind)):
        connection.execute(statement)


def lone_role_id(idnat: str, structure_id: str) -> str:
    """The id of a role that only a mailbox names."""
    return hashlib.sha256(f"{idnat} {structure_id}".lower().encode()).hexdigest()[:16]


def _pairs(text: str | None) -> Iterator[tuple[str | None, str | None]]:
    for pair in (text or "").split(","):
        profession, _, skill = pair.partition("/")
        yield profession or None, skill or None
