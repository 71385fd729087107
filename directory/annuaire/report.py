"""What the file of an extract says of itself: whether it opens, and what its import changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from foundation.driver import dbapi

if TYPE_CHECKING:
    from pathlib import Path

    from directory.annuaire.generations import Part


class Change(NamedTuple):
    """`what` is added, changed or removed; `key` an address, the id of a role, or an idnat and a code."""

    what: str
    key: str


def is_readable(path: Path) -> bool:
    """Whether a file of the directory is there and opens."""
    if not path.is_file():
        return False
    connection = dbapi.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("SELECT 1 FROM label LIMIT 1")
    except dbapi.DatabaseError:
        return False
    finally:
        connection.close()
    return True


def changes(folder: Path, part: Part) -> list[Change]:
    """What differs between a file and the one before it, up to `directory.annuaire.assembly.LISTED` of each sort.

    Raises FileNotFoundError.
    """
    path = folder / part.file
    if not path.is_file():
        raise FileNotFoundError(path)
    connection = dbapi.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        rows = connection.execute("SELECT what, key FROM change ORDER BY what, key")
        return [Change(*row) for row in rows]
    finally:
        connection.close()
