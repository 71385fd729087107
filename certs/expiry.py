"""When each certificate and list ends on which the exchange with other operators rests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509

from certs.list_faults import ListRefused
from certs.names import DistinguishedName
from certs.revocation import CrlRefused
from certs.sources import SourceUnreachable
from certs.tls import TlsUnusable
from certs.trust_store import TrustStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class End:
    """One thing that ends; `until` is None where it is missing or unusable, and `name` says why."""

    what: str
    name: str
    until: datetime | None
    is_short_lived: bool = False

    def row(self, now: datetime, fewest_days: int) -> dict[str, Any]:
        """The end with the days that are left and what to think of them."""
        left = None if self.until is None else self.until - now
        if left is None:
            state = "missing"
        elif left < timedelta(0):
            state = "ended"
        elif left < timedelta(days=fewest_days) and not self.is_short_lived:
            state = f"ends in less than {fewest_days} days"
        else:
            state = "good"
        return {
            "what": self.what,
            "name": self.name,
            "until": self.until.isoformat() if self.until else None,
            "days": left.days if left is not None else None,
            "state": state,
        }


def ends(settings: Settings, now: datetime) -> list[End]:
    """Everything that ends, our own certificate first. Raises TrustUnusable, TlsUnusable."""
    own = settings.path(settings.tls.certificate)
    try:
        certificates = x509.load_pem_x509_certificates(own.read_bytes())
    except OSError as error:
        raise TlsUnusable(f"The certificate {own} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise TlsUnusable(f"The certificate {own} is not a PEM certificate.") from error
    found = [_certificate("server certificate", certificates[0])]
    found += [_certificate("chain of the server certificate", each) for each in certificates[1:]]
    store = TrustStore(settings)
    found += [_certificate("authority", each) for each in store.authorities.certificates]
    found += _revocation_lists(settings, store, now)
    if settings.smtp.mx:
        found += _signer(store, now)
    return found


def _certificate(what: str, certificate: x509.Certificate) -> End:
    return End(what, str(DistinguishedName.from_x509(certificate.subject)), certificate.not_valid_after_utc)


def _revocation_lists(settings: Settings, store: TrustStore, now: datetime) -> Iterator[End]:
    for url in settings.trust.crl_urls if settings.smtp.mx else ():
        try:
            crl = store.load_crl(store.crl_file(url), now)
        except (CrlRefused, SourceUnreachable):
            crl = None
        until = crl.next_update if crl is not None else None
        yield End("revocation list", url, until, is_short_lived=True)


def _signer(store: TrustStore, now: datetime) -> Iterator[End]:
    what = "signer of the white list"
    try:
        held = store.load_list(store.load_revocations(now), now)
    except (ListRefused, SourceUnreachable) as error:
        yield End(what, str(error), None)
        return
    if held is None:
        yield End(what, "There is no white list yet.", None)
    elif held.signer is not None:  # one without a signature was let in by the settings
        yield _certificate(what, held.signer)
