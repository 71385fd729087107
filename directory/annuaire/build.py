"""Imports an extract: a new file is built beside the directory in use, and one rename makes it part of it.

Whoever searches goes on in the old generation; a file that fails, or a process that dies at any instant,
leaves the directory as it was. Nothing here needs the mail database.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from directory.annuaire.assembly import assemble
from directory.annuaire.generations import (
    AnotherImport,
    Part,
    Pointer,
    PointerDamaged,
    alone,
    describe_anew,
    move_pointer,
    read_pointer,
)
from directory.annuaire.report import is_readable
from directory.annuaire.staging import draft_of, stage
from directory.extracts import BadLine, ExtractKind, ExtractReader, ExtractRefused
from directory.sources import Source, sources_in
from foundation.clock import from_millis, to_paris
from foundation.driver import dbapi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.clock import Clock

_COUNTS = ("rows", "duplicates", "bad_lines", "added", "changed", "removed", "sha256", "generated_at")
_READING = 0.4
"""The part of the work that reading is, for the progress bar."""


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """`largest_loss_percent` of the rows in use that a new file may lack.

    `force` takes any file that can be read: with fewer rows, older, or the very one in use. What a `provisional`
    import brings gives way to any other file.
    """

    largest_loss_percent: int = 10
    force: bool = False
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the import of one source is, 0 to 1."""

    source: str
    done: float


@dataclass(frozen=True, slots=True)
class Imported:
    """The extract is part of the directory now; `bad` are the first of the lines that were left out."""

    source: str
    kind: ExtractKind
    generation: str
    part: Part
    bad: tuple[BadLine, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The very file that is in use."""

    source: str
    kind: ExtractKind


@dataclass(frozen=True, slots=True)
class Refused:
    """The extract was not taken and the directory is as before; `reason` is one sentence."""

    source: str
    reason: str


Outcome = Imported | Unchanged | Refused


# ref: F37
class Importer:
    """Imports into the directory below `folder`, one import at a time whatever the process."""

    def __init__(self, folder: Path, clock: Clock, policy: ImportPolicy | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._policy = policy or ImportPolicy()

    def load(self, path: Path, progress: Callable[[Progress], None] | None = None) -> list[Outcome]:
        """Imports a text file, or each extract of a zip archive: none of it where two are of one kind.

        Takes minutes of one processor: for a thread or a process of its own.
        """
        tell = progress or (lambda _: None)
        try:
            sources = sources_in(path)
            if len(sources) > 1:
                _no_two_of_a_kind(path, sources)
            self._folder.mkdir(parents=True, exist_ok=True)
            with alone(self._folder):
                return [self._load(source, tell) for source in sources]
        except ExtractRefused as refused:
            return [Refused(path.name, str(refused))]
        except AnotherImport:
            return [Refused(path.name, "Another import is running: try again when it is done.")]
        except OSError as error:
            return [Refused(path.name, f"{self._folder} cannot be written: {error.strerror}.")]

    def _load(self, source: Source, tell: Callable[[Progress], None]) -> Outcome:
        def reading(bytes_read: int) -> None:
            tell(Progress(source.name, _READING * min(1.0, bytes_read / max(source.size, 1))))

        try:
            staged = stage(source, self._folder, reading)
        except ExtractRefused as refused:
            return Refused(source.name, str(refused))
        except (OSError, dbapi.Error) as error:
            return Refused(source.name, f"{self._folder} cannot be written: {_reason(error)}.")
        try:
            pointer = self._pointer()
            before = self._file(pointer, staged.kind)
            known = pointer.current.parts.get(staged.kind)
            if known is not None and not self._policy.force:
                if known.sha256 == staged.sha256 and before is not None:
                    self._note_newer(source, staged.kind, known)
                    return Unchanged(source.name, staged.kind)
                if not known.provisional:
                    _not_back(source, staged.kind, known)
            gives_way = self._policy.force or (known is not None and known.provisional)
            now, unique = self._clock.millis(), secrets.token_hex(2)
            file = f"{staged.kind.value}-{now}-{unique}.db"
            counts = assemble(
                staged,
                self._folder / file,
                before=before,
                people=self._file(pointer, ExtractKind.ACTIVITIES),
                largest_loss_percent=100 if gives_way else self._policy.largest_loss_percent,
                now=now,
                progress=lambda done: tell(Progress(source.name, _READING + (1 - _READING) * done)),
            )
            part = Part(
                file=file,
                source=source.name,
                sha256=staged.sha256,
                generated_at=source.generated_at,
                imported_at=now,
                rows=counts.rows,
                duplicates=staged.rows - counts.rows,
                bad_lines=staged.bad_lines,
                added=counts.added,
                changed=counts.changed,
                removed=counts.removed,
                provisional=self._policy.provisional,
            )
            moved = move_pointer(self._folder, staged.kind, part, now, unique)
        except ExtractRefused as refused:
            return Refused(source.name, str(refused))
        except (OSError, dbapi.Error) as error:
            return Refused(source.name, f"{self._folder} cannot be written: {_reason(error)}.")
        finally:
            draft_of(self._folder, staged.kind).unlink(missing_ok=True)
        tell(Progress(source.name, 1.0))
        return Imported(source.name, staged.kind, moved.current.name, part, staged.bad)

    def _note_newer(self, source: Source, kind: ExtractKind, known: Part) -> None:
        """The same rows were published again: the directory is as fresh as that."""
        if source.generated_at > known.generated_at:
            newer = replace(known, source=source.name, generated_at=source.generated_at)
            describe_anew(self._folder, kind, newer)

    def _pointer(self) -> Pointer:
        try:
            return read_pointer(self._folder)
        except PointerDamaged:
            return Pointer()

    def _file(self, pointer: Pointer, kind: ExtractKind) -> Path | None:
        """The file in use; None where it is missing or no database, and the import makes it anew."""
        part = pointer.current.parts.get(kind)
        path = self._folder / part.file if part is not None else None
        return path if path is not None and is_readable(path) else None


def _no_two_of_a_kind(path: Path, sources: list[Source]) -> None:
    kinds: set[ExtractKind] = set()
    for source in sources:
        try:
            with source.open() as stream:
                kind = ExtractReader(stream).kind
        except ExtractRefused:
            continue  # said when it is its turn
        if kind in kinds:
            raise ExtractRefused(f"{path} holds two {kind} files: which one counts is not known.")
        kinds.add(kind)


def _not_back(source: Source, kind: ExtractKind, known: Part) -> None:
    if source.generated_at < known.generated_at:
        own, used = (
            to_paris(from_millis(at)).isoformat(timespec="minutes")
            for at in (source.generated_at, known.generated_at)
        )
        raise ExtractRefused(
            f"The {kind} file was generated at {own}, before the one in use ({used}):"
            " force the import to go back to it."
        )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def told(outcome: Outcome) -> dict[str, Any]:
    """An outcome for a table or as JSON; nothing in it is of a row."""
    match outcome:
        case Imported():
            counts = asdict(outcome.part)
            return {
                "source": outcome.source,
                "result": "imported",
                "extract": outcome.kind.value,
                **{name: counts[name] for name in _COUNTS},
                "left_out": [{"line": each.line, "reason": each.reason} for each in outcome.bad],
            }
        case Unchanged():
            return {"source": outcome.source, "result": "unchanged", "extract": outcome.kind.value}
        case Refused():
            return {"source": outcome.source, "result": f"refused: {outcome.reason}"}
