"""Another operator that opens a new connection with mutual TLS for every message.

A process of its own (`python -m benchmarks.tls_client`), so that its work is not counted as a server's. It says
"ready" when all is loaded, and begins when it reads a line.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import socket
import ssl
import sys
import threading
import time
import uuid

from benchmarks.target import HOST

_SECONDS = 60


class _Refused(Exception):
    pass


def _reply(connection: socket.socket, wanted: bytes) -> bytes:
    said = b""
    while not said.endswith(b"\n") or said.rstrip(b"\r\n").rpartition(b"\n")[2][3:4] == b"-":
        block = connection.recv(4096)
        if not block:
            raise _Refused("the server closed the connection")
        said += block
    if not said.rpartition(b"\n")[0].rpartition(b"\n")[2].startswith(wanted):
        raise _Refused(said.decode(errors="replace").strip())
    return said


def _replies(connection: socket.socket, count: int) -> None:
    """The single-line answers to pipelined commands."""
    said = b""
    while said.count(b"\n") < count:
        block = connection.recv(4096)
        if not block:
            raise _Refused("the server closed the connection")
        said += block
    if any(line[:1] not in b"23" for line in said.splitlines()):
        raise _Refused(said.decode(errors="replace").strip())


def _deliver(arguments: argparse.Namespace, context: ssl.SSLContext, content: bytes) -> None:
    """One message as a client in a hurry sends it: envelope commands together (RFC 2920), then the content."""
    with socket.create_connection((HOST, arguments.port), timeout=_SECONDS) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _reply(plain, b"220")
        plain.sendall(b"EHLO charge.example\r\n")
        _reply(plain, b"250")
        plain.sendall(b"STARTTLS\r\n")
        _reply(plain, b"220")
        with context.wrap_socket(plain) as connection:
            connection.sendall(b"EHLO charge.example\r\n")
            _reply(connection, b"250")
            envelope = f"MAIL FROM:<{arguments.sender}>\r\nRCPT TO:<{arguments.recipient}>\r\nDATA\r\n"
            connection.sendall(envelope.encode())
            _replies(connection, 3)
            connection.sendall(content)
            _reply(connection, b"250")
            with contextlib.suppress(OSError, _Refused):
                connection.sendall(b"QUIT\r\n")
                _reply(connection, b"221")


def _content(arguments: argparse.Namespace) -> bytes:
    head = (
        f"From: <{arguments.sender}>\r\nTo: <{arguments.recipient}>\r\nSubject: charge\r\n"
        f"Message-ID: <{uuid.uuid4().hex}@charge.example>\r\nDate: Fri, 13 Mar 2026 14:54:10 +0100\r\n\r\n"
    ).encode()
    line = b"x" * 76 + b"\r\n"
    content: bytes = head + line * max(1, (arguments.size - len(head)) // len(line)) + b".\r\n"
    return content


def main() -> int:
    arguments = _arguments()
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=arguments.ca)
    context.check_hostname = False
    context.load_cert_chain(arguments.certificate, arguments.key)
    contents = [_content(arguments) for _ in range(arguments.messages)]
    numbers = itertools.count()
    failures: list[str] = []

    def work() -> None:
        # next() of a count is one step of the interpreter: no lock is needed.
        while not failures and (number := next(numbers)) < arguments.messages:
            try:
                _deliver(arguments, context, contents[number])
            except (OSError, _Refused) as error:
                failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(arguments.connections)]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        print(failures[0], file=sys.stderr)
        return 1
    print(time.monotonic() - began, flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls_client", description=__doc__)
    for name in ("certificate", "key", "ca", "sender", "recipient"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("port", 25), ("messages", 100), ("connections", 10), ("size", 4096)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
