"""The authorities one believes, and the way from a certificate up to one of their roots."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.utils import CryptographyDeprecationWarning

from certs.tls import TlsUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

_LONGEST_CHAIN = 6
UNREADABLE: tuple[type[Exception], ...] = (
    CryptographyDeprecationWarning,  # where warnings are errors: a negative serial number will be one for all
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for a hostile certificate or list: some only when a field is looked at."""
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


# ref: ECO.1.1.10
@dataclass(frozen=True, slots=True)
class Authorities:
    """Roots and intermediates, as `tls.ca_file` holds them. A chain may only lead through these.

    A certificate whose issuer is not among them is of another authority, even when its owner shows an
    intermediate that one of the roots has signed (ECO.1.1.10: only the authority of organisations counts).
    """

    certificates: tuple[x509.Certificate, ...]
    _by_name: Mapping[x509.Name, tuple[x509.Certificate, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: defaultdict[x509.Name, list[x509.Certificate]] = defaultdict(list)
        for certificate in self.certificates:
            if _may_sign(certificate):
                by_name[certificate.subject].append(certificate)
        object.__setattr__(self, "_by_name", {name: tuple(found) for name, found in by_name.items()})

    @classmethod
    def load(cls, path: Path) -> Authorities:
        """Reads a PEM file. Raises TlsUnusable when it cannot be read or holds no root."""
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except OSError as error:
            raise TlsUnusable(f"The authority file {path} cannot be read: {error.strerror}.") from error
        except UNREADABLE as error:
            raise TlsUnusable(f"The authority file {path} is not usable PEM.") from error
        if not any(is_root(certificate) for certificate in certificates):
            raise TlsUnusable(f"The authority file {path} holds no root certificate.")
        return cls(tuple(certificates))

    def chain_of(
        self, certificate: x509.Certificate, at: datetime | None = None
    ) -> tuple[x509.Certificate, ...] | None:
        """The authorities above a certificate, its issuer first and a root last; None when there is no way up.

        Of several ways (an authority whose certificate was renewed) one that holds at `at` is preferred.
        The dates are the caller's to judge.
        """
        best: tuple[x509.Certificate, ...] | None = None
        for chain in self._ways(certificate, ()):
            if at is None or all(holds_at(each, at) for each in chain):
                return chain
            best = best or chain
        return best

    def named(self, name: x509.Name) -> tuple[x509.Certificate, ...]:
        """The authorities of a name: more than one where a key or a certificate was renewed."""
        return self._by_name.get(name, ())

    def _ways(
        self, certificate: x509.Certificate, below: tuple[x509.Certificate, ...]
    ) -> list[tuple[x509.Certificate, ...]]:
        if len(below) == _LONGEST_CHAIN:
            return []
        try:
            candidates = self.named(certificate.issuer)
        except UNREADABLE:
            return []
        ways: list[tuple[x509.Certificate, ...]] = []
        for issuer in candidates:
            if (
                issuer in below
                or not _may_sign_below(issuer, len(below))
                or not is_issued_by(certificate, issuer)
            ):
                continue
            chain = (*below, issuer)
            ways += [chain] if is_root(issuer) else self._ways(issuer, chain)
        return ways


def holds_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether a certificate's dates include an instant (RFC 5280 §4.1.2.5: both ends belong to it)."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate bears the name of an issuer and a SHA-2 signature of its key."""
    try:
        if certificate != issuer and not isinstance(certificate.signature_hash_algorithm, _STRONG):
            return False
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return False
    return True


def is_root(certificate: x509.Certificate) -> bool:
    """Whether a certificate is signed by its own key."""
    return certificate.issuer == certificate.subject and is_issued_by(certificate, certificate)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid
    except UNREADABLE:
        return False
    return constraints.ca and usage.key_cert_sign


def _may_sign_below(issuer: x509.Certificate, authorities_below: int) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    except UNREADABLE:
        return False
    return constraints.ca and (
        constraints.path_length is None or authorities_below <= constraints.path_length
    )
