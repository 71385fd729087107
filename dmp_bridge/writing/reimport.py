"""Brings an exported record back: looks at all of it first, then enters it in small units that can be repeated."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from directory.patients import add_patient, find_patient
from dmp_bridge.cda import CdaRefused, read_cda
from dmp_bridge.dossier import registry, traces
from dmp_bridge.dossier.consent_tables import record_closing
from dmp_bridge.dossier.life import Status
from dmp_bridge.dossier.tables import (
    association,
    document_revision,
    document_term,
    submission_reference,
    submission_set,
)
from dmp_bridge.entry import from_json
from dmp_bridge.record import Origin, document_by_unique_id
from dmp_bridge.tables import document
from dmp_bridge.writing.record_rows import (
    ROWS_FILE,
    WILL,
    RecordRows,
    RowsRefused,
    holds_entry,
    is_text,
    read_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from dmp_bridge.dossier.caller import Caller
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import SealedBlob, Vault

ACTION = "import"
_AT_ONCE = 20
_MAX_DOCUMENT = 200 * 1024 * 1024
_MAX_FILES = 200_000
_CHUNK = 1024 * 1024
_LONGEST_LINE = 2_000_001
_PARTS = (document_revision, association, document_term)
_SOURCE: Mapping[str, str] = {
    document_revision.name: "document_id",
    association.name: "source_id",
    document_term.name: "document_id",
}
_ABOUT_FILE = frozenset({"file", "has_display"})
_HEAD = frozenset(
    {
        "exported_at", "ins", "ins_oid", "birth_name", "first_names", "used_name", "birth_date", "sex", "state",
    }
)  # fmt: skip


class ImportRefused(Exception):
    """The file is not brought in; the message is one sentence for the operator, without a name or an INS."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in, and what had been there already."""

    documents: int
    known: int


