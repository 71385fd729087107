"""Which files are the directory now, and which were a moment ago: the pointer that a finished import moves."""

from __future__ import annotations

import contextlib
import fcntl
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from directory.extracts import ExtractKind
from foundation.files import PUBLIC, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

POINTER = "annuaire.json"
KEPT_MILLIS = 3600 * 1000
"""How long a generation that was replaced stays: a search in pages goes on in the one it began with."""
_LOCK = ".import.lock"
_FORMAT = 1
_MOST_KEPT = 20


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of extract in a generation: its file, and how it came there. Times are epoch milliseconds.

    `added`, `changed` and `removed` are against the file before; all 0 in the first one. What is `provisional` gives
    way to any file, also to an older one or one without its rows: the fictive extracts of a sandbox.
    """

    file: str
    source: str
    sha256: str
    generated_at: int
    imported_at: int
    rows: int
    duplicates: int
    bad_lines: int
    added: int
    changed: int
    removed: int
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """A set of files that were the directory together."""

    name: str
    parts: Mapping[ExtractKind, Part]
    retired_at: int | None = None


EMPTY = Generation("empty", {})


@dataclass(frozen=True, slots=True)
class Pointer:
    """The generation in use, and those that are still kept, newest first."""

    current: Generation = EMPTY
    kept: tuple[Generation, ...] = field(default=())

    def generation(self, name: str) -> Generation | None:
        """A generation that is there."""
        return next((each for each in (self.current, *self.kept) if each.name == name), None)


class PointerDamaged(Exception):
    """The pointer cannot be read; the text is one sentence."""


def read_pointer(folder: Path) -> Pointer:
    """The pointer of a folder, an empty one where no import was made yet. Raises PointerDamaged."""
    path = folder / POINTER
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Pointer()
    except OSError as error:
        raise PointerDamaged(f"{path} cannot be read: {error.strerror}.") from error
    try:
        values = json.loads(text)
        if values["format"] != _FORMAT:
            raise PointerDamaged(f"{path} was written by a newer version.")
        return Pointer(_generation(values["current"]), tuple(map(_generation, values["kept"])))
    except (ValueError, KeyError, TypeError) as error:
        raise PointerDamaged(f"{path} is damaged: import the extracts again.") from error


def move_pointer(folder: Path, kind: ExtractKind, part: Part, now: int, unique: str) -> Pointer:
    """Makes a finished file part of the directory, in one step, and removes files nobody needs any more.

    `unique` parts generations made in the same moment.
    """
    try:
        before = read_pointer(folder)
    except PointerDamaged:
        before = Pointer()
    current = Generation(f"{now}-{unique}", {**before.current.parts, kind: part})
    retired = Generation(before.current.name, before.current.parts, now)
    kept = _still_kept((retired, *before.kept) if retired.parts else before.kept, now)
    pointer = Pointer(current, kept[:_MOST_KEPT])
    _write(folder, pointer)
    _remove_others(folder, pointer)
    return pointer


def describe_anew(folder: Path, kind: ExtractKind, part: Part) -> None:
    """Notes of a file in use what is known of it by now; the generation stays. Raises PointerDamaged."""
    before = read_pointer(folder)
    parts = {**before.current.parts, kind: part}
    _write(folder, Pointer(replace(before.current, parts=parts), before.kept))


class AnotherImport(Exception):
    """Somebody else writes to the directory's folder."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the folder for one writer, whatever the process. Raises AnotherImport at once, and OSError."""
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AnotherImport from error
        yield


def sweep(folder: Path, now: int) -> None:
    """Removes the files of generations that were replaced an hour ago."""
    with contextlib.suppress(PointerDamaged, AnotherImport, OSError):
        if _still_kept(kept := read_pointer(folder).kept, now) == kept:
            return
        with alone(folder):
            pointer = read_pointer(folder)
            pointer = Pointer(pointer.current, _still_kept(pointer.kept, now))
            _write(folder, pointer)
            _remove_others(folder, pointer)


def _still_kept(kept: tuple[Generation, ...], now: int) -> tuple[Generation, ...]:
    return tuple(each for each in kept if each.retired_at is None or each.retired_at > now - KEPT_MILLIS)


def _remove_others(folder: Path, pointer: Pointer) -> None:
    wanted = {part.file for each in (pointer.current, *pointer.kept) for part in each.parts.values()}
    for path in _files(folder):
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    for kind in ExtractKind:
        yield from folder.glob(f"{kind.value}-*.db")


def _write(folder: Path, pointer: Pointer) -> None:
    values = {
        "format": _FORMAT,
        "current": _values(pointer.current),
        "kept": [_values(each) for each in pointer.kept],
    }
    write_atomically(folder / POINTER, json.dumps(values, indent=1).encode() + b"\n", PUBLIC)


def _values(generation: Generation) -> dict[str, Any]:
    return {
        "name": generation.name,
        "retired_at": generation.retired_at,
        "parts": {kind.value: asdict(part) for kind, part in generation.parts.items()},
    }


def _generation(values: dict[str, Any]) -> Generation:
    parts = {ExtractKind(kind): Part(**part) for kind, part in values["parts"].items()}
    if any("/" in part.file for part in parts.values()):
        raise ValueError("a file of another folder")
    return Generation(str(values["name"]), parts, values["retired_at"])
