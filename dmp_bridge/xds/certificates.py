"""Whose certificates are believed: those of organisations by the espace de confiance, those of cards by their own authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cryptography import x509

from certs.authorities import UNREADABLE, Authorities, holds_at
from certs.names import DistinguishedName
from certs.peers import Peer, PeerFault

if TYPE_CHECKING:
    from foundation.clock import Clock


class Organisations(Protocol):
    """Who judges the certificates of organisations, revoked ones included (certs.trust)."""

    def judge_client(self, der: bytes | None) -> Peer | PeerFault: ...

    def judge_signer(self, der: bytes) -> Peer | PeerFault: ...


class Certificates:
    """`organisations` and `persons` are None where none is believed. Every answer is None for a stranger."""

    def __init__(
        self, organisations: Organisations | None, persons: Authorities | None, clock: Clock
    ) -> None:
        self._organisations = organisations
        self._persons = persons
        self._clock = clock

    def connected_organisation(self, der: bytes) -> DistinguishedName | None:
        """The organisation whose TLS certificate this is (ORG_AUTH_CLI)."""
        return _name(self._organisations.judge_client(der)) if self._organisations is not None else None

    def signing_organisation(self, der: bytes) -> DistinguishedName | None:
        """The organisation whose certificate for signatures this is (ORG_SIGN)."""
        return _name(self._organisations.judge_signer(der)) if self._organisations is not None else None

    def person(self, der: bytes) -> DistinguishedName | None:
        """The professional whose card holds this certificate: the CN is the PS_IdNat."""
        if self._persons is None:
            return None
        now = self._clock.now()
        try:
            certificate = x509.load_der_x509_certificate(der)
            chain = self._persons.chain_of(certificate, now)
            if chain is None or not all(holds_at(each, now) for each in (certificate, *chain)):
                return None
            name = DistinguishedName.from_x509(certificate.subject)
            is_card = (name.common_name or "").replace("/", "").isalnum() and (name.common_name or "")[
                0
            ].isdigit()
            return name if is_card and _may_sign(certificate) else None
        except UNREADABLE:
            return None


def _name(judged: Peer | PeerFault) -> DistinguishedName | None:
    return judged.name if isinstance(judged, Peer) else None


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True
