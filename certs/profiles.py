"""The certificate profiles of the sandbox authority: which extensions each kind of certificate bears."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    from certs.names import DistinguishedName

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION
DIGEST = hashes.SHA256()

_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z"
)


class Purpose(StrEnum):
    """What a certificate is for."""

    SERVER = "server"
    """An operator's host: TLS as server and, between operators, as client."""
    ORGANISATION = "organisation"
    """A structure's software: TLS as client, signature of mail (ECO.1.1.10)."""
    SIGNATURE = "signature"
    """A signer of documents such as the liste blanche: no TLS at all."""


_EXTENDED_USAGES: Mapping[Purpose, tuple[x509.ObjectIdentifier, ...]] = {
    Purpose.SERVER: (SERVER_AUTH, CLIENT_AUTH),
    Purpose.ORGANISATION: (CLIENT_AUTH, EMAIL_PROTECTION),
    Purpose.SIGNATURE: (EMAIL_PROTECTION,),
}


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate holds, both UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that signs, with its key; `crl_url` is what its certificates name as their CRL."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    crl_url: str


def authority(
    name: DistinguishedName,
    key: RSAPrivateKey,
    validity: Validity,
    issuer: Issuer | None,
    *,
    path_length: int,
) -> x509.Certificate:
    """A certificate that may sign others and CRLs; without an issuer it signs itself."""
    signer = issuer.key if issuer else key
    builder = _builder(name, key.public_key(), validity, issuer, signer)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
    return builder.sign(signer, DIGEST)


def leaf(
    name: DistinguishedName,
    key: RSAPublicKey,
    validity: Validity,
    issuer: Issuer,
    purpose: Purpose,
    hosts: Iterable[str] = (),
) -> x509.Certificate:
    """An end certificate; a server's one also holds for `hosts`, for localhost and for the loopback addresses."""
    builder = _builder(name, key, validity, issuer, issuer.key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if purpose is Purpose.SIGNATURE:
        usage = _key_usage("digital_signature", "content_commitment")
    else:
        usage = _key_usage("digital_signature", "key_encipherment")
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_EXTENDED_USAGES[purpose]), critical=False)
    if purpose is Purpose.SERVER:
        names = _alternative_names([name.common_name or "", *hosts])
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer.key, DIGEST)


def _builder(
    name: DistinguishedName,
    key: RSAPublicKey,
    validity: Validity,
    issuer: Issuer | None,
    signer: RSAPrivateKey,
) -> x509.CertificateBuilder:
    subject = name.to_x509()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.start)
        .not_valid_after(validity.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if issuer:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(issuer.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder


def _key_usage(*granted: str) -> x509.KeyUsage:
    usages = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usages.update(dict.fromkeys(granted, True))
    return x509.KeyUsage(**usages)


def _alternative_names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """DNS names and addresses; a common name that is no host name ("Liste Blanche") gives none."""
    dns: dict[str, None] = {}
    addresses: dict[ipaddress.IPv4Address | ipaddress.IPv6Address, None] = {}
    for host in [*hosts, "localhost", "127.0.0.1", "::1"]:
        try:
            addresses[ipaddress.ip_address(host)] = None
        except ValueError:
            name = host.strip().lower()
            if _HOST.match(name):
                dns[name] = None
    return [*(x509.DNSName(name) for name in dns), *(x509.IPAddress(address) for address in addresses)]
