"""Debian's Postfix as a listed operator sends to us and receives from us; with each wrong certificate nothing passes."""

from __future__ import annotations

import email
import json
import re
from dataclasses import replace
from email import policy
from typing import TYPE_CHECKING

import pytest

from benchmarks import postfix
from benchmarks.target import free_ports
from certs.routes import set_route
from tests.interop.letters import eventually, letter, new_id, received, signed_in
from tests.interop.postfix_peer import LATE, PostfixOperator, PostfixPeer, postfix_peer
from tests.interop.service import Service, run
from vaguemestre.sandbox_peers import WITHOUT_TLS
from vaguemestre.sandbox_process import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.service import Bal

pytestmark = pytest.mark.interop

DOMAIN = "postfix-essai.mssante.fr"
WRONG = ("expired", "revoked", "foreign-ca", "unlisted-dn", "wrong-domain", "cn-differs")


@pytest.fixture(scope="module")
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if (reason := postfix.missing()) is not None:
        pytest.skip(reason)
    with Service(tmp_path_factory.mktemp("postfix") / "home") as started:
        yield started


def command(service: Service, *words: str) -> dict[str, str]:
    done = service.command(*words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told if isinstance(told, dict) else {}


@pytest.fixture(scope="module")
def right(own_service: Service, tmp_path_factory: pytest.TempPathFactory) -> PostfixOperator:
    """An operator as it joins: a certificate of the authority, a place in the list, a route."""
    prefix = tmp_path_factory.mktemp("issued") / "postfix"
    issued = command(
        own_service,
        *("certs", "issue", "--cn", f"mail.{DOMAIN}", "--o", "HÔPITAL D'ESSAI", "--out", str(prefix)),
    )
    operator = PostfixOperator("right", DOMAIN, issued["certificate"], issued["key"])
    command(own_service, "white-list", "add", "--domain", DOMAIN, "--dn", issued["dn"])
    command(own_service, "routes", "set", DOMAIN, operator.mx)
    return operator


@pytest.fixture(scope="module")
def wrong(own_service: Service) -> dict[str, PostfixOperator]:
    """The peers of the audit, and one that knows no TLS."""
    found = {
        row["case"]: PostfixOperator(row["case"], row["domain"], row["certificate"], row["key"])
        for row in own_service.described["peers"]
        if row["case"] in WRONG
    }
    found["no-tls"] = PostfixOperator("no-tls", WITHOUT_TLS, None, None)
    for operator in found.values():
        set_route(own_service.home, operator.domain, operator.mx)
    return found


@pytest.fixture(scope="module")
def peer(
    own_service: Service, right: PostfixOperator, wrong: dict[str, PostfixOperator]
) -> Iterator[PostfixPeer]:
    mx = f"{own_service.host}:{own_service.port('mx')}"
    with postfix_peer([right, *wrong.values()], mx, own_service.ca_file) as started:
        yield started


def bounces(service: Service, bal: Bal, address: str) -> list[email.message.EmailMessage]:
    """The reports in a box that name this address."""
    with signed_in(service, bal) as client:
        client.select("INBOX", readonly=True)
        _, data = client.search(None, "HEADER", "Content-Type", "multipart/report")
        numbers = data[0].split()
        found = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]
    return [
        email.message_from_bytes(each, policy=policy.default) for each in found if address.encode() in each
    ]


def status(report: email.message.EmailMessage) -> tuple[str, str]:
    """Status and diagnostic of the first recipient of a report (RFC 3464)."""
    assert report.get_content_type() == "multipart/report"
    part = next(each for each in report.walk() if each.get_content_type() == "message/delivery-status")
    recipient = part.get_payload()[1]
    return str(recipient["Status"]), str(recipient["Diagnostic-Code"] or "")


def test_postfix_sends_to_us(own_service: Service, peer: PostfixPeer, right: PostfixOperator) -> None:
    bal, message_id = own_service.bal(0), new_id()
    peer.send(right.address, bal.address, letter(right.address, bal.address, message_id=message_id))
    eventually(lambda: len(received(own_service, bal, message_id)) == 1, "Postfix's message is in the box")
    (copy,) = received(own_service, bal, message_id)
    assert re.search(rb"(?im)^received: from .*\n?.*ESMTPS", copy)
    assert f"mail.{DOMAIN}".encode() in copy.partition(b"\r\n\r\n")[0]
    # Postfix has seen and verified our certificate as well.
    assert "Verified TLS connection established to 127.0.0.1" in peer.log


