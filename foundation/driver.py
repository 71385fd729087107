"""The driver of the embedded engine: SQLCipher's, for encrypted and plain files alike.

One driver is one SQLite: the same version, with the same FTS5, on every system. It has the interface of the
standard library's `sqlite3`, and no type hints of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3 as dbapi
else:
    from sqlcipher3 import dbapi2 as dbapi

__all__ = ["dbapi"]
