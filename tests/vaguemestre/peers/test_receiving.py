from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certs.tls import Identity, Trust, client_context
from tests.vaguemestre.peers.conftest import OPERATOR
from vaguemestre.peers.matrix import Direction, PeerCase, PeersUnusable
from vaguemestre.peers.receiving import Reception, Receptions, judge, wait_for_all
from vaguemestre.peers.wire import Ended, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from certs.pki import Pki
    from vaguemestre.peers.matrix import Peers, Verdict


@pytest.fixture
def receptions(peers: Peers, pki: Pki) -> Iterator[Receptions]:
    with Receptions(peers, "127.0.0.1", pki.ca_file) as opened:
        yield opened


@contextmanager
def calling(reception: Reception) -> Iterator[Wire]:
    """A connection that has been greeted; what the peer notes is there afterwards."""
    before = len(reception.conversations)
    with Wire.dial("127.0.0.1", reception.port, 10) as wire:
        assert wire.reply().code == 220
        yield wire
    assert reception.wait(lambda each: len(each.conversations) > before, 10)


def context(ca: Path, identity: Identity | None) -> ssl.SSLContext:
    made = client_context(Trust(ca), identity)
    made.check_hostname = False
    return made


def deliver(
    wire: Wire, sender: str = f"dr@{OPERATOR}", recipient: str = "audit@pair-valide.mssante.fr"
) -> None:
    for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
        assert wire.command(line).is_positive
    wire.say("In-Reply-To: <1@x>\r\nAuto-Submitted: auto-replied\r\n\r\nBonjour\r\n..\r\n.")
    assert wire.reply().code == 250


def careful(wire: Wire, identity: Identity, pki: Pki) -> None:
    """Encrypts and leaves when the certificate does not hold, as an operator must."""
    wire.command("EHLO x")
    wire.command("STARTTLS")
    try:
        wire.meet_server(context(pki.ca_file, identity))
    except Ended:
        return
    wire.command("EHLO x")
    wire.command("QUIT")


def verdicts(receptions: Receptions) -> dict[PeerCase, Verdict]:
    return {each.peer.case: judge(each) for each in receptions.all}


def test_an_operator_that_is_careful_holds_in_every_case(
    receptions: Receptions, operator: Identity, pki: Pki
) -> None:
    for each in receptions.all:
        with calling(each) as wire:
            if each.peer.case is PeerCase.NO_TLS:
                assert not wire.command("EHLO x").offers("STARTTLS")
                wire.command("QUIT")
            elif each.peer.case is PeerCase.VALID:
                wire.command("EHLO x")
                wire.command("STARTTLS")
                wire.meet_server(context(pki.ca_file, operator))
                wire.command("EHLO x")
                deliver(wire)
            else:
                careful(wire, operator, pki)
    wait_for_all(receptions, lambda each: each.was_tried, 5)
    found = verdicts(receptions)
    assert set(found) == set(PeerCase)
    assert all(each.holds for each in found.values()), found
    assert all(each.direction is Direction.OUT for each in found.values())
    told = {case: each.observed for case, each in found.items()}
    assert told[PeerCase.VALID].startswith(f"delivered by CN=mail.{OPERATOR}")
    assert told[PeerCase.FOREIGN_CA] == "TLS alert: unknown ca"
    assert told[PeerCase.EXPIRED] == "TLS alert: certificate expired"
    assert told[PeerCase.CN_DIFFERS] == "left after the TLS handshake"
    assert told[PeerCase.NO_TLS] == "left after EHLO"
    (letter,) = receptions.of(PeerCase.VALID).conversations[-1].letters
    assert letter.sender == f"dr@{OPERATOR}"
    assert letter.recipients == ("audit@pair-valide.mssante.fr",)
    assert letter.answers == "<1@x>"
    assert letter.is_automatic


def test_nobody_came_is_no_success(receptions: Receptions) -> None:
    wait_for_all(receptions, lambda each: each.was_tried, 0.1)
    found = verdicts(receptions)
    assert not any(each.holds for each in found.values())
    assert "did not come" in found[PeerCase.EXPIRED].observed


def test_a_mere_connection_is_no_try(receptions: Receptions) -> None:
    with calling(receptions.of(PeerCase.EXPIRED)):
        pass
    assert not verdicts(receptions)[PeerCase.EXPIRED].holds


