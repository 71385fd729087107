"""We visit an operator's MX as each peer, and see which of them it lets in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from certs.tls import Trust, client_context, peer_name
from vaguemestre.peers.letter import audit_letter
from vaguemestre.peers.matrix import Direction, PeerCase, Verdict
from vaguemestre.peers.wire import Ended, Ending, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from certs.tls import Identity
    from vaguemestre.peers.matrix import AuditPeer, Peers
    from vaguemestre.peers.wire import Reply

_STEP_SECONDS = 30.0
_NAME = "check-peers.invalid"  # RFC 6761: nobody's host


class Stage(IntEnum):
    """How far a conversation came."""

    CONNECT = 0
    GREETING = 1
    EHLO = 2
    STARTTLS = 3
    TLS = 4
    EHLO_AGAIN = 5
    MAIL = 6
    RCPT = 7
    DATA = 8
    END = 9


_PLACES = {
    Stage.CONNECT: "on connecting",
    Stage.GREETING: "instead of a greeting",
    Stage.EHLO: "at EHLO",
    Stage.STARTTLS: "at STARTTLS",
    Stage.TLS: "in the TLS handshake",
    Stage.EHLO_AGAIN: "at EHLO over TLS",
    Stage.MAIL: "at MAIL",
    Stage.RCPT: "at RCPT",
    Stage.DATA: "at DATA",
    Stage.END: "after the message",
}


class Must(StrEnum):
    """What an operator must do with a visitor."""

    ACCEPT = "accepted"
    REFUSE_PEER = "refused before a recipient is accepted"
    REFUSE_RECIPIENT = "refused at RCPT"
    REFUSE_MESSAGE = "message refused"


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor: what it shows, whom it speaks for, and how far it goes."""

    case: str
    must: Must
    sender: str
    """Reverse-path; "" is the null one."""
    recipient: str
    identity: Identity | None = None
    author: str | None = None
    """Whom the message's From names; None sends no message."""
    uses_tls: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a visit ended, and by what: a reply, or an ending without one."""

    stage: Stage
    said: str
    reply: Reply | None = None
    ending: Ending | None = None
    server: str = ""
    """The name in the operator's certificate."""


def visits(peers: Peers, recipient: str) -> Iterator[Visit | PeerCase]:
    """The visits of the matrix in order; a case nobody has a peer for stands alone."""
    valid = peers[PeerCase.VALID]
    other = next((peer.mailbox for case, peer in peers.items() if case is not PeerCase.VALID), None)
    yield Visit(PeerCase.VALID, Must.ACCEPT, valid.mailbox, recipient, valid.identity, author=valid.mailbox)
    yield Visit("null-sender", Must.ACCEPT, "", recipient, valid.identity)
    if other is not None:
        yield Visit(
            "other-author", Must.REFUSE_MESSAGE, valid.mailbox, recipient, valid.identity, author=other
        )
        yield Visit("relay", Must.REFUSE_RECIPIENT, valid.mailbox, other, valid.identity)
    yield Visit("no-certificate", Must.REFUSE_PEER, valid.mailbox, recipient)
    for case in PeerCase:
        if case is PeerCase.VALID:
            continue
        peer = peers.get(case)
        yield case if peer is None else _visit_as(peer, recipient)


def _visit_as(peer: AuditPeer, recipient: str) -> Visit:
    uses_tls = peer.case is not PeerCase.NO_TLS
    return Visit(peer.case, Must.REFUSE_PEER, peer.mailbox, recipient, peer.identity, uses_tls=uses_tls)


def inspect(host: str, port: int, peers: Peers, recipient: str, ca_file: Path) -> Iterator[Verdict]:
    """Plays every visit, one after the other. Raises TlsUnusable for a certificate or chain that cannot be loaded."""
    trust = Trust(ca_file)
    for visit in visits(peers, recipient):
        if isinstance(visit, PeerCase):
            yield Verdict(
                Direction.IN, visit, Must.REFUSE_PEER, "not tried: no such peer is given", holds=False
            )
            continue
        context = client_context(trust, visit.identity)
        # Between operators the name that counts is the DN, not the host's.
        context.check_hostname = False
        yield judge(visit, pay(visit, host, port, context))


