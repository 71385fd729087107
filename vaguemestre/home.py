"""The home of an operator on disk: made once, complete or not at all as far as a second start can tell."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dmp_bridge import codes
from foundation.files import PRIVATE, write_atomically
from foundation.settings import FILE_NAME, SettingsError, from_values
from foundation.vault import write_master_key
from vaguemestre.errors import HomeBusy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from foundation.settings import Settings


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Holds the home against a second service: two would hand out the same jobs. Raises HomeBusy."""
    with (home / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HomeBusy(f"another process serves {home} already") from error
        yield


def to_toml(values: Mapping[str, Any]) -> str:
    """Settings as TOML: plain keys first, then a table for each section."""
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *(f"{name} = {_toml(inner)}" for name, inner in value.items())]
    return "\n".join(lines) + "\n"


def write_settings_file(file: Path, values: Mapping[str, Any]) -> None:
    """Writes `vaguemestre.toml`, readable by its owner alone."""
    write_atomically(file, ("# vaguemestre doctor explains every key.\n" + to_toml(values)).encode(), PRIVATE)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        # A name in quotes may be anything, a distinguished name too.
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    # JSON's strings, numbers and booleans are TOML's too.
    return json.dumps(value, ensure_ascii=False)


CODE_LISTS = "code-lists.json"
"""What `vaguemestre codes import` laid over our code lists."""


def use_imported_lists(settings: Settings) -> None:
    """Lays the imported code lists of the home over ours, in this process; raises SettingsError."""
    try:
        codes.use(settings.home / CODE_LISTS)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def prepare_operator(home: Path, *, hostname: str, domains: Sequence[str]) -> list[Path]:
    """Writes settings and master key of a real operator; raises SettingsError rather than touch an existing one."""
    file = home / FILE_NAME
    if file.exists():
        raise SettingsError(f"{file} exists: this home is an operator's already")
    values: dict[str, Any] = {
        "hostname": hostname,
        "domains": list(domains),
        "http": "127.0.0.1:1443",
        "smtp": {"mx": "127.0.0.1:1025", "submission": "127.0.0.1:1587", "submissions": "127.0.0.1:1465"},
        "imap": {"starttls": "127.0.0.1:1143", "tls": "127.0.0.1:1993"},
        "ldap": {"starttls": "127.0.0.1:1389", "tls": "127.0.0.1:1636"},
        "tls": {"certificate": "pki/server.pem", "key": "pki/server.key", "ca_file": "pki/ca.pem"},
    }
    from_values(home, values)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "pki").mkdir(exist_ok=True, mode=0o700)
    key = home / "keys" / "master.key"
    if not key.exists():
        write_master_key(key)
    write_settings_file(file, values)
    return [file, key]
