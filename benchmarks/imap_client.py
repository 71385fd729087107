"""The load client of the IMAP rows: bare sockets in one thread, so that the servers are measured and not it.

Commands are made before the clock starts. Of an answer only the end is looked at: the client never sends a second
command before the first is answered, so the tagged line is the last that comes (RFC 9051 §2.2.2), and no letter
of the corpus has a line that begins with the tag.
"""

from __future__ import annotations

import math
import select
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import Failed
from benchmarks.target import HOST

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.target import Account

TAG = b"zq9"
_DONE, _OK = b"\r\n" + TAG + b" ", b"\r\n" + TAG + b" OK"
_TAIL = 4096
_BLOCK = 1 << 18
_PATIENCE = 120.0


def tagged(command: bytes) -> bytes:
    """A command as it goes over the wire."""
    return TAG + b" " + command + b"\r\n"


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a drive did: commands answered, seconds until the last answer, processor seconds of the client."""

    commands: int
    seconds: float
    client_cpu: float


class Wire:
    """One connection that waits for at most one answer."""

    __slots__ = ("command", "socket", "tail")

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=_PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=HOST)
        self.tail = b""
        self.command = b""

    @property
    def shown(self) -> bytes:
        """The command without a password or a letter."""
        words = self.command.split(b"\r\n", 1)[0].split()
        return b" ".join(words[1:2] if b"LOGIN" in words[:2] else words[1:])[:200]

    def say(self, command: bytes) -> None:
        """Sends a tagged command whole."""
        self.command = command
        self.tail = b"\r\n"
        sent = self.socket.send(command)
        if sent < len(command):
            patience = self.socket.gettimeout()
            self.socket.settimeout(_PATIENCE)
            self.socket.sendall(memoryview(command)[sent:])
            self.socket.settimeout(patience)

    def hear(self, buffer: bytearray, view: memoryview) -> bool:
        """Takes one block; whether the answer is complete. Raises Failed for NO, BAD and a closed connection."""
        count = self.socket.recv_into(buffer)
        if not count:
            raise Failed(f"connection closed during {self.shown!r}")
        if count >= _TAIL:
            self.tail = bytes(view[count - _TAIL : count])
        else:
            self.tail = (self.tail + bytes(view[:count]))[-_TAIL:]
        return self.is_answered()

    def is_answered(self) -> bool:
        """Whether the tagged line is in; raises Failed when it is not OK."""
        tail = self.tail
        if not tail.endswith(b"\r\n"):
            return False
        start = tail.rfind(b"\r\n", 0, -2)
        if tail.startswith(_OK, start):
            return True
        if tail.startswith(_DONE, start):
            raise Failed(f"{tail[start:].strip()!r} to {self.shown!r}")
        return False

    def wait(self, end: Callable[[bytes], bool] | None = None) -> bytes:
        """Everything until the answer, or until `end` likes it: for the preparation."""
        self.socket.settimeout(_PATIENCE)
        said = bytearray()
        while True:
            block = self.socket.recv(_BLOCK)
            if not block:
                raise Failed(f"connection closed during {self.shown!r}")
            said += block
            self.tail = bytes(said[-_TAIL:]) if end else (self.tail + block)[-_TAIL:]
            if end(bytes(said)) if end else self.is_answered():
                return bytes(said)

    def ask(self, command: bytes) -> bytes:
        """One command and its whole answer: for the preparation."""
        self.socket.settimeout(_PATIENCE)
        self.say(tagged(command))
        return self.wait()

    def greet(self, account: Account) -> None:
        """Waits for the greeting and signs in."""
        self.wait(lambda said: said.endswith(b"\r\n"))
        self.ask(account.sign_in())


@contextmanager
def signed_in(
    port: int, account: Account, count: int = 1, tls: ssl.SSLContext | None = None
) -> Iterator[list[Wire]]:
    """So many connections that have signed in, closed on the way out."""
    wires: list[Wire] = []
    try:
        for _ in range(count):
            wires.append(Wire(port, tls))
            wires[-1].greet(account)
        yield wires
    finally:
        for wire in wires:
            wire.socket.close()


def drive(wires: Sequence[Wire], programmes: Sequence[Iterator[bytes]], seconds: float = math.inf) -> Pressed:
    """Each connection works off its own tagged commands, one after the other, all at once, in one thread.

    A connection begins nothing after so many seconds, and ends when its programme does.
    """
    poll = select.epoll()
    by_number = {}
    for wire in wires:
        wire.socket.settimeout(0)
        poll.register(wire.socket, select.EPOLLIN)
        by_number[wire.socket.fileno()] = wire
    next_of = {
        wire.socket.fileno(): programme.__next__ for wire, programme in zip(wires, programmes, strict=True)
    }
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    cpu, began = time.process_time(), time.monotonic()
    until = began + seconds
    try:
        commands = busy = 0
        for number, wire in by_number.items():
            wire.say(next_of[number]())
            busy += 1
        while busy:
            ready = poll.poll(_PATIENCE)
            if not ready:
                raise Failed(f"no answer in {_PATIENCE:.0f} s")
            for number, _ in ready:
                wire = by_number[number]
                if not wire.hear(buffer, view):
                    continue
                commands += 1
                try:
                    if time.monotonic() >= until:
                        raise StopIteration
                    wire.say(next_of[number]())
                except StopIteration:
                    busy -= 1
        return Pressed(commands, time.monotonic() - began, time.process_time() - cpu)
    finally:
        poll.close()


def sign_in_and_out(port: int, account: Account, connections: int, seconds: float) -> Pressed:
    """New connections, so many at a time: greeting, LOGIN, LOGOUT, the server closes; counts whole visits."""
    poll = select.epoll()
    visits: dict[int, Wire] = {}
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    login, logout = tagged(account.sign_in()), tagged(b"LOGOUT")

    def enter() -> None:
        wire = Wire(port)
        wire.socket.settimeout(0)
        poll.register(wire.socket, select.EPOLLIN)
        visits[wire.socket.fileno()] = wire

    cpu, began = time.process_time(), time.monotonic()
    done = 0
    try:
        for _ in range(connections):
            enter()
        while visits:
            ready = poll.poll(_PATIENCE)
            if not ready:
                raise Failed(f"no answer in {_PATIENCE:.0f} s")
            for number, _ in ready:
                wire = visits[number]
                if not wire.command:
                    if wire.socket.recv_into(buffer):
                        wire.say(login)
                    else:
                        raise Failed("connection closed instead of a greeting")
                elif wire.hear(buffer, view):
                    if wire.command is login:
                        wire.say(logout)
                        continue
                    done += 1
                    poll.unregister(number)
                    wire.socket.close()
                    del visits[number]
                    if time.monotonic() - began < seconds:
                        enter()
        return Pressed(done, time.monotonic() - began, time.process_time() - cpu)
    finally:
        poll.close()
        for wire in visits.values():
            wire.socket.close()
