"""Two sandboxes that know each other: the second one joins the first one's authority, white list and routes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from certs.publisher import published_file
from certs.routes import set_route
from foundation.files import PRIVATE, write_atomically
from vaguemestre import fictive
from vaguemestre.errors import SandboxBroken
from vaguemestre.home import to_toml
from vaguemestre.ports import kept_ports

if TYPE_CHECKING:
    from vaguemestre.fictive import Cast
    from vaguemestre.ports import Ports

_FILE = "joined.toml"


@dataclass(frozen=True, slots=True)
class Company:
    """Whom a sandbox has joined, and the suffix of its own domains."""

    first: Path
    suffix: str


def join(home: Path, first: Path, suffix: str) -> None:
    """Notes in `home` that it belongs to the sandbox `first`, for this start and all later ones.

    Raises SandboxBroken where `first` is no sandbox that ever ran, or `home` was made to stand alone.
    """
    first = first.absolute()
    if first == home.absolute():
        raise SandboxBroken("a sandbox cannot join itself")
    if not published_file(first).exists() or not (first / "ports.toml").exists():
        raise SandboxBroken(f"{first} is no sandbox that has been started: start it once, then join it")
    if (first / _FILE).exists():
        raise SandboxBroken(f"{first} has joined another sandbox itself: join that one")
    if (home / "vaguemestre.toml").exists() and not (home / _FILE).exists():
        raise SandboxBroken(f"{home} was made to stand alone: choose a new folder to join {first}")
    values = {"first": str(first), "suffix": suffix}
    write_atomically(home / _FILE, to_toml(values).encode(), PRIVATE)


def company_of(home: Path) -> Company | None:
    """Whom this home has joined; None where it stands alone."""
    try:
        with (home / _FILE).open("rb") as stream:
            values = tomllib.load(stream)
    except FileNotFoundError:
        return None
    return Company(Path(values["first"]), str(values["suffix"]))


def cast_of(home: Path) -> Cast:
    """The people of a home."""
    company = company_of(home)
    return fictive.CAST if company is None else fictive.colleagues(company.suffix)


def exchange_routes(home: Path, chosen: Ports, patient_domain: str) -> None:
    """Tells two sandboxes where each other's mail server listens; nothing to do for one that stands alone."""
    company = company_of(home)
    if company is None:
        return
    theirs = kept_ports(company.first)
    if theirs is None:
        raise SandboxBroken(f"{company.first} has no ports: start it once more")
    for domain in (*fictive.CAST.domains, patient_domain):
        set_route(home, domain, theirs.address("mx"))
    for domain in cast_of(home).domains:
        set_route(company.first, domain, chosen.address("mx"))


def authority_of(home: Path) -> Path:
    """The folder of the certificate authority a home uses: its own, or that of the sandbox it joined."""
    company = company_of(home)
    return (home if company is None else company.first) / "pki"
