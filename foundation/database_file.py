"""The file of the embedded engine: made, looked at before it is opened, encrypted, decrypted."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.cipher import set_format, unlock
from foundation.database import DatabaseUnavailable, only_sqlite
from foundation.driver import dbapi
from foundation.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation.cipher import DatabaseKey

_PLAIN_HEADER = b"SQLite format 3\0"
_PROGRESS_STEPS = 20_000
"""Instructions of SQLite's machine between two calls of `progress`: some milliseconds."""
_BUSY_MILLIS = 2_000
"""A conversion does not wait longer for whoever has the file open."""


def path_of(url: str) -> Path:
    """The file of `sqlite:///path`; raises DatabaseUnavailable for another engine."""
    if not url.startswith("sqlite:///"):
        raise DatabaseUnavailable(only_sqlite(url))
    return Path(url.removeprefix("sqlite:///"))


@contextlib.contextmanager
def connect(path: Path, key: DatabaseKey | None) -> Iterator[dbapi.Connection]:
    """A bare connection of the driver, each statement a transaction of its own."""
    connection = dbapi.connect(path, isolation_level=None)
    try:
        unlock(connection, key)
        yield connection
    finally:
        connection.close()


def is_plain(path: Path) -> bool:
    """Whether the file is a database that is not encrypted."""
    with path.open("rb") as file:
        return file.read(len(_PLAIN_HEADER)) == _PLAIN_HEADER


def make_ready(url: str, key: DatabaseKey | None) -> Path:
    """Makes the file of `url` where there is none, and tries the key on one that is there.

    Raises DatabaseUnavailable with a sentence: no SQLite, no folder, encrypted or not against the settings,
    another key, damaged.
    """
    path = path_of(url)
    try:
        if not path.parent.is_dir():
            raise DatabaseUnavailable(f"database.url: the folder {path.parent} does not exist")
        if not path.exists():
            _make(path, key)
        _look_at(path, key)
        # Where the cipher is off, envelopes are readable: nobody else on the machine reads the file.
        path.chmod(0o600)
        with connect(path, key) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("SELECT count(*) FROM sqlite_master")
    except (OSError, dbapi.Error) as error:
        raise DatabaseUnavailable(f"database.url: {_why(path, error, key)}") from error
    return path


def _make(path: Path, key: DatabaseKey | None) -> None:
    # Whole or not at all: a file without a byte would be a new database to SQLite, and is a lost one to us.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _touch(draft)
        with connect(draft, key) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        _sync(draft)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def _look_at(path: Path, key: DatabaseKey | None) -> None:
    if not path.stat().st_size:
        raise DatabaseUnavailable(f"database.url: {path} is empty, it was cut off: put back a backup")
    plain = is_plain(path)
    if plain and key is not None:
        raise DatabaseUnavailable(
            f"{path} is not encrypted and database.cipher is true: `vaguemestre database encrypt --home DIR` encrypts it"
        )
    if not plain and key is None:
        raise DatabaseUnavailable(
            f"{path} is encrypted or damaged and database.cipher is false: "
            "`vaguemestre database decrypt --home DIR` decrypts it"
        )


def _why(path: Path, error: Exception, key: DatabaseKey | None) -> str:
    if isinstance(error, OSError):
        return f"{path} cannot be opened ({error.strerror})"
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == dbapi.SQLITE_NOTADB and key is not None:
        return f"{path} does not open with the key of vault.master_key_file: another master key, or a damaged file"
    if is_damage(error):
        return f"{path} is damaged: put back a backup"
    return f"{path}: {error}"


def is_damage(error: BaseException) -> bool:
    """Whether an error of the driver says that pages of the file are not what was written."""
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (dbapi.SQLITE_CORRUPT, dbapi.SQLITE_NOTADB)


def damaged_pages(path: Path, key: DatabaseKey) -> list[str]:
    """Pages of an encrypted file that do not bear their HMAC, a sentence each; reads the whole file."""

    def look() -> list[str]:
        with connect(path, key) as connection:
            return [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check")]

    found = look()
    # Beside a service a page may be met half written; the same one twice is damaged.
    again = set(look()) if found else set()
    return [each for each in found if each in again]


def convert(
    path: Path, old: DatabaseKey | None, new: DatabaseKey | None, progress: Callable[[float], None]
) -> None:
    """Encrypts the file (`old` None), or decrypts it (`new` None): writes a copy, checks it, renames it over the file.

    `progress` is told the part that is done, 0 to 1. A crash leaves the old file or the new one, complete.
    Raises DatabaseUnavailable with a sentence, and has then changed nothing: another process has the file open,
    no room on the disk, another key, damaged.
    """
    draft = draft_of(path)
    discard_draft(path)
    try:
        size = path.stat().st_size
        free = shutil.disk_usage(path.parent).free
        if free < size * 1.2:
            raise DatabaseUnavailable(f"{path}: a copy needs {size * 1.2:.0f} bytes, {free} are free")
        _touch(draft)
        try:
            with connect(path, old) as connection:
                _take_alone(connection)
                # A crash of the service may have left it; it is of no use to either file.
                path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
                _copy(connection, draft, new, size, progress)
                _check(draft, new)
                _sync(draft)
                # While nobody else can have opened the old file.
                draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except (OSError, dbapi.Error) as error:
        raise DatabaseUnavailable(f"nothing was changed: {_why_not(path, error, old)}") from error
    sync_folder(path.parent)
    progress(1.0)


def draft_of(path: Path) -> Path:
    """Where a conversion writes its copy."""
    return path.with_name(f".{path.name}.converting")


def discard_draft(path: Path) -> None:
    """Removes what a conversion that was cut short left behind; for whoever holds the home alone."""
    draft_of(path).unlink(missing_ok=True)


def _take_alone(connection: dbapi.Connection) -> None:
    """Brings the write-ahead log into the file and keeps everybody else out until the connection is closed."""
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLIS}")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")


def _copy(
    connection: dbapi.Connection,
    draft: Path,
    new: DatabaseKey | None,
    size: int,
    progress: Callable[[float], None],
) -> None:
    def tell() -> int:
        progress(min(draft.stat().st_size / size, 0.99))
        return 0

    connection.execute("ATTACH DATABASE ? AS target KEY ?", (str(draft), new.literal if new else ""))
    if new is not None:
        set_format(connection, "target")
    # A copy that is cut short is thrown away: it needs no journal, and is synced once, whole.
    connection.execute("PRAGMA target.journal_mode=OFF")
    connection.execute("PRAGMA target.synchronous=OFF")
    connection.set_progress_handler(tell, _PROGRESS_STEPS)
    connection.execute("SELECT sqlcipher_export('target')").fetchall()
    connection.set_progress_handler(None, 0)
    connection.execute("DETACH DATABASE target")


def _check(draft: Path, key: DatabaseKey | None) -> None:
    with connect(draft, key) as connection:
        ((verdict, *_),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        raise dbapi.DatabaseError("the copy is damaged")


def _why_not(path: Path, error: Exception, old: DatabaseKey | None) -> str:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (dbapi.SQLITE_BUSY, dbapi.SQLITE_LOCKED):
        return f"another process has {path} open"
    return _why(path, error, old)


def _touch(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
