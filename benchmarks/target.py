"""What a benchmark needs to know of a mail service, ours or the rival's."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.tls_sink import Sink

HOST = "127.0.0.1"
# Below those that Linux gives to clients, so that no connection takes one before its server does.
_OWN_PORTS = range(20_000, 32_768)
_CHANCE = random.SystemRandom()  # two runs that were seeded alike shall not choose alike


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of a certificate and its key, PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox and what opens it."""

    login: str
    password: str = field(repr=False)

    def sign_in(self) -> bytes:
        """The LOGIN command."""
        return f'LOGIN "{self.login}" "{self.password}"'.encode()


@dataclass(frozen=True, slots=True)
class Between:
    """How a service exchanges mail with another operator, over TLS with certificates on both sides."""

    mx_port: int
    """Takes the other operator's mail over STARTTLS."""
    submission_port: int
    """Takes mail for the other operator in clear."""
    sign_in: bool
    """Whether the submission port wants the target's login."""
    author: str
    """Who writes to the other operator."""
    own: Identity
    """The service's own certificate."""
    peer: Identity
    """The other operator's."""
    peer_box: str
    """An address of the other operator."""
    ca_file: str
    sink: Sink
    """The other operator, where mail leaves to."""


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
    reader: Account
    """Another mailbox, whose letters stay from row to row."""
    between: Between
    again: Callable[[], AbstractContextManager[Target]] = field(repr=False)
    """Starts the same service once more, for what only a fresh one tells."""
    imaps_port: int | None = None
    ca_file: str | None = None
    ldap_port: int | None = None
    """Of its directory, without TLS."""
    web_port: int | None = None
    """Of its FHIR interface."""
    home: Path | None = None
    companion: Target | None = None
    """A second operator of the same kind that exchanges mail with this one."""


class Unavailable(Exception):
    """The service cannot be started here; the message says why in one sentence."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on at this moment, all different."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = _CHANCE.choice(_OWN_PORTS)
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    return found


def answers(port: int) -> bool:
    """Whether something says a greeting on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(1) != b""
    except OSError:
        return False
