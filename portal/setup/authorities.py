"""The server's own certificate, and the authorities above it that a client has to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from certs.authorities import UNREADABLE, Authorities
from certs.tls import TlsUnusable

if TYPE_CHECKING:
    from foundation.settings import Settings


def own_certificate(settings: Settings) -> x509.Certificate:
    """The certificate clients are shown. Raises TlsUnusable where it cannot be read."""
    path = settings.path(settings.tls.certificate)
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise TlsUnusable(f"The certificate {path} cannot be read: {error.strerror}.") from error
    except UNREADABLE as error:
        raise TlsUnusable(f"The certificate {path} is not a PEM certificate.") from error


# ref: ECO.1.1.4
def authorities_above(settings: Settings, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """The issuer first, the root last; none where `tls.ca_file` does not lead to a root. Raises TlsUnusable."""
    return Authorities.load(settings.path(settings.tls.ca_file)).chain_of(certificate) or ()


def common_name(certificate: x509.Certificate) -> str:
    """The CN of a certificate's subject, or all of its name where it has none."""
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()
