"""What a benchmark needs to know of a mail service, ours or the rival's."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """A running service: where it takes mail, where it shows it, and the processes whose trees are measured."""

    name: str
    smtp_port: int
    imap_port: int
    sender: str
    recipient: str
    login: str
    password: str = field(repr=False)
    pids: tuple[int, ...]


class Unavailable(Exception):
    """The service cannot be started here; the message says why in one sentence."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def answers(port: int) -> bool:
    """Whether something says a greeting on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(1) != b""
    except OSError:
        return False