def pay(visit: Visit, host: str, port: int, context: ssl.SSLContext) -> Outcome:
    """Pays one visit."""
    stages = _Stages()
    try:
        with Wire.dial(host, port, _STEP_SECONDS) as wire:
            outcome = _converse(visit, wire, stages, context)
            with contextlib.suppress(Ended):
                wire.command("QUIT")
            return outcome
    except Ended as ended:
        return Outcome(stages.reached, str(ended), ending=ended.ending, server=stages.server)
    except OSError as error:
        return Outcome(Stage.CONNECT, f"cannot be reached ({error.strerror or error})", ending=Ending.CLOSED)


class _Stages:
    """How far the conversation is, for whoever has to say where it broke off."""

    def __init__(self) -> None:
        self.reached = Stage.GREETING
        self.server = ""


def _converse(visit: Visit, wire: Wire, stages: _Stages, context: ssl.SSLContext) -> Outcome:
    steps = _steps(visit, wire, stages, context)
    reply = next(steps)
    while reply.is_positive:
        try:
            reply = next(steps)
        except StopIteration:
            break
    return Outcome(stages.reached, str(reply), reply=reply, server=stages.server)


def _steps(visit: Visit, wire: Wire, stages: _Stages, context: ssl.SSLContext) -> Iterator[Reply]:
    """The conversation, reply by reply; the caller goes on as long as they are positive."""
    yield wire.reply()
    stages.reached = Stage.EHLO
    hello = wire.command(f"EHLO {_NAME}")
    yield hello
    if visit.uses_tls:
        if not hello.offers("STARTTLS"):
            raise Ended(Ending.GARBLED, "does not offer STARTTLS")
        stages.reached = Stage.STARTTLS
        yield wire.command("STARTTLS")
        stages.reached = Stage.TLS
        wire.meet_server(context)
        if wire.tls is not None:
            stages.server = str(peer_name(wire.tls) or "")
        stages.reached = Stage.EHLO_AGAIN
        yield wire.command(f"EHLO {_NAME}")
    stages.reached = Stage.MAIL
    yield wire.command(f"MAIL FROM:<{visit.sender}>")
    stages.reached = Stage.RCPT
    yield wire.command(f"RCPT TO:<{visit.recipient}>")
    if visit.author is None:
        return
    stages.reached = Stage.DATA
    yield wire.command("DATA")
    stages.reached = Stage.END
    wire.say(audit_letter(visit.author, visit.recipient) + ".")
    yield wire.reply()


def judge(visit: Visit, outcome: Outcome) -> Verdict:
    """Whether the operator did what it must."""
    accepted = outcome.reply is not None and outcome.reply.is_positive
    match visit.must:
        case Must.ACCEPT:
            holds = accepted
        case Must.REFUSE_PEER:
            first = Stage.TLS if visit.uses_tls else Stage.MAIL
            # Postfix and others answer for the peer at RCPT only (smtpd_delay_reject): nothing is accepted either way.
            holds = first <= outcome.stage <= Stage.RCPT and _is_refusal(outcome)
        case Must.REFUSE_RECIPIENT:
            holds = outcome.stage is Stage.RCPT and _is_refusal(outcome)
        case Must.REFUSE_MESSAGE:
            holds = outcome.stage >= Stage.DATA and _is_refusal(outcome)
    return Verdict(Direction.IN, visit.case, visit.must, _told(visit, outcome, accepted=accepted), holds)


def _is_refusal(outcome: Outcome) -> bool:
    """Silence, garbage and a certificate of theirs that does not hold are no refusals of us."""
    if outcome.reply is not None:
        return not outcome.reply.is_positive
    return outcome.ending in (Ending.ALERT, Ending.CLOSED)


def _told(visit: Visit, outcome: Outcome, *, accepted: bool) -> str:
    told = f"{outcome.said} {_PLACES[outcome.stage]}"
    if accepted and visit.must is Must.ACCEPT and outcome.server:
        told += f", by {outcome.server}"
    return told
