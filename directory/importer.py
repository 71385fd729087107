"""Replaces the directory by the day's extracts: staged in small transactions, switched in one.

Whoever reads sees yesterday's directory until the whole new one is there; a file that fails leaves it as it
was. Only what changed since the last import is written at the switch.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from directory import staging
from directory.extracts import BadLine, ExtractKind, ExtractReader, ExtractRefused
from directory.rows import Impossible
from directory.sources import Source, sources_in
from directory.staging import TARGETS, Difference, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from foundation.clock import Clock
    from foundation.database import Database

    _Batches = Generator[list[dict[str, Any]], None, None]

BATCH = 2000
"""Rows staged in one transaction: some tens of milliseconds of the writer, so that mail is not kept waiting."""
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """`smallest_share` of the last import's rows below which a file is taken for a broken one; 0 forces."""

    smallest_share: float = 0.9


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of one source is; `size` is its length in bytes, unpacked."""

    source: str
    bytes_read: int
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The extract is the directory now.

    `rows` are distinct ones, `duplicates` further lines about the same; `bad` are the first of the lines
    that were left out.
    """

    source: str
    kind: ExtractKind
    import_id: int
    rows: int
    duplicates: int
    bad_lines: int
    bad: tuple[BadLine, ...]
    added: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True)
class NotUsedYet:
    """A well-formed extract of a kind this version reads but keeps nothing of."""

    source: str
    kind: ExtractKind
    rows: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The extract was not taken and the directory is as before; `reason` is one sentence."""

    source: str
    reason: str
    bad: tuple[BadLine, ...] = ()


Outcome = Switched | NotUsedYet | Refused


# ref: F37
class Importer:
    """Loads extracts into a database. Two imports at a time are safe: each switches a whole directory."""

    def __init__(self, database: Database, clock: Clock, policy: ImportPolicy | None = None) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy or ImportPolicy()

    async def load(self, path: Path, progress: Callable[[Progress], None] | None = None) -> list[Outcome]:
        """Imports a text file, or each extract of a zip archive; `progress` is called after each batch."""
        try:
            sources = await asyncio.to_thread(sources_in, path)
        except ExtractRefused as refused:
            return [Refused(path.name, str(refused))]
        return [await self._load_source(source, progress) for source in sources]

    async def _load_source(self, source: Source, progress: Callable[[Progress], None] | None) -> Outcome:
        reading = _Reading(source)
        batches = reading.batches()
        try:
            first = await asyncio.to_thread(next, batches, None)
            reader = reading.opened
            target = TARGETS.get(reader.kind)
            if target is None:
                return NotUsedYet(source.name, reader.kind, reader.rows)
            return await self._import(reading, target, first, batches, progress)
        except ExtractRefused as refused:
            return Refused(source.name, str(refused), reading.bad)
        finally:
            await asyncio.to_thread(batches.close)

    async def _import(
        self,
        reading: _Reading,
        target: Target,
        batch: list[dict[str, Any]] | None,
        batches: _Batches,
        progress: Callable[[Progress], None] | None,
    ) -> Switched:
        reader, source, write = reading.opened, reading.source, self._database.write
        import_id = await write(
            partial(staging.begin, kind=reader.kind, source=source, now=self._clock.millis())
        )
        place = 0
        try:
            while batch:
                for row in batch:
                    row["import_id"], row["place"] = import_id, (place := place + 1)
                await write(partial(staging.stage, target=target, rows=batch))
                if progress is not None:
                    progress(Progress(source.name, reader.bytes_read, source.size, reader.rows))
                batch = await asyncio.to_thread(next, batches, None)
            return await self._switch(reading, import_id)
        except BaseException as error:
            reason = str(error) if isinstance(error, ExtractRefused) else "interrupted"
            await write(partial(staging.refuse, import_id=import_id, reason=reason, now=self._clock.millis()))
            raise
        finally:
            await self._clear(target)

    async def _switch(self, reading: _Reading, import_id: int) -> Switched:
        # the comparison is long and only reads; the writer is held for what changed alone
        reader = reading.opened
        for _ in range(_ATTEMPTS):
            difference = await self._database.read(
                partial(staging.compare, kind=reader.kind, import_id=import_id)
            )
            self._judge(reader.kind, difference)
            duplicates = reader.rows - difference.rows
            facts = {"sha256": reader.sha256, "duplicates": duplicates, "bad_lines": reader.bad_lines}
            switched = await self._database.write(
                partial(
                    staging.switch,
                    kind=reader.kind,
                    import_id=import_id,
                    difference=difference,
                    facts=facts,
                    now=self._clock.millis(),
                )
            )
            if switched:
                return Switched(
                    source=reading.source.name,
                    kind=reader.kind,
                    import_id=import_id,
                    rows=difference.rows,
                    duplicates=duplicates,
                    bad_lines=reader.bad_lines,
                    bad=reading.bad,
                    added=len(difference.fresh) - len(difference.changed),
                    changed=len(difference.changed),
                    removed=len(difference.removed),
                )
        raise ExtractRefused("Other imports keep replacing the directory: try again when they are done.")

    def _judge(self, kind: ExtractKind, difference: Difference) -> None:
        if difference.rows == 0:
            raise ExtractRefused(f"The {kind} file holds no rows.")
        before = difference.base_rows
        if before is not None and difference.rows < self._policy.smallest_share * before:
            raise ExtractRefused(
                f"The {kind} file holds {difference.rows} rows where the last import had {before}: "
                "force the import if so many are really gone."
            )

    async def _clear(self, target: Target) -> None:
        """Drops the staged rows of every import that has ended, a batch at a time."""
        for import_id in await self._database.read(partial(staging.left_over, target=target)):
            while await self._database.write(
                partial(staging.clear_some, target=target, import_id=import_id, limit=BATCH)
            ):
                pass


class _Reading:
    """One source being read in a thread."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._reader: ExtractReader | None = None

    @property
    def opened(self) -> ExtractReader:
        assert self._reader is not None
        return self._reader

    @property
    def bad(self) -> tuple[BadLine, ...]:
        return tuple(self._reader.bad) if self._reader is not None else ()

    def batches(self) -> _Batches:
        """The rows to stage; of a kind nothing is kept of, none. Raises ExtractRefused on the way."""
        with self.source.open() as stream:
            self._reader = reader = ExtractReader(stream)
            target = TARGETS.get(reader.kind)
            batch: list[dict[str, Any]] = []
            for record in reader:
                if target is None:
                    continue
                try:
                    batch.append(target.row(record))
                except Impossible as impossible:
                    reader.reject(record.line, str(impossible))
                if len(batch) == BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch
