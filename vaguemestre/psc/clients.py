"""The two clients the provider knows: this operator's own portal, and whatever business software one tries out."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from foundation.files import PRIVATE, write_atomically
from vaguemestre.errors import SandboxBroken
from vaguemestre.psc.issuer import PORTAL, SOFTWARE

if TYPE_CHECKING:
    from pathlib import Path

PORTAL_RETURN = "/pro/psc/retour"
LONGEST_URI = 2000
_LOOPBACK = ("127.0.0.1", "localhost")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_URI = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client; `origins` bounds where its people are sent, None: wherever it is (RFC 9700 §2.1)."""

    id: str
    secret: str = field(repr=False)
    origins: frozenset[str] | None = None

    def may_return_to(self, uri: str) -> bool:
        """Whether a code may be sent there."""
        if self.origins is None:
            return origin_of(uri) is not None
        return uri in {origin + PORTAL_RETURN for origin in self.origins}

    def may_leave_to(self, uri: str) -> bool:
        """Whether somebody who has signed out may be sent there."""
        origin = origin_of(uri)
        return origin is not None and (self.origins is None or origin in self.origins)


class Clients:
    """The clients of a home, `port` being that of its HTTPS listener. Raises SandboxBroken without their secrets."""

    def __init__(self, home: Path, port: int) -> None:
        own = frozenset(f"https://{host}:{port}" for host in _LOOPBACK)
        self._known = {
            PORTAL: Client(PORTAL, secret_of(home, PORTAL), own),
            SOFTWARE: Client(SOFTWARE, secret_of(home, SOFTWARE)),
        }
        self._nobody = secrets.token_urlsafe(32)

    def find(self, client_id: str) -> Client | None:
        """The client of an id, without any proof."""
        return self._known.get(client_id)

    def proven(self, client_id: str, secret: str) -> Client | None:
        """The client whose id and secret these are; an unknown id takes the same time."""
        client = self._known.get(client_id)
        expected = self._nobody if client is None else client.secret
        right = hmac.compare_digest(expected.encode(), secret.encode(errors="surrogatepass"))
        return client if right else None


def origin_of(uri: str) -> str | None:
    """The origin of an address a person may be sent to: https anywhere, http on this machine; None for any other."""
    if len(uri) > LONGEST_URI or not _URI.fullmatch(uri):  # RFC 3986 without a fragment
        return None
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return None
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def secret_file(home: Path, client_id: str) -> Path:
    """Where the secret of a client lies."""
    return home / "psc" / f"{client_id}.secret"


def secret_of(home: Path, client_id: str) -> str:
    """The secret of a client. Raises SandboxBroken where none was made."""
    file = secret_file(home, client_id)
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SandboxBroken(f"{file} cannot be read: `vaguemestre sandbox` makes it at its start") from error


def ensure_secrets(home: Path) -> None:
    """Gives each client a secret of its own, once."""
    for client_id in (PORTAL, SOFTWARE):
        file = secret_file(home, client_id)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        if not file.exists():
            write_atomically(file, f"{secrets.token_urlsafe(32)}\n".encode(), PRIVATE)
