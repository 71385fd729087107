"""The way to the web for a program under test: a proxy that leads the names of the hosted domains to the sandbox.

It stands for the DNS and for port 443. The program makes its TLS with the name it asked for; all other names are
refused, so that nothing leaves the machine.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_HEAD = 64 * 1024
_SECONDS = 30


class Front(socketserver.ThreadingTCPServer):
    """Takes CONNECT (RFC 9110 §9.3.6) on a free port of loopback; `asked` are the targets, in their order."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, domains: Sequence[str], port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.domains = tuple(domains)
        self.target = ("127.0.0.1", port)
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def leads(self, target: str) -> bool:
        """Whether a target is a name of a hosted domain, on the port of HTTPS."""
        host, _, port = target.rpartition(":")
        return port == "443" and any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: Front
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(_SECONDS)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            piece = self.request.recv(4096)
            if not piece:
                return
            head += piece
        method, target, *_ = head.split(b" ", 2)
        self.server.asked.append(f"{method.decode()} {target.decode()}")
        if method != b"CONNECT" or not self.server.leads(target.decode()):
            self.request.sendall(
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        with socket.create_connection(self.server.target, _SECONDS) as sandbox:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(sandbox, self.request), daemon=True)
            back.start()
            _copy(self.request, sandbox)
            back.join(_SECONDS)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
