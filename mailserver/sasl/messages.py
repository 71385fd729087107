"""What the messages of the SASL mechanisms say: pure functions over octets, each None where they are malformed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

MAXIMUM_LOGIN = 320  # octets: local part, @, domain
MAXIMUM_PASSWORD = 1024  # octets: a hash of more is work for nothing
MAXIMUM_TOKEN = 12 * 1024  # octets
_SEPARATOR = b"\x01"
_SCHEME = b"bearer "


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the client says it is."""

    login: str
    password: str = field(repr=False)
    acts_for_another: bool = False
    """Whether the client wants to act as somebody else than `login` (RFC 4616 §2, authzid)."""


# ref: ECO.1.2.5
@dataclass(frozen=True, slots=True)
class BearerToken:
    """An access token, and the mailbox it shall open: "" where the client names none."""

    login: str
    token: str = field(repr=False)


def parse_plain(message: bytes) -> Credentials | None:
    """`[authzid] NUL authcid NUL passwd` (RFC 4616 §2)."""
    fields = message.split(b"\0")
    if len(fields) != 3:
        return None
    authorization, login, password = fields
    found = credentials(login, password)
    is_own = authorization.lower() in {b"", login.lower()}
    return found if found is None or is_own else replace(found, acts_for_another=True)


def credentials(login: bytes, password: bytes) -> Credentials | None:
    """Login and password as text; None when empty, too long, or not UTF-8."""
    if not 0 < len(login) <= MAXIMUM_LOGIN or not 0 < len(password) <= MAXIMUM_PASSWORD:
        return None
    try:
        return Credentials(login.decode(), password.decode())
    except UnicodeDecodeError:
        return None


def parse_xoauth2(message: bytes) -> BearerToken | None:
    """`user=ADDRESS ^A auth=Bearer TOKEN ^A ^A`, the form Google wrote down and Référentiel #2 asks for."""
    found = _bearer(message)
    return found if found is not None and found.login else None


def parse_oauthbearer(message: bytes) -> BearerToken | None:
    """`n,a=ADDRESS, ^A host=… ^A port=… ^A auth=Bearer TOKEN ^A ^A` (RFC 7628 §3.1)."""
    head, separator, rest = message.partition(_SEPARATOR)
    if not separator:
        return None
    login = parse_gs2_header(head)
    if login is None:
        return None
    found = _bearer(rest)
    return BearerToken(login, found.token) if found is not None else None


def parse_gs2_header(head: bytes) -> str | None:
    """The authorization identity of `n,a=NAME,` or `y,,` (RFC 5801 §4); "" where there is none."""
    flag, comma, rest = head.partition(b",")
    name, closing, behind = rest.partition(b",")
    if not comma or not closing or behind or flag not in {b"n", b"y"}:
        return None
    return saslname(name.removeprefix(b"a=")) if name.startswith(b"a=") else (None if name else "")


def saslname(octets: bytes) -> str | None:
    """A name with its commas and equals signs back (RFC 5802 §5.1)."""
    if len(octets) > MAXIMUM_LOGIN or octets.count(b"=") != octets.count(b"=2C") + octets.count(b"=3D"):
        return None
    try:
        return octets.replace(b"=2C", b",").replace(b"=3D", b"=").decode()
    except UnicodeDecodeError:
        return None


def authorization(message: bytes) -> str | None:
    """The identity an EXTERNAL client wants to act as (RFC 4422 appendix A); "" for that of its certificate."""
    if len(message) > MAXIMUM_LOGIN or b"\0" in message:
        return None
    try:
        return message.decode()
    except UnicodeDecodeError:
        return None


def xoauth2_refusal() -> bytes:
    """What an XOAUTH2 client is told before it is refused."""
    return json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}, separators=(",", ":")).encode()


def oauthbearer_refusal(configuration: str) -> bytes:
    """As `xoauth2_refusal` in the words of RFC 7628 §3.2.2, with where tokens come from ("" is left out)."""
    words = {"status": "invalid_token", "scope": "mail"}
    if configuration:
        words["openid-configuration"] = configuration
    return json.dumps(words, separators=(",", ":")).encode()


def _bearer(message: bytes) -> BearerToken | None:
    """The pairs `name=value ^A` and one more ^A behind the last."""
    if len(message) > MAXIMUM_TOKEN + 2 * MAXIMUM_LOGIN or not message.endswith(_SEPARATOR * 2):
        return None
    pairs: dict[bytes, bytes] = {}
    for pair in message[:-2].split(_SEPARATOR):
        name, equals, value = pair.partition(b"=")
        if not equals or name in pairs:
            return None
        pairs[name] = value
    value = pairs.get(b"auth", b"")
    login = pairs.get(b"user", b"")
    if value[: len(_SCHEME)].lower() != _SCHEME or len(login) > MAXIMUM_LOGIN:
        return None
    token = value[len(_SCHEME) :].strip(b" ")
    try:
        return BearerToken(login.decode(), token.decode("ascii"))
    except UnicodeDecodeError:
        return None
