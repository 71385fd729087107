"""TLS contexts: TLS 1.2 with the four suites of the référentiel, or TLS 1.3, and nothing below."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.names import DistinguishedName

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

# ref: ECO.1.1.1, ECO.1.1.2, ECO.1.1.3
SUITES = (
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA256",
)
"""The TLS 1.2 suites 0xC030, 0xC02F, 0xC028 and 0xC027, best first."""


class TlsUnusable(Exception):
    """A certificate, key or list cannot serve; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of one's own certificate (with the authorities between it and the root) and key, in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Trust:
    """The files of the authorities one believes and of their revocation list, in PEM.

    With a `crl` a revoked certificate fails the handshake, and so does every certificate once the list is
    out of date (ECO.1.1.6, ECO.1.1.7); without one only the signature and the dates are checked.
    """

    ca: Path
    crl: Path | None = None


def check_identity(identity: Identity, now: datetime) -> x509.Certificate:
    """The certificate, when its key belongs to it and it holds at `now`. Raises TlsUnusable with the reason."""
    try:
        certificate = x509.load_pem_x509_certificate(_read(identity.certificate, "certificate"))
    except ValueError as error:
        raise TlsUnusable(f"The certificate {identity.certificate} is not a PEM certificate.") from error
    try:
        key = load_pem_private_key(_read(identity.key, "key"), password=None)
    except TypeError as error:
        raise TlsUnusable(f"The key {identity.key} is encrypted: give it without a pass phrase.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsUnusable(f"The key {identity.key} is not a PEM private key.") from error
    if key.public_key() != certificate.public_key():
        raise TlsUnusable(
            f"The key {identity.key} does not belong to the certificate {identity.certificate}."
        )
    if now < certificate.not_valid_before_utc:
        raise TlsUnusable(
            f"The certificate {identity.certificate} holds only from {certificate.not_valid_before_utc:%Y-%m-%d} on."
        )
    if now > certificate.not_valid_after_utc:
        raise TlsUnusable(
            f"The certificate {identity.certificate} expired on {certificate.not_valid_after_utc:%Y-%m-%d}."
        )
    return certificate


def server_context(identity: Identity) -> ssl.SSLContext:
    """A server that asks its clients for no certificate. Raises TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_identity(context, identity)
    return context


# ref: F11
def mutual_server_context(
    identity: Identity, trust: Trust, demand: ssl.VerifyMode = ssl.CERT_REQUIRED
) -> ssl.SSLContext:
    """A server that asks for a client certificate: CERT_REQUIRED refuses a client without one, CERT_OPTIONAL
    lets it in without; a certificate outside `trust` fails the handshake either way. Raises TlsUnusable.
    """
    context = server_context(identity)
    _load_trust(context, trust)
    context.verify_mode = demand
    return context


def believe(context: ssl.SSLContext, ca: Path) -> None:
    """Lets a context accept certificates of the authorities in a PEM file too. Raises TlsUnusable."""
    _load_verify_file(context, ca, "authority file")


# ref: F11
def client_context(trust: Trust, identity: Identity | None = None) -> ssl.SSLContext:
    """A client that checks the server's chain and host name, and shows `identity` when asked for one.

    Between operators the name that counts is the DN in the liste blanche, not the host's: such a caller
    sets `check_hostname` to False and compares `peer_name`. Raises TlsUnusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context)
    _load_trust(context, trust)
    if identity is not None:
        _load_identity(context, identity)
    return context


def peer_name(connection: ssl.SSLObject | ssl.SSLSocket) -> DistinguishedName | None:
    """Whose certificate the other side showed and the handshake accepted; None when it showed none."""
    der = connection.getpeercert(binary_form=True)
    if der is None:
        return None
    return DistinguishedName.from_x509(x509.load_der_x509_certificate(der).subject)


# ref: ECO.1.1.1, ECO.1.1.2, ECO.1.1.3
def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    for path, what in ((identity.certificate, "certificate"), (identity.key, "key")):
        _read(path, what)
    try:
        context.load_cert_chain(identity.certificate, identity.key, password=_no_pass_phrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            sentence = f"The key {identity.key} does not belong to the certificate {identity.certificate}."
        else:
            sentence = f"The certificate {identity.certificate} or its key {identity.key} is not usable PEM."
        raise TlsUnusable(sentence) from error


def _load_trust(context: ssl.SSLContext, trust: Trust) -> None:
    _load_verify_file(context, trust.ca, "authority file")
    if trust.crl is not None:
        _load_verify_file(context, trust.crl, "revocation list")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _load_verify_file(context: ssl.SSLContext, path: Path, what: str) -> None:
    _read(path, what)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsUnusable(f"The {what} {path} is not usable PEM.") from error


def _no_pass_phrase() -> str:
    # without this OpenSSL would ask on the terminal and a service would hang at its start
    raise TlsUnusable("The private key is encrypted: give it without a pass phrase.")


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsUnusable(f"The {what} {path} cannot be read: {error.strerror}.") from error
