"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): what the client's responses say."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from enum import StrEnum

MAXIMUM_LOGIN = 320  # octets: local part, @, domain
MAXIMUM_PASSWORD = 1024  # octets: a hash of more is work for nothing

USERNAME_CHALLENGE = b"334 VXNlcm5hbWU6\r\n"
PASSWORD_CHALLENGE = b"334 UGFzc3dvcmQ6\r\n"
EMPTY_CHALLENGE = b"334 \r\n"


class Mechanism(StrEnum):
    """What EHLO offers."""

    PLAIN = "PLAIN"
    LOGIN = "LOGIN"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the client says it is."""

    login: str
    password: str = field(repr=False)


def decode_response(response: bytes) -> bytes | None:
    """One base64 response (RFC 4954 §4); None when it is not base64."""
    try:
        return b64decode(response, validate=True)
    except (binascii.Error, ValueError):
        return None


def parse_plain(message: bytes) -> Credentials | None:
    """`[authzid] NUL authcid NUL passwd` (RFC 4616 §2); acting for another identity is not offered."""
    fields = message.split(b"\0")
    if len(fields) != 3:
        return None
    authorization, login, password = fields
    if authorization not in {b"", login}:
        return None
    return credentials(login, password)


def credentials(login: bytes, password: bytes) -> Credentials | None:
    """Login and password as text; None when empty, too long, or not UTF-8."""
    if not 0 < len(login) <= MAXIMUM_LOGIN or not 0 < len(password) <= MAXIMUM_PASSWORD:
        return None
    try:
        return Credentials(login.decode(), password.decode())
    except UnicodeDecodeError:
        return None
