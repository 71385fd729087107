"""What is not a rate of commands: how soon a client hears, what a silent one costs, how large folders open."""

from __future__ import annotations

import itertools
import select
import smtplib
import ssl
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import imap_box, load, measure, sandbox
from benchmarks.imap_box import CONNECTIONS
from benchmarks.imap_client import drive, signed_in, tagged
from benchmarks.imap_rows import SECONDS
from benchmarks.letters import small
from benchmarks.run import Meter, NotOffered, Run, Scenario, settle, share
from benchmarks.target import HOST, Account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.imap_client import Wire
    from benchmarks.target import Target

_DELIVERIES = 60
_HEARD_SECONDS = 10.0
_FIRST_SHARE = 4
_RIVAL_SESSIONS = 400
"""Each is a process of the rival's: enough for an average."""
_SETTLED_SECONDS = 2.0
_OPENINGS = 5
_TWENTY, _HUNDRED = "Vingt", "Cent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Push(Scenario):
    """From the 250 of a delivery until clients in IDLE read EXISTS: the 95th of a hundred.

    The rival's 250 is Postfix's, as in the rows of delivery: its hand-over to Dovecot counts.
    """

    unit: str = "ms"

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()

    def run(self, target: Target, effort: float) -> Run:
        box = Account(target.login, target.password)
        with ExitStack() as opened:
            wires = opened.enter_context(signed_in(target.imap_port, box, CONNECTIONS))
            smtp = opened.enter_context(smtplib.SMTP(HOST, target.smtp_port, timeout=60))
            _idle(wires, "INBOX")
            poll = opened.enter_context(select.epoll())
            for wire in wires:
                wire.socket.settimeout(0)
                poll.register(wire.socket, select.EPOLLIN)
            waits: list[float] = []
            for number in range(share(_DELIVERIES, effort)):
                smtp.sendmail(target.sender, [target.recipient], small(number).content)
                waits += _waits(poll, wires, time.monotonic())
                time.sleep(0.01)
        return Run(statistics.quantiles(waits, n=20)[-1] * 1000)


def _waits(poll: select.epoll, wires: Sequence[Wire], began: float) -> list[float]:
    """Seconds until each client has read EXISTS."""
    by_number = {wire.socket.fileno(): wire for wire in wires}
    silent = set(by_number)
    heard = dict.fromkeys(silent, b"")
    waits = []
    while silent:
        ready = poll.poll(_HEARD_SECONDS)
        if not ready:
            raise load.Failed(f"{len(silent)} clients in IDLE heard nothing in {_HEARD_SECONDS:.0f} s")
        now = time.monotonic()
        for number, _ in ready:
            heard[number] += by_number[number].socket.recv(65536)
            if number in silent and b" EXISTS\r\n" in heard[number]:
                waits.append(now - began)
                silent.discard(number)
    return waits


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleMemory(Scenario):
    """Memory of a session in IDLE on the open inbox of 2 000 letters, in a service of its own.

    The first quarter of the sessions is not counted: they live in memory that the filling of the inbox left free.
    """

    sessions: int
    over_tls: bool = False
    unit: str = "KB"
    is_steady: bool = True

    def prepare(self, target: Target) -> None:
        if self.over_tls and target.imaps_port is None:
            raise NotOffered("TLS")

    def run(self, target: Target, effort: float) -> Run:
        most = self.sessions if target.name == sandbox.NAME else _RIVAL_SESSIONS
        sessions = share(most, effort)
        with target.again() as fresh:
            imap_box.filled(fresh)
            tls = ssl.create_default_context(cafile=fresh.ca_file) if self.over_tls else None
            port = fresh.imaps_port if self.over_tls else fresh.imap_port
            assert port is not None
            first = sessions // _FIRST_SHARE
            with ExitStack() as opened:
                _idle(opened.enter_context(signed_in(port, fresh.reader, first, tls)), "INBOX")
                before = _memory(fresh)
                _idle(opened.enter_context(signed_in(port, fresh.reader, sessions - first, tls)), "INBOX")
                return Run((_memory(fresh) - before) / (sessions - first))


