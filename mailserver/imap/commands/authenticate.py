"""Signing in: LOGIN and AUTHENTICATE PLAIN or LOGIN (RFC 3501 §6.2, RFC 4616, RFC 4959)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from mailserver.envelope import Refused
from mailserver.imap.replies import Reply, bad, no, ok
from mailserver.refusals import ACCOUNT_SUSPENDED

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.refusals import Refusal

_MAX_RESPONSE = 8 * 1024
_NOT_IN_THE_CLEAR = no("Sign-in needs TLS", "PRIVACYREQUIRED")


class _Cancelled(Exception):
    """The client sent "*" or something that is not base64."""


async def login(session: Session, command: c.Login) -> Reply:
    if not session.may_sign_in:
        return _NOT_IN_THE_CLEAR
    return await _sign_in(session, command.user, command.password)


async def authenticate(session: Session, command: c.Authenticate) -> Reply:
    if not session.may_sign_in:
        return _NOT_IN_THE_CLEAR
    try:
        if command.mechanism == "PLAIN":
            return await _plain(session, command.initial)
        if command.mechanism == "LOGIN":
            user = await _response(session, b"Username:", command.initial)
            return await _sign_in(session, user, await _response(session, b"Password:", None))
    except _Cancelled:
        return bad("AUTHENTICATE cancelled")
    return no("Unknown mechanism", "CANNOT")


async def _plain(session: Session, initial: bytes | None) -> Reply:
    fields = (await _response(session, b"", initial)).split(b"\0")
    if len(fields) != 3:
        return bad("Wrong PLAIN response")
    on_behalf_of, user, password = fields
    if on_behalf_of and on_behalf_of.lower() != user.lower():
        return no("Nobody signs in for somebody else", "AUTHORIZATIONFAILED")
    return await _sign_in(session, user, password)


async def _response(session: Session, prompt: bytes, initial: bytes | None) -> bytes:
    if initial is None:
        initial = await session.ask(binascii.b2a_base64(prompt, newline=False), _MAX_RESPONSE)
    elif initial == b"=":
        return b""
    if initial == b"*" or len(initial) > _MAX_RESPONSE:
        raise _Cancelled
    try:
        return binascii.a2b_base64(initial, strict_mode=True)
    except binascii.Error:
        raise _Cancelled from None


async def _sign_in(session: Session, user: bytes, password: bytes) -> Reply:
    try:
        name, secret = user.decode("utf-8"), password.decode("utf-8")
    except UnicodeDecodeError:
        session.sign_in_was_refused()
        return no("Sign-in refused", "AUTHENTICATIONFAILED")
    answer = await session.context.sign_in.check(name, secret, peer=session.connection.peer)
    if isinstance(answer, Refused):
        session.sign_in_was_refused()
        return no(answer.refusal.smtp_text.partition(" ")[2], _code(answer.refusal))
    if not session.connection.enter_person(answer.owner_id):
        return no("Too many connections of this mailbox", "LIMIT")
    session.principal = answer
    return ok("Signed in", f"CAPABILITY {session.capability_words()}")


def _code(refusal: Refusal) -> str:
    """RFC 5530 §3: another password helps only where it was wrong."""
    if refusal is ACCOUNT_SUSPENDED:
        return "CONTACTADMIN"
    return "UNAVAILABLE" if refusal.is_temporary else "AUTHENTICATIONFAILED"
