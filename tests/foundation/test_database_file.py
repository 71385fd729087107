"""Encrypting a database that was made without a cipher, and the way back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from foundation import database_file
from foundation.cipher import DatabaseKey, derive_key
from foundation.database import DatabaseUnavailable
from foundation.database_file import connect, convert, discard_draft, draft_of, is_plain, make_ready

if TYPE_CHECKING:
    from pathlib import Path

KEY = derive_key(bytes(range(32)))
OTHER = derive_key(bytes(32))
ROWS = 20_000

FILL = """
import os, sys
from pathlib import Path
from foundation.cipher import derive_key
from foundation.database_file import connect, make_ready
path, key, rows = Path(sys.argv[1]), derive_key(bytes(range(32))) if sys.argv[2] == "key" else None, int(sys.argv[3])
make_ready(f"sqlite:///{path}", key)
with connect(path, key) as database:
    database.execute("PRAGMA wal_autocheckpoint=0")
    database.execute("BEGIN")
    database.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT UNIQUE)")
    database.execute("CREATE TABLE grants (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID")
    database.execute(
        "CREATE VIRTUAL TABLE words USING fts5(t, content='', contentless_delete=1, tokenize='trigram remove_diacritics 1')"
    )
    for number in range(1, rows + 1):
        database.execute("INSERT INTO mail(subject) VALUES (?)", (f"Sujet confidentiel {number}",))
    database.execute("INSERT INTO grants VALUES (7, 8)")
    database.execute("INSERT INTO words(rowid, t) VALUES (5, 'compte rendu opératoire')")
    database.execute("DELETE FROM mail WHERE id = ?", (rows,))
    database.execute("COMMIT")
    os._exit(9)  # as a crash would: nothing is closed, the rows are in the write-ahead log
"""

CONVERT = """
import os, sys
from pathlib import Path
from foundation import database_file
from foundation.cipher import derive_key
name, path, key = sys.argv[1], Path(sys.argv[2]), derive_key(bytes(range(32)))
def crash(*_arguments):
    os._exit(9)
if name == "progress":
    database_file.convert(path, None, key, crash)
