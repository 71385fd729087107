"""The directory in use: the newest generation of the national extracts, and what this operator publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from directory.annuaire.view import View
    from foundation.clock import Clock
    from foundation.database import Database


class Annuaire:
    """Opened once by whoever searches; follows imports and publications of any process."""

    @classmethod
    async def open(cls, folder: Path, database: Database, clock: Clock) -> Annuaire:
        """The directory below `folder` (HOME/directory), which is made where it is missing."""
        raise NotImplementedError

    async def close(self) -> None:
        """Closes every connection; views are of no use any more."""
        raise NotImplementedError

    def view(self, generation: str | None = None) -> View:
        """The directory as it is now; called on the event loop, some microseconds.

        With `generation`: the one a paged search began with, while it is kept (an hour after it was replaced).
        Raises GenerationGone.
        """
        raise NotImplementedError