def _idle(wires: Sequence[Wire], folder: str) -> None:
    for wire in wires:
        wire.ask(f"SELECT {folder}".encode())
        wire.say(tagged(b"IDLE"))
        wire.wait(lambda said: said.endswith(b"\r\n") and b"+ " in said)


def _memory(target: Target) -> int:
    settle(target)
    time.sleep(_SETTLED_SECONDS)
    return sum(measure.memory_kilobytes(pid) for pid in target.pids)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFirst(Scenario):
    """SELECT of a folder that was filled and never opened since the server started."""

    messages: int
    unit: str = "s"
    is_steady: bool = True

    def prepare(self, target: Target) -> None:
        imap_box.copied(target, _HUNDRED, self.messages)
        settle(target)

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader) as [wire]:
            meter = Meter(target)
            seconds = _opening(wire)
            spent = meter.stop(1)
        return Run(seconds, spent.cpu_ms, spent.memory_mb)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAgain(OpenFirst):
    """SELECT of a folder that nobody has open and that got a letter since it was last open."""

    is_steady: bool = False

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader, _OPENINGS) as wires:
            meter = Meter(target)
            waits = []
            for number, wire in enumerate(wires):
                wire.ask(small(number).append(_HUNDRED))
                waits.append(_opening(wire))
                wire.ask(b"UNSELECT")
            spent = meter.stop(_OPENINGS)
        return Run(statistics.median(waits), spent.cpu_ms, spent.memory_mb)


def _opening(wire: Wire) -> float:
    began = time.monotonic()
    wire.ask(f"SELECT {_HUNDRED}".encode())
    return time.monotonic() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Resynchronise(Scenario):
    """SELECT with QRESYNC of a folder of 20 000 that had ten changes since (RFC 7162 §3.2.5)."""

    messages: int
    unit: str = "commands/s"

    def prepare(self, target: Target) -> None:
        with signed_in(target.imap_port, target.reader) as [wire]:
            imap_box.offers(wire, "QRESYNC")
        imap_box.copied(target, _TWENTY, self.messages)
        with signed_in(target.imap_port, target.reader) as [wire]:
            wire.ask(b"ENABLE QRESYNC")
            wire.ask(f"SELECT {_TWENTY}".encode())
        settle(target)

    def run(self, target: Target, effort: float) -> Run:
        with signed_in(target.imap_port, target.reader, CONNECTIONS) as wires:
            for wire in wires:
                wire.ask(b"ENABLE QRESYNC")
            command = tagged(_after_ten_changes(wires[0]))
            meter = Meter(target)
            programmes = [itertools.repeat(command) for _ in wires]
            pressed = drive(wires, programmes, SECONDS * effort)
            return meter.stop(pressed.commands, elapsed=pressed.seconds, client_cpu=pressed.client_cpu)


def _after_ten_changes(wire: Wire) -> bytes:
    """Six flags, three expunged, one new; the SELECT of a client that was away meanwhile."""
    said = wire.ask(f"SELECT {_TWENTY}".encode())
    known = {word: _code(said, word) for word in ("UIDVALIDITY", "HIGHESTMODSEQ", "UIDNEXT")}
    sign = "+-"[known["UIDNEXT"] % 2]
    wire.ask(f"UID STORE 101,202,303,404,505,606 {sign}FLAGS.SILENT (\\Flagged)".encode())
    wire.ask(b"STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    wire.ask(b"EXPUNGE")
    wire.ask(small(known["UIDNEXT"]).append(_TWENTY))
    return f"SELECT {_TWENTY} (QRESYNC ({known['UIDVALIDITY']} {known['HIGHESTMODSEQ']}))".encode()


def _code(said: bytes, word: str) -> int:
    """The number of a response code."""
    _, found, rest = said.partition(f"[{word} ".encode())
    if not found:
        raise load.Failed(f"no {word} in the answer to SELECT")
    return int(rest.partition(b"]")[0])
