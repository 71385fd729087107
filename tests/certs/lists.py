"""White lists and revocation lists for tests: written, signed, changed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.authorities import Authorities
from certs.list_faults import ListFault, ListRefused
from certs.list_signature import SignaturePolicy, canonical
from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.pki import Issued
from certs.profiles import DIGEST, Issuer, Purpose, Validity, authority, leaf
from certs.white_list import NAMESPACE, SIGNATURE_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from certs.pki import Pki

DS = f"{{{SIGNATURE_NAMESPACE}}}"
SIGNER = "CN=liste-blanche.essai.test"
SIGNER_NAME = DistinguishedName.of(cn="liste-blanche.essai.test", ou="318751275100020", o="AGENCE D'ESSAI")
MX = "CN=mx.essai.test,OU=399900001000010,O=OPERATEUR D'ESSAI,ST=Côtes-d'Armor (22),C=FR"
OTHER = "CN=mx.autre.test,OU=1990780017,O=CH D'À CÔTÉ,ST=Paris (75),C=FR"


def entry(
    domain: str, name: str = MX, description: str = "Essai", updated: str = "2026-10-01T10:00:00Z"
) -> str:
    return (
        f"<Domaine><Nom>{escape(domain)}</Nom><Description>{escape(description)}</Description>"
        f"<DNCertificatOperateur>{escape(name)}</DNCertificatOperateur>"
        "<ResponsableContact>01 00 00 00 00, contact@operateur.example</ResponsableContact>"
        "<SupportContact>01 00 00 00 00, contact@operateur.example</SupportContact>"
        f"<DateMAJ>{updated}</DateMAJ></Domaine>"
    )


def white_list_xml(at: datetime | str, *entries: str) -> bytes:
    """A list as the real one is written: the declaration and the root on one line."""
    date = at if isinstance(at, str) else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    body = "\n        ".join(entries or (entry("essai.mssante.fr"),))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ListeBlancheMSSante xmlns="{NAMESPACE}">\n'
        f"    <DateDeGeneration>{date}</DateDeGeneration>\n"
        f"    <ListeDomaines>\n        {body}\n    </ListeDomaines>\n</ListeBlancheMSSante>\n"
    ).encode()


def signed_list(signer: Issued, at: datetime, *entries: str, profile: Profile = Profile.XML_DSIG) -> bytes:
    return sign(white_list_xml(at, *entries), signer, profile, at)


def policy(pki: Pki, signer: str = SIGNER) -> SignaturePolicy:
    return SignaturePolicy(Authorities.load(pki.ca_file), DistinguishedName.parse(signer))


def fault(read: Callable[[], object]) -> ListFault:
    """The code with which a list is refused."""
    with pytest.raises(ListRefused) as refused:
        read()
    assert str(refused.value).count("\n") == 0
    return refused.value.fault


def edited(content: bytes, change: Callable[[etree._Element], None]) -> bytes:
    """The document with its tree changed; what is not touched stays as it is, octet by octet where it counts."""
    root = etree.fromstring(content)
    change(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def signature_of(root: etree._Element) -> etree._Element:
    return next(root.iter(f"{DS}Signature"))


def resigned(content: bytes, signer: Issued, change: Callable[[etree._Element], None]) -> bytes:
    """The list after a change to its signature that the signer himself has made: SignedInfo is signed anew."""

    def alter(root: etree._Element) -> None:
        change(root)
        signature = signature_of(root)
        info, value = signature.find(f"{DS}SignedInfo"), signature.find(f"{DS}SignatureValue")
        assert info is not None
        assert value is not None
        octets = signer.key.sign(canonical(info), padding.PKCS1v15(), hashes.SHA256())
        value.text = base64.b64encode(octets).decode()

    return edited(content, alter)


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@cache
def a_key(number: int) -> rsa.RSAPrivateKey:
    """A key for tests, made once: making one takes longer than everything else here."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(
    issuer: Issuer,
    name: DistinguishedName,
    now: datetime,
    *,
    purpose: Purpose = Purpose.SERVER,
    days: tuple[float, float] = (-60, 900),
) -> x509.Certificate:
    """An end certificate of an authority, holding from so many days after now until so many."""
    validity = Validity(now + timedelta(days=days[0]), now + timedelta(days=days[1]))
    return leaf(name, a_key(0).public_key(), validity, issuer, purpose)


def issued_by(
    issuer: Issuer, name: DistinguishedName, now: datetime, *, purpose: Purpose = Purpose.SIGNATURE
) -> Issued:
    """The same with its key."""
    return Issued(certificate_of(issuer, name, now, purpose=purpose), a_key(0), (issuer.certificate,))


def new_issuer(
    name: str, now: datetime, issuer: Issuer | None = None, *, key_number: int = 1, path_length: int = 1
) -> Issuer:
    """Another authority than those of the sandbox."""
    key = a_key(key_number)
    validity = Validity(now - timedelta(days=365), now + timedelta(days=3650))
    named = DistinguishedName.of(cn=name, o="AUTORITE D'ESSAI")
    return Issuer(authority(named, key, validity, issuer, path_length=path_length), key, "http://crl.test/")


@dataclass(frozen=True)
class CrlTimes:
    this_update: datetime
    next_update: datetime


def crl_of(
    issuer: Issuer,
    times: CrlTimes,
    revoked: Iterable[x509.Certificate] = (),
    *,
    number: int | None = 1,
    since: datetime | None = None,
    invalid_since: datetime | None = None,
    extra: x509.ExtensionType | None = None,
) -> bytes:
    """A revocation list, DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(times.this_update)
        .next_update(times.next_update)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    for certificate in revoked:
        entry_of = (
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(since or times.this_update)
        )
        if invalid_since is not None:
            entry_of = entry_of.add_extension(x509.InvalidityDate(invalid_since), critical=False)
        builder = builder.add_revoked_certificate(entry_of.build())
    return builder.sign(issuer.key, DIGEST).public_bytes(Encoding.DER)
