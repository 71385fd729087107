"""A day of mail programs: readers, markers, searchers and writers at once, each on a copy of the folder."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks import imap_box
from benchmarks.imap_box import CONNECTIONS, OTHER_FOLDER
from benchmarks.imap_client import drive, signed_in, tagged
from benchmarks.imap_rows import SEARCHES
from benchmarks.letters import LETTERS, small
from benchmarks.run import Meter, Run, Scenario, settle, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.target import Target

_COMMANDS = 300
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Label1")


@dataclass(frozen=True, slots=True)
class _Folder:
    """The copy that one connection works on."""

    chance: random.Random
    name: str

    def some(self, most: int) -> str:
        """UIDs in a row. Those expunged meanwhile are the same on every server."""
        first = self.chance.randint(1, LETTERS)
        return f"{first}:{first + self.chance.randint(0, most - 1)}"


def _list(folder: _Folder) -> list[bytes]:
    return [f"UID FETCH {folder.some(50)} (FLAGS ENVELOPE INTERNALDATE RFC822.SIZE)".encode()]


def _headers(folder: _Folder) -> list[bytes]:
    fields = "BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References Content-Type)]"
    return [f"UID FETCH {folder.some(20)} (FLAGS {fields})".encode()]


def _body(folder: _Folder) -> list[bytes]:
    return [f"UID FETCH {folder.some(1)} (BODY.PEEK[])".encode()]


def _mark(folder: _Folder) -> list[bytes]:
    sign = folder.chance.choice("+-")
    return [f"UID STORE {folder.some(5)} {sign}FLAGS ({folder.chance.choice(_FLAGS)})".encode()]


def _search(folder: _Folder) -> list[bytes]:
    return [folder.chance.choice(SEARCHES)]


def _status(_: _Folder) -> list[bytes]:
    return [f"STATUS {OTHER_FOLDER} (MESSAGES UNSEEN UIDNEXT)".encode()]


def _noop(_: _Folder) -> list[bytes]:
    return [b"NOOP"]


def _append(folder: _Folder) -> list[bytes]:
    return [small(folder.chance.getrandbits(24)).append(folder.name)]


def _expunge(folder: _Folder) -> list[bytes]:
    return [f"UID STORE {folder.some(2)} +FLAGS.SILENT (\\Deleted)".encode(), b"EXPUNGE"]


WEIGHTS: Mapping[Callable[[_Folder], list[bytes]], int] = MappingProxyType(
    {
        _list: 20,
        _headers: 10,
        _body: 22,
        _mark: 15,
        _search: 6,
        _status: 8,
        _noop: 8,
        _append: 8,
        _expunge: 3,
    }
)
"""How often of a hundred, near what imaptest does by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix(Scenario):
    """The same commands for every server, however quick it is."""

    unit: str = "commands/s"

    def prepare(self, target: Target) -> None:
        imap_box.filled(target)
        with signed_in(target.imap_port, target.reader) as [wire]:
            wire.ask(b"SELECT INBOX")
            for number in range(CONNECTIONS):
                imap_box.anew(wire, _name(number))
                wire.ask(f"COPY 1:{LETTERS} {_name(number)}".encode())
        settle(target)

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader, CONNECTIONS) as wires:
            programmes = []
            for number, wire in enumerate(wires):
                name = _name(number)
                # Another programme for each run, and the same on every server.
                seed = imap_box.uidnext(wire, name) * CONNECTIONS + number
                wire.ask(f"SELECT {name}".encode())
                programmes.append(
                    iter(list(_programme(_Folder(random.Random(seed), name), share(_COMMANDS, effort))))
                )
            meter = Meter(target)
            pressed = drive(wires, programmes)
            return meter.stop(pressed.commands, elapsed=pressed.seconds, client_cpu=pressed.client_cpu)


def _name(number: int) -> str:
    return f"Copie{number}"


def _programme(folder: _Folder, commands: int) -> Iterator[bytes]:
    for make in folder.chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=commands):
        for command in make(folder):
            yield tagged(command)
