"""Paged results (RFC 2696): the control, and the cookie in which the server tells itself where it stood."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from directory.ldap import ber
from directory.ldap.ber import SEQUENCE, Malformed, Reader
from directory.ldap.messages import Control
from directory.ldap.results import Refused, ResultCode

OID: Final = "1.2.840.113556.1.4.319"
_SIGNATURE_OCTETS = 16
_SEPARATOR = b"\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the client wants: entries of a page, and the cookie of the page before (b"" for the first page)."""

    size: int
    cookie: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next page begins: the generation that is searched, the address before, entries already sent."""

    generation: str
    after: str
    sent: int


def read(control: Control) -> Asked:
    """Raises Refused."""
    try:
        value = Reader(control.value or b"").enter(SEQUENCE)
        size, cookie = value.integer(), value.octets()
    except Malformed as error:
        raise Refused(ResultCode.PROTOCOL_ERROR, f"The control of paged results: {error}") from None
    if size < 0:
        raise Refused(ResultCode.PROTOCOL_ERROR, "The control of paged results: the size is negative")
    return Asked(size, cookie)


def control(cookie: bytes) -> Control:
    """The answer; its size, an estimate of the whole, is not told."""
    value = ber.constructed(SEQUENCE, (ber.integer(0), ber.string(cookie)))
    return Control(OID, is_critical=False, value=value)


class Cookies:
    """Cookies of one connection: no other can use them, and none fits another search."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Cookies(...)"

    def write(self, position: Position, search: bytes) -> bytes:
        """`search` are the octets of the request that the cookie goes on with."""
        fields = (position.generation, str(position.sent), position.after)
        content = _SEPARATOR.join(each.encode() for each in fields)
        return self._sign(content, search) + content

    def read(self, cookie: bytes, search: bytes) -> Position:
        """Raises Refused for a cookie that this connection was not given for this search."""
        signature, content = cookie[:_SIGNATURE_OCTETS], cookie[_SIGNATURE_OCTETS:]
        if not hmac.compare_digest(signature, self._sign(content, search)):
            raise Refused(
                ResultCode.UNWILLING_TO_PERFORM, "The cookie is not one of this search on this connection"
            )
        generation, sent, after = content.decode().split(_SEPARATOR.decode(), 2)
        return Position(generation, after, int(sent))

    def _sign(self, content: bytes, search: bytes) -> bytes:
        about = hashlib.sha256(search).digest()
        return hmac.digest(self._key, about + content, hashlib.sha256)[:_SIGNATURE_OCTETS]
