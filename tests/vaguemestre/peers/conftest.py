"""The peers of a sandbox without the sandbox, and operators as good or as careless as a test wants."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certs.names import DistinguishedName
from certs.pki import Pki
from certs.tls import Identity, Trust, mutual_server_context, peer_name
from vaguemestre.peers.matrix import AuditPeer, PeerCase
from vaguemestre.peers.wire import Ended, Wire
from vaguemestre.sandbox_peers import PEERS, WITHOUT_TLS, peer_entries, prepare_peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vaguemestre.peers.matrix import Peers

OPERATOR = "operateur.mssante.fr"
ROBOT = f"reponse.automatique-test@{OPERATOR}"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    now = datetime.now(UTC)
    made = Pki.create(tmp_path_factory.mktemp("pki") / "pki", now)
    prepare_peers(made, now)
    name = DistinguishedName.of(cn=f"mail.{OPERATOR}", o="OPERATEUR AUDITE")
    made.issue(name, now).write(made.directory / "operator")
    return made


@pytest.fixture(scope="session")
def peers(pki: Pki) -> Peers:
    folder = pki.directory / "peers"
    made = {
        PeerCase(peer.case): AuditPeer(
            PeerCase(peer.case),
            peer.domain,
            Identity(folder / f"{peer.case}.pem", folder / f"{peer.case}.key"),
        )
        for peer in PEERS
    }
    made[PeerCase.NO_TLS] = AuditPeer(PeerCase.NO_TLS, WITHOUT_TLS)
    return made


@pytest.fixture(scope="session")
def operator(pki: Pki) -> Identity:
    return Identity(pki.directory / "operator.pem", pki.directory / "operator.key")


class Strict(socketserver.ThreadingTCPServer):
    """An operator that does what the référentiel asks; a test takes away one check at a time."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, identity: Identity, ca_file: Path, crl: Path, *careless: str) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.careless = set(careless)
        self.listed = set(peer_entries())
        self.context = mutual_server_context(identity, Trust(ca_file, crl), ssl.CERT_OPTIONAL)
        if self.neglects("certificate"):
            self.context = mutual_server_context(identity, Trust(ca_file), ssl.CERT_OPTIONAL)
            self.context.verify_mode = ssl.CERT_NONE

    def neglects(self, check: str) -> bool:
        return check in self.careless

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with Wire(request, 10) as wire:
            try:
                self.converse(wire)
            except Ended:
                return

    def converse(self, wire: Wire) -> None:
        wire.say("220 operateur ESMTP")
        domain = ""
        while True:
            line = wire.line()
            verb = line.partition(" ")[0]
            name = peer_name(wire.tls) if wire.tls is not None else None
            if verb == "QUIT":
                wire.say("221 2.0.0 Ok")
                return
            if verb == "EHLO" and wire.tls is None and not self.neglects("starttls"):
                wire.say("250-operateur\r\n250 STARTTLS")
            elif verb == "STARTTLS":
                wire.say("220 Go on")
                wire.meet_client(self.context)
            elif verb == "MAIL":
                domain = line.partition("@")[2].partition(">")[0]
                if wire.tls is None and not self.neglects("tls"):
                    wire.say("530 5.7.0 MSS-105 Connexion chiffree requise.")
                elif wire.tls is not None and not self.lists(name, domain):
                    wire.say("550 5.7.1 MSS-157 Pas pour ce domaine.")
                else:
                    wire.say("250 Ok")
            elif verb == "RCPT" and OPERATOR not in line and not self.neglects("relay"):
                wire.say("550 5.7.1 MSS-118 Pas de relais.")
            elif verb == "DATA":
                wire.say("354 Go on")
                author = wire.content(65536).partition(b"\r\n")[0].decode().partition("@")[2].rstrip(">")
                if author != domain and not self.neglects("from"):
                    wire.say("550 5.7.1 MSS-159 From d'un autre domaine.")
                else:
                    wire.say("250 Ok")
            else:
                wire.say("250 Ok")

    def lists(self, name: DistinguishedName | None, domain: str) -> bool:
        if self.neglects("certificate"):
            return True
        if name is None:
            return self.neglects("no-certificate")
        if self.neglects("dn"):
            return True
        if self.neglects("cn"):
            return any(name.common_name == listed.common_name for at, listed in self.listed if at == domain)
        if not domain or self.neglects("domain"):
            return any(name == listed for _, listed in self.listed)
        return (domain, name) in self.listed


@pytest.fixture
def strict(operator: Identity, pki: Pki) -> Iterator[type[Strict]]:
    """Makes operators that are closed after the test: `strict("cn")` compares only the common name."""
    opened: list[tuple[Strict, threading.Thread]] = []

    def make(*careless: str) -> Strict:
        server = Strict(operator, pki.ca_file, pki.crl_file, *careless)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        opened.append((server, thread))
        return server

    yield make  # type: ignore[misc]
    for server, thread in opened:
        server.shutdown()
        thread.join()
        server.server_close()
