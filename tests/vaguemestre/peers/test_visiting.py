from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.vaguemestre.peers.conftest import OPERATOR, ROBOT
from vaguemestre.peers.matrix import Direction, PeerCase
from vaguemestre.peers.receiving import Reception
from vaguemestre.peers.visiting import inspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from certs.pki import Pki
    from tests.vaguemestre.peers.conftest import Strict
    from vaguemestre.peers.matrix import Peers, Verdict

ALL = {
    *PeerCase,
    "null-sender",
    "other-author",
    "relay",
    "no-certificate",
}


def verdicts(port: int, peers: Peers, pki: Pki) -> dict[str, Verdict]:
    return {each.case: each for each in inspect("127.0.0.1", port, peers, ROBOT, pki.ca_file)}


def failed(found: dict[str, Verdict]) -> set[str]:
    return {case for case, verdict in found.items() if not verdict.holds}


def test_an_operator_that_checks_everything_holds_in_every_case(
    strict: Callable[..., Strict], peers: Peers, pki: Pki
) -> None:
    found = verdicts(strict().port, peers, pki)
    assert set(found) == ALL
    assert failed(found) == set(), found
    assert all(verdict.direction is Direction.IN for verdict in found.values())


def test_the_verdict_says_what_was_seen(strict: Callable[..., Strict], peers: Peers, pki: Pki) -> None:
    told = {case: verdict.observed for case, verdict in verdicts(strict().port, peers, pki).items()}
    assert told["valid"].startswith(f"250 Ok after the message, by CN=mail.{OPERATOR}")
    assert told["null-sender"].startswith("250 Ok at RCPT")
    assert told["expired"] == "TLS alert: certificate expired in the TLS handshake"
    assert told["revoked"] == "TLS alert: certificate revoked in the TLS handshake"
    assert told["foreign-ca"] == "TLS alert: unknown ca in the TLS handshake"
    assert told["cn-differs"] == "550 5.7.1 MSS-157 Pas pour ce domaine. at MAIL"
    assert told["no-tls"] == "530 5.7.0 MSS-105 Connexion chiffree requise. at MAIL"
    assert told["other-author"] == "550 5.7.1 MSS-159 From d'un autre domaine. after the message"
    assert told["relay"] == "550 5.7.1 MSS-118 Pas de relais. at RCPT"


@pytest.mark.parametrize(
    ("careless", "cases"),
    [
        ("tls", {"no-tls"}),
        ("no-certificate", {"no-certificate"}),
        ("dn", {"unlisted-dn", "wrong-domain", "cn-differs"}),
        ("cn", {"cn-differs", "null-sender"}),
        ("domain", {"wrong-domain"}),
        ("from", {"other-author"}),
        ("relay", {"relay"}),
        (
            "certificate",
            {
                *("no-certificate", "expired", "revoked", "foreign-ca", "unlisted-dn"),
                *("wrong-domain", "cn-differs"),
            },
        ),
    ],
)
def test_what_an_operator_neglects_is_found(
    careless: str, cases: set[str], strict: Callable[..., Strict], peers: Peers, pki: Pki
) -> None:
    assert failed(verdicts(strict(careless).port, peers, pki)) == cases


def test_an_operator_without_starttls_holds_in_no_case_but_the_clear_one(
    strict: Callable[..., Strict], peers: Peers, pki: Pki
) -> None:
    found = verdicts(strict("starttls").port, peers, pki)
    assert failed(found) == ALL - {"no-tls"}
    assert found["expired"].observed == "does not offer STARTTLS at EHLO"


def test_nobody_there_is_no_refusal(peers: Peers, pki: Pki) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = verdicts(unused.getsockname()[1], peers, pki)
    assert failed(found) == ALL
    assert "cannot be reached" in found["valid"].observed


@pytest.mark.parametrize("greeting", [b"554 5.7.1 Go away\r\n", b"HTTP/1.1 400 Bad Request\r\n", b""])
def test_a_server_that_refuses_everybody_proves_nothing(greeting: bytes, peers: Peers, pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in ALL:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        found = verdicts(server.getsockname()[1], peers, pki)
        thread.join()
    assert failed(found) == ALL


def test_an_operator_whose_own_certificate_does_not_hold_is_not_let_off(peers: Peers, pki: Pki) -> None:
    reception = Reception(peers[PeerCase.FOREIGN_CA], "127.0.0.1", pki.ca_file)
    try:
        found = verdicts(reception.port, peers, pki)
    finally:
        reception.close()
    assert failed(found) >= ALL - {"no-tls"}
    assert "its certificate does not hold" in found["valid"].observed


def test_a_case_without_a_peer_is_not_counted_as_held(
    strict: Callable[..., Strict], peers: Peers, pki: Pki
) -> None:
    fewer = {case: peer for case, peer in peers.items() if case is not PeerCase.REVOKED}
    found = verdicts(strict().port, fewer, pki)
    assert failed(found) == {"revoked"}
    assert "not tried" in found["revoked"].observed
