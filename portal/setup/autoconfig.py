"""The settings of a mail client in Mozilla's format (draft-ietf-mailmaint-autoconfig, `config-v1.1.xml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree
from lxml.builder import E

from portal.setup.access import Security

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.settings import Settings
    from portal.setup.access import Access, Endpoint

CONTENT_TYPE = "text/xml; charset=utf-8"
SHEET_PATH = "/pro/reglages"

_LONGEST_NAME = 60
_SHEET = "Fiche de réglages de votre boîte"
_SOCKETS = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}
_PASSWORD = "password-cleartext"  # noqa: S105 - the name of a method; under TLS only
_TOKEN = "OAuth2"  # noqa: S105 - the name of a method


def client_config(settings: Settings, access: Access, domains: Sequence[str]) -> bytes:
    """The file for all addresses of these domains; it is the same for each of them, whether it exists or not."""
    # A client takes the first method it knows: Thunderbird knows no issuer but its own, so tokens come second.
    methods = (_PASSWORD, _TOKEN) if settings.psc.issuer else (_PASSWORD,)
    sheet = access.url(SHEET_PATH)
    provider = E.emailProvider(
        *(E.domain(domain) for domain in domains),
        E.displayName(f"MSSanté {domains[0]}"[:_LONGEST_NAME]),
        E.displayShortName("MSSanté"),
        *(_server("incomingServer", "imap", endpoint, methods) for endpoint in access.imap),
        *(_server("outgoingServer", "smtp", endpoint, methods) for endpoint in access.submission),
        *([] if sheet is None else [E.documentation(E.descr(_SHEET, lang="fr"), url=sheet)]),
        id=domains[0],
    )
    config = E.clientConfig(provider, version="1.1")
    return etree.tostring(config, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _server(name: str, kind: str, endpoint: Endpoint, methods: Sequence[str]) -> etree._Element:
    return E(
        name,
        E.hostname(endpoint.host),
        E.port(str(endpoint.port)),
        E.socketType(_SOCKETS[endpoint.security]),
        *(E.authentication(method) for method in methods),
        E.username("%EMAILADDRESS%"),
        type=kind,
    )
