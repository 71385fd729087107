"""A home with a trust space, for tests."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from certs.names import DistinguishedName
from certs.profiles import Purpose
from certs.trust import Peer, PeerFault, TrustSpace
from foundation.clock import FixedClock
from foundation.settings import Settings, from_values
from tests.certs.lists import SIGNER, certificate_of, entry, issued_by, signed_list

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki

OWN = DistinguishedName.of(cn="mx.ici.test", ou="1990780017", o="CH D'ICI", st="Paris (75)")


@dataclass(frozen=True)
class Place:
    """A home, with what it trusts and where its lists are published."""

    home: Path
    pki: Pki
    signer: Issued
    clock: FixedClock

    @classmethod
    def make(cls, home: Path, pki: Pki, signer: Issued, now: datetime) -> Place:
        (home / "pki").mkdir(parents=True)
        (home / "trust").mkdir()
        issued_by(pki.organisations, OWN, now, purpose=Purpose.SERVER).write(home / "pki" / "server")
        shutil.copy(pki.ca_file, home / "pki" / "ca.pem")
        shutil.copy(pki.crl_file, home / "crl.pem")
        return cls(home, pki, signer, FixedClock(now))

    @property
    def source(self) -> Path:
        """Where the list is published."""
        return self.home / "published.xml"

    @property
    def crl(self) -> Path:
        """Where the revocation list is published."""
        return self.home / "crl.pem"

    @property
    def held(self) -> Path:
        """The list in use."""
        return self.home / "trust" / "white-list.xml"

    def settings(self, **changed: Any) -> Settings:
        """The settings of this home; those of [trust] may be changed."""
        trust = {
            "white_list_url": self.source.as_uri(),
            "signer": SIGNER,
            "crl_urls": [self.crl.as_uri()],
            "largest_loss_percent": 100,
        }
        top = {key: changed.pop(key) for key in ("routes", "sandbox", "tls") if key in changed}
        return from_values(self.home, {"trust": trust | changed, **top})

    def content(self, at: datetime, *domains: str, name: DistinguishedName = OWN) -> bytes:
        """A signed list."""
        return signed_list(
            self.signer, at, *(entry(domain, str(name)) for domain in domains or ("ici.test",))
        )

    def publish(self, at: datetime, *domains: str) -> bytes:
        """Writes a signed list where it is fetched from."""
        content = self.content(at, *domains)
        self.source.write_bytes(content)
        return content

    async def open(self, **changed: Any) -> TrustSpace:
        return await TrustSpace.open(self.settings(**changed), self.clock)


def shown(place: Place, now: datetime, name: DistinguishedName = OWN) -> bytes:
    """A certificate as a peer shows it."""
    return certificate_of(place.pki.organisations, name, now).public_bytes(Encoding.DER)


def domains(space: TrustSpace, certificate: bytes) -> frozenset[str] | PeerFault:
    """What the peer with this certificate may speak for, or why nothing."""
    found = space.judge_client(certificate)
    return found.domains if isinstance(found, Peer) else found
