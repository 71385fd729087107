"""Searches of the national directory by LDAP, as Thunderbird completes an address: beside slapd with the same entries."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ldap_client, national_data, slapd
from benchmarks.run import Meter, NotOffered, Run, Scenario
from benchmarks.target import Unavailable
from vaguemestre.sandbox_process import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.target import Target

_SECONDS = 12.0
_WORDS = 20_000
"""More than one run asks: what comes again does so because people have the same names."""
_COMPARED = 12


@contextmanager
def running(ours: Target, *, alone: bool) -> Iterator[tuple[Target, Target | None]]:
    """Our sandbox with a national directory, and slapd with the same entries (None where it is not installed or wanted).

    Raises Unavailable.
    """
    _command(ours, "directory", "import", "--force", str(national_data.mailboxes_file()))
    folder = Path(tempfile.mkdtemp(prefix="bench-slapd-"))
    try:
        if alone or slapd.missing() is not None:
            yield ours, None
            return
        ldif = folder / "directory.ldif"
        _command(ours, "directory", "export", "--ldif", "--out", str(ldif))
        with ldif.open(encoding="ascii") as lines, slapd.running(folder / "slapd", lines) as server:
            ldif.unlink()
            yield (
                ours,
                replace(
                    ours, name=slapd.NAME, pids=(server.pid,), ldap_port=server.port, web_port=None, home=None
                ),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(ours: Target, *words: str) -> None:
    done = subprocess.run(
        [*PROGRAM, *words, "--home", str(ours.home)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"{' '.join(words[:2])}: {done.stderr.strip()}")


@lru_cache(maxsize=1)
def _names() -> Sequence[tuple[str, str]]:
    """First and last names, as frequent as they are among the mailboxes."""
    names: list[tuple[str, str]] = []
    with national_data.mailboxes_file().open(encoding="utf-8") as file:
        columns = file.readline().rstrip("\n").split("|")
        last, first = columns.index("Nom d'exercice"), columns.index("Prénom d'exercice")
        for number, line in enumerate(file):
            if number % 300 == 0 and (fields := line.split("|"))[last] and fields[first].isascii():
                names.append((fields[first], fields[last]))
    return names


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """What people type: beginnings and middles of names, two words, and one in eight that nobody has."""
    chance = random.Random(2026)
    return tuple(_typed(chance, *chance.choice(_names())) for _ in range(_WORDS))


@lru_cache(maxsize=1)
def typing() -> tuple[str, ...]:
    """The same, letter by letter from the third on: a mail client asks anew at each."""
    return tuple(text[:letters] for text in words() for letters in range(3, len(text) + 1))


def _typed(chance: random.Random, first: str, last: str) -> str:
    letters = chance.randint(3, 6)
    match chance.randrange(8):
        case 0:
            return "".join(chance.choice("qxzwkj") for _ in range(letters + 2))
        case 1 | 2:
            return f"{first[:letters]} {last[: chance.randint(2, 5)]}".lower()
        case 3:
            return first[:letters].lower()
        case 4 if len(last) > 5:
            return last[2 : 2 + letters].lower()
        case _:
            return last[:letters].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching(Scenario):
    """Searches in a second, of many clients together."""

    clients: int
    asked: Callable[[], Sequence[str]] = typing
    unit: str = "searches/s"
    is_national: bool = True

    def prepare(self, target: Target) -> None:
        ldap_client.load(_port(target), self.clients, self._requests(), 2.0)

    def answers(self, target: Target) -> Mapping[str, object]:
        """Of the first searches that find less than everything a client asked for."""
        typed = self.asked()[:_COMPARED]
        found = ldap_client.found(_port(target), [ldap_client.thunderbird(each) for each in typed])
        return {
            query: names if len(names) < 100 else "a hundred"
            for query, names in zip(typed, found, strict=True)
        }

    def run(self, target: Target, effort: float) -> Run:
        seconds = max(3.0, _SECONDS * effort)
        meter = Meter(target)
        durations = ldap_client.load(_port(target), self.clients, self._requests(), seconds)
        return meter.stop(len(durations), elapsed=seconds)

    def _requests(self) -> Sequence[bytes]:
        return [ldap_client.thunderbird(each) for each in self.asked()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Searching):
    """How long a search of one client takes, but for the slowest twentieth."""

    clients: int = 1
    unit: str = "ms"

    def run(self, target: Target, effort: float) -> Run:
        seconds = max(3.0, _SECONDS * effort)
        durations = sorted(ldap_client.load(_port(target), self.clients, self._requests(), seconds))
        return Run(durations[int(len(durations) * 0.95)] * 1000)


def _port(target: Target) -> int:
    if target.ldap_port is None:
        raise NotOffered("LDAP")
    return target.ldap_port
