from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authorities import Authorities, holds_at, is_issued_by, is_root
from certs.names import DistinguishedName
from certs.profiles import Issuer, Validity, authority
from certs.tls import TlsUnusable
from tests.certs.lists import certificate_of, issued_by, new_issuer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Pki

NAME = DistinguishedName.of(cn="mx.essai.test")


def test_the_way_leads_from_a_certificate_to_the_root(pki: Pki, now: datetime) -> None:
    authorities = Authorities.load(pki.ca_file)
    chain = authorities.chain_of(certificate_of(pki.organisations, NAME, now))
    assert chain == (pki.organisations.certificate, pki.root.certificate)
    assert authorities.chain_of(pki.organisations.certificate) == (pki.root.certificate,)


def test_a_foreign_certificate_has_no_way(pki: Pki, now: datetime) -> None:
    foreign = certificate_of(pki.foreign, NAME, now)
    assert Authorities.load(pki.ca_file).chain_of(foreign) is None


# ref: ECO.1.1.10
def test_an_authority_that_is_not_in_the_file_does_not_count_even_when_the_root_signed_it(
    pki: Pki, now: datetime
) -> None:
    only_root = Authorities((pki.root.certificate,))
    assert only_root.chain_of(certificate_of(pki.organisations, NAME, now)) is None


def test_an_intermediate_without_its_root_is_no_way(pki: Pki, now: datetime) -> None:
    only_below = Authorities((pki.organisations.certificate,))
    assert only_below.chain_of(certificate_of(pki.organisations, NAME, now)) is None


def test_a_name_is_not_enough(pki: Pki, now: datetime) -> None:
    """Another root with the same name and another key, as each sandbox has one."""
    twin = new_issuer("RACINE", now)
    root = new_issuer("RACINE", now, key_number=2)
    below = new_issuer("ORGANISATIONS", now, root, key_number=3, path_length=0)
    certificate = certificate_of(below, NAME, now)
    assert Authorities((twin.certificate, below.certificate)).chain_of(certificate) is None
    both = Authorities((twin.certificate, below.certificate, root.certificate))
    assert both.chain_of(certificate) == (below.certificate, root.certificate)


def test_of_two_ways_the_one_that_holds_is_taken(now: datetime) -> None:
    root = new_issuer("RACINE", now)
    below = new_issuer("ORGANISATIONS", now, root, key_number=3, path_length=0)
    name = DistinguishedName.from_x509(below.certificate.subject)
    ended = Validity(now - timedelta(days=300), now - timedelta(days=1))
    old = authority(name, below.key, ended, root, path_length=0)
    certificate = certificate_of(below, NAME, now)
    authorities = Authorities((root.certificate, old, below.certificate))
    assert authorities.chain_of(certificate, now) == (below.certificate, root.certificate)
    assert authorities.chain_of(certificate, now - timedelta(days=2)) == (old, root.certificate)
    assert authorities.chain_of(certificate, now + timedelta(days=9999)) == (old, root.certificate)


def test_an_end_certificate_signs_nothing(pki: Pki, now: datetime) -> None:
    server = issued_by(pki.organisations, NAME, now)
    issuer = Issuer(server.certificate, server.key, "http://crl.test/")
    below = certificate_of(issuer, NAME, now)
    authorities = Authorities((pki.root.certificate, pki.organisations.certificate, server.certificate))
    assert authorities.chain_of(below) is None


def test_an_authority_below_one_that_may_have_none_below_is_no_way(pki: Pki, now: datetime) -> None:
    too_deep = new_issuer("TROP PROFOND", now, pki.organisations, path_length=0)
    certificate = certificate_of(too_deep, NAME, now)
    authorities = Authorities((pki.root.certificate, pki.organisations.certificate, too_deep.certificate))
    assert authorities.chain_of(certificate) is None


def test_two_authorities_that_signed_each_other_do_not_hold_the_search_up(now: datetime) -> None:
    one, other = new_issuer("UN", now), new_issuer("DEUX", now, key_number=2)
    holds = Validity(now, now + timedelta(days=1))
    names = [DistinguishedName.from_x509(each.certificate.subject) for each in (one, other)]
    crossed = (
        authority(names[0], one.key, holds, other, path_length=3),
        authority(names[1], other.key, holds, one, path_length=3),
    )
    certificate = certificate_of(one, NAME, now)
    assert Authorities(crossed).chain_of(certificate) is None


def test_both_ends_of_the_validity_belong_to_it(pki: Pki) -> None:
    root = pki.root.certificate
    assert holds_at(root, root.not_valid_before_utc)
    assert holds_at(root, root.not_valid_after_utc)
    assert not holds_at(root, root.not_valid_after_utc + timedelta(seconds=1))
    assert not holds_at(root, root.not_valid_before_utc - timedelta(seconds=1))


def test_a_root_signed_itself(pki: Pki) -> None:
    assert is_root(pki.root.certificate)
    assert not is_root(pki.organisations.certificate)
    assert is_issued_by(pki.organisations.certificate, pki.root.certificate)
    assert not is_issued_by(pki.organisations.certificate, pki.foreign.certificate)


def test_an_unusable_file_is_named_in_one_sentence(pki: Pki, tmp_path: Path) -> None:
    missing, rubbish, rootless = tmp_path / "missing.pem", tmp_path / "rubbish.pem", tmp_path / "rootless.pem"
    rubbish.write_text("rubbish")
    rootless.write_bytes(pki.organisations.certificate.public_bytes(Encoding.PEM))
    for path, words in (
        (missing, "cannot be read"),
        (rubbish, "not usable PEM"),
        (rootless, "holds no root"),
    ):
        with pytest.raises(TlsUnusable, match=words) as unusable:
            Authorities.load(path)
        assert str(path) in str(unusable.value)
