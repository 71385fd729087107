"""Apple's configuration profile for one mailbox (`com.apple.mail.managed`), with the authorities a device has to trust.

It holds no password: the device asks for it.
"""

from __future__ import annotations

import plistlib
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from certs.authorities import UNREADABLE, is_root
from portal.setup.access import Access
from portal.setup.authorities import authorities_above, common_name, own_certificate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cryptography import x509

    from foundation.settings import Settings

CONTENT_TYPE = "application/x-apple-aspen-config"


def mobileconfig(settings: Settings, address: str, name: str) -> bytes | None:
    """The profile, signed with the server's certificate where its key can; None where clients cannot read and send.

    Its identifiers are the same each time for a box and a host, so that a second profile replaces the first.
    Reads files and signs: some milliseconds. Raises TlsUnusable.
    """
    access = Access.of(settings)
    if not access.is_enough:
        return None
    certificate = own_certificate(settings)
    authorities = authorities_above(settings, certificate)
    content = _profile(access, address, name, authorities)
    return _signed(content, certificate, settings.path(settings.tls.key), authorities)


def _profile(access: Access, address: str, name: str, authorities: Iterable[x509.Certificate]) -> bytes:
    imap, submission = access.imap[0], access.submission[0]
    about = f"imap://{imap.host}/{address}"
    mail = {
        **_payload("com.apple.mail.managed", f"MSSanté : {address}", f"{about}#mail"),
        "EmailAccountDescription": f"MSSanté {address}",
        "EmailAccountName": name,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": imap.host,
        "IncomingMailServerPortNumber": imap.port,
        "IncomingMailServerUsername": address,
        "IncomingMailServerUseSSL": True,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": submission.host,
        "OutgoingMailServerPortNumber": submission.port,
        "OutgoingMailServerUsername": address,
        "OutgoingMailServerUseSSL": True,
        "OutgoingPasswordSameAsIncomingPassword": True,
        # Health data stays out of other accounts and of iCloud: no Mail Drop, no shared recent addresses.
        "PreventMove": True,
        "allowMailDrop": False,
        "disableMailRecentsSyncing": True,
    }
    profile = {
        **_payload("Configuration", f"Messagerie MSSanté {address}", about),
        "PayloadDescription": "Réglages de votre boîte MSSanté et autorités de certification du serveur.",
        "PayloadContent": [mail, *_trusted(authorities)],
    }
    return plistlib.dumps(profile)


# ref: ECO.1.1.4
def _trusted(authorities: Iterable[x509.Certificate]) -> Iterator[dict[str, Any]]:
    """Only the authorities above this server: a device is not to trust more than it needs (ECO.1.1.4)."""
    for authority in authorities:
        content = authority.public_bytes(Encoding.DER)
        kind = "com.apple.security.root" if is_root(authority) else "com.apple.security.pkcs1"
        yield {
            **_payload(kind, common_name(authority), f"urn:x509:{content.hex()}"),
            "PayloadContent": content,
        }


def _payload(kind: str, name: str, about: str) -> dict[str, Any]:
    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, about))
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"vaguemestre.{identifier}",
        "PayloadUUID": identifier.upper(),
        "PayloadDisplayName": name,
    }


def _signed(
    content: bytes, certificate: x509.Certificate, key_file: Path, authorities: Iterable[x509.Certificate]
) -> bytes:
    """CMS with the profile inside (RFC 5652); the bare profile where the key is of a kind that cannot sign one."""
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except UNREADABLE:
        return content
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return content
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(certificate, key, hashes.SHA256())
    for authority in authorities:
        builder = builder.add_certificate(authority)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])
