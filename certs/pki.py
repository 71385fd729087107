"""The sandbox's certificate authority: the shape of IGC-Santé Élémentaire, with names nobody can mistake for it."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certs.names import DistinguishedName
from certs.profiles import DIGEST, Issuer, Purpose, Validity, authority, leaf
from foundation.files import PRIVATE, PUBLIC, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT_NAME = DistinguishedName.parse(
    "CN=TEST AC RACINE VAGUEMESTRE ELEMENTAIRE,OU=BAC A SABLE,O=VAGUEMESTRE,C=FR"
)
ORGANISATIONS_NAME = DistinguishedName.parse(
    "CN=TEST AC VAGUEMESTRE ELEMENTAIRE ORGANISATIONS,OU=BAC A SABLE,O=VAGUEMESTRE,C=FR"
)
FOREIGN_NAME = DistinguishedName.parse(
    "CN=TEST AC RACINE ETRANGERE,OU=BAC A SABLE,O=AUTRE ESPACE DE CONFIANCE,C=FR"
)
_CRL_URL = (
    "http://crl.vaguemestre.test/{}.crl"  # .test never resolves (RFC 6761): the file is beside the keys
)

_AUTHORITY_PAST = timedelta(days=5 * 365)  # so that an expired leaf still lies within its authority's life
_AUTHORITY_LIFE = timedelta(days=15 * 365)
_LEAF_LIFE = timedelta(days=3 * 365)
_SIGNED_BEFORE = timedelta(days=4 * 365)
_CLOCK_SKEW = timedelta(hours=1)
_CRL_LIFE = timedelta(days=30)
_CRL_RENEWED_BEFORE = timedelta(days=7)


class PkiUnusable(Exception):
    """The authority's files are missing or damaged; the text is one sentence for the operator."""


class Case(StrEnum):
    """How an issued certificate is broken on purpose (the MOTCO1 audit domains)."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    FOREIGN_CA = "foreign-ca"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key and the authorities between it and a root."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        """The certificate, then its chain, as a TLS server wants to load them."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self.key)

    @property
    def dn(self) -> DistinguishedName:
        return DistinguishedName.from_x509(self.certificate.subject)

    def write(self, prefix: Path) -> tuple[Path, Path]:
        """Writes `prefix`.pem and `prefix`.key (mode 0600) and gives their paths."""
        certificate, key = prefix.with_name(prefix.name + ".pem"), prefix.with_name(prefix.name + ".key")
        prefix.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(key, self.key_pem, PRIVATE)
        write_atomically(certificate, self.pem, PUBLIC)
        return certificate, key


