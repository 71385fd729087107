"""LDAP messages (RFC 4511 §4): requests read from octets, responses written as octets; no state, no directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from directory.ldap import ber, filters
from directory.ldap.ber import ENUMERATED, OCTET_STRING, SEQUENCE, SET, Malformed, Reader
from directory.ldap.results import Refused, ResultCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from directory.ldap.filters import Filter

MOST_CONTROLS: Final = 16
MOST_ATTRIBUTES: Final = 256
LARGEST_NUMBER: Final = 2**31 - 1

BIND, UNBIND, SEARCH, COMPARE, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x6E, 0x50, 0x77
_BIND_RESPONSE, _SEARCH_ENTRY, _SEARCH_DONE, _EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x78
RESPONSES: Mapping[int, int] = MappingProxyType(
    {
        BIND: _BIND_RESPONSE,
        SEARCH: _SEARCH_DONE,
        COMPARE: 0x6F,
        EXTENDED: _EXTENDED_RESPONSE,
        0x66: 0x67,  # modify
        0x68: 0x69,  # add
        0x4A: 0x6B,  # delete
        0x6C: 0x6D,  # modify DN
    }
)
"""The tag of the response to each request that has one."""
_REQUESTS = frozenset({*RESPONSES, UNBIND, ABANDON})
_PRIMITIVE = frozenset({UNBIND, ABANDON, 0x4A})
_CONTROLS = 0xA0

START_TLS: Final = "1.3.6.1.4.1.1466.20037"
WHO_AM_I: Final = "1.3.6.1.4.1.4203.1.11.3"
_NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"


class Scope(IntEnum):
    """RFC 4511 §4.5.1.2."""

    BASE = 0
    ONE = 1
    SUB = 2


@dataclass(frozen=True, slots=True)
class Control:
    """RFC 4511 §4.1.11."""

    oid: str
    is_critical: bool
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Request:
    """One message: its number, the tag of its operation, the operation not yet read, its controls."""

    id: int
    tag: int
    operation: Reader
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """RFC 4511 §4.2. `password` of a simple bind, `mechanism` and `credentials` of a SASL bind; None for the other."""

    version: int
    name: str
    password: bytes | None = field(default=None, repr=False)
    mechanism: str | None = None
    credentials: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Search:
    """RFC 4511 §4.5.1. A limit of 0 is none."""

    base: str
    scope: Scope
    size_limit: int
    time_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """RFC 4511 §4.10."""

    entry: str
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Extended:
    """RFC 4511 §4.12."""

    name: str
    value: bytes | None = field(repr=False)


# Requests


def head(octets: bytes) -> tuple[int, int, Reader]:
    """Number and operation of a message, and a reader that stands before the operation. Raises Malformed."""
    message = Reader(octets).enter(SEQUENCE)
    number = message.integer()
    # RFC 4511 §4.1.1.1: zero is for unsolicited notifications
    if number < 1:
        raise Malformed("The number of a message is from 1 to 2147483647.")
    tag = message.peek()
    if tag not in _REQUESTS:
        raise Malformed("The operation is no request of LDAP.")
    return number, tag, message


def read_request(octets: bytes) -> Request:
    """A message whose operation is still to be read. Raises Malformed."""
    number, tag, message = head(octets)
    # Those of one octet string or number are not looked into here.
    operation = Reader(message.take()[1]) if tag in _PRIMITIVE else message.enter(tag)
    controls = _read_controls(message.enter(_CONTROLS)) if message.peek() == _CONTROLS else ()
    return Request(number, tag, operation, controls)


def _read_controls(reader: Reader) -> tuple[Control, ...]:
    found: list[Control] = []
    while not reader.is_at_end:
        if len(found) == MOST_CONTROLS:
            raise Malformed(f"A message has at most {MOST_CONTROLS} controls here.")
        control = reader.enter(SEQUENCE)
        oid = control.text()
        is_critical = control.boolean() if control.peek() == ber.BOOLEAN else False
        value = control.octets() if control.peek() == OCTET_STRING else None
        found.append(Control(oid, is_critical, value))
    return tuple(found)


def read_abandon(octets: bytes) -> int:
    """The number of the operation that is not wanted any more. Raises Malformed."""
    _, _, message = head(octets)
    return message.integer(ABANDON)


_SIMPLE, _SASL = 0x80, 0xA3


def read_bind(reader: Reader) -> Bind:
    """Raises Malformed."""
    version, name = reader.integer(), reader.text()
    tag = reader.peek()
    if tag == _SIMPLE:
        return Bind(version, name, password=reader.octets(_SIMPLE))
    if tag == _SASL:
        sasl = reader.enter(_SASL)
        mechanism = sasl.text()
        return Bind(version, name, mechanism=mechanism, credentials=None if sasl.is_at_end else sasl.octets())
    reader.take()
    return Bind(version, name)


def read_search(reader: Reader) -> Search:
    """Raises Malformed, and Refused for a filter that is not served."""
    base = reader.text()
    scope, deref = reader.integer(ENUMERATED), reader.integer(ENUMERATED)
    size_limit, time_limit = reader.integer(), reader.integer()
    if not 0 <= deref <= 3 or size_limit < 0 or time_limit < 0:
        raise Malformed("A number of the search is out of its range.")
    types_only = reader.boolean()
    wanted = filters.read(reader)
    attributes: list[str] = []
    names = reader.enter(SEQUENCE)
    while not names.is_at_end:
        if len(attributes) == MOST_ATTRIBUTES:
            raise Refused(
                ResultCode.ADMIN_LIMIT_EXCEEDED, f"A search names at most {MOST_ATTRIBUTES} attributes here"
            )
        attributes.append(names.text())
    try:
        where = Scope(scope)
    except ValueError:
        raise Refused(ResultCode.PROTOCOL_ERROR, "The scope is base, one or sub") from None
    return Search(base, where, size_limit, time_limit, types_only, wanted, tuple(attributes))


def read_compare(reader: Reader) -> Compare:
    """Raises Malformed."""
    entry = reader.text()
    assertion = reader.enter(SEQUENCE)
    return Compare(entry, assertion.text(), assertion.octets())


def read_extended(reader: Reader) -> Extended:
    """Raises Malformed."""
    name = reader.text(0x80)
    return Extended(name, reader.octets(0x81) if reader.peek() == 0x81 else None)


# Responses


def result(
    number: int,
    tag: int,
    code: ResultCode,
    diagnostic: str = "",
    *,
    matched: str = "",
    more: bytes = b"",
    controls: Sequence[Control] = (),
) -> bytes:
    """A response that ends an operation; `more` are the elements a kind of response has behind its LDAPResult."""
    operation = b"".join((ber.integer(code, ENUMERATED), ber.string(matched), ber.string(diagnostic), more))
    parts = [ber.integer(number), ber.element(tag, operation)]
    if controls:
        parts.append(ber.constructed(_CONTROLS, map(_control, controls)))
    return ber.constructed(SEQUENCE, parts)


def _control(control: Control) -> bytes:
    parts = [ber.string(control.oid)]
    if control.is_critical:
        parts.append(ber.boolean())
    if control.value is not None:
        parts.append(ber.string(control.value))
    return ber.constructed(SEQUENCE, parts)


def extended_result(
    number: int, code: ResultCode, diagnostic: str = "", *, name: str = "", value: bytes | None = None
) -> bytes:
    """RFC 4511 §4.12."""
    more = ber.string(name, 0x8A) if name else b""
    if value is not None:
        more += ber.string(value, 0x8B)
    return result(number, _EXTENDED_RESPONSE, code, diagnostic, more=more)


def notice_of_disconnection(code: ResultCode, diagnostic: str) -> bytes:
    """RFC 4511 §4.4.1."""
    return extended_result(0, code, diagnostic, name=_NOTICE_OF_DISCONNECTION)


def bind_in_progress(number: int) -> bytes:
    """The empty challenge of a mechanism whose client speaks first (RFC 4513 §5.2.1.1)."""
    return result(number, _BIND_RESPONSE, ResultCode.SASL_BIND_IN_PROGRESS, more=ber.string(b"", 0x87))


def attribute(name: bytes, values: Iterable[bytes]) -> bytes:
    """A PartialAttribute; `name` is already an element."""
    return ber.element(SEQUENCE, name + ber.element(SET, b"".join([ber.element(4, each) for each in values])))


def entry(name: str, attributes: Iterable[bytes]) -> bytes:
    """A SearchResultEntry (RFC 4511 §4.5.2), of a message still to be made; each attribute is an element."""
    return ber.element(_SEARCH_ENTRY, ber.string(name) + ber.element(SEQUENCE, b"".join(attributes)))


def entries(number: int, operations: Iterable[bytes]) -> bytes:
    """The messages that send these entries."""
    head = ber.integer(number)
    return b"".join([ber.element(SEQUENCE, head + operation) for operation in operations])
