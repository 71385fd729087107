"""The other operators of a sandbox: one for each case of the audit of the espace de confiance, and their places in its list.

The audit domains of the real list (MOTCO1) are the model: each peer has the certificate of its case, and the list
says of its domain what makes the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certs.names import DistinguishedName
from certs.pki import Case, Pki
from vaguemestre import fictive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

OTHER_OPERATOR = "operateur-tiers.mssante.fr"
"""A listed domain that nobody serves: some peers are mistaken for its operator."""
WITHOUT_TLS = "pair-sans-tls.mssante.fr"
"""The domain of the peer that speaks without TLS; it needs no certificate and has a name in the list all the same."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One case of the audit: its domain, how its certificate is made, and the names its domain has in the list."""

    case: str
    domain: str
    made: Case = Case.VALID

    @property
    def own_name(self) -> DistinguishedName:
        """The name in the certificate the peer shows."""
        return certificate_name(server_name(self.domain), fictive.HOSPITAL)

    @property
    def listed_names(self) -> tuple[tuple[str, DistinguishedName], ...]:
        """Domain and name of each entry the list has for this peer."""
        other = certificate_name(server_name(OTHER_OPERATOR), fictive.IME)
        match self.case:
            case "unlisted-dn":
                return ((self.domain, other),)
            case "wrong-domain":
                return ((self.domain, other), (OTHER_OPERATOR, self.own_name))
            case "cn-differs":
                # The same CN under another organisation: compared by the CN alone it would pass.
                return ((self.domain, certificate_name(server_name(self.domain), fictive.IME)),)
        return ((self.domain, self.own_name),)


PEERS = (
    Peer("valid", "pair-valide.mssante.fr"),
    Peer("expired", "pair-expire.mssante.fr", Case.EXPIRED),
    Peer("revoked", "pair-revoque.mssante.fr", Case.REVOKED),
    Peer("foreign-ca", "pair-non-igc.mssante.fr", Case.FOREIGN_CA),
    Peer("unlisted-dn", "pair-inconnu.mssante.fr"),
    Peer("wrong-domain", "pair-autre-domaine.mssante.fr"),
    Peer("cn-differs", "pair-cn-different.mssante.fr"),
)


def server_name(domain: str) -> str:
    """The host name a domain's mail server would have."""
    return f"mail.{domain}"


def certificate_name(common_name: str, structure: fictive.Structure) -> DistinguishedName:
    """The name in a certificate of a structure, as the real ones are written."""
    return DistinguishedName.of(cn=common_name, ou=structure.idnat, o=structure.name, st="Sarthe (72)")


def prepare_peers(pki: Pki, now: datetime) -> None:
    """Certificates and keys of the peers, each made once."""
    for peer in PEERS:
        prefix = pki.directory / "peers" / peer.case
        if not prefix.with_name(f"{peer.case}.pem").exists():
            pki.issue(peer.own_name, now, case=peer.made).write(prefix)


def peer_entries() -> Iterator[tuple[str, DistinguishedName]]:
    """What the sandbox's list says of its peers: domain and name of a certificate."""
    for peer in PEERS:
        yield from peer.listed_names
    yield WITHOUT_TLS, certificate_name(server_name(WITHOUT_TLS), fictive.HOSPITAL)
    yield OTHER_OPERATOR, certificate_name(server_name(OTHER_OPERATOR), fictive.IME)
