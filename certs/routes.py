"""Routes in `routes.toml` of the home: where a domain's mail server listens, instead of what its MX says."""

from __future__ import annotations

import fcntl
import json
import re
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from certs.white_list import canonical_domain
from foundation.files import PUBLIC, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "routes.toml"
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\s\[\]]+)):([0-9]{1,5})")


class RoutesUnusable(Exception):
    """A route or the file of routes is wrong; the text is one sentence."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[address]:port". Raises RoutesUnusable."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or not 0 < int(found[3]) < 65536:
        raise RoutesUnusable(f"{text} is no address: write host:port.")
    return found[1] or found[2], int(found[3])


def read_routes(home: Path) -> dict[str, tuple[str, int]]:
    """The routes of the file, by domain in lower-case A-labels; none without a file. Raises RoutesUnusable."""
    file = home / FILE
    try:
        with file.open("rb") as stream:
            values = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RoutesUnusable(f"{file} cannot be read: {error}.") from error
    return checked_routes(values)


def checked_routes(values: Mapping[str, object]) -> dict[str, tuple[str, int]]:
    """Routes from text, domain by domain. Raises RoutesUnusable."""
    routes: dict[str, tuple[str, int]] = {}
    for written, address in values.items():
        domain = canonical_domain(written)
        if domain is None:
            raise RoutesUnusable(f"{written} is no domain.")
        if not isinstance(address, str):
            raise RoutesUnusable(f"The route of {written} is no address: write host:port.")
        routes[domain] = parse_address(address)
    return routes


def set_route(home: Path, domain: str, address: str) -> bool:
    """Adds or changes a route; False when it was so already. Raises RoutesUnusable."""
    route = checked_routes({domain: address})
    with _locked(home):
        routes = read_routes(home)
        if routes.items() >= route.items():
            return False
        _write(home, routes | route)
    return True


def unset_route(home: Path, domain: str) -> bool:
    """Takes a route away; False when there was none. Raises RoutesUnusable."""
    with _locked(home):
        routes = read_routes(home)
        if routes.pop(canonical_domain(domain) or "", None) is None:
            return False
        _write(home, routes)
    return True


def format_address(address: tuple[str, int]) -> str:
    """host:port, an IPv6 address in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _write(home: Path, routes: Mapping[str, tuple[str, int]]) -> None:
    lines = [
        f"{json.dumps(domain)} = {json.dumps(format_address(address))}\n"
        for domain, address in sorted(routes.items())
    ]
    write_atomically(home / FILE, "".join(lines).encode(), PUBLIC)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".routes.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