def test_postfix_receives_from_us(own_service: Service, peer: PostfixPeer, right: PostfixOperator) -> None:
    bal, message_id = own_service.bal(0), new_id()
    own_service.send(bal, right.address, letter(bal.address, right.address, message_id=message_id))

    def arrived() -> list[bytes]:
        return [each for each in peer.inbox(right.address) if message_id.encode() in each]

    eventually(lambda: len(arrived()) == 1, "our message is at Postfix")
    header = arrived()[0].partition(b"\n\n")[0].decode()
    # What Postfix says of our certificate (smtpd_tls_received_header).
    assert re.search(r'Client CN "mail\.hopital-demo\.mssante\.fr".*\(verified OK\)', header, re.DOTALL)
    assert f"Return-Path: <{bal.address}>" in header


def test_postfix_is_told_who_is_unknown_here(
    own_service: Service, peer: PostfixPeer, right: PostfixOperator
) -> None:
    unknown = f"personne@{own_service.described['domains'][0]}"
    peer.send(right.address, unknown, letter(right.address, unknown, message_id=new_id()))
    eventually(
        lambda: any(unknown.encode() in each for each in peer.inbox(right.address)), "Postfix returns it"
    )
    (told,) = [each for each in peer.inbox(right.address) if unknown.encode() in each]
    assert status(email.message_from_bytes(told, policy=policy.default))[0] == "5.1.1"
    assert b"MSS-110" in told


def test_we_are_told_who_is_unknown_at_postfix(
    own_service: Service, peer: PostfixPeer, right: PostfixOperator
) -> None:
    bal, unknown = own_service.bal(1), f"personne@{right.domain}"
    own_service.send(bal, unknown, letter(bal.address, unknown, message_id=new_id()))
    eventually(lambda: len(bounces(own_service, bal, unknown)) == 1, "the report is in the box")
    (report,) = bounces(own_service, bal, unknown)
    enhanced, diagnostic = status(report)
    assert enhanced == "5.1.1"
    assert "User unknown" in diagnostic
    assert "a refusé le message" in report.get_body(("plain",)).get_content().replace("\n", " ")


def test_a_report_of_postfix_with_the_null_sender_reaches_the_box(
    own_service: Service, peer: PostfixPeer, right: PostfixOperator
) -> None:
    bal, late = own_service.bal(1), f"{LATE}@{right.domain}"
    own_service.send(bal, late, letter(bal.address, late, message_id=new_id()))
    eventually(lambda: len(bounces(own_service, bal, late)) == 1, "Postfix's report is in the box")
    (report,) = bounces(own_service, bal, late)
    assert str(report["Return-Path"]).strip() == "<>"
    assert status(report)[0] == "5.3.0"


def test_a_report_of_ours_with_the_null_sender_reaches_postfix(
    own_service: Service, peer: PostfixPeer, right: PostfixOperator
) -> None:
    bal, message_id = own_service.bal(0), new_id()
    peer.send(
        right.address,
        bal.address,
        letter(right.address, bal.address, message_id=message_id),
        mail_options=["RET=HDRS", "ENVID=essai-1"],
        rcpt_options=["NOTIFY=SUCCESS"],
    )

    def told() -> list[bytes]:
        return [each for each in peer.inbox(right.address) if b"essai-1" in each]

    eventually(lambda: len(told()) == 1, "the report of success is at Postfix")
    (report,) = told()
    assert b"Return-Path: <>" in report
    parsed = email.message_from_bytes(report, policy=policy.default)
    part = next(each for each in parsed.walk() if each.get_content_type() == "message/delivery-status")
    assert part.get_payload()[0]["Original-Envelope-Id"] == "essai-1"
    assert part.get_payload()[1]["Action"] == "delivered"


