from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import revocation
from certs.authorities import Authorities
from certs.names import DistinguishedName
from certs.revocation import LARGEST_CRL, Crl, CrlRefused, Revocations
from tests.certs.lists import CrlTimes, certificate_of, crl_of, new_issuer

if TYPE_CHECKING:
    from datetime import datetime

    from certs.pki import Pki

NAME = DistinguishedName.of(cn="mx.essai.test")
DAY = timedelta(days=1)


@pytest.fixture
def authorities(pki: Pki) -> Authorities:
    return Authorities.load(pki.ca_file)


@pytest.fixture
def times(now: datetime) -> CrlTimes:
    return CrlTimes(now - timedelta(hours=1), now + DAY)


def point(**what: object) -> x509.IssuingDistributionPoint:
    nothing = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(nothing | what))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_list_names_what_is_revoked_and_since_when(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes, encoding: Encoding
) -> None:
    gone, good = (certificate_of(pki.organisations, NAME, now) for _ in range(2))
    content = x509.load_der_x509_crl(crl_of(pki.organisations, times, [gone])).public_bytes(encoding)
    crl = Crl.read(content, authorities, now)
    assert crl.issuer == pki.organisations.certificate
    assert (crl.this_update, crl.next_update, crl.number) == (times.this_update, times.next_update, 1)
    assert crl.revoked_since(gone) == times.this_update
    assert crl.revoked_since(good) is None
    assert crl.count == 1


def test_a_key_that_was_lost_before_it_was_revoked_is_revoked_since_then(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes
) -> None:
    gone = certificate_of(pki.organisations, NAME, now)
    lost = times.this_update - 5 * DAY
    crl = Crl.read(crl_of(pki.organisations, times, [gone], invalid_since=lost), authorities, now)
    assert crl.revoked_since(gone) == lost


def test_the_sandbox_s_own_list_is_read(pki: Pki, now: datetime, authorities: Authorities) -> None:
    assert Crl.read(pki.crl_file.read_bytes(), authorities, now).issuer == pki.organisations.certificate


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"<html>404</html>", "cannot be read"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "cannot be read"),
        (b"\0" * (LARGEST_CRL + 1), "larger than"),
    ],
)
def test_what_is_no_list_is_refused(
    now: datetime, authorities: Authorities, content: bytes, words: str
) -> None:
    with pytest.raises(CrlRefused, match=words):
        Crl.read(content, authorities, now)


def test_a_list_of_another_authority_is_refused(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes
) -> None:
    with pytest.raises(CrlRefused, match="not signed by an authority"):
        Crl.read(crl_of(pki.foreign, times), authorities, now)


def test_a_list_with_the_name_of_an_authority_and_another_key_is_refused(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes
) -> None:
    forger = replace(pki.organisations, key=pki.foreign.key)
    with pytest.raises(CrlRefused, match="not signed by an authority"):
        Crl.read(crl_of(forger, times), authorities, now)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_octet_is_refused(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes, data: st.DataObject
) -> None:
    good = crl_of(pki.organisations, times, [certificate_of(pki.organisations, NAME, now)])
    content = bytearray(good)
    content[data.draw(st.integers(0, 10**6)) % len(content)] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CrlRefused):
        Crl.read(bytes(content), authorities, now)


def test_a_list_without_end_or_from_the_future_is_refused(
    pki: Pki, now: datetime, authorities: Authorities
) -> None:
    with pytest.raises(CrlRefused, match="in the future"):
        Crl.read(crl_of(pki.organisations, CrlTimes(now + 2 * DAY, now + 3 * DAY)), authorities, now)


@pytest.mark.parametrize(
    "extra",
    [
        x509.DeltaCRLIndicator(1),
        point(indirect_crl=True),
        point(only_contains_ca_certs=True),
        point(only_contains_attribute_certs=True),
        point(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
    ],
    ids=["delta", "indirect", "authorities", "attributes", "reasons"],
)
def test_a_list_that_covers_only_a_part_is_refused(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes, extra: x509.ExtensionType
) -> None:
    with pytest.raises(CrlRefused):
        Crl.read(crl_of(pki.organisations, times, extra=extra), authorities, now)


def test_a_list_of_all_end_certificates_is_read(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes
) -> None:
    content = crl_of(pki.organisations, times, extra=point(only_contains_user_certs=True))
    assert Crl.read(content, authorities, now)


def test_a_list_without_a_number_is_read(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes
) -> None:
    assert Crl.read(crl_of(pki.organisations, times, number=None), authorities, now).number == 0


def test_the_newest_list_of_each_authority_serves_until_its_end_and_the_grace(
    pki: Pki, now: datetime, authorities: Authorities
) -> None:
    old = Crl.read(crl_of(pki.organisations, CrlTimes(now - 2 * DAY, now - DAY), number=1), authorities, now)
    new = Crl.read(crl_of(pki.organisations, CrlTimes(now - DAY, now + DAY), number=2), authorities, now)
    above = Crl.read(crl_of(pki.root, CrlTimes(now - DAY, now + 9 * DAY)), authorities, now)
    assert new.replaces(old)
    assert not old.replaces(new)
    assert not new.replaces(new)
    for order in ([old, new, above], [above, new, old]):
        revocations = Revocations.of(order, 3 * DAY)
        assert revocations.is_checked
        assert set(revocations.lists) == {new, above}
        assert revocations.serves_until(pki.organisations.certificate) == now + 4 * DAY
        assert revocations.serves_until(pki.root.certificate) == now + 12 * DAY
        assert revocations.serves_until(pki.foreign.certificate) is None


def test_two_authorities_of_one_name_have_a_list_each(now: datetime, times: CrlTimes) -> None:
    one, other = new_issuer("RACINE", now), new_issuer("RACINE", now, key_number=2)
    both = Authorities((one.certificate, other.certificate))
    crls = [Crl.read(crl_of(each, times), both, now) for each in (one, other)]
    assert [crl.issuer for crl in crls] == [one.certificate, other.certificate]
    assert len(Revocations.of(crls, DAY).lists) == 2


def test_without_lists_nothing_is_known_and_without_checks_nothing_is_asked(pki: Pki) -> None:
    nothing = Revocations.of([], DAY)
    assert nothing.is_checked
    assert nothing.serves_until(pki.organisations.certificate) is None
    assert nothing.revoked_since(pki.organisations.certificate, pki.root.certificate) is None
    assert not Revocations.unchecked().is_checked


def test_a_list_signed_with_a_weak_digest_is_refused(
    pki: Pki, now: datetime, authorities: Authorities, times: CrlTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "_STRONG", (hashes.SHA512,))  # nothing signs with SHA-1 any more
    with pytest.raises(CrlRefused, match="not signed by an authority"):
        Crl.read(crl_of(pki.organisations, times), authorities, now)
