"""A service under attack: its memory, its log, and whether somebody else is served meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from tests.interop.imap_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Service

MEGABYTE = 1 << 20
SLOWEST_ANSWER = 3.0
"""Seconds within which somebody else is answered. Loops and parsers that run away take longer; two shared cores do not."""


class Victim:
    """What an attacker does to a sandbox of their own, from an address of their own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.box = service.bal(0)
        self.port = service.port("imap_plain")

    @property
    def memory(self) -> int:
        """Octets of the service's processes that are in memory."""
        process = psutil.Process(self.service.process.pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    def processor_seconds(self) -> float:
        """What the service has computed so far: the same on a machine that is busy with other things."""
        spent = psutil.Process(self.service.process.pid).cpu_times()
        return spent.user + spent.system

    def log(self) -> str:
        return self.service.log.read_text(encoding="utf-8", errors="replace")

    def signed_in(self, box: int = 0) -> Wire:
        bal = self.service.bal(box)
        return Wire(self.port).sign_in(bal.address, bal.password)

    def stranger(self, source: str = "127.0.0.40") -> Raw:
        return Raw(self.port, source)

    def attacker(self) -> Raw:
        """Signed in, and free to write what is no IMAP."""
        raw = Raw(self.port, "127.0.0.41")
        raw.send(f'in LOGIN "{self.box.address}" "{self.box.password}"\r\n'.encode())
        assert raw.until(b"in ").startswith(b"in OK")
        return raw

    @contextmanager
    def bears(self, *, megabytes: float) -> Iterator[None]:
        """What happens inside takes no more memory than this, fails nowhere, and holds up nobody else."""
        with self.signed_in(1) as other:
            other.command("SELECT INBOX")
            before, errors = self.memory, self.log().count("Traceback") + self.log().count("command_failed")
            slowest, highest, done = [0.0], [before], threading.Event()

            def watch() -> None:
                while not done.wait(0.02):
                    began = time.monotonic()
                    assert other.command("NOOP").status == "OK"
                    slowest.append(time.monotonic() - began)
                    highest.append(self.memory)

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                yield
            finally:
                done.set()
                watcher.join(30)
            assert not watcher.is_alive(), "somebody else is not served any more"
            assert max(slowest) < SLOWEST_ANSWER
            grown = (max(*highest, self.memory) - before) / MEGABYTE
            assert grown < megabytes, f"{grown:.1f} MB more"
            log = self.log()
            assert log.count("Traceback") + log.count("command_failed") == errors, log[-2000:]


class Raw:
    """A connection for octets that are no command."""

    def __init__(self, port: int, source: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 60, source_address=(source, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pour(self, data: bytes, times: int = 1) -> int:
        """Sends until the server has had enough; how many times it took the data."""
        for count in range(times):
            try:
                self.socket.sendall(data)
            except OSError:
                return count
        return times

    def line(self) -> bytes:
        """The next line; empty at the end."""
        with suppress(ConnectionError):
            return self.file.readline()
        return b""

    def until(self, start: bytes) -> bytes:
        """The line that starts so, or BYE, or nothing at the end."""
        while line := self.line():
            if line.startswith((start, b"* BYE")):
                return line
        return b""

    def ask(self, command: bytes) -> bytes:
        """Sends a command; its tagged answer, or BYE."""
        self.send(b"x " + command + b"\r\n")
        return self.until(b"x ")
