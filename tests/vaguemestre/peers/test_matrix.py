from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from vaguemestre.peers.matrix import (
    PeerCase,
    PeersUnusable,
    described,
    read_folder,
    write_folder,
)
from vaguemestre.sandbox_peers import PEERS, WITHOUT_TLS

if TYPE_CHECKING:
    from pathlib import Path

    from certs.pki import Pki
    from vaguemestre.peers.matrix import Peers


def test_a_written_folder_is_read_back(tmp_path: Path, peers: Peers, pki: Pki) -> None:
    folder = tmp_path / "peers"
    write_folder(folder, peers, pki.ca_file)
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


def test_a_peer_may_name_the_port_it_listens_on(tmp_path: Path, peers: Peers, pki: Pki) -> None:
    write_folder(tmp_path, peers, pki.ca_file)
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
