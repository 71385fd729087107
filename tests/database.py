"""An empty database for a test: the tables are made once and their file is copied, as making them costs more than most tests."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.database import Database, metadata
from foundation.database_file import make_ready
from foundation.sqlite import engine_for

if TYPE_CHECKING:
    from foundation.events import Events


async def open_empty(path: Path, events: Events | None = None) -> Database:
    """A new database in the file `path`, not encrypted, with every table and no row."""
    path.write_bytes(_file())
    return await Database.open(f"sqlite:///{path}", events=events)


@functools.cache
def _file() -> bytes:
    import vaguemestre.schema  # noqa: F401 - declares every table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        url = f"sqlite:///{path}"
        make_ready(url, None)
        engine = engine_for(url, begin="BEGIN")
        with engine.begin() as connection:
            metadata.create_all(connection)
        engine.dispose()
        return path.read_bytes()
