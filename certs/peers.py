"""Judges the certificate that another operator shows: usage, dates, revocation, and for whom its name is listed."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import Enum, StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.authorities import UNREADABLE
from certs.names import DistinguishedName

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from certs.authorities import Authorities
    from certs.revocation import Revocations
    from certs.white_list import WhiteList

_MOST_VERDICTS = 4096


class PeerFault(StrEnum):
    """Why a certificate does not open the door."""

    NO_CERTIFICATE = "no-certificate"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REVOCATION_UNKNOWN = "revocation-unknown"
    WRONG_USAGE = "wrong-usage"


class Role(Enum):
    """Which side of a connection showed a certificate, or that it signed what was shown."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    SIGNER = ExtendedKeyUsageOID.EMAIL_PROTECTION


@dataclass(frozen=True, slots=True)
class Peer:
    """Another operator, as its certificate names it, with the domains it may speak for; none when unlisted."""

    name: DistinguishedName
    common_name: str
    domains: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a certificate is, whatever the time, and the times that decide the rest."""

    answer: Peer | PeerFault
    start: datetime
    end: datetime
    known_until: datetime | None
    """Until when its revocation can be answered; None where it never could."""


class Judge:
    """Holds certificates against one state of the lists, and remembers what it found."""

    def __init__(self, authorities: Authorities, revocations: Revocations, white_list: WhiteList) -> None:
        self._authorities = authorities
        self._revocations = revocations
        self._white_list = white_list
        self._verdicts: dict[tuple[Role, bytes], _Verdict | PeerFault] = {}

    # ref: F05, F06
    def judge(self, der: bytes | None, role: Role, now: datetime) -> Peer | PeerFault:
        """Who showed this certificate, or why it is refused."""
        if not der:
            return PeerFault.NO_CERTIFICATE
        key = (role, hashlib.sha256(der).digest())
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[key] = self._look(der, role, now)
        if isinstance(verdict, _Verdict) and not verdict.start <= now <= verdict.end:
            verdict = self._look(der, role, now)  # an authority may have been renewed: another way up
        if isinstance(verdict, PeerFault):
            return verdict
        if not verdict.start <= now <= verdict.end:
            return PeerFault.EXPIRED
        if isinstance(verdict.answer, PeerFault):
            return verdict.answer
        if self._revocations.is_checked and (verdict.known_until is None or now > verdict.known_until):
            return PeerFault.REVOCATION_UNKNOWN
        return verdict.answer

    def _look(self, der: bytes, role: Role, now: datetime) -> _Verdict | PeerFault:
        try:
            certificate = x509.load_der_x509_certificate(der)
            chain = self._authorities.chain_of(certificate, now)
            # A signature is whole octets: a count of unused bits in its BIT STRING is in no signed part.
            if chain is None or der[-len(certificate.signature) - 1]:
                return PeerFault.UNTRUSTED
            name = DistinguishedName.from_x509(certificate.subject)
            fits = _fits(certificate, role) and _is_plain(certificate, name)
            links = (certificate, *chain)
            start = max(each.not_valid_before_utc for each in links)
            end = min(each.not_valid_after_utc for each in links)
        except UNREADABLE:
            return PeerFault.UNTRUSTED
        answer: Peer | PeerFault
        if not fits:
            answer = PeerFault.WRONG_USAGE
        elif any(
            self._revocations.revoked_since(each, issuer) is not None for each, issuer in pairwise(links)
        ):
            answer = PeerFault.REVOKED
        else:
            answer = Peer(name, name.common_name or "", self._white_list.domains_of(name))
        return _Verdict(answer, start, end, self._known_until(chain))

    def _known_until(self, chain: tuple[x509.Certificate, ...]) -> datetime | None:
        """The issuer must have a list; the authorities above it count when theirs is held."""
        until = self._revocations.serves_until(chain[0])
        for issuer in chain[1:]:
            above = self._revocations.serves_until(issuer)
            if until is not None and above is not None:
                until = min(until, above)
        return until


def fault_of_handshake(error: ssl.SSLError) -> PeerFault | None:
    """Why OpenSSL refused the other side's certificate; None when the handshake failed for another reason."""
    if getattr(error, "reason", None) == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return PeerFault.NO_CERTIFICATE
    code = getattr(error, "verify_code", None)
    if not code:
        return None
    return _HANDSHAKE.get(code, PeerFault.UNTRUSTED)


# X509_V_ERR_… of OpenSSL's x509_vfy.h; every other one is a chain that does not hold.
_HANDSHAKE = {
    3: PeerFault.REVOCATION_UNKNOWN,
    9: PeerFault.EXPIRED,
    10: PeerFault.EXPIRED,
    11: PeerFault.REVOCATION_UNKNOWN,
    12: PeerFault.REVOCATION_UNKNOWN,
    23: PeerFault.REVOKED,
    26: PeerFault.WRONG_USAGE,
}


def _fits(certificate: x509.Certificate, role: Role) -> bool:
    """Key usage and extended key usage allow this role; absent ones allow it too (RFC 5280 §4.2.1.12)."""
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            return False
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return False
        if isinstance(value, x509.ExtendedKeyUsage) and not (
            role.value in value or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in value
        ):
            return False
    return True


def _is_plain(certificate: x509.Certificate, name: DistinguishedName) -> bool:
    """The name is one host's: with a common name, without wildcard or control character, in any of its forms."""
    texts = [value for _, value in name.attributes]
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            texts += extension.value.get_values_for_type(x509.DNSName)
    return bool(name.common_name) and not any(
        character == "*" or unicodedata.category(character) == "Cc" for text in texts for character in text
    )
