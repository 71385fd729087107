"""Who signed a list: the authority, the name, the use and the dates of the certificate."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.authorities import Authorities
from certs.list_faults import ListFault
from certs.list_signature import (
    read_signed,
)
from certs.pki import Case, Issued
from certs.profiles import Purpose, Validity, leaf
from certs.revocation import Crl, Revocations
from tests.certs.lists import (
    DS,
    OTHER,
    SIGNER_NAME,
    CrlTimes,
    crl_of,
    entry,
    fault,
    new_issuer,
    policy,
    signed_list,
)

if TYPE_CHECKING:
    from datetime import datetime

    from certs.pki import Pki

ENTRIES = (entry("essai.mssante.fr"), entry("autre.mssante.fr", OTHER))


def found(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(DS + name))


def test_the_signer_may_add_its_chain_in_any_order(pki: Pki, signer: Issued, now: datetime) -> None:
    root = etree.fromstring(signed_list(signer, now, *ENTRIES))
    data = found(root, "X509Data")
    own = found(root, "X509Certificate")
    for authority in (pki.root.certificate, pki.organisations.certificate):
        other = etree.Element(f"{DS}X509Certificate")
        other.text = base64.b64encode(authority.public_bytes(Encoding.DER)).decode()
        own.addprevious(other)
    assert len(data) > 3
    assert read_signed(etree.tostring(root), policy(pki)).signer == signer.certificate


def test_a_signer_of_another_authority_is_refused(pki: Pki, now: datetime) -> None:
    foreign = pki.issue(SIGNER_NAME, now, purpose=Purpose.SIGNATURE, case=Case.FOREIGN_CA)
    content = signed_list(foreign, now)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.SIGNER_UNKNOWN


def test_a_signer_who_signed_his_own_certificate_is_refused(pki: Pki, now: datetime) -> None:
    own = new_issuer("liste-blanche.essai.test", now)
    certificate = leaf(
        SIGNER_NAME, own.key.public_key(), Validity(now, now + timedelta(days=1)), own, Purpose.SIGNATURE
    )
    content = signed_list(Issued(certificate, own.key, ()), now)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.SIGNER_UNKNOWN


@pytest.mark.parametrize(
    "expected",
    [
        "CN=alb.mssante.fr",
        "CN=liste-blanche.essai.test,OU=318751275100021",
        "O=liste-blanche.essai.test",
        "CN=liste-blanche.essai.test,ST=Paris (75)",
    ],
)
def test_a_signer_of_another_name_is_refused(pki: Pki, signer: Issued, now: datetime, expected: str) -> None:
    content = signed_list(signer, now)
    assert fault(lambda: read_signed(content, policy(pki, expected))) is ListFault.SIGNER_NAME


@pytest.mark.parametrize(
    "expected",
    ["OU=318751275100020,CN=Liste-Blanche.essai.test", "CN=liste-blanche.essai.test, O=AGENCE D’ESSAI, C=fr"],
)
def test_the_signer_is_known_by_parsed_attributes_in_any_order(
    pki: Pki, signer: Issued, now: datetime, expected: str
) -> None:
    assert read_signed(signed_list(signer, now), policy(pki, expected)).signer


def test_an_operator_s_server_certificate_of_the_same_name_may_sign(
    pki: Pki, signer: Issued, now: datetime
) -> None:
    # digitalSignature is what counts; that the name is the expected one is for the authority to see to
    server = pki.issue(SIGNER_NAME, now)
    assert read_signed(signed_list(server, now), policy(pki)).signer == server.certificate


def test_a_certificate_that_is_not_for_signatures_is_refused(pki: Pki, now: datetime) -> None:
    content = signed_list(replace_usage(pki, now), now)
    assert fault(lambda: read_signed(content, policy(pki, "CN=TEST AC"))) is ListFault.SIGNER_USAGE


def replace_usage(pki: Pki, now: datetime) -> Issued:
    """An authority's certificate signs certificates, not documents."""
    below = new_issuer("TEST AC", now, pki.root, path_length=0)
    return Issued(below.certificate, below.key, ())


def test_a_list_is_judged_at_its_own_date(pki: Pki, now: datetime) -> None:
    expired = pki.issue(SIGNER_NAME, now, purpose=Purpose.SIGNATURE, case=Case.EXPIRED)
    assert expired.certificate.not_valid_after_utc < now
    in_time = expired.certificate.not_valid_after_utc - timedelta(days=1)
    assert read_signed(signed_list(expired, in_time), policy(pki)).signer == expired.certificate
    too_late = signed_list(expired, now)
    assert fault(lambda: read_signed(too_late, policy(pki))) is ListFault.SIGNER_EXPIRED
    too_early = signed_list(expired, expired.certificate.not_valid_before_utc - timedelta(days=1))
    assert fault(lambda: read_signed(too_early, policy(pki))) is ListFault.SIGNER_EXPIRED


def test_a_signer_revoked_before_the_date_of_the_list_is_refused(pki: Pki, now: datetime) -> None:
    gone = pki.issue(SIGNER_NAME, now, purpose=Purpose.SIGNATURE)
    authorities = Authorities.load(pki.ca_file)
    times = CrlTimes(now, now + timedelta(days=1))
    der = crl_of(pki.organisations, times, [gone.certificate], since=now - timedelta(minutes=10))
    revocations = Revocations.of([Crl.read(der, authorities, now)], timedelta(0))
    after = signed_list(gone, now)
    assert read_signed(after, policy(pki)).signer  # where no revocation list is held
    assert fault(lambda: read_signed(after, policy(pki), revocations)) is ListFault.SIGNER_REVOKED
    before = signed_list(gone, now - timedelta(minutes=11))
    assert read_signed(before, policy(pki), revocations).signer == gone.certificate


def test_a_signer_whose_key_is_small_is_refused(pki: Pki, now: datetime) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    validity = Validity(now - timedelta(days=1), now + timedelta(days=1))
    certificate = leaf(SIGNER_NAME, key.public_key(), validity, pki.organisations, Purpose.SIGNATURE)
    content = signed_list(Issued(certificate, key, ()), now)
    assert fault(lambda: read_signed(content, policy(pki))) is ListFault.ALGORITHM
