from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from certs.authorities import Authorities
from certs.list_signature import SignaturePolicy, read_signed
from certs.names import DistinguishedName
from certs.pki import Pki, PkiUnusable
from certs.publisher import (
    SIGNER_CN,
    Listing,
    ListingRefused,
    ensure_sandbox_list,
    publish,
    published_file,
    published_signer,
    published_url,
    renew,
    to_xml,
    withdraw,
)
from certs.trust import TrustSpace
from certs.white_list import parse_white_list
from foundation.clock import FixedClock
from foundation.settings import from_values
from tests.certs.lists import OTHER, certificate_of, issued_by
from tests.certs.spaces import OWN

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.white_list import WhiteList

NAME = DistinguishedName.parse(OTHER)
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path, pki: Pki) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(pki.directory, home / "pki")
    return home


@pytest.fixture
def own(home: Path, now: datetime) -> Pki:
    """The authority in that home."""
    return Pki.open(home / "pki", now)


def published(home: Path) -> WhiteList:
    """The list as published: signed, adopted, and the same."""
    content = published_file(home).read_bytes()
    assert (home / "trust" / "white-list.xml").read_bytes() == content
    policy = SignaturePolicy(
        Authorities.load(home / "pki" / "ca.pem"), DistinguishedName.parse(f"CN={SIGNER_CN}")
    )
    return read_signed(content, policy).white_list


def test_a_sandbox_publishes_a_list_that_its_own_key_signed(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME, "Un pair")], now)
    found = published(home)
    assert found.generated_at == now
    assert found.lists("a.test", NAME)
    assert found.entries[0].description == "Un pair"
    assert published_signer(own).dn.common_name == SIGNER_CN
    assert published_url(home) == published_file(home).as_uri()


def test_a_second_start_changes_nothing_and_makes_no_new_signer(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    before, signer = published_file(home).read_bytes(), published_signer(own).certificate
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now + HOUR / 2)
    assert published_file(home).read_bytes() == before
    assert published_signer(own).certificate == signer


def test_a_start_after_an_hour_signs_the_list_again(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now + 2 * HOUR)
    assert published(home).generated_at == now + 2 * HOUR
    assert published(home).entries[0].updated_at == now


def test_what_was_added_survives_a_restart(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    assert publish(home, own, [Listing("B.test", OWN)], now)
    ensure_sandbox_list(home, own, [Listing("a.test", NAME), Listing("c.test", NAME)], now)
    assert published(home).domains == {"a.test", "b.test", "c.test"}


def test_adding_twice_says_so_and_is_fine(home: Path, own: Pki, now: datetime) -> None:
    assert publish(home, own, [Listing("a.test", NAME)], now)
    before = published_file(home).read_bytes()
    assert not publish(home, own, [Listing("A.TEST", DistinguishedName.parse(OTHER.lower()))], now + HOUR)
    assert published_file(home).read_bytes() == before


def test_each_list_is_dated_after_the_one_before(home: Path, own: Pki, now: datetime) -> None:
    for number in range(3):
        publish(home, own, [Listing(f"d{number}.test", NAME)], now)
        assert published(home).generated_at == now + timedelta(seconds=number)
    publish(home, own, [Listing("spaet.test", NAME)], now + HOUR)
    assert published(home).generated_at == now + HOUR


def test_a_domain_or_one_of_its_certificates_is_withdrawn(home: Path, own: Pki, now: datetime) -> None:
    listings = [Listing("a.test", NAME), Listing("a.test", OWN), Listing("b.test", OWN)]
    publish(home, own, listings, now)
    assert withdraw(home, own, "A.test", NAME, now) == 1
    assert published(home).names_of("a.test") == {OWN}
    assert withdraw(home, own, "a.test", None, now) == 1
    assert withdraw(home, own, "a.test", None, now) == 0
    assert published(home).domains == {"b.test"}
    with pytest.raises(ListingRefused, match="without any entry"):
        withdraw(home, own, "b.test", None, now)
    assert published(home).domains == {"b.test"}


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (Listing("a@b.test", NAME), "is no domain"),
        (Listing("", NAME), "is no domain"),
        (Listing("a.test", NAME, "a\0b"), "XML"),
        (Listing("a.test", DistinguishedName.of(cn="a\x01b")), "XML"),
    ],
)
def test_what_cannot_be_listed_is_refused_and_changes_nothing(
    home: Path, own: Pki, now: datetime, listing: Listing, words: str
) -> None:
    publish(home, own, [Listing("good.test", NAME)], now)
    with pytest.raises(ListingRefused, match=words):
        publish(home, own, [listing], now)
    assert published(home).domains == {"good.test"}


def test_names_with_every_kind_of_character_come_back_as_they_were(
    home: Path, own: Pki, now: datetime
) -> None:
    names = [
        DistinguishedName.of(cn="mx.a.test", o="CH D'À CÔTÉ, SITE <NORD> & SUD", st="Côtes-d’Armor (22)"),
        DistinguishedName.of(cn="mx.a.test", o='CLCC "PAUL STRAUSS"', st="Bas-Rhin (67)"),
        DistinguishedName.of(cn="mx.a.test", o="A\\B, OU=FAUX", st="Nord (59)"),
    ]
    publish(home, own, [Listing("hôpital.test", name) for name in names], now)
    assert published(home).names_of("hôpital.test") == set(names)