original = getattr(database_file, name)
setattr(database_file, name, lambda *arguments: crash(original(*arguments)))
old, new = (None, key) if sys.argv[3] == "encrypt" else (key, None)
database_file.convert(path, old, new, lambda done: None)
"""


def crashing(code: str, *words: str) -> None:
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 9, ended.stderr.decode()


def filled(tmp_path: Path, kind: str, rows: int = 200) -> Path:
    path = tmp_path / "rows.db"
    crashing(FILL, str(path), kind, str(rows))
    assert (tmp_path / "rows.db-wal").stat().st_size > 4096
    return path


def holds_everything(path: Path, key: DatabaseKey | None, rows: int = 200) -> None:
    make_ready(f"sqlite:///{path}", key)
    with connect(path, key) as database:
        assert database.execute("SELECT count(*), max(id) FROM mail").fetchone() == (rows - 1, rows - 1)
        assert database.execute("SELECT * FROM grants").fetchall() == [(7, 8)]
        assert database.execute("SELECT rowid FROM words WHERE words MATCH 'operat'").fetchall() == [(5,)]
        # The number of a deleted row is not given again.
        database.execute("BEGIN")
        assert database.execute("INSERT INTO mail(subject) VALUES ('x')").lastrowid == rows + 1
        database.execute("ROLLBACK")
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def nothing(_done: float) -> None: ...


def test_a_plain_file_becomes_an_encrypted_one_with_all_its_rows_and_nothing_stays_beside_it(
    tmp_path: Path,
) -> None:
    path = filled(tmp_path, "plain", ROWS)
    told: list[float] = []
    convert(path, None, KEY, told.append)
    assert [each.name for each in tmp_path.iterdir()] == ["rows.db"]
    assert b"confidentiel" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    holds_everything(path, KEY, ROWS)
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_an_encrypted_file_becomes_a_plain_one(tmp_path: Path) -> None:
    path = filled(tmp_path, "key")
    convert(path, KEY, None, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["rows.db"]
    assert is_plain(path)
    holds_everything(path, None)


@pytest.mark.parametrize("at", ["_take_alone", "_copy", "_check", "_sync"])
@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
def test_a_crash_before_the_new_name_leaves_the_old_file_and_the_next_try_succeeds(
    at: str, way: str, tmp_path: Path
) -> None:
    old, new = (None, KEY) if way == "encrypt" else (KEY, None)
    path = filled(tmp_path, "plain" if way == "encrypt" else "key")
    crashing(CONVERT, at, str(path), way)
    assert draft_of(path).exists()
    holds_everything(path, old)
    convert(path, old, new, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["rows.db"]
    holds_everything(path, new)


def test_a_crash_in_the_middle_of_the_copy_leaves_the_old_file(tmp_path: Path) -> None:
    path = filled(tmp_path, "plain", ROWS)
    crashing(CONVERT, "progress", str(path), "encrypt")
    holds_everything(path, None, ROWS)
    discard_draft(path)
    assert not draft_of(path).exists()
    holds_everything(path, None, ROWS)


@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
def test_a_crash_right_after_the_new_name_leaves_the_new_file(way: str, tmp_path: Path) -> None:
    new = KEY if way == "encrypt" else None
    path = filled(tmp_path, "plain" if way == "encrypt" else "key")
    crashing(CONVERT, "sync_folder", str(path), way)
    assert is_plain(path) == (way == "decrypt")
    assert [each.name for each in tmp_path.iterdir()] == ["rows.db"]
    holds_everything(path, new)


def test_a_file_that_somebody_has_open_is_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "_BUSY_MILLIS", 10)
    path = filled(tmp_path, "plain")
    with connect(path, None) as other:
        other.execute("SELECT count(*) FROM mail").fetchone()
        with pytest.raises(DatabaseUnavailable, match="nothing was changed: another process has"):
            convert(path, None, KEY, nothing)
        other.execute("DELETE FROM grants WHERE a = 99")
    assert not draft_of(path).exists()
    holds_everything(path, None)


def test_while_it_is_converted_nobody_else_gets_in(tmp_path: Path) -> None:
    path = filled(tmp_path, "plain", ROWS)
    met: list[str] = []

    def write_beside(done: float) -> None:
        if done < 1:
            with connect(path, None) as other, pytest.raises(Exception, match="locked") as locked:
                other.execute("PRAGMA busy_timeout=0")
                other.execute("DELETE FROM mail")
            met.append(str(locked.value))

    convert(path, None, KEY, write_beside)
    assert met
    holds_everything(path, KEY, ROWS)


def test_without_room_for_a_copy_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path, "plain")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(database_file.shutil, "disk_usage", lambda _folder: usage._replace(free=1000))
    with pytest.raises(DatabaseUnavailable, match="1000 are free"):
        convert(path, None, KEY, nothing)
    assert not draft_of(path).exists()
    holds_everything(path, None)


def test_a_wrong_key_changes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path, "key")
    with pytest.raises(DatabaseUnavailable, match=r"nothing was changed.*another master key"):
        convert(path, OTHER, None, nothing)
    assert not draft_of(path).exists()
    holds_everything(path, KEY)


def test_a_damaged_file_is_not_converted(tmp_path: Path) -> None:
    path = filled(tmp_path, "key", ROWS)
    with connect(path, KEY) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[30 * 4096 + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatabaseUnavailable, match=r"nothing was changed.*damaged"):
        convert(path, KEY, None, nothing)
    assert not draft_of(path).exists()
    assert not is_plain(path)


def test_two_processes_that_make_the_file_at_once_get_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    original = database_file._sync

    def another_is_quicker(draft: Path) -> None:
        original(draft)
        monkeypatch.setattr(database_file, "_sync", original)
        make_ready(url, KEY)
        with connect(tmp_path / "rows.db", KEY) as database:
            database.execute("CREATE TABLE theirs (id INTEGER)")

    monkeypatch.setattr(database_file, "_sync", another_is_quicker)
    path = make_ready(url, KEY)
    with connect(path, KEY) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    assert [each.name for each in tmp_path.iterdir()] == ["rows.db"]
