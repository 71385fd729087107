"""IMAP commands on an inbox of 2 000 letters, ten connections at once."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import imap_box
from benchmarks.imap_box import CONNECTIONS, OTHER_FOLDER
from benchmarks.imap_client import drive, sign_in_and_out, signed_in, tagged
from benchmarks.letters import ABSENT, COMMON, LETTERS, RARE, message_id, small
from benchmarks.run import Meter, Run, Scenario, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.target import Target

SECONDS = 3.0
_COMMANDS = 200
_METADATA = "(FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"
_ENTRANCE = "Entrants"


def _utf8(before: str, word: str) -> bytes:
    """A search for a word that is not ASCII, as a literal."""
    data = word.encode()
    return b"SEARCH CHARSET UTF-8 %s {%d+}\r\n%s" % (before.encode(), len(data), data)


SEARCHES: tuple[bytes, ...] = (
    b"SEARCH SUBJECT hospitalisation",
    b"SEARCH SUBJECT anticoagulant",
    _utf8("SUBJECT", "échographie"),
    b"SEARCH SUBJECT " + ABSENT.encode(),
    b"SEARCH FROM kervella",
    b"SEARCH FROM labo-parc.example",
    b"SEARCH TO imagerie",
    b"SEARCH HEADER Message-ID " + message_id(1234).encode(),
    b"SEARCH BODY " + RARE.encode(),
    b"SEARCH BODY " + COMMON.encode(),
    b"SEARCH TEXT " + ABSENT.encode(),
    b"SEARCH TEXT metformine",
    _utf8("TEXT", "pénicilline"),
    b"SEARCH UNSEEN SINCE 1-Jan-2026",
    b"SEARCH UNSEEN SUBJECT biologie",
    b"SEARCH SINCE 1-Jun-2025 BEFORE 1-Sep-2025 FROM bernard BODY clairance",
    b"SEARCH OR FLAGGED KEYWORD Urgent NOT SUBJECT staff",
)
SORTS: tuple[bytes, ...] = (
    b"SORT (DATE) UTF-8 ALL",
    b"SORT (SUBJECT) UTF-8 ALL",
    b"SORT (FROM) UTF-8 ALL",
    b"SORT (ARRIVAL) UTF-8 ALL",
    b"SORT (REVERSE SIZE) UTF-8 ALL",
    b"SORT (REVERSE DATE) UTF-8 UNSEEN",
)
THREADS: tuple[bytes, ...] = (b"THREAD REFERENCES UTF-8 ALL", b"THREAD ORDEREDSUBJECT UTF-8 ALL")


def metadata(chance: random.Random) -> list[bytes]:
    """What a client shows of a hundred letters in a row, anywhere in the folder."""
    starts = (chance.randint(1, LETTERS - 99) for _ in range(_COMMANDS))
    return [f"FETCH {start}:{start + 99} {_METADATA}".encode() for start in starts]


def bodies(chance: random.Random) -> list[bytes]:
    """One whole letter."""
    return [b"FETCH %d BODY.PEEK[]" % chance.randint(1, LETTERS) for _ in range(_COMMANDS)]


def uid_flags(_: random.Random) -> list[bytes]:
    """What a client asks when it opens a folder that it knows."""
    return [b"UID FETCH 1:* (FLAGS)"]


def status_and_noop(_: random.Random) -> list[bytes]:
    """A look at another folder and a sign of life, in turn."""
    return [f"STATUS {OTHER_FOLDER} (MESSAGES UNSEEN UIDNEXT)".encode(), b"NOOP"]


def shuffled(commands: Sequence[bytes]) -> Callable[[random.Random], list[bytes]]:
    """All of them, in an order of its own for each connection."""
    return lambda chance: chance.sample(commands, len(commands))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Scenario):
    """Commands that change nothing, over and over, on the open inbox."""

    commands: Callable[[random.Random], list[bytes]]
    compared: tuple[bytes, ...] = ()
    needs: str = "IMAP4REV1"
    unit: str = "commands/s"

    def prepare(self, target: Target) -> None:
        with signed_in(target.imap_port, target.reader) as [wire]:
            imap_box.offers(wire, self.needs)
        imap_box.filled(target)
        with signed_in(target.imap_port, target.reader) as [wire]:
            wire.ask(b"SELECT INBOX")
            for command in dict.fromkeys(self.commands(random.Random(0))):
                wire.ask(command)
        settle(target)

    def answers(self, target: Target) -> Mapping[str, object]:
        with signed_in(target.imap_port, target.reader) as [wire]:
            wire.ask(b"SELECT INBOX")
            return {command.decode(): _told(wire.ask(command)) for command in self.compared}

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader, CONNECTIONS) as wires:
            for wire in wires:
                wire.ask(b"SELECT INBOX")
            programmes = [
                itertools.cycle([tagged(command) for command in self.commands(random.Random(number))])
                for number in range(CONNECTIONS)
            ]
            meter = Meter(target)
            pressed = drive(wires, programmes, SECONDS * effort)
            return meter.stop(pressed.commands, elapsed=pressed.seconds, client_cpu=pressed.client_cpu)


def _told(said: bytes) -> object:
    """The numbers of SEARCH in order, which is free (RFC 9051 §7.3.4), or the line of SORT and THREAD."""
    for line in said.split(b"\r\n"):
        if line.startswith(b"* SEARCH"):
            return sorted(int(number) for number in line.split()[2:])
        if line.startswith((b"* SORT", b"* THREAD")):
            return line
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appending(Scenario):
    """Letters of 2.8 KB into one folder, each on disk before its OK."""

    unit: str = "commands/s"

    def prepare(self, target: Target) -> None:
        with signed_in(target.imap_port, target.reader) as [wire]:
            imap_box.offers(wire, "LITERAL+")
        self.run(target, 0.1)

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader, CONNECTIONS) as wires:
            imap_box.anew(wires[0], _ENTRANCE)
            programmes = [
                itertools.cycle([tagged(small(number + index).append(_ENTRANCE)) for index in range(50)])
                for number in range(0, CONNECTIONS * 50, 50)
            ]
            settle(target)
            meter = Meter(target)
            pressed = drive(wires, programmes, SECONDS * effort)
            return meter.stop(pressed.commands, elapsed=pressed.seconds, client_cpu=pressed.client_cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn(Scenario):
    """Connect, LOGIN with a password, LOGOUT; ten at a time."""

    unit: str = "sessions/s"

    def prepare(self, target: Target) -> None:
        sign_in_and_out(target.imap_port, target.reader, CONNECTIONS, 0.2)

    def run(self, target: Target, effort: float) -> Run:
        meter = Meter(target)
        pressed = sign_in_and_out(target.imap_port, target.reader, CONNECTIONS, SECONDS * effort)
        return meter.stop(pressed.commands, elapsed=pressed.seconds, client_cpu=pressed.client_cpu)
