"""Signing in: LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4959, RFC 4422)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from mailserver.envelope import Principal, Refused
from mailserver.imap.replies import Reply, bad, no, ok
from mailserver.imap.session import Goodbye
from mailserver.refusals import ACCOUNT_SUSPENDED, APPLICATION_NEEDED
from mailserver.sasl.mechanisms import ActsForAnother, EndsBehind, Exchange, Malformed, Mechanism
from mailserver.sasl.messages import credentials
from mailserver.signin.application import Scope

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.refusals import Refusal

_MAX_RESPONSE = 16 * 1024
_NOT_IN_THE_CLEAR = no("Sign-in needs TLS", "PRIVACYREQUIRED")
_REFUSED = no("Sign-in refused", "AUTHENTICATIONFAILED")


class _NoAnswer(Exception):
    """The client sent "*" or something that is not base64."""


async def login(session: Session, command: c.Login) -> Reply:
    if not session.may_sign_in:
        return _NOT_IN_THE_CLEAR
    found = credentials(command.user, command.password)
    if found is None:
        session.sign_in_was_refused()
        return _REFUSED
    peer = session.connection.peer
    return _answered(
        session,
        await session.context.sign_in.password(found.login, found.password, peer=peer, scope=Scope.IMAP),
    )


async def authenticate(session: Session, command: c.Authenticate) -> Reply:
    if not session.may_sign_in:
        return _NOT_IN_THE_CLEAR
    if command.mechanism not in session.mechanisms():
        return no("Unknown mechanism", "CANNOT")

    async def ask(challenge: bytes) -> bytes:
        prompt = binascii.b2a_base64(challenge, newline=False)
        return _decoded(await session.ask(prompt, _MAX_RESPONSE))

    try:
        initial = None
        if command.initial is not None:
            initial = b"" if command.initial == b"=" else _decoded(command.initial)
        exchange = Exchange(session.context.sign_in, session.visitor(), ask, initial)
        answer = await exchange.conduct(Mechanism(command.mechanism))
    except _NoAnswer:
        return bad("AUTHENTICATE cancelled")
    except ActsForAnother:
        return no("Nobody signs in for somebody else", "AUTHORIZATIONFAILED")
    except Malformed:
        return bad("Not a response of this mechanism")
    except EndsBehind as end:
        session.connection.write(b"+ " + binascii.b2a_base64(end.challenge, newline=False) + b"\r\n")
        raise Goodbye("Sign-in refused") from None
    return _answered(session, answer)


def _decoded(response: bytes) -> bytes:
    if response == b"*" or len(response) > _MAX_RESPONSE:
        raise _NoAnswer
    try:
        return binascii.a2b_base64(response, strict_mode=True)
    except binascii.Error:
        raise _NoAnswer from None


def _answered(session: Session, answer: Principal | Refused) -> Reply:
    if isinstance(answer, Refused):
        session.sign_in_was_refused()
        return no(answer.refusal.smtp_text.partition(" ")[2], _code(answer.refusal))
    if not session.connection.enter_person(answer.owner_id):
        return no("Too many connections of this mailbox", "LIMIT")
    session.principal = answer
    return ok("Signed in", f"CAPABILITY {session.capability_words()}")


def _code(refusal: Refusal) -> str:
    """RFC 5530 §3: another password helps only where it was wrong."""
    if refusal in (ACCOUNT_SUSPENDED, APPLICATION_NEEDED):
        return "CONTACTADMIN"
    return "UNAVAILABLE" if refusal.is_temporary else "AUTHENTICATIONFAILED"
