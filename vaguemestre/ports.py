"""Which ports a sandbox listens on: counted from a base, or free ones that are kept for the next start."""

from __future__ import annotations

import socket
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
NAMES = (
    "mx",
    "submission",
    "submissions",
    "imap",
    "imaps",
    "ldap",
    "ldaps",
    "https",
    "imap_plain",
    "submission_plain",
    "mx_plain",
)
"""In the order in which `--port-base` counts them."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A port for each name."""

    numbers: dict[str, int]

    def address(self, name: str) -> str:
        """host:port as the settings want it."""
        return f"{HOST}:{self.numbers[name]}"


def from_base(base: int) -> Ports:
    """Consecutive ports from `base`."""
    return Ports({name: base + position for position, name in enumerate(NAMES)})


def free() -> Ports:
    """Ports nobody listens on at this moment."""
    opened = [socket.socket() for _ in NAMES]
    try:
        for each in opened:
            each.bind((HOST, 0))
        return Ports({name: each.getsockname()[1] for name, each in zip(NAMES, opened, strict=True)})
    finally:
        for each in opened:
            each.close()


def kept_ports(home: Path) -> Ports | None:
    """The ports of the last start; None where there was none."""
    try:
        with (home / "ports.toml").open("rb") as stream:
            numbers = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError):
        return None
    if set(numbers) != set(NAMES) or not all(isinstance(number, int) for number in numbers.values()):
        return None
    return Ports(numbers)
