"""The directory in use: the newest generation of the national extracts, and what this operator publishes."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from directory.annuaire.files import Files
from directory.annuaire.generations import (
    EMPTY,
    KEPT_MILLIS,
    POINTER,
    PointerDamaged,
    read_pointer,
    sweep,
)
from directory.annuaire.overlay import Overlay
from directory.annuaire.published import LATEST_VERSION, published_after
from directory.annuaire.stored import StoredView
from directory.annuaire.view import GenerationGone
from foundation.driver import dbapi
from foundation.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from directory.annuaire.generations import Generation
    from directory.annuaire.view import View
    from foundation.clock import Clock
    from foundation.database import Database

_log = get_logger(__name__)

_BATCH = 500
_MOST_AT_ONCE = 4
"""Batches of changes that a view takes up before it answers; the rest is for the next one."""
_WATCH_SECONDS = 1.0
_DAY_MILLIS = 24 * 3600 * 1000
SECONDS = 2.0
"""The time a search may take, unless told otherwise."""


class Annuaire:
    """Opened once by whoever searches; follows imports and publications of any process."""

    def __init__(self, folder: Path, database: Database, clock: Clock, *, seconds: float = SECONDS) -> None:
        self._folder = folder
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._overlay = Overlay()
        self._files = Files(folder, EMPTY)
        self._kept: dict[str, tuple[int, Files]] = {}
        self._seen: tuple[int, int] | None = None
        self._data_version = -1
        self._watching: asyncio.Task[None] | None = None
        self.damage: str | None = None
        """Why the directory on disk is not the one in use; one sentence."""

    @classmethod
    async def open(
        cls, folder: Path, database: Database, clock: Clock, *, seconds: float = SECONDS
    ) -> Annuaire:
        """The directory below `folder` (HOME/directory), which is made where it is missing."""
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        opened = cls(folder, database, clock, seconds=seconds)
        await opened.refresh()
        while changes := await database.read(
            lambda connection: published_after(connection, opened._overlay.version, _BATCH)
        ):
            await asyncio.to_thread(opened._overlay.apply, changes)
        opened._watching = asyncio.create_task(opened._watch(), name="annuaire")
        return opened

    async def close(self) -> None:
        """Closes every connection; views are of no use any more."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        for files in (self._files, *(files for _, files in self._kept.values())):
            files.close()
        self._overlay.close()

    async def refresh(self) -> None:
        """Takes up an import that has ended; a generation replaced an hour ago is let go.

        The service does it every second.
        """
        now = self._clock.millis()
        self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now - KEPT_MILLIS}
        seen = self._stamp()
        if seen == self._seen:
            return
        try:
            pointer = await asyncio.to_thread(read_pointer, self._folder)
            if pointer.current.name != self._files.generation.name:
                files = await asyncio.to_thread(_prepared, self._folder, pointer.current)
                if self._files.generation.parts:
                    self._kept[self._files.generation.name] = (now, self._files)
                self._files = files
        except PointerDamaged as damaged:
            self.damage = str(damaged)
        except FileNotFoundError as missing:
            self.damage = f"{missing} is missing: import its extract again."
        except (OSError, dbapi.Error) as error:
            self.damage = f"The files that {self._folder / POINTER} names cannot be read: {error}."
        else:
            self._files.generation = pointer.current
            self._seen, self.damage = seen, None

    def alarms(self, oldest_days: int) -> tuple[str, ...]:
        """What an operator has to look after, a sentence each: damage, and extracts of that age; 0: of none."""
        told = [f"The directory in use stays as it was. {self.damage}"] if self.damage is not None else []
        for kind, part in sorted(self._files.generation.parts.items()):
            days = (self._clock.millis() - part.generated_at) // _DAY_MILLIS
            if oldest_days and days >= oldest_days:
                told.append(f"The extract {kind} in use is {days} days old (alarm from {oldest_days} on).")
        return tuple(told)

    def view(self, generation: str | None = None, *, seconds: float | None = None) -> View:
        """The directory as it is now; called on the event loop, some microseconds.

        With `generation`: the one a paged search began with, while it is kept (an hour after it was replaced).
        With `seconds`: the time each search of it may take. Raises GenerationGone.
        """
        self._follow()
        files = self._files if generation is None else self._of(generation)
        return StoredView(files, self._overlay, self._seconds if seconds is None else seconds)

    def _of(self, name: str) -> Files:
        if name == self._files.generation.name:
            return self._files
        if name in self._kept:
            return self._kept[name][1]
        generation, now = None, self._clock.millis()
        with contextlib.suppress(PointerDamaged):
            generation = read_pointer(self._folder).generation(name)
        retired_at = generation.retired_at or now if generation is not None else 0
        if generation is not None and retired_at > now - KEPT_MILLIS:
            with contextlib.suppress(OSError):
                files = Files(self._folder, generation)
                self._kept[name] = (retired_at, files)
                return files
        raise GenerationGone("The search began in a directory that is no longer kept: start again.")

    def _follow(self) -> None:
        """Takes up what was published, hidden or removed since the last view."""
        version = self._database.data_version()
        if version == self._data_version:
            return
        latest = self._database.look_up(LATEST_VERSION, {})
        if latest is not None and (latest[0] or 0) > self._overlay.version:
            for _ in range(_MOST_AT_ONCE):
                changes = self._database.read_now(
                    partial(published_after, version=self._overlay.version, limit=_BATCH)
                )
                if changes:
                    self._overlay.apply(changes)
                if len(changes) < _BATCH:
                    break
            else:
                return
        self._data_version = version

    async def _watch(self) -> None:
        told = None
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self.refresh()
            if self.damage is not None and self.damage != told:
                _log.error("directory damaged", reason=self.damage)
            told = self.damage
            await asyncio.to_thread(sweep, self._folder, self._clock.millis())

    def _stamp(self) -> tuple[int, int] | None:
        try:
            told = (self._folder / POINTER).stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_ino


def _prepared(folder: Path, generation: Generation) -> Files:
    """The files, with what the first search of a thread would otherwise wait for."""
    files = Files(folder, generation)
    files.terms("boxes", "mailbox")
    return files