def test_mail_in_clear_is_found_even_when_another_connection_was_careful(
    receptions: Receptions, operator: Identity, pki: Pki
) -> None:
    expired = receptions.of(PeerCase.EXPIRED)
    with calling(expired) as wire:
        careful(wire, operator, pki)
    with calling(expired) as wire:
        wire.command("EHLO x")
        deliver(wire)
    assert judge(expired).observed == "MAIL, RCPT, DATA said in clear"
    assert not judge(expired).holds


def test_going_on_in_clear_after_starttls_is_found(receptions: Receptions) -> None:
    for text, shown in (("MAIL FROM:<a@b.fr>", "MAIL"), ("Subject: secret", "something else")):
        reception = receptions.of(PeerCase.REVOKED)
        with calling(reception) as wire:
            wire.command("EHLO x")
            assert wire.command("STARTTLS").code == 220
            wire.say(text)
            with pytest.raises(Ended):
                wire.reply()
        assert reception.conversations[-1].in_clear == [shown]
    assert not judge(receptions.of(PeerCase.REVOKED)).holds


def test_commands_pipelined_behind_starttls_are_found(
    receptions: Receptions, operator: Identity, pki: Pki
) -> None:
    valid = receptions.of(PeerCase.VALID)
    with calling(valid) as wire:
        wire.command("EHLO x")
        assert wire.command("STARTTLS\r\nMAIL FROM:<a@b.fr>").code == 220
        wire.meet_server(context(pki.ca_file, operator))
        wire.command("EHLO x")
        deliver(wire)
    assert judge(valid).observed == "MAIL said in clear"


@pytest.mark.parametrize("case", [PeerCase.UNLISTED_DN, PeerCase.WRONG_DOMAIN, PeerCase.CN_DIFFERS])
def test_an_operator_that_looks_at_the_chain_alone_is_found(
    case: PeerCase, receptions: Receptions, operator: Identity, pki: Pki
) -> None:
    with calling(receptions.of(case)) as wire:
        wire.command("EHLO x")
        wire.command("STARTTLS")
        wire.meet_server(context(pki.ca_file, operator))
        wire.command("EHLO x")
        deliver(wire)
    found = judge(receptions.of(case))
    assert not found.holds
    assert found.observed == "MAIL, RCPT, DATA said to this certificate"


def test_an_operator_that_shows_no_certificate_is_found(receptions: Receptions, pki: Pki) -> None:
    valid = receptions.of(PeerCase.VALID)
    with calling(valid) as wire:
        wire.command("EHLO x")
        wire.command("STARTTLS")
        wire.meet_server(context(pki.ca_file, None))
        wire.command("EHLO x")
        deliver(wire)
    assert judge(valid).observed == "delivered without showing a certificate"
    assert not judge(valid).holds


def test_an_operator_whose_own_certificate_does_not_hold_proves_nothing(
    receptions: Receptions, peers: Peers, pki: Pki
) -> None:
    foreign = peers[PeerCase.FOREIGN_CA].identity
    for case in (PeerCase.VALID, PeerCase.WRONG_DOMAIN):
        with calling(receptions.of(case)) as wire:
            wire.command("EHLO x")
            wire.command("STARTTLS")
            with pytest.raises(Ended):
                wire.meet_server(context(pki.ca_file, foreign))
        assert not judge(receptions.of(case)).holds
        assert "its certificate does not hold" in judge(receptions.of(case)).observed


def test_what_the_operator_refuses_to_take_at_all_did_not_leave(receptions: Receptions) -> None:
    said = "550 5.1.2 MSS-118"
    assert judge(receptions.of(PeerCase.EXPIRED), said).holds
    assert not judge(receptions.of(PeerCase.VALID), said).holds
    assert not judge(receptions.of(PeerCase.EXPIRED), "451 4.3.0 Incident").holds


def test_an_unfinished_message_is_not_taken(receptions: Receptions, operator: Identity, pki: Pki) -> None:
    valid = receptions.of(PeerCase.VALID)
    with calling(valid) as wire:
        wire.command("EHLO x")
        wire.command("STARTTLS")
        wire.meet_server(context(pki.ca_file, operator))
        for line in ("EHLO x", "MAIL FROM:<a@b.fr>", "RCPT TO:<a@c.fr>", "DATA"):
            wire.command(line)
        wire.say("Subject: x\r\n\r\nhalf")
    assert not valid.was_tried
    assert not judge(valid).holds


def test_a_port_that_is_taken_is_told(peers: Peers, pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = {PeerCase.VALID: replace(peers[PeerCase.VALID], port=taken.getsockname()[1])}
        with pytest.raises(PeersUnusable, match="in use"):
            Receptions(wanted, "127.0.0.1", pki.ca_file)
