"""Where clients reach the server: the listeners of the settings, under the names and ports the outside sees."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.settings import Settings

HTTPS_PORT = 443


class Security(StrEnum):
    """How a connection comes to TLS; there is none without."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to a server."""

    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class Access:
    """The ways to each server, implicit TLS before STARTTLS (RFC 8314 §3); none where nothing listens."""

    imap: tuple[Endpoint, ...]
    submission: tuple[Endpoint, ...]
    ldap: tuple[Endpoint, ...]
    web: Endpoint | None

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """What the settings say, seen from a client."""
        setup, imap, smtp = settings.setup, settings.imap, settings.smtp
        imap_host = setup.imap_host or settings.hostname
        smtp_host = setup.smtp_host or settings.hostname
        ldap_host = setup.ldap_host or settings.hostname
        return cls(
            imap=_served(
                _endpoint(imap_host, setup.imaps_port, imap.tls, Security.TLS),
                _endpoint(imap_host, setup.imap_port, imap.starttls, Security.STARTTLS),
            ),
            submission=_served(
                _endpoint(smtp_host, setup.submissions_port, smtp.submissions, Security.TLS),
                _endpoint(smtp_host, setup.submission_port, smtp.submission, Security.STARTTLS),
            ),
            ldap=_served(
                _endpoint(ldap_host, setup.ldaps_port, settings.ldap.tls, Security.TLS),
                _endpoint(ldap_host, setup.ldap_port, settings.ldap.starttls, Security.STARTTLS),
            ),
            web=_endpoint(setup.web_host or settings.hostname, setup.web_port, settings.http, Security.TLS),
        )

    @property
    def is_enough(self) -> bool:
        """Whether a mail client can both read and send."""
        return bool(self.imap and self.submission)

    def url(self, path: str) -> str | None:
        """The address of a page; None where no pages are served."""
        if self.web is None:
            return None
        port = "" if self.web.port == HTTPS_PORT else f":{self.web.port}"
        return f"https://{self.web.host}{port}{path}"


def own_name(settings: Settings, host: str) -> bool:
    """Whether a Host header's name means this server itself, and none of its domains."""
    if host and host in {settings.hostname.lower(), settings.setup.web_host.lower()}:
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _endpoint(host: str, public_port: int, listener: str, security: Security) -> Endpoint | None:
    port = public_port or int(listener.rpartition(":")[2] or 0)
    return Endpoint(host, port, security) if listener and port else None


def _served(*endpoints: Endpoint | None) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in endpoints if endpoint is not None)
