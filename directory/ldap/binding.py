"""Who a BindRequest says the client is (RFC 4513 §5): nobody, a password, SASL PLAIN or EXTERNAL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.ldap.doors import Caller, Denied
from directory.ldap.names import MailboxName, find
from directory.ldap.results import Refused, ResultCode

if TYPE_CHECKING:
    from directory.ldap.connection import Connection
    from directory.ldap.context import LdapContext
    from directory.ldap.messages import Bind

PLAIN = "PLAIN"
EXTERNAL = "EXTERNAL"
_VERSION = 3
_LONGEST_LOGIN = 1024
_LONGEST_PASSWORD = 1024
_WRONG = "Sign-in refused"


@dataclass(frozen=True, slots=True)
class Bound:
    """A bind that succeeded; without a caller it is anonymous."""

    caller: Caller | None = None


def mechanisms(connection: Connection, context: LdapContext) -> tuple[str, ...]:
    """The SASL mechanisms to announce: none that would show a password in the clear."""
    if not connection.is_encrypted:
        return ()
    has_certificate = context.doors.takes_certificates and connection.peer_certificate is not None
    return (PLAIN, EXTERNAL) if has_certificate else (PLAIN,)


async def bound(asked: Bind, connection: Connection, context: LdapContext) -> Bound | Refused | None:
    """What comes of a bind: a Refused that counts as a wrong guess is returned, None wants another request.

    Raises Refused for a request that no credentials could help.
    """
    if asked.version != _VERSION:
        raise Refused(ResultCode.PROTOCOL_ERROR, "This server speaks LDAPv3")
    if asked.mechanism is not None:
        return await _sasl(asked, asked.mechanism, connection, context)
    if asked.password is None:
        raise Refused(ResultCode.AUTH_METHOD_NOT_SUPPORTED, "A bind is simple or by SASL")
    if not asked.password:
        if asked.name:
            # RFC 4513 §5.1.2: a name without a password proves nothing
            raise Refused(ResultCode.UNWILLING_TO_PERFORM, "A name needs a password")
        if not context.anonymous:
            raise Refused(ResultCode.INAPPROPRIATE_AUTHENTICATION, "This directory is for those who sign in")
        return Bound()
    return await _password(_address(asked.name), asked.password, connection, context)


async def _sasl(
    asked: Bind, mechanism: str, connection: Connection, context: LdapContext
) -> Bound | Refused | None:
    if mechanism not in (PLAIN, EXTERNAL):
        raise Refused(ResultCode.AUTH_METHOD_NOT_SUPPORTED, "The mechanisms here are PLAIN and EXTERNAL")
    if mechanism == EXTERNAL:
        return await _external(asked.credentials or b"", connection, context)
    if asked.credentials is None:
        return None
    # RFC 4616 §2
    fields = asked.credentials.split(b"\0")
    if len(fields) != 3:
        raise Refused(ResultCode.PROTOCOL_ERROR, "This is no message of PLAIN")
    authorization, login, password = fields
    name = _text(login)
    if authorization and _identity(_text(authorization)) != _address(name).lower():
        return Refused(ResultCode.INVALID_CREDENTIALS, "Nobody signs in for somebody else")
    return await _password(_address(name), password, connection, context)


# ref: F20
async def _external(credentials: bytes, connection: Connection, context: LdapContext) -> Bound | Refused:
    """RFC 4513 §5.2.3: the certificate says who; the credentials choose among its mailboxes."""
    der = connection.peer_certificate
    if der is None or not context.doors.takes_certificates:
        raise Refused(
            ResultCode.INAPPROPRIATE_AUTHENTICATION, "EXTERNAL needs a certificate in the handshake"
        )
    login = _identity(_text(credentials))
    return _answered(await context.doors.certificate(login, der, peer=connection.peer))


async def _password(
    login: str, password: bytes, connection: Connection, context: LdapContext
) -> Bound | Refused:
    if not connection.is_encrypted:
        raise Refused(ResultCode.CONFIDENTIALITY_REQUIRED, "A password needs TLS: StartTLS first, or ldaps")
    text = _text(password)
    if not text or not login or len(password) > _LONGEST_PASSWORD or len(login) > _LONGEST_LOGIN:
        return Refused(ResultCode.INVALID_CREDENTIALS, _WRONG)
    return _answered(await context.doors.password(login, text, peer=connection.peer))


def _answered(answer: Caller | Denied) -> Bound | Refused:
    if isinstance(answer, Caller):
        return Bound(answer)
    code = ResultCode.UNAVAILABLE if answer.is_temporary else ResultCode.INVALID_CREDENTIALS
    return Refused(code, answer.sentence)


def _address(name: str) -> str:
    """The login of a name: a mailbox's address, or the name of its entry."""
    if "=" not in name:
        return name
    try:
        place = find(name)
    except Refused:
        return name  # an address may hold an equals sign
    return place.address if isinstance(place, MailboxName) else name


def _identity(authorization: str) -> str:
    """The address of an authorization identity (RFC 4513 §5.2.1.8): `dn:…`, `u:…`, or as it is."""
    kind, colon, rest = authorization.partition(":")
    if colon and kind in ("dn", "u"):
        return _address(rest).lower()
    return authorization.lower()


def _text(octets: bytes) -> str:
    """ "" for what is no text."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return ""
