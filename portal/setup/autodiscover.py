"""Outlook's question for settings and its answers (MS-OXDSCLI, plain XML, response schema 2006a)."""

from __future__ import annotations

import zlib
from enum import Enum
from typing import TYPE_CHECKING

from lxml import etree
from lxml.builder import ElementMaker

from dmp_bridge.xml import XmlFault, XmlLimits, local_name, parse
from foundation.identifiers import Address
from portal.setup.access import Security

if TYPE_CHECKING:
    from datetime import datetime

    from portal.setup.access import Access, Endpoint

CONTENT_TYPE = "text/xml; charset=utf-8"
_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_ANY = ElementMaker(namespace=_SCHEMA, nsmap={None: _SCHEMA})
_OUTLOOK = ElementMaker(namespace=_OUTLOOK_SCHEMA, nsmap={None: _OUTLOOK_SCHEMA})
_LIMITS = XmlLimits(size=16 * 1024, depth=8, elements=40)
_LONGEST_ADDRESS = 320  # RFC 5321 §4.5.3.1: a local part of 64 and a domain of 255 octets
_ENCRYPTIONS = {Security.TLS: "SSL", Security.STARTTLS: "TLS"}  # Outlook's words for the two


class Fault(Enum):
    """Why a question gets no settings: code (600 and 601: MS-ASCMD §2.2.3.64, 500: Exchange) and sentence."""

    INVALID_REQUEST = (600, "Invalid Request")
    UNKNOWN_SCHEMA = (601, "Requested schema version not supported")
    UNKNOWN_ADDRESS = (500, "The email address can't be found.")

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def sentence(self) -> str:
        return self.value[1]


def asked_address(body: bytes) -> Address | Fault:
    """The address a request asks for."""
    try:
        root = parse(body, _LIMITS)
    except XmlFault:
        return Fault.INVALID_REQUEST
    request = next((child for child in root if local_name(child) == "Request"), None)
    if local_name(root) != "Autodiscover" or request is None:
        return Fault.INVALID_REQUEST
    fields = {local_name(child): (child.text or "").strip() for child in request}
    if fields.get("AcceptableResponseSchema", _OUTLOOK_SCHEMA) != _OUTLOOK_SCHEMA:
        return Fault.UNKNOWN_SCHEMA  # a telephone that asks for ActiveSync
    text = fields.get("EMailAddress", "")
    found = Address.parse(text) if len(text) <= _LONGEST_ADDRESS else None
    return found or Fault.INVALID_REQUEST


def settings_answer(address: Address, access: Access) -> bytes:
    """The best way to read and the best way to send; both must be served."""
    # One block for each protocol: Thunderbird takes every port it does not know for implicit TLS.
    return _document(
        _OUTLOOK.Response(
            _OUTLOOK.Account(
                _OUTLOOK.AccountType("email"),
                _OUTLOOK.Action("settings"),
                _protocol("IMAP", access.imap[0], address),
                _protocol("SMTP", access.submission[0], address),
            )
        )
    )


def refusal(fault: Fault, hostname: str, now: datetime) -> bytes:
    """The schema's answer without settings; Outlook goes on to its next way of finding them."""
    return _document(
        _ANY.Response(
            _ANY.Error(
                _ANY.ErrorCode(str(fault.code)),
                _ANY.Message(fault.sentence),
                _ANY.DebugData(),
                Time=f"{now:%H:%M:%S.%f}0",
                Id=str(zlib.crc32(hostname.encode())),
            )
        )
    )


def _protocol(kind: str, endpoint: Endpoint, address: Address) -> etree._Element:
    return _OUTLOOK.Protocol(
        _OUTLOOK.Type(kind),
        _OUTLOOK.Server(endpoint.host),
        _OUTLOOK.Port(str(endpoint.port)),
        _OUTLOOK.LoginName(str(address)),
        _OUTLOOK.DomainRequired("off"),
        _OUTLOOK.SPA("off"),  # on where nothing is said: a method of Windows domains
        _OUTLOOK.SSL("on"),
        _OUTLOOK.Encryption(_ENCRYPTIONS[endpoint.security]),
        _OUTLOOK.AuthRequired("on"),
    )


def _document(response: etree._Element) -> bytes:
    return etree.tostring(
        _ANY.Autodiscover(response), xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
