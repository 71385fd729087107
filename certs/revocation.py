"""Revocation lists (RFC 5280 §5): read once, signature checked against the authorities, held until a better one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.authorities import UNREADABLE
from certs.names import DistinguishedName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from certs.authorities import Authorities

LARGEST_CRL = 32 * 1024 * 1024
_SKEW = timedelta(days=1)
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class CrlRefused(Exception):
    """A revocation list is not taken; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Crl:
    """A revocation list of one authority, checked."""

    issuer: x509.Certificate
    number: int
    this_update: datetime
    next_update: datetime
    der: bytes = field(repr=False)
    _parsed: x509.CertificateRevocationList = field(repr=False, compare=False)

    @classmethod
    def read(cls, content: bytes, authorities: Authorities, now: datetime) -> Crl:
        """Reads PEM or DER and finds the authority that signed it. Raises CrlRefused."""
        if len(content) > LARGEST_CRL:
            raise CrlRefused(f"The revocation list is larger than {LARGEST_CRL // 1024 // 1024} MB.")
        try:
            parsed = (
                x509.load_pem_x509_crl(content)
                if content.lstrip().startswith(b"-----BEGIN")
                else x509.load_der_x509_crl(content)
            )
            issuer = _issuer(parsed, authorities)
            if issuer is None:
                raise CrlRefused("The revocation list is not signed by an authority of tls.ca_file.")
            _refuse_partial(parsed.extensions)
            if parsed.next_update_utc is None:
                raise CrlRefused("The revocation list does not say when the next one is due.")
            if parsed.last_update_utc > now + _SKEW:
                raise CrlRefused("The revocation list is dated in the future.")
            return cls(
                issuer,
                _number(parsed.extensions),
                parsed.last_update_utc,
                parsed.next_update_utc,
                parsed.public_bytes(Encoding.DER),
                parsed,
            )
        except UNREADABLE as error:
            raise CrlRefused("The revocation list cannot be read.") from error

    def revoked_since(self, certificate: x509.Certificate) -> datetime | None:
        """Since when a certificate of this authority is revoked; None when the list does not hold it."""
        entry = self._parsed.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is None:
            return None
        since = entry.revocation_date_utc
        try:
            invalid = entry.extensions.get_extension_for_class(x509.InvalidityDate).value
        except x509.ExtensionNotFound:
            return since
        except UNREADABLE:
            return since
        return min(since, invalid.invalidity_date_utc)

    def replaces(self, held: Crl) -> bool:
        """Whether this one is newer; fetched over plain HTTP, an older one may be a replay."""
        return (self.this_update, self.number) > (held.this_update, held.number)

    def check_follows(self, held: Crl) -> None:
        """Whether it may take the place of another one from the same URL. Raises CrlRefused.

        The list of another authority, however well signed, would push that of the first one out, and with it
        the memory of which date has been reached. An authority whose key was renewed keeps its name.
        """
        if self.issuer.subject != held.issuer.subject:
            raise CrlRefused(
                f"The revocation list is of another authority ({_common_name(self.issuer)})"
                f" than the one in use ({_common_name(held.issuer)})."
            )
        if not self.replaces(held):
            raise CrlRefused("The revocation list is older than the one in use.")

    @property
    def count(self) -> int:
        """How many certificates it names."""
        return len(self._parsed)


@dataclass(frozen=True, slots=True)
class Revocations:
    """The revocation lists in use, at most one for each key of an authority.

    `is_checked` is False where the operator has named no list at all: then nothing counts as revoked.
    """

    grace: timedelta
    is_checked: bool = True
    _by_key: Mapping[bytes, Crl] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, lists: Iterable[Crl], grace: timedelta) -> Revocations:
        """The newest list of each authority."""
        by_key: dict[bytes, Crl] = {}
        for each in lists:
            key = _key(each.issuer)
            if key not in by_key or each.replaces(by_key[key]):
                by_key[key] = each
        return cls(grace, _by_key=by_key)

    @classmethod
    def unchecked(cls) -> Revocations:
        """No list and no question: the operator has named none."""
        return cls(timedelta(0), is_checked=False)

    @property
    def lists(self) -> tuple[Crl, ...]:
        return tuple(self._by_key.values())

    def held_for(self, issuer: x509.Certificate) -> Crl | None:
        """The list of an authority; by its key, because two authorities may have the same name."""
        return self._by_key.get(_key(issuer))

    # ref: F07
    def revoked_since(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """Since when a certificate is revoked, as far as the lists held say."""
        held = self.held_for(issuer)
        return held.revoked_since(certificate) if held is not None else None

    def serves_until(self, issuer: x509.Certificate) -> datetime | None:
        """Until when the list of an authority may be relied upon, grace included; None without one."""
        held = self.held_for(issuer)
        return held.next_update + self.grace if held is not None else None


def _issuer(crl: x509.CertificateRevocationList, authorities: Authorities) -> x509.Certificate | None:
    if not isinstance(crl.signature_hash_algorithm, _STRONG):
        return None
    for candidate in authorities.named(crl.issuer):
        if _may_sign_crls(candidate) and crl.is_signature_valid(candidate.public_key()):  # type: ignore[arg-type]
            return candidate
    return None


def _may_sign_crls(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _refuse_partial(extensions: x509.Extensions) -> None:
    """A list of only some certificates or reasons says nothing about the others (RFC 5280 §5.2.4, §5.2.5)."""
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            partial = (
                value.indirect_crl
                or value.only_some_reasons
                or value.only_contains_attribute_certs
                or value.only_contains_ca_certs
            )
            if partial:
                raise CrlRefused("The revocation list covers only some certificates.")
        elif extension.critical:
            raise CrlRefused("The revocation list has a critical extension that is not known here.")


def _number(extensions: x509.Extensions) -> int:
    try:
        return extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _common_name(certificate: x509.Certificate) -> str:
    return DistinguishedName.from_x509(certificate.subject).common_name or "without a common name"


def _key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
