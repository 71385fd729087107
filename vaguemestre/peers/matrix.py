"""The audit matrix of the espace de confiance: one peer for each way of being wrong, and what each must meet.

The cases are those of the audit domains of the real liste blanche (MOTCO1).
"""

from __future__ import annotations

import csv
import io
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.tls import Identity
from foundation.files import PRIVATE, PUBLIC, write_atomically
from vaguemestre.home import to_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = "peers.toml"
CA_FILE = "ca.pem"
CRL_FILE = "crl.pem"
LISTED_FILE = "listed.csv"


class PeerCase(StrEnum):
    """What is wrong with a peer, if anything."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    FOREIGN_CA = "foreign-ca"
    UNLISTED_DN = "unlisted-dn"
    WRONG_DOMAIN = "wrong-domain"
    CN_DIFFERS = "cn-differs"
    NO_TLS = "no-tls"


class Direction(StrEnum):
    """Who opens the connection."""

    IN = "in"
    """We visit the operator as each peer."""
    OUT = "out"
    """The operator sends to each peer, which is us."""


class PeersUnusable(Exception):
    """The peers' folder cannot serve; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class AuditPeer:
    """One peer: the domain it speaks for, and its certificate (none for the one without TLS).

    `port` is where it listens when the operator sends to it; 0 takes any free one.
    """

    case: PeerCase
    domain: str
    identity: Identity | None = None
    port: int = 0

    @property
    def mailbox(self) -> str:
        """The address of the audit at this peer."""
        return f"audit@{self.domain}"


Peers = dict[PeerCase, AuditPeer]


@dataclass(frozen=True, slots=True)
class Papers:
    """What an operator has to have before an audit with these peers proves anything."""

    ca_file: Path
    """Whom it must believe; its own certificate must come from there too."""
    crl_file: Path
    """Where it must see that the revoked peer is."""
    listed: tuple[tuple[str, str], ...]
    """Domain and DN of each entry that its white list must have, those of the wrong peers included."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one case held, and what was seen."""

    direction: Direction
    case: str
    expected: str
    observed: str
    holds: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "direction": self.direction.value,
            "case": self.case,
            "holds": self.holds,
            "expected": self.expected,
            "observed": self.observed,
        }


def described(rows: Iterable[Mapping[str, str]], without_tls: str) -> Peers:
    """The peers of a `sandbox.json`, and the one without TLS, which needs no certificate."""
    peers = {
        case: AuditPeer(case, row["domain"], Identity(Path(row["certificate"]), Path(row["key"])))
        for row in rows
        if (case := PeerCase(row["case"]))
    }
    peers[PeerCase.NO_TLS] = AuditPeer(PeerCase.NO_TLS, without_tls)
    return peers


def read_folder(folder: Path) -> Peers:
    """The peers that `peers.toml` of a folder names. Raises PeersUnusable."""
    file = folder / FILE
    try:
        with file.open("rb") as stream:
            tables = tomllib.load(stream)
    except OSError as error:
        raise PeersUnusable(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PeersUnusable(f"{file} is no TOML: {error}") from error
    peers = dict(_peer(folder, name, table) for name, table in tables.items())
    if PeerCase.VALID not in peers:
        raise PeersUnusable(
            f"{file} has no [valid] peer: without one that is accepted, a refusal proves nothing"
        )
    return peers


def _peer(folder: Path, name: str, table: Any) -> tuple[PeerCase, AuditPeer]:
    where = f"{folder / FILE}: [{name}]"
    try:
        case = PeerCase(name)
    except ValueError as error:
        raise PeersUnusable(f"{where} is no case: {', '.join(PeerCase)}") from error
    if not isinstance(table, dict):
        raise PeersUnusable(f"{where} is no table")
    if unknown := sorted(set(table) - {"domain", "certificate", "key", "port"}):
        raise PeersUnusable(f"{where} {unknown[0]} is unknown: domain, certificate, key, port")
    domain, certificate, key, port = (table.get(each) for each in ("domain", "certificate", "key", "port"))
    if not isinstance(domain, str) or not domain:
        raise PeersUnusable(f"{where} has no domain")
    if port is not None and not (isinstance(port, int) and 0 <= port < 65_536):
        raise PeersUnusable(f"{where} port is no port number")
    peer = AuditPeer(case, domain, port=port or 0)
    if case is PeerCase.NO_TLS:
        return case, peer
    if not (isinstance(certificate, str) and isinstance(key, str)):
        raise PeersUnusable(f"{where} needs a certificate and a key")
    for path in (folder / certificate, folder / key):
        if not path.is_file():
            raise PeersUnusable(f"{where} {path} does not exist")
    return case, replace(peer, identity=Identity(folder / certificate, folder / key))


def write_folder(folder: Path, peers: Peers, papers: Papers) -> list[Path]:
    """Writes certificates, keys (mode 0600), what the other operator needs, and the `peers.toml` that names them.

    Raises PeersUnusable, also when one of the files exists: nothing is written then.
    """
    try:
        contents = _contents(peers, papers)
        for name in contents:
            if (folder / name).exists():
                raise PeersUnusable(f"{folder / name} exists: choose another folder, a key is not replaced")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, (content, mode) in contents.items():
            write_atomically(folder / name, content, mode)
    except OSError as error:
        raise PeersUnusable(
            f"{error.filename or folder} cannot be written or read: {error.strerror}"
        ) from error
    return [folder / name for name in contents]


def _contents(peers: Peers, papers: Papers) -> dict[str, tuple[bytes, int]]:
    """Content and mode of each file, by name; `peers.toml` comes last."""
    contents = {
        CA_FILE: (papers.ca_file.read_bytes(), PUBLIC),
        CRL_FILE: (papers.crl_file.read_bytes(), PUBLIC),
        LISTED_FILE: (_listing(papers.listed), PUBLIC),
    }
    tables: dict[str, dict[str, str]] = {}
    for case, peer in peers.items():
        tables[case.value] = {"domain": peer.domain}
        if peer.identity is not None:
            certificate, key = f"{case}.pem", f"{case}.key"
            contents[certificate] = (peer.identity.certificate.read_bytes(), PUBLIC)
            contents[key] = (peer.identity.key.read_bytes(), PRIVATE)
            tables[case.value] |= {"certificate": certificate, "key": key}
    head = (
        "# One table for each case; `port = 2601` says where the peer listens when the operator sends to it,\n"
        "# so that the operator can set its routes beforehand. Without it any free port is taken.\n"
    )
    contents[FILE] = ((head + to_toml(tables)).encode(), PUBLIC)
    return contents


def _listing(entries: Iterable[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(("domain", "dn"))
    writer.writerows(entries)
    return text.getvalue().encode()
