"""An operator that takes every message over TLS with certificates on both sides, and keeps only its Message-ID.

A process of its own (`python -m benchmarks.tls_sink`), so that its work is not counted as a server's:

    with Sink(folder, identity, ca_file) as sink:
        sink.port, sink.count(), sink.message_ids()

Postfix's smtp-sink would do, if it spoke TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from benchmarks.target import HOST, Unavailable

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.target import Identity

_START_SECONDS = 30
_OFFERED = ("tls-sink", "PIPELINING", "SIZE 30000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
_END = b"\r\n.\r\n"


class Sink:
    """The process: started on a free port (or the one given, for another start), read while it runs."""

    def __init__(
        self, folder: Path, identity: Identity, ca_file: str, *, port: int = 0, delay_ms: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "sink.ids"
        self._words = ["--certificate", identity.certificate, "--key", identity.key, "--ca", ca_file]
        self._words += ["--ids", str(self._file), "--port", str(port), "--delay-ms", str(delay_ms)]
        self._process: subprocess.Popen[str] | None = None
        self._read = 0
        self._counted = 0
        self.port = port

    def __enter__(self) -> Self:
        self._file.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.tls_sink", *self._words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.strip().isdigit():
            self.__exit__(None, None, None)
            raise Unavailable("the TLS sink did not start")
        self.port = int(said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(_START_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def count(self) -> int:
        """How many messages it took."""
        with self._file.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self._counted += new.count(b"\n")
        return self._counted

    def message_ids(self) -> list[str]:
        """The Message-ID of each message taken, in order; a message that came twice is there twice."""
        return self._file.read_text().split("\n")[:-1]

    def wait(self, messages: int, seconds: float) -> bool:
        """Whether it takes so many messages in time."""
        deadline = time.monotonic() + seconds
        while self.count() < messages:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class _Conversation(asyncio.Protocol):
    """One connection. What comes after DATA is looked at for its end and its Message-ID only."""

    def __init__(self, context: ssl.SSLContext, ids: int, delay: float) -> None:
        self._context = context
        self._ids = ids
        self._delay = delay
        self._buffer = bytearray()
        self._in_data = False
        self._delayed = False
        self._encrypted = False
        self._encrypting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if not self._encrypted:
            self._say(b"220 tls-sink ESMTP")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while self._buffer and not self._delayed:
            if self._in_data:
                found = self._buffer.find(_END)
                if found < 0:
                    return
                content = bytes(self._buffer[:found])
                del self._buffer[: found + len(_END)]
                self._in_data = False
                if self._delay:
                    self._delayed = True
                    asyncio.get_running_loop().call_later(self._delay, self._take, content)
                    return
                self._take(content)
            else:
                end = self._buffer.find(b"\n")
                if end < 0:
                    return
                line = bytes(self._buffer[:end]).rstrip(b"\r")
                del self._buffer[: end + 1]
                self._answer(line)

    def _answer(self, line: bytes) -> None:
        verb = line[:8].upper().split(b" ")[0].split(b"\t")[0]
        if verb == b"EHLO":
            offered = _OFFERED if self._encrypted else (*_OFFERED, "STARTTLS")
            lines = [f"250-{each}" for each in offered[:-1]] + [f"250 {offered[-1]}"]
            self._say("\r\n".join(lines).encode())
        elif verb == b"STARTTLS":
            self._say(b"220 2.0.0 Ready")
            self._transport.pause_reading()
            self._encrypting = asyncio.ensure_future(self._encrypt())
        elif verb in (b"MAIL", b"RCPT") and not self._encrypted:
            self._say(b"530 5.7.0 TLS first")
        elif verb == b"DATA":
            self._in_data = True
            self._say(b"354 Go on")
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 Bye")
            self._transport.close()
        else:
            self._say(b"250 2.0.0 Ok")

    async def _encrypt(self) -> None:
        loop = asyncio.get_running_loop()
        self._encrypted = True
        try:
            transport = await loop.start_tls(self._transport, self, self._context, server_side=True)
        except (OSError, ssl.SSLError):
            self._transport.abort()
            return
        if transport is None:
            return
        self._transport = transport

    def _take(self, content: bytes) -> None:
        self._delayed = False
        header = content.partition(b"\r\n\r\n")[0]
        found = re.search(rb"(?im)^message-id:\s*(\S+)", header)
        # Noted before it is acknowledged: what the sender counts as delivered is here.
        os.write(self._ids, (found.group(1) if found else b"none") + b"\n")
        if self._transport.is_closing():
            return
        self._say(b"250 2.0.0 Taken")
        self._go_on()

    def _say(self, line: bytes) -> None:
        self._transport.write(line + b"\r\n")


async def _serve(arguments: argparse.Namespace) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=arguments.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(arguments.certificate, arguments.key)
    ids = os.open(arguments.ids, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Conversation(context, ids, arguments.delay_ms / 1000), HOST, arguments.port, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls_sink", description=__doc__)
    for name in ("certificate", "key", "ca", "ids"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--delay-ms", type=int, default=0, help="before each message is noted and acknowledged"
    )
    import uvloop

    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
