"""The sheet of settings of one mailbox (« fiche de réglages »), for whoever sets up a client or business software."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes

from directory.bals import BalType
from directory.ldap.names import SUFFIX as LDAP_BASE
from mailserver.sasl.mechanisms import Mechanism
from portal.setup.access import Access
from portal.setup.authorities import authorities_above, common_name, own_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography import x509

    from directory.bals import Bal
    from foundation.settings import Settings
    from portal.setup.access import Endpoint

_MEGABYTE = 1024 * 1024
_NEVER = "never"  # a word of the settings
_PASSWORDS: Mapping[str, str] = {
    "always": "un mot de passe d’application (conseillé), ou le mot de passe de la boîte",
    "without-totp": "un mot de passe d’application, ou le mot de passe de la boîte tant qu’elle n’a pas de second facteur",
    _NEVER: "un mot de passe d’application ; le mot de passe de la boîte n’ouvre que les pages web",
}
"""By the setting accounts.mail_password."""


@dataclass(frozen=True, slots=True)
class Section:
    """A title and its lines, each a label and a value."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What has to be known to set up a client for one box. `authorities`: nearest first, the root last."""

    settings: Settings
    access: Access
    bal: Bal
    authorities: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, settings: Settings, bal: Bal) -> Sheet:
        """Reads the certificate files. Raises TlsUnusable."""
        authorities = authorities_above(settings, own_certificate(settings))
        return cls(settings, Access.of(settings), bal, authorities)

    def sections(self) -> list[Section]:
        """The sheet in French."""
        return [
            Section("Lire (IMAP)", tuple(_server(self.access.imap, self.bal.address))),
            Section("Envoyer (SMTP)", tuple(_server(self.access.submission, self.bal.address))),
            Section("S’authentifier", tuple(self._means())),
            Section("Reconnaître le serveur (IGC)", tuple(self._trust())),
            Section("Annuaire dans le carnet d’adresses (LDAP)", tuple(self._directory())),
            Section("À savoir", tuple(self._limits())),
        ]

    def text(self) -> str:
        """The sheet for a terminal or a printer without colours."""
        blocks = [f"Fiche de réglages de {self.bal.name} <{self.bal.address}>"]
        for section in self.sections():
            width = max(len(label) for label, _ in section.lines)
            lines = [f"  {label.ljust(width)}  {value}" for label, value in section.lines]
            blocks.append("\n".join([section.title, *lines]))
        blocks.append(f"Fichier des autorités (PEM) : {self.settings.path(self.settings.tls.ca_file)}")
        return "\n\n".join(blocks)

    def values(self) -> dict[str, Any]:
        """The sheet for a program."""
        settings = self.settings
        return {
            "address": self.bal.address,
            "name": self.bal.name,
            "type": self.bal.type.value,
            "username": self.bal.address,
            "imap": [_values(endpoint) for endpoint in self.access.imap],
            "submission": [_values(endpoint) for endpoint in self.access.submission],
            "mail_password": settings.accounts.mail_password,
            "mechanisms": list(self._mechanisms()),
            "psc_issuer": settings.psc.issuer or None,
            "ca_file": str(settings.path(settings.tls.ca_file)),
            "authorities": [
                {"name": common_name(authority), "sha256": _fingerprint(authority)}
                for authority in self.authorities
            ],
            "ldap": {
                "servers": [_values(endpoint) for endpoint in self.access.ldap],
                "base": LDAP_BASE,
                "anonymous": settings.ldap.anonymous,
            },
            "message_bytes": settings.limits.message_bytes,
            "recipients": settings.limits.recipients,
        }

    def _mechanisms(self) -> Iterator[str]:
        yield from (Mechanism.PLAIN, Mechanism.LOGIN)
        if self._takes_scram:
            yield from (Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_256_PLUS)
        if self.settings.psc.issuer:
            yield from (Mechanism.OAUTHBEARER, Mechanism.XOAUTH2)
        if self._takes_certificate:
            yield Mechanism.EXTERNAL

    @property
    def _takes_scram(self) -> bool:
        """An application password is kept as a digest that SCRAM cannot use: it is for the box's own."""
        accounts = self.settings.accounts
        return accounts.scram and accounts.mail_password != _NEVER

    @property
    def _takes_certificate(self) -> bool:
        return self.bal.type is BalType.APP and self.settings.accounts.client_certificates

    def _means(self) -> Iterator[tuple[str, str]]:
        yield "Mot de passe", _PASSWORDS[self.settings.accounts.mail_password]
        yield (
            "Méthode",
            "« mot de passe normal » (SASL PLAIN ou LOGIN), toujours sous TLS"
            + ("; SCRAM-SHA-256 avec le mot de passe de la boîte" if self._takes_scram else ""),
        )
        if self.settings.psc.issuer:
            # ref: ECO.1.2.1
            yield (
                "Pro Santé Connect",
                f"jeton d’accès de {self.settings.psc.issuer}, SASL OAUTHBEARER ou XOAUTH2",
            )
            yield "XOAUTH2", f"base64(« user={self.bal.address}^Aauth=Bearer JETON^A^A »), ^A : octet 01"
            yield "OAUTHBEARER", f"base64(« n,a={self.bal.address},^Aauth=Bearer JETON^A^A »)"
        if self._takes_certificate:
            yield (
                "Certificat",
                "SASL EXTERNAL avec un certificat IGC-Santé Élémentaire Organisation que l’opérateur a associé à la boîte",
            )

    def _directory(self) -> Iterator[tuple[str, str]]:
        yield from _server(self.access.ldap, self.bal.address)
        if self.access.ldap:
            yield "Base de recherche (DN)", LDAP_BASE
            yield (
                "Connexion",
                "sans identifiant, ou avec l’adresse et un mot de passe d’application"
                if self.settings.ldap.anonymous
                else "avec l’adresse comme identifiant (bind DN) et un mot de passe d’application",
            )

    def _trust(self) -> Iterator[tuple[str, str]]:
        if not self.authorities:
            yield "Autorité", "celle qui a émis le certificat du serveur"
        for authority in self.authorities:
            yield "Autorité", common_name(authority)
            yield "Empreinte SHA-256", _fingerprint(authority)

    def _limits(self) -> Iterator[tuple[str, str]]:
        limits = self.settings.limits
        yield (
            "Taille d’un message",
            f"{limits.message_bytes // _MEGABYTE} Mo, pièces jointes et encodage compris",
        )
        yield "Destinataires", f"{limits.recipients} par message"
        yield (
            "En-têtes des logiciels",
            "X-MSS-NIL sur tout message ; X-MSS-INS et X-MSS-CODECDA avec un CDA ; X-MSS-MES: FIN si l’usager ne doit pas répondre",
        )


def _server(endpoints: Sequence[Endpoint], address: str) -> Iterator[tuple[str, str]]:
    if not endpoints:
        yield "État", "pas servi"
        return
    yield "Serveur", endpoints[0].host
    yield "Port et sécurité", f"{endpoints[0].port}, {_security(endpoints[0])}"
    for endpoint in endpoints[1:]:
        yield "Autre port", f"{endpoint.port}, {_security(endpoint)}"
    yield "Identifiant", address


def _security(endpoint: Endpoint) -> str:
    return {"TLS": "TLS (SSL/TLS)", "STARTTLS": "STARTTLS"}[endpoint.security]


def _values(endpoint: Endpoint) -> dict[str, Any]:
    return {"host": endpoint.host, "port": endpoint.port, "security": endpoint.security.value}


def _fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as devices show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
