"""What presses on a server: Postfix's smtp-source to send, and a bare IMAP client to look."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from benchmarks.target import HOST, Unavailable

if TYPE_CHECKING:
    from benchmarks.target import Target

_SEND_SECONDS = 90
_VISIBLE_SECONDS = 60
# Short beside a run, long enough that looking costs neither server anything.
_LOOK_SECONDS = 0.02


class Failed(Exception):
    """A server refused or lost what a run needs; the message says what."""


class Imap:
    """A client without comforts, so that its own work does not show in the figures (RFC 9051)."""

    def __init__(self, target: Target) -> None:
        self._socket = socket.create_connection((HOST, target.imap_port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tag = 0
        self._read_until(b"\r\n")
        self.command(f'LOGIN "{target.login}" "{target.password}"')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def command(self, line: str) -> bytes:
        """Sends one command and returns all that was said until its tagged OK."""
        self._tag += 1
        tag = b"a%d" % self._tag
        self._socket.sendall(tag + b" " + line.encode() + b"\r\n")
        return self._read_until(tag)

    def _read_until(self, tag: bytes) -> bytes:
        said = bytearray()
        while True:
            block = self._socket.recv(65536)
            if not block:
                raise Failed("IMAP connection closed")
            said += block
            if not said.endswith(b"\r\n"):
                continue
            last = bytes(said[:-2].rpartition(b"\n")[2])
            if tag == b"\r\n" or last.startswith(tag + b" OK"):
                return bytes(said)
            if last.startswith(tag + b" "):
                raise Failed(f"IMAP: {last.decode(errors='replace')}")

    def messages(self) -> int:
        """How many messages the inbox shows."""
        said = self.command("STATUS INBOX (MESSAGES)")
        return int(said[said.index(b"(MESSAGES ") + 10 : said.index(b")")])

    def empty(self) -> None:
        """Deletes all messages of the inbox."""
        if self.messages():
            self.command("SELECT INBOX")
            self.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self.command("CLOSE")


def smtp_source() -> str:
    """Where Postfix's load generator is; raises `Unavailable`."""
    found = shutil.which("smtp-source", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise Unavailable("smtp-source is not installed (package postfix)")
    return found


def send(target: Target, *, size: int, connections: int, messages: int) -> None:
    """Sends `messages` of `size` octets over so many connections at once, each kept open."""
    command = [smtp_source(), "-d", "-s", str(connections), "-l", str(size), "-m", str(messages)]
    command += ["-f", target.sender, "-t", target.recipient, f"{HOST}:{target.smtp_port}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SEND_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{target.name} did not take {messages} messages in {_SEND_SECONDS} s") from late
    if done.returncode:
        raise Failed(f"{target.name}: {done.stderr.decode(errors='replace').strip()}")


def wait_visible(imap: Imap, messages: int) -> None:
    """Returns when the inbox shows that many messages."""
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while (seen := imap.messages()) < messages:
        if time.monotonic() > deadline:
            raise Failed(f"{seen} of {messages} messages are visible after {_VISIBLE_SECONDS} s")
        time.sleep(_LOOK_SECONDS)