@dataclass(frozen=True, slots=True)
class Pki:
    """A root, the intermediate that signs organisations, and a foreign root nobody trusts.

    Several processes may use one directory at once: each reading of the CRL that is followed by a writing
    holds a lock on the directory.
    """

    directory: Path
    root: Issuer = field(repr=False)
    organisations: Issuer = field(repr=False)
    foreign: Issuer = field(repr=False)

    @classmethod
    def create(cls, directory: Path, now: datetime) -> Pki:
        """Makes the three authorities and their CRL in an empty directory; takes about a second."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        validity = Validity(now - _AUTHORITY_PAST, now + _AUTHORITY_LIFE)
        root_key, organisations_key, foreign_key = (_new_key(3072) for _ in range(3))
        root = Issuer(authority(ROOT_NAME, root_key, validity, None, path_length=1), root_key, _url("racine"))
        organisations = Issuer(
            authority(ORGANISATIONS_NAME, organisations_key, validity, root, path_length=0),
            organisations_key,
            _url("organisations"),
        )
        foreign = Issuer(
            authority(FOREIGN_NAME, foreign_key, validity, None, path_length=0),
            foreign_key,
            _url("etrangere"),
        )
        pki = cls(directory, root, organisations, foreign)
        with pki._locked():
            for name, issuer in pki._issuers():
                write_atomically(directory / f"{name}.key", _key_pem(issuer.key), PRIVATE)
                write_atomically(
                    directory / f"{name}.pem", issuer.certificate.public_bytes(Encoding.PEM), PUBLIC
                )
            pki._write_crl([], now)
            chain = (root.certificate, organisations.certificate)
            # last: a directory without it is one whose creation was cut short
            write_atomically(pki.ca_file, b"".join(each.public_bytes(Encoding.PEM) for each in chain), PUBLIC)
        return pki

    @classmethod
    def open(cls, directory: Path, now: datetime) -> Pki:
        """Reads the authorities from their files and renews the CRL when it nears its end.

        Raises PkiUnusable when a file is missing or unreadable.
        """
        root, organisations, foreign = (
            _load_issuer(directory, name) for name in ("racine", "organisations", "etrangere")
        )
        pki = cls(directory, root, organisations, foreign)
        pki.renew_crl(now)
        return pki

    @classmethod
    def open_or_create(cls, directory: Path, now: datetime) -> Pki:
        """`open` where an authority stands already, else `create`."""
        return cls.open(directory, now) if (directory / "ca.pem").exists() else cls.create(directory, now)

    @property
    def ca_file(self) -> Path:
        """The trust chain, root first, in PEM."""
        return self.directory / "ca.pem"

    @property
    def crl_file(self) -> Path:
        """The current revocation list of the organisations' authority, in PEM."""
        return self.directory / "organisations.crl.pem"

    # ref: ECO.1.1.5
    def issue(
        self,
        name: DistinguishedName,
        now: datetime,
        *,
        purpose: Purpose = Purpose.SERVER,
        case: Case = Case.VALID,
        hosts: tuple[str, ...] = (),
    ) -> Issued:
        """A new key (RSA 2048) and its certificate for three years; holds the processor for about 0.1 s.

        Raises NameMalformed when the name cannot stand in a certificate.
        """
        if case is Case.EXPIRED:
            validity = Validity(now - _LEAF_LIFE - timedelta(days=30), now - timedelta(days=30))
        else:
            # Lists of earlier years are signed with it too, and each is judged at its own date.
            before = _SIGNED_BEFORE if purpose is Purpose.SIGNATURE else _CLOCK_SKEW
            validity = Validity(now - before, now + _LEAF_LIFE)
        issuer = self.foreign if case is Case.FOREIGN_CA else self.organisations
        key = _new_key(2048)
        certificate = leaf(name, key.public_key(), validity, issuer, purpose, hosts)
        if case is Case.REVOKED:
            self.revoke(certificate, now)
        return Issued(certificate, key, (issuer.certificate,))

    # ref: ECO.1.1.6
    def revoke(self, certificate: x509.Certificate, now: datetime) -> bool:
        """Adds the certificate to the revocation list and writes it; False when it was on it already."""
        with self._locked():
            revoked = self._revoked()
            if any(entry.serial_number == certificate.serial_number for entry in revoked):
                return False
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now)
                .add_extension(x509.CRLReason(x509.ReasonFlags.cessation_of_operation), critical=False)
                .build()
            )
            self._write_crl([*revoked, entry], now)
        return True

    def renew_crl(self, now: datetime) -> None:
        """Signs the revocation list again once less than a week of it is left."""
        with self._locked():
            end = self._crl().next_update_utc
            if end is None or end - now < _CRL_RENEWED_BEFORE:
                self._write_crl(self._revoked(), now)

    def _issuers(self) -> tuple[tuple[str, Issuer], ...]:
        return (("racine", self.root), ("organisations", self.organisations), ("etrangere", self.foreign))

    def _crl(self) -> x509.CertificateRevocationList:
        try:
            return x509.load_pem_x509_crl(self.crl_file.read_bytes())
        except (OSError, ValueError) as error:
            raise PkiUnusable(f"The revocation list {self.crl_file} cannot be read.") from error

    def _revoked(self) -> list[x509.RevokedCertificate]:
        return list(self._crl())

    def _write_crl(self, revoked: list[x509.RevokedCertificate], now: datetime) -> None:
        number = int(now.timestamp() * 1_000_000)  # rises with time, as RFC 5280 §5.2.3 asks
        if self.crl_file.exists():
            current = self._crl().extensions.get_extension_for_class(x509.CRLNumber)
            number = max(number, current.value.crl_number + 1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.organisations.certificate.subject)
            .last_update(now - _CLOCK_SKEW)
            .next_update(now + _CRL_LIFE)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.organisations.key.public_key()),
                critical=False,
            )
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(self.organisations.key, DIGEST)
        write_atomically(self.crl_file, crl.public_bytes(Encoding.PEM), PUBLIC)
        write_atomically(self.directory / "organisations.crl", crl.public_bytes(Encoding.DER), PUBLIC)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _url(name: str) -> str:
    return _CRL_URL.format(name)


def _new_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_issuer(directory: Path, name: str) -> Issuer:
    certificate_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise PkiUnusable(
            f"The authority's file {error.filename} cannot be read: {error.strerror}."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiUnusable(
            f"The authority {name} in {directory} is damaged: its PEM cannot be read."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise PkiUnusable(f"The key {key_file} does not belong to the certificate {certificate_file}.")
    return Issuer(certificate, key, _url(name))
