"""Commands of every state, and STARTTLS (RFC 3501 §6.1, §6.2.1; RFC 2971)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.replies import Reply, bad, bye, ok
from mailserver.imap.session import Goodbye

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.grammar.opening import Unauthenticate
    from mailserver.imap.session import Session


async def capability(session: Session, command: c.Capability) -> Reply:
    session.send([f"* CAPABILITY {session.capability_words()}\r\n".encode("ascii")])
    return ok("CAPABILITY completed")


async def noop(session: Session, command: c.Noop | c.Check) -> Reply:
    return ok("Completed")


async def logout(session: Session, command: c.Logout) -> Reply:
    session.send([bye("Goodbye")])
    session.selected = None
    session.leaves = True
    return ok("LOGOUT completed")


async def identify(session: Session, command: c.Id) -> Reply:
    session.send([b'* ID ("name" "Vaguemestre")\r\n'])
    return ok("ID completed")


async def unauthenticate(session: Session, command: Unauthenticate) -> Reply:
    """Back to before sign-in, on the same connection (RFC 8437 §3): nothing of the person stays."""
    session.sign_out()
    return ok("Nobody is signed in now")


async def start_tls(session: Session, command: c.StartTls) -> Reply:
    """RFC 3501 §6.2.1; octets sent in the clear behind the command end the connection (CVE-2011-0411)."""
    if not session.may_start_tls:
        return bad("TLS is not available now")
    session.connection.pause_input()
    if session.connection.has_waiting_input:
        raise Goodbye("Nothing may follow STARTTLS before TLS")
    session.starts_tls = True
    return ok("Begin TLS negotiation now")
