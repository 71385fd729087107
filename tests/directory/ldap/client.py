"""An LDAP client that says what a test says, and shows what came: octets by ldap3 and pyasn1, none of ours."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it still imports names that pyasn1 has renamed
    import ldap3
    from ldap3.operation.abandon import abandon_operation
    from ldap3.operation.compare import compare_operation
    from ldap3.operation.extended import extended_operation
    from ldap3.operation.search import search_operation
    from ldap3.operation.unbind import unbind_operation
    from ldap3.protocol.controls import build_control
    from ldap3.protocol.rfc2696 import Cookie, RealSearchControlValue, Size
    from ldap3.protocol.rfc4511 import (
        LDAPDN,
        AuthenticationChoice,
        BindRequest,
        Controls,
        LDAPMessage,
        MessageID,
        ProtocolOp,
        SaslCredentials,
        Simple,
        Version,
    )
    from ldap3.utils.asn1 import encode
    from pyasn1.codec.ber import decoder

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

SCOPES = {"base": 0, "one": 1, "sub": 2}
SUFFIX = "dc=mssante,dc=fr"
PAGED = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PATIENCE = 20


@dataclass
class Response:
    """One message of the server. `kind` is the name in RFC 4511's ASN.1."""

    number: int
    kind: str
    code: str = ""
    diagnostic: str = ""
    matched: str = ""
    dn: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    controls: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    value: bytes | None = None

    @property
    def cookie(self) -> bytes:
        """Of the paged results control."""
        decoded, _ = decoder.decode(self.controls[PAGED], asn1Spec=RealSearchControlValue())
        return bytes(decoded["cookie"])


@dataclass
class Found:
    """What a search came to."""

    entries: list[Response]
    done: Response

    @property
    def mails(self) -> list[str]:
        return [entry.attributes["mail"][0] for entry in self.entries]

    @property
    def names(self) -> list[str]:
        return [entry.dn for entry in self.entries]


