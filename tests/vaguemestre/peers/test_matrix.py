from __future__ import annotations

import csv
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certs.names import DistinguishedName
from vaguemestre.peers.matrix import (
    Papers,
    PeerCase,
    PeersUnusable,
    described,
    read_folder,
    write_folder,
)
from vaguemestre.sandbox_peers import PEERS, WITHOUT_TLS, peer_entries

if TYPE_CHECKING:
    from pathlib import Path

    from certs.pki import Pki
    from vaguemestre.peers.matrix import Peers


@pytest.fixture
def papers(pki: Pki) -> Papers:
    return Papers(pki.ca_file, pki.crl_file, tuple((domain, str(name)) for domain, name in peer_entries()))


def test_a_written_folder_is_read_back(tmp_path: Path, peers: Peers, papers: Papers, pki: Pki) -> None:
    folder = tmp_path / "peers"
    write_folder(folder, peers, papers)
    found = read_folder(folder)
    assert set(found) == set(PeerCase)
    for case, peer in found.items():
        assert peer.domain == peers[case].domain
        if case is PeerCase.NO_TLS:
            assert peer.identity is None
            continue
        assert peer.identity is not None
        assert peers[case].identity is not None
        assert peer.identity.certificate.read_bytes() == peers[case].identity.certificate.read_bytes()
        assert stat.S_IMODE(peer.identity.key.stat().st_mode) == 0o600
    assert (folder / "ca.pem").read_bytes() == pki.ca_file.read_bytes()


def test_the_peers_of_a_sandbox_are_those_of_the_matrix(pki: Pki) -> None:
    folder = pki.directory / "peers"
    rows = [
        {
            "case": peer.case,
            "domain": peer.domain,
            "certificate": f"{folder / peer.case}.pem",
            "key": f"{folder / peer.case}.key",
        }
        for peer in PEERS
    ]
    found = described(rows, WITHOUT_TLS)
    assert set(found) == set(PeerCase)
    assert found[PeerCase.NO_TLS].identity is None


def test_a_folder_says_what_the_other_operator_needs(
    tmp_path: Path, peers: Peers, papers: Papers, pki: Pki
) -> None:
    write_folder(tmp_path, peers, papers)
    revoked = x509.load_pem_x509_certificate((tmp_path / "revoked.pem").read_bytes())
    crl = x509.load_pem_x509_crl((tmp_path / "crl.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(revoked.serial_number) is not None
    with (tmp_path / "listed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert {(row["domain"], DistinguishedName.parse(row["dn"])) for row in rows} == set(peer_entries())
    assert {peer.domain for peer in peers.values()} <= {row["domain"] for row in rows}


def test_a_file_that_exists_is_named_and_nothing_is_written(
    tmp_path: Path, peers: Peers, papers: Papers
) -> None:
    (tmp_path / "valid.key").write_text("another key")
    with pytest.raises(PeersUnusable, match=r"valid\.key exists: choose another folder"):
        write_folder(tmp_path, peers, papers)
    assert [each.name for each in tmp_path.iterdir()] == ["valid.key"]
    assert (tmp_path / "valid.key").read_text() == "another key"


def test_a_peer_may_name_the_port_it_listens_on(tmp_path: Path, peers: Peers, papers: Papers) -> None:
    write_folder(tmp_path, peers, papers)
    file = tmp_path / "peers.toml"
    file.write_text(file.read_text().replace("[valid]\n", "[valid]\nport = 2525\n"))
    assert read_folder(tmp_path)[PeerCase.VALID] == replace(read_folder(tmp_path)[PeerCase.VALID], port=2525)


GOOD = '[valid]\ndomain = "a.fr"\ncertificate = "a.pem"\nkey = "a.pem"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("valid", "is no TOML"),
        ("", "no [valid] peer"),
        (GOOD + "[strange]\n", "[strange] is no case"),
        (GOOD + "[expired]\n", "[expired] has no domain"),
        (GOOD + '[expired]\ndomain = "b.fr"\n', "[expired] needs a certificate and a key"),
        (
            GOOD + '[expired]\ndomain = "b.fr"\ncertificate = "b.pem"\nkey = "a.pem"\n',
            "b.pem does not exist",
        ),
        (GOOD + "colour = 1\n", "colour is unknown"),
        (GOOD + "port = 70000\n", "port is no port number"),
        ("valid = 1\n", "[valid] is no table"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused_in_one_sentence(
    text: str | None, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pem").touch()
    if text is not None:
        (tmp_path / "peers.toml").write_text(text)
    with pytest.raises(PeersUnusable) as refused:
        read_folder(tmp_path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