# ref: DMP-F41
class Importer:
    """Reads records from files that `Exporter` wrote; no name in them ever becomes a path."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def bring_in(self, caller: Caller, file: Path) -> Imported:
        """The record of the patient named in the file, who is added where unknown here.

        Every size and SHA-1 is compared before anything is written. What is there already under the same
        identifier and bytes is left as it is, so that an import that was interrupted is run again.
        Raises ImportRefused.
        """
        try:
            return await self._bring_in(caller, file)
        except IntegrityError:
            raise ImportRefused("rows of the file contradict each other, or what is here") from None

    async def _bring_in(self, caller: Caller, file: Path) -> Imported:
        head, rows = await asyncio.to_thread(_look, file)
        await self._database.read(lambda c: _demand_free(c, head, rows))
        owner_id = await self._database.write(lambda uow: self._open(uow, head, rows))
        known = await self._database.read(lambda c: _known(c, owner_id, rows))
        new = [row for row in rows.of(document) if row["unique_id"] not in known]
        parts = _by_document(rows)
        for start in range(0, len(new), _AT_ONCE):
            await self._enter(owner_id, file, new[start : start + _AT_ONCE], parts)
        detail = {"documents": len(new), "known": len(known)}

        def finish(uow: UnitOfWork) -> None:
            _link(uow, owner_id, rows)
            _refer(uow, owner_id, rows)
            traces.append(uow, caller, ACTION, owner_id=owner_id, clock=self._clock, detail=detail)
            uow.publish(f"owner:{owner_id}")

        await self._database.write(finish)
        return Imported(len(new), len(known))

    def _open(self, uow: UnitOfWork, head: Mapping[str, Any], rows: RecordRows) -> int:
        """The patient, added where unknown, with what the record holds beside documents; the owner."""
        found = find_patient(uow.connection, head["ins"])
        if found is None:
            found = add_patient(uow, self._vault, password_hash=None, now=self._clock.millis(), **head)
        for table in WILL:
            held = select(table.c.owner_id).where(table.c.owner_id == found.owner_id).limit(1)
            # What was said here since is not mixed with what was said there.
            if uow.connection.execute(held).first() is None:
                for row in rows.of(table):
                    # The end of an archive is none of a record that is open here: its documents would be deleted.
                    if table is record_closing and row["reopened_at"] is None and found.record_is_open:
                        continue
                    uow.execute(insert(table), {"owner_id": found.owner_id, **row})
        for row in rows.of(submission_set):
            if _submission(uow.connection, found.owner_id, row["unique_id"]) is None:
                uow.execute(insert(submission_set), {"owner_id": found.owner_id, **row})
        return found.owner_id

    async def _enter(
        self,
        owner_id: int,
        file: Path,
        rows: Sequence[Mapping[str, Any]],
        parts: Mapping[str, Sequence[tuple[Table, Mapping[str, Any]]]],
    ) -> None:
        """Some documents with all that hangs on them, in one unit."""
        sealed: list[tuple[SealedBlob, SealedBlob | None]] = []
        try:
            for row in rows:
                data, display = await asyncio.to_thread(_bytes_of, file, row)
                shown = None if display is None else await self._vault.seal(display)
                sealed.append((await self._vault.seal(data), shown))
        except BaseException:
            for blob in (each for pair in sealed for each in pair if each is not None):
                await self._vault.discard(blob)
            raise

        def unit(uow: UnitOfWork) -> None:
            for row, (original, shown) in zip(rows, sealed, strict=True):
                values = {name: value for name, value in row.items() if name not in _ABOUT_FILE}
                submission = row["submission_id"]
                values |= {
                    "id": registry.new_number(uow),
                    "owner_id": owner_id,
                    "mail_id": 0,
                    "submission_id": _submission(uow.connection, owner_id, submission)
                    if submission
                    else None,
                    "blob_id": self._vault.store(uow, original, (owner_id,)),
                    "display_blob_id": None if shown is None else self._vault.store(uow, shown, (owner_id,)),
                }
                number = uow.execute(insert(document), values).inserted_primary_key
                assert number is not None
                for table, part in parts.get(row["unique_id"], ()):
                    uow.execute(insert(table), {**part, "owner_id": owner_id, _SOURCE[table.name]: number[0]})

        await self._database.write(unit)


def _look(file: Path) -> tuple[dict[str, Any], RecordRows]:
    """Head and rows, once every document was read through and found to be what its row says."""
    with _opened(file) as package:
        try:
            with package.open(ROWS_FILE) as lines:
                head, rows = read_lines(iter(lambda: lines.readline(_LONGEST_LINE), b""))
        except KeyError:
            raise ImportRefused("the file holds no record: RECORD/ROWS.JSL is missing") from None
        except RowsRefused as error:
            raise ImportRefused(f"RECORD/ROWS.JSL, {error}") from None
        said = [head.get(name) or "" for name in ("used_name", *sorted(_HEAD - {"used_name", "exported_at"}))]
        if set(head) != _HEAD or not all(isinstance(each, str) and is_text(each) for each in said):
            raise ImportRefused("RECORD/ROWS.JSL does not say whose record it is")
        del head["exported_at"]
        for number, row in enumerate(rows.of(document), 1):
            _demand_whole(package, number, row)
        _demand_tied(rows)
    return head, rows


def _demand_whole(package: zipfile.ZipFile, number: int, row: Mapping[str, Any]) -> None:
    """Raises ImportRefused where the bytes of a document are not there, or others."""
    if row["status"] not in set(Status) or row["origin"] not in set(Origin):
        raise ImportRefused(f"document {number} is in a state this version does not know")
    try:
        entry = json.loads(row["entry"])
        from_json(entry)
        is_read = holds_entry(entry)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_read = False
    if not is_read:
        raise ImportRefused(f"the metadata of document {number} cannot be read")
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with package.open(row["file"]) as content:
            while (chunk := content.read(_CHUNK)) and size <= _MAX_DOCUMENT:
                digest.update(chunk)
                size += len(chunk)
    except KeyError:
        raise ImportRefused(f"document {number} is missing from the file") from None
    if size != row["size"] or digest.hexdigest() != row["sha1"]:
        raise ImportRefused(f"document {number} is not as it was exported")


def _demand_tied(rows: RecordRows) -> None:
    """Raises ImportRefused where a row speaks of a document or a submission that is not in the file, or twice."""
    names = [row["unique_id"] for row in rows.of(document)]
    submissions = [row["unique_id"] for row in rows.of(submission_set)]
    if len(set(names)) < len(names) or len(set(submissions)) < len(submissions):
        raise ImportRefused("a document or a submission stands twice in the file")
    references = rows.of(submission_reference)
    ends = {row[_SOURCE[table.name]] for table in _PARTS for row in rows.of(table)}
    ends |= {row["document_id"] for row in references}
    used = {row["submission_id"] for row in rows.of(document)} - {None}
    used |= {row["submission_id"] for row in references}
    if not (ends <= set(names) and used <= set(submissions)):
        raise ImportRefused("the file speaks of a document or a submission that it does not hold")


def _demand_free(connection: Connection, head: Mapping[str, Any], rows: RecordRows) -> None:
    """Raises ImportRefused where an identifier stands here already for something else."""
    found = find_patient(connection, head["ins"])
    owner_id = None if found is None else found.owner_id
    for number, row in enumerate(rows.of(document), 1):
        taken = select(document.c.owner_id, document.c.unique_id, document.c.sha1).where(
            or_(
                document.c.entry_uuid == row["entry_uuid"],
                and_(document.c.owner_id == owner_id, document.c.unique_id == row["unique_id"]),
            )
        )
        for other in connection.execute(taken):
            if tuple(other) != (owner_id, row["unique_id"], row["sha1"]):
                raise ImportRefused(f"another document bears an identifier of document {number} here")


def _known(connection: Connection, owner_id: int, rows: RecordRows) -> set[str]:
    held = select(document.c.unique_id).where(document.c.owner_id == owner_id)
    return {row["unique_id"] for row in rows.of(document)} & set(connection.execute(held).scalars())


def _by_document(rows: RecordRows) -> dict[str, list[tuple[Table, dict[str, Any]]]]:
    """What hangs on each document; where an association leads is said when all documents are there."""
    found: dict[str, list[tuple[Table, dict[str, Any]]]] = {}
    for table in _PARTS:
        source = _SOURCE[table.name]
        for row in rows.of(table):
            part = {name: value for name, value in row.items() if name not in (source, "target_id")}
            found.setdefault(row[source], []).append((table, part))
    return found


def _link(uow: UnitOfWork, owner_id: int, rows: RecordRows) -> None:
    for row in rows.of(association):
        if row["target_id"] is not None:
            target = (
                select(document.c.id)
                .where(document.c.owner_id == owner_id, document.c.unique_id == row["target_id"])
                .scalar_subquery()
            )
            uow.execute(
                update(association)
                .where(association.c.owner_id == owner_id, association.c.entry_uuid == row["entry_uuid"])
                .values(target_id=target)
            )


def _refer(uow: UnitOfWork, owner_id: int, rows: RecordRows) -> None:
    """Once all documents and submissions are there: which of these refer to which of those."""
    for row in rows.of(submission_reference):
        found = document_by_unique_id(uow.connection, owner_id, row["document_id"])
        submission = _submission(uow.connection, owner_id, row["submission_id"])
        if found is not None and submission is not None:
            registry.refer(uow, found, submission)


def _submission(connection: Connection, owner_id: int, unique_id: str) -> int | None:
    found: int | None = connection.execute(
        select(submission_set.c.id).where(
            submission_set.c.owner_id == owner_id, submission_set.c.unique_id == unique_id
        )
    ).scalar()
    return found


def _bytes_of(file: Path, row: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
    """The original and what is shown in its place, which the original itself holds."""
    with _opened(file) as package:
        data = package.read(row["file"])
    if not row["has_display"]:
        return data, None
    try:
        display = read_cda(data).display
    except CdaRefused:
        display = None
    return data, None if display is None else display.data


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """The zip; whatever is wrong with it is one sentence."""
    try:
        with zipfile.ZipFile(file) as package:
            if len(package.infolist()) > _MAX_FILES:
                raise ImportRefused("the file holds too many entries")
            yield package
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise ImportRefused("the file is no zip that can be read, or it is damaged") from None
    except OSError as error:
        raise ImportRefused(f"the file cannot be read ({error.strerror})") from error