def message(
    number: int, kind: str, operation: object, controls: Sequence[tuple[str, bool, bytes]] = ()
) -> bytes:
    """The octets of a request; each control is its OID, whether it is critical, and its value."""
    made = LDAPMessage()
    made["messageID"] = MessageID(number)
    made["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    if controls:
        listed = Controls()
        for place, (oid, is_critical, value) in enumerate(controls):
            listed.setComponentByPosition(
                place, build_control(oid, is_critical, value, encode_control_value=False)
            )
        made["controls"] = listed
    return bytes(encode(made))


def search_message(
    number: int,
    wanted: str,
    *,
    base: str = SUFFIX,
    scope: str = "sub",
    attributes: Sequence[str] = ("*",),
    size: int = 0,
    seconds: int = 0,
    types_only: bool = False,
    controls: Sequence[tuple[str, bool, bytes]] = (),
) -> bytes:
    operation = search_operation(
        base, wanted, SCOPES[scope], 0, list(attributes), size, seconds, types_only, None, None
    )
    return message(number, "searchRequest", operation, controls)


def bind_message(number: int, name: str = "", password: str = "", version: int = 3) -> bytes:
    request = BindRequest()
    request["version"] = Version(version)
    request["name"] = LDAPDN(name)
    request["authentication"] = AuthenticationChoice().setComponentByName("simple", Simple(password.encode()))
    return message(number, "bindRequest", request)


def sasl_message(number: int, mechanism: str, credentials: bytes | None) -> bytes:
    request = BindRequest()
    request["version"] = Version(3)
    request["name"] = LDAPDN("")
    sasl = SaslCredentials()
    sasl["mechanism"] = mechanism
    if credentials is not None:
        sasl["credentials"] = credentials
    request["authentication"] = AuthenticationChoice().setComponentByName("sasl", sasl)
    return message(number, "bindRequest", request)


def extended_message(number: int, name: str, value: bytes | None = None) -> bytes:
    return message(number, "extendedReq", extended_operation(name, value, no_encode=True))


def abandon_message(number: int, abandoned: int) -> bytes:
    return message(number, "abandonRequest", abandon_operation(abandoned))


def unbind_message(number: int) -> bytes:
    return message(number, "unbindRequest", unbind_operation())


def compare_message(number: int, dn: str, attribute: str, value: str) -> bytes:
    return message(number, "compareRequest", compare_operation(dn, attribute, value, None, None, None))


def paged(size: int, cookie: bytes = b"", *, critical: bool = True) -> tuple[str, bool, bytes]:
    value = RealSearchControlValue()
    value["size"] = Size(size)
    value["cookie"] = Cookie(cookie)
    return PAGED, critical, bytes(encode(value))


def read(octets: bytes) -> Response:
    """One whole message."""
    decoded, rest = decoder.decode(octets, asn1Spec=LDAPMessage())
    assert not rest
    kind = decoded["protocolOp"].getName()
    body = decoded["protocolOp"].getComponent()
    found = Response(int(decoded["messageID"]), kind)
    if decoded["controls"].hasValue() if hasattr(decoded["controls"], "hasValue") else decoded["controls"]:
        found.controls = {
            str(control["controlType"]): bytes(control["controlValue"]) for control in decoded["controls"]
        }
    if kind == "searchResEntry":
        found.dn = str(body["object"])
        found.attributes = {
            str(each["type"]): [bytes(value).decode() for value in each["vals"]]
            for each in body["attributes"]
        }
        return found
    found.code = body["resultCode"].prettyPrint()
    found.diagnostic = bytes(body["diagnosticMessage"]).decode()
    found.matched = bytes(body["matchedDN"]).decode()
    if kind == "extendedResp":
        if body["responseName"].hasValue():
            found.name = str(body["responseName"])
        if body["responseValue"].hasValue():
            found.value = bytes(body["responseValue"])
    return found


class Client:
    """One connection; numbers its requests from 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.number = 0

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Client:
        options: dict[str, Any] = {} if tls is None else {"ssl": tls, "server_hostname": "localhost"}
        return cls(*await asyncio.open_connection("127.0.0.1", port, **options))

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ValueError):
            await self.writer.wait_closed()

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    def next_number(self) -> int:
        self.number += 1
        return self.number

    async def octets(self) -> bytes:
        """The next message as it came; b"" at the end."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.read(1)
            if not head:
                return b""
            head += await self.reader.readexactly(1)
            more = head[1] - 0x80 if head[1] > 0x80 else 0
            head += await self.reader.readexactly(more)
            length = int.from_bytes(head[2:], "big") if more else head[1]
            return head + await self.reader.readexactly(length)

    async def response(self) -> Response:
        octets = await self.octets()
        assert octets, "the server hung up"
        return read(octets)

    async def is_over(self) -> bool:
        """Whether the server says nothing more and hangs up."""
        return await self.octets() == b""

    async def bind(self, name: str = "", password: str = "", version: int = 3) -> Response:
        self.send(bind_message(self.next_number(), name, password, version))
        return await self.response()

    async def sasl(self, mechanism: str, credentials: bytes | None) -> Response:
        self.send(sasl_message(self.next_number(), mechanism, credentials))
        return await self.response()

    async def plain(self, login: str, password: str, authorization: str = "") -> Response:
        return await self.sasl("PLAIN", f"{authorization}\0{login}\0{password}".encode())

    async def search(self, wanted: str, **options: Any) -> Found:
        self.send(search_message(self.next_number(), wanted, **options))
        return await self.found()

    async def found(self) -> Found:
        entries: list[Response] = []
        while (got := await self.response()).kind == "searchResEntry":
            entries.append(got)
        return Found(entries, got)

    async def compare(self, dn: str, attribute: str, value: str) -> Response:
        self.send(compare_message(self.next_number(), dn, attribute, value))
        return await self.response()

    async def extended(self, name: str, value: bytes | None = None) -> Response:
        self.send(extended_message(self.next_number(), name, value))
        return await self.response()

    async def who_am_i(self) -> str:
        response = await self.extended(WHO_AM_I)
        assert response.code == "success" and response.value is not None
        return response.value.decode()

    async def start_tls(self, tls: ssl.SSLContext) -> Response:
        response = await self.extended(START_TLS)
        if response.code == "success":
            await self.writer.start_tls(tls, server_hostname="localhost")
        return response


__all__ = ["Client", "Found", "Response", "ldap3"]