@pytest.mark.parametrize("damage", [b"rubbish", b"", None])
def test_damage_to_the_published_list_loses_no_entry(
    home: Path, own: Pki, now: datetime, damage: bytes | None
) -> None:
    publish(home, own, [Listing("a.test", NAME)], now)
    if damage is None:
        published_file(home).unlink()
    else:
        published_file(home).write_bytes(damage)
    publish(home, own, [Listing("b.test", NAME)], now)
    assert published(home).domains == {"a.test", "b.test"}
    assert published(home).generated_at == now + timedelta(seconds=1)


@pytest.mark.parametrize("which", ["published.xml", "white-list.xml"])
def test_a_damaged_list_is_written_again_even_without_a_change(
    home: Path, own: Pki, now: datetime, which: str
) -> None:
    publish(home, own, [Listing("a.test", NAME)], now)
    (home / "trust" / which).write_bytes(b"rubbish")
    assert not publish(home, own, [Listing("a.test", NAME)], now)
    assert published(home).domains == {"a.test"}


def test_where_both_lists_are_damaged_one_is_made_anew(home: Path, own: Pki, now: datetime) -> None:
    publish(home, own, [Listing("a.test", NAME)], now)
    for name in ("published.xml", "white-list.xml"):
        (home / "trust" / name).write_bytes(b"rubbish")
    ensure_sandbox_list(home, own, [Listing("b.test", NAME)], now)
    assert published(home).domains == {"b.test"}


def test_a_list_that_was_never_adopted_is_adopted(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    (home / "trust" / "white-list.xml").unlink()
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    assert published(home).domains == {"a.test"}


def test_a_list_is_signed_again_while_the_sandbox_runs(home: Path, own: Pki, now: datetime) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", NAME)], now)
    renew(published_file(home), now + 11 * HOUR)
    assert published(home).generated_at == now
    renew(published_file(home), now + 13 * HOUR)
    assert published(home).generated_at == now + 13 * HOUR
    renew(home / "elsewhere" / "published.xml", now + 99 * HOUR)
    (home / "pki" / "white-list.key").unlink()
    renew(published_file(home), now + 99 * HOUR)
    assert published(home).generated_at == now + 13 * HOUR


@pytest.mark.parametrize("damage", ["missing key", "damaged key", "another key", "damaged certificate"])
def test_a_signer_that_cannot_sign_is_told_in_one_sentence(
    home: Path, own: Pki, now: datetime, damage: str
) -> None:
    publish(home, own, [Listing("a.test", NAME)], now)
    key, certificate = home / "pki" / "white-list.key", home / "pki" / "white-list.pem"
    if damage == "missing key":
        key.unlink()
    elif damage == "another key":
        shutil.copy(home / "pki" / "racine.key", key)
    else:
        (key if damage == "damaged key" else certificate).write_text("rubbish")
    with pytest.raises(PkiUnusable) as unusable:
        publish(home, own, [Listing("b.test", NAME)], now)
    assert "\n" not in str(unusable.value)


def test_the_list_has_the_official_grammar(now: datetime) -> None:
    entries = parse_white_list(to_xml([], now).replace(b"<ListeDomaines/>", ENTRY)).entries
    text = to_xml(entries, now).decode()
    for name in (
        "Nom",
        "Description",
        "DNCertificatOperateur",
        "ResponsableContact",
        "SupportContact",
        "DateMAJ",
    ):
        assert text.count(f"<{name}>") == 1
    assert '<ListeBlancheMSSante xmlns="https://listeblanche.mssante.fr/schema">' in text


ENTRY = b"<ListeDomaines><Domaine><Nom>A.test</Nom><DNCertificatOperateur>CN=a</DNCertificatOperateur></Domaine></ListeDomaines>"


async def test_a_running_sandbox_takes_an_addition_up_without_a_restart(
    home: Path, own: Pki, now: datetime
) -> None:
    ensure_sandbox_list(home, own, [Listing("a.test", OWN)], now)
    issued_by(own.organisations, OWN, now).write(home / "pki" / "server")
    trust = {
        "white_list_url": published_url(home),
        "signer": f"CN={SIGNER_CN}",
        "crl_urls": [own.crl_file.as_uri()],
    }
    space = await TrustSpace.open(from_values(home, {"sandbox": True, "trust": trust}), FixedClock(now))
    publish(home, own, [Listing("neuf.test", NAME)], now)
    await space.refresh()
    assert "neuf.test" in space.white_list
    certificate = certificate_of(own.organisations, OWN, now)
    own.revoke(certificate, now)
    await space.refresh()
    held = space._state.judge._revocations
    assert held.revoked_since(certificate, own.organisations.certificate)
