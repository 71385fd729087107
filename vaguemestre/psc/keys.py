"""The keys the provider signs with: one file that the service and the commands read, replaced whole at a rotation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from foundation.files import PRIVATE, write_atomically
from vaguemestre.errors import SandboxBroken
from vaguemestre.psc.issuer import Algorithm

if TYPE_CHECKING:
    from pathlib import Path

_RSA_BITS = 2048


class SigningKeys:
    """The keys of a home as they are now: the file is read again when it has changed.

    Raises SandboxBroken where a home never had keys; a file that is lost or damaged later leaves the keys that were read.
    """

    def __init__(self, home: Path) -> None:
        self._path = keys_file(home)
        self._stamp: tuple[int, ...] | None = None
        self._read()

    def signing(self, algorithm: Algorithm) -> RSAKey | ECKey:
        """The key that signs."""
        self._read()
        return self._current[algorithm]

    def verifying(self) -> KeySet:
        """Every key whose signatures hold: the current ones, and those before the last rotation."""
        self._read()
        return self._all

    def published(self) -> dict[str, Any]:
        """The JWK set without its secrets (RFC 7517 §5), the current keys first."""
        return dict(self.verifying().as_dict(private=False))

    def _read(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            current, previous = _load(self._path)
        except SandboxBroken:
            if self._stamp is not None:
                return
            raise
        self._current = {Algorithm(str(key.alg)): key for key in current}
        self._all = KeySet([*current, *previous])
        self._stamp = stamp


def keys_file(home: Path) -> Path:
    """Where the keys of a home lie."""
    return home / "psc" / "keys.json"


def ensure_keys(home: Path) -> None:
    """Makes the first keys of a home; takes a tenth of a second."""
    if not keys_file(home).exists():
        _save(home, _new(), [])


def rotate(home: Path, *, keep_old: bool) -> list[str]:
    """Makes new keys and answers their ids; the former ones verify until the next rotation, or no longer at all.

    Raises SandboxBroken where there are no keys yet.
    """
    former, _ = _load(keys_file(home))
    made = _new()
    _save(home, made, former if keep_old else [])
    return [str(key.kid) for key in made]


def states(home: Path) -> list[dict[str, str]]:
    """The id, algorithm and state of every key, the current ones first. Raises SandboxBroken."""
    return [
        {"kid": str(key.kid), "alg": str(key.alg), "state": state}
        for state, keys in zip(("current", "previous"), _load(keys_file(home)), strict=True)
        for key in keys
    ]


def _new() -> list[RSAKey | ECKey]:
    return [
        RSAKey.generate_key(_RSA_BITS, {"use": "sig", "alg": Algorithm.RS256.value}, auto_kid=True),
        ECKey.generate_key("P-256", {"use": "sig", "alg": Algorithm.ES256.value}, auto_kid=True),
    ]


def _save(home: Path, current: list[RSAKey | ECKey], previous: list[RSAKey | ECKey]) -> None:
    values = {
        "current": [key.as_dict(private=True) for key in current],
        "previous": [key.as_dict(private=True) for key in previous],
    }
    file = keys_file(home)
    file.parent.mkdir(exist_ok=True, mode=0o700)
    write_atomically(file, json.dumps(values).encode(), PRIVATE)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _load(path: Path) -> tuple[list[RSAKey | ECKey], list[RSAKey | ECKey]]:
    """The current keys and those before them. Raises SandboxBroken."""
    try:
        values = json.loads(path.read_bytes())
        return [_key(each) for each in values["current"]], [_key(each) for each in values["previous"]]
    except FileNotFoundError as error:
        raise SandboxBroken(f"{path} does not exist: `vaguemestre sandbox` makes it at its start") from error
    except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
        raise SandboxBroken(f"{path} cannot be read: remove it, and the next start makes new keys") from error


def _key(values: dict[str, Any]) -> RSAKey | ECKey:
    return RSAKey.import_key(values) if values["kty"] == "RSA" else ECKey.import_key(values)
