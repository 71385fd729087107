"""What the DNS of each hosted domain has to say, so that mail comes in and clients find the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from certs.authorities import UNREADABLE
from certs.tls import TlsUnusable
from foundation.identifiers import host_name
from portal.setup.access import HTTPS_PORT, Access, Security
from portal.setup.authorities import own_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foundation.settings import Settings
    from portal.setup.access import Endpoint

_TTL = 3600
_SMTP_PORT = 25
# RFC 8314 §5.1, RFC 6186 §3.3: the lower number is preferred, across the names of one service.
_PRIORITIES = {Security.TLS: 0, Security.STARTTLS: 10}
_NOT_SERVED = "0 0 0 ."  # RFC 6186 §3.4: the service is said not to be there


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a zone: its owner with a final dot, its type and its data."""

    name: str
    type: str
    data: str

    def __str__(self) -> str:
        return f"{self.name} {_TTL} IN {self.type} {self.data}"


# ref: F23
def records(settings: Settings, domain: str) -> list[Record]:
    """The lines of a domain hosted here. Patients read on their pages: their domain has no client's lines.

    There is no MTA-STS and no DANE: the trust between operators comes from the liste blanche.
    """
    # ref: ECO.1.1.9
    access = Access.of(settings)
    own = f"{domain}."
    found = [Record(own, "MX", f"10 {settings.hostname}.")] if settings.smtp.mx else []
    for_patients = domain == settings.patient_domain
    for service, endpoints, security in (
        ("_imaps", access.imap, Security.TLS),
        ("_imap", access.imap, Security.STARTTLS),
        ("_submissions", access.submission, Security.TLS),
        ("_submission", access.submission, Security.STARTTLS),
        ("_pop3s", (), Security.TLS),
        ("_pop3", (), Security.STARTTLS),
    ):
        served = () if for_patients else endpoints
        found.append(Record(f"{service}._tcp.{own}", "SRV", _service(served, security)))
    if access.web is not None and not for_patients:
        web = access.web
        found += [
            Record(f"_autodiscover._tcp.{own}", "SRV", f"0 0 {web.port} {web.host}."),
            Record(f"autoconfig.{own}", "CNAME", f"{web.host}."),
            Record(f"autodiscover.{own}", "CNAME", f"{web.host}."),
        ]
    return found


def hosted_domains(settings: Settings) -> Sequence[str]:
    """The professional domains, and that of the patients where they are served."""
    return (*settings.domains, settings.patient_domain) if settings.serves_patients else settings.domains


def doubts(settings: Settings) -> Iterator[str]:
    """What would keep the lines from working, a sentence each."""
    access = Access.of(settings)
    endpoints = (*access.imap, *access.submission, *((access.web,) if access.web else ()))
    hosts = list(dict.fromkeys((settings.hostname, *(endpoint.host for endpoint in endpoints))))
    for host in hosts:
        if not _is_public(host):
            yield (
                f"{host} is no name of the DNS: set hostname, or setup.imap_host, setup.smtp_host and setup.web_host"
            )
    if access.web is not None:
        if access.web.port != HTTPS_PORT:
            yield (
                f"autoconfig and autodiscover are asked for on port 443, the pages are on {access.web.port}:"
                " forward 443 to it and set setup.web_port = 443"
            )
        hosts += [
            f"{name}.{domain}" for domain in settings.domains for name in ("autoconfig", "autodiscover")
        ]
    if settings.smtp.mx and not settings.smtp.mx.endswith(f":{_SMTP_PORT}"):
        yield f"operators send mail to port 25, which MX cannot change, and smtp.mx is {settings.smtp.mx}: forward it"
    missing = _not_in_certificate(settings, hosts)
    if missing:
        yield f"clients will refuse the certificate under names it does not hold: {', '.join(missing)}"


def _not_in_certificate(settings: Settings, hosts: Sequence[str]) -> list[str]:
    """Of these hosts, those the server's certificate is not for (RFC 9525 §6.3); none before there is one."""
    try:
        extensions = own_certificate(settings).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return list(hosts)
    except TlsUnusable:
        return []
    except UNREADABLE:
        return []
    held = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return [host for host in hosts if not {host.lower(), f"*.{host.lower().partition('.')[2]}"} & held]


def _service(endpoints: Sequence[Endpoint], security: Security) -> str:
    """Priority, weight, port and target (RFC 2782)."""
    for endpoint in endpoints:
        if endpoint.security is security:
            return f"{_PRIORITIES[security]} 1 {endpoint.port} {endpoint.host}."
    return _NOT_SERVED


def _is_public(host: str) -> bool:
    return host_name(host) is not None and not host.rpartition(".")[2].isdecimal()