def test_the_robot_answers_postfix_once(
    own_service: Service, peer: PostfixPeer, right: PostfixOperator
) -> None:
    robot = f"reponse.automatique-test@{own_service.described['domains'][1]}"
    message_id = new_id()
    peer.send(right.address, robot, letter(right.address, robot, message_id=message_id))

    def answers() -> list[bytes]:
        return [each for each in peer.inbox(right.address) if f"In-Reply-To: {message_id}".encode() in each]

    eventually(lambda: len(answers()) >= 1, "the robot's answer is at Postfix")
    assert len(answers()) == 1


# What Postfix says when we refuse it, and what of ours it quotes.
REFUSED_AS_CLIENT = {
    "expired": r"TLS|lost connection|handshake",
    "foreign-ca": r"TLS|lost connection|handshake",
    "revoked": r"MSS-153",
    "unlisted-dn": r"MSS-15[67]",
    "wrong-domain": r"MSS-157",
    "cn-differs": r"MSS-15[67]",
    "no-tls": r"MSS-105",
}


@pytest.mark.parametrize("case", REFUSED_AS_CLIENT)
def test_with_a_wrong_certificate_postfix_is_refused(
    case: str, own_service: Service, peer: PostfixPeer, wrong: dict[str, PostfixOperator]
) -> None:
    bal, message_id, sender = own_service.bal(0), new_id(), wrong[case].address
    peer.send(sender, bal.address, letter(sender, bal.address, message_id=message_id))
    # Postfix tries again until the mail is too old, and each try waits for its turn on a busy machine.
    eventually(lambda: len(peer.inbox(sender)) == 1, "Postfix tells its user that it was refused", seconds=90)
    (told,) = peer.inbox(sender)
    assert status(email.message_from_bytes(told, policy=policy.default))[0][0] in "45"
    assert re.search(REFUSED_AS_CLIENT[case], told.decode()), told.decode()
    assert received(own_service, bal, message_id) == []


# How we tell our user that we refused Postfix.
REFUSED_AS_SERVER = {
    "expired": "MSS-152",
    "revoked": "MSS-153",
    "foreign-ca": "MSS-151",
    "unlisted-dn": "MSS-156 MSS-157",
    "wrong-domain": "MSS-157",
    "cn-differs": "MSS-156 MSS-157",
    "no-tls": "MSS-162",
}


@pytest.mark.parametrize("case", REFUSED_AS_SERVER)
def test_we_refuse_postfix_with_a_wrong_certificate(
    case: str, own_service: Service, peer: PostfixPeer, wrong: dict[str, PostfixOperator]
) -> None:
    bal, message_id, recipient = own_service.bal(2), new_id(), wrong[case].address
    own_service.send(bal, recipient, letter(bal.address, recipient, message_id=message_id))
    eventually(lambda: len(bounces(own_service, bal, recipient)) == 1, "the report is in the box")
    (report,) = bounces(own_service, bal, recipient)
    _, diagnostic = status(report)
    text = diagnostic + report.get_body(("plain",)).get_content()
    assert any(code in text for code in REFUSED_AS_SERVER[case].split()), text
    assert not any(message_id.encode() in each for each in peer.everything())


def test_the_audit_finds_what_a_postfix_alone_does_not_check(
    own_service: Service, right: PostfixOperator, tmp_path: Path
) -> None:
    """It knows the chain and the dates, and no white list, no revocation, no From."""
    folder = str(tmp_path / "peers")
    assert own_service.command("check-peers", "--export", folder).returncode == 0
    alone = replace(right, port=free_ports(1)[0])
    with postfix_peer([alone], f"{own_service.host}:{own_service.port('mx')}", own_service.ca_file):
        done = run(
            *PROGRAM,
            *("check-peers", "--address", alone.mx, "--to", alone.address, "--peers", folder),
            *("--direction", "in", "--json"),
        )
    assert done.returncode == 1
    held = {each["case"] for each in json.loads(done.stdout) if each["holds"]}
    assert held == {"valid", "null-sender", "relay", "no-certificate", "expired", "foreign-ca", "no-tls"}


def test_nothing_waits_anywhere(own_service: Service, peer: PostfixPeer) -> None:
    eventually(lambda: peer.queue.strip() == "", "Postfix's queue is empty")
    waiting = own_service.command("queue", "list", "--json")
    assert json.loads(waiting.stdout) == [], waiting.stderr
