from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certs.names import DistinguishedName, NameMalformed
from certs.pki import Case, Pki, PkiUnusable
from certs.profiles import Purpose

if TYPE_CHECKING:
    from pathlib import Path

NAME = DistinguishedName.of(cn="mx.demo.mssante.fr", ou="1990780017", o="CH DE DÉMO", st="Côtes-d'Armor (22)")

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is missing")


def openssl_verify(pki: Pki, certificate: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", pki.ca_file, *options, certificate],
        capture_output=True,
        text=True,
        check=False,
    )


@needs_openssl
@pytest.mark.parametrize(
    ("purpose", "openssl_name"),
    [
        (Purpose.SERVER, "sslserver"),
        (Purpose.SERVER, "sslclient"),
        (Purpose.ORGANISATION, "sslclient"),
        (Purpose.ORGANISATION, "smimesign"),
        (Purpose.SIGNATURE, "smimesign"),
    ],
)
def test_openssl_accepts_a_certificate_for_its_purpose(
    pki: Pki, now: datetime, prefix: Path, purpose: Purpose, openssl_name: str
) -> None:
    certificate, _ = pki.issue(NAME, now, purpose=purpose).write(prefix)
    done = openssl_verify(
        pki, certificate, "-purpose", openssl_name, "-crl_check", "-CRLfile", str(pki.crl_file)
    )
    assert done.returncode == 0, done.stderr


@needs_openssl
@pytest.mark.parametrize(
    ("purpose", "openssl_name"), [(Purpose.ORGANISATION, "sslserver"), (Purpose.SIGNATURE, "sslclient")]
)
def test_openssl_refuses_a_certificate_for_another_purpose(
    pki: Pki, now: datetime, prefix: Path, purpose: Purpose, openssl_name: str
) -> None:
    certificate, _ = pki.issue(NAME, now, purpose=purpose).write(prefix)
    assert "purpose" in openssl_verify(pki, certificate, "-purpose", openssl_name).stderr


# ref: ECO.1.1.5
@needs_openssl
@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (Case.EXPIRED, "certificate has expired"),
        (Case.REVOKED, "certificate revoked"),
        (Case.FOREIGN_CA, "unable to get local issuer certificate"),
    ],
)
def test_openssl_names_what_is_broken_in_each_case(
    pki: Pki, now: datetime, prefix: Path, case: Case, complaint: str
) -> None:
    certificate, _ = pki.issue(NAME, now, case=case).write(prefix)
    options = [] if case is Case.FOREIGN_CA else ["-crl_check", "-CRLfile", str(pki.crl_file)]
    done = openssl_verify(pki, certificate, *options)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_certificate_bears_the_name_three_years_and_the_right_extensions(pki: Pki, now: datetime) -> None:
    issued = pki.issue(NAME, now, hosts=("imap.demo.mssante.fr", "10.0.0.1"))
    certificate = issued.certificate
    assert issued.dn == NAME
    assert certificate.not_valid_after_utc - now == timedelta(days=3 * 365)
    assert certificate.public_key().key_size == 2048  # type: ignore[union-attr]
    extensions = certificate.extensions
    critical = {extension.oid for extension in extensions if extension.critical}
    assert critical == {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "mx.demo.mssante.fr",
        "imap.demo.mssante.fr",
        "localhost",
    ]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [
        "10.0.0.1",
        "127.0.0.1",
        "::1",
    ]
    assert extensions.get_extension_for_class(x509.CRLDistributionPoints)
    issuer_key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    authority = pki.organisations.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert issuer_key == authority.value.digest


def test_a_common_name_that_is_no_host_name_gives_no_dns_name(pki: Pki, now: datetime) -> None:
    issued = pki.issue(DistinguishedName.of(cn="Liste Blanche"), now)
    names = issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_the_authorities_cannot_be_taken_for_those_of_igc_sante(pki: Pki) -> None:
    for issuer in (pki.root, pki.organisations, pki.foreign):
        name = str(DistinguishedName.from_x509(issuer.certificate.subject))
        assert "BAC A SABLE" in name
        assert "IGC" not in name


def test_keys_are_for_their_owner_only(pki: Pki, now: datetime, prefix: Path) -> None:
    _, key = pki.issue(NAME, now).write(prefix)
    keys = [key, *pki.directory.glob("*.key")]
    assert len(keys) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_writing_twice_replaces_and_leaves_no_draft(pki: Pki, now: datetime, prefix: Path) -> None:
    pki.issue(NAME, now).write(prefix)
    second = pki.issue(NAME, now)
    certificate, key = second.write(prefix)
    assert certificate.read_bytes() == second.pem
    assert key.read_bytes() == second.key_pem
    assert {path.name for path in prefix.parent.iterdir()} == {certificate.name, key.name}


def test_a_key_does_not_show_in_a_repr(pki: Pki, now: datetime) -> None:
    assert "key=" not in repr(pki.issue(NAME, now))
    assert "key=" not in repr(pki)


@pytest.fixture
def copy(pki: Pki, tmp_path: Path, now: datetime) -> Pki:
    return Pki.open(shutil.copytree(pki.directory, tmp_path / "pki"), now)


def test_opened_again_it_is_the_same_authority(pki: Pki, copy: Pki, now: datetime) -> None:
    assert copy.root.certificate == pki.root.certificate
    assert Pki.open_or_create(copy.directory, now).organisations.certificate == pki.organisations.certificate


# ref: ECO.1.1.6
def test_revocation_is_kept_and_its_number_rises(copy: Pki, now: datetime) -> None:
    before = x509.load_pem_x509_crl(copy.crl_file.read_bytes())
    first, second = copy.issue(NAME, now), copy.issue(NAME, now)
    for _ in range(2):
        Pki.open(copy.directory, now).revoke(first.certificate, now)
    copy.revoke(second.certificate, now)
    after = x509.load_pem_x509_crl(copy.crl_file.read_bytes())
    serials = [entry.serial_number for entry in after]
    assert serials == [
        *(e.serial_number for e in before),
        first.certificate.serial_number,
        second.certificate.serial_number,
    ]
    numbers = [
        crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in (before, after)
    ]
    assert numbers[0] < numbers[1]
    der = x509.load_der_x509_crl((copy.directory / "organisations.crl").read_bytes())
    assert der.is_signature_valid(copy.organisations.key.public_key())


def test_the_list_is_signed_again_before_it_ends(copy: Pki, now: datetime) -> None:
    revoked = copy.issue(NAME, now, case=Case.REVOKED).certificate
    fresh = copy.crl_file.read_bytes()
    Pki.open(copy.directory, now + timedelta(days=20))
    assert copy.crl_file.read_bytes() == fresh
    Pki.open(copy.directory, now + timedelta(days=25))
    renewed = x509.load_pem_x509_crl(copy.crl_file.read_bytes())
    assert renewed.next_update_utc == now + timedelta(days=55)
    assert renewed.get_revoked_certificate_by_serial_number(revoked.serial_number) is not None


@pytest.mark.parametrize("name", ["racine.key", "organisations.pem", "organisations.crl.pem"])
def test_it_says_which_file_is_missing_or_damaged(copy: Pki, name: str) -> None:
    at = datetime.now(UTC)
    (copy.directory / name).write_bytes(b"-----BEGIN NOTHING-----\n")
    with pytest.raises(PkiUnusable):
        Pki.open(copy.directory, at)
    (copy.directory / name).unlink()
    with pytest.raises(PkiUnusable, match=name):
        Pki.open(copy.directory, at)


def test_it_refuses_a_key_of_another_authority(copy: Pki, now: datetime) -> None:
    shutil.copy(copy.directory / "etrangere.key", copy.directory / "racine.key")
    with pytest.raises(PkiUnusable, match="does not belong"):
        Pki.open(copy.directory, now)


def test_a_creation_that_was_cut_short_is_done_again(copy: Pki, now: datetime) -> None:
    copy.ca_file.unlink()
    again = Pki.open_or_create(copy.directory, now)
    assert again.ca_file.exists()
    assert again.root.certificate != copy.root.certificate


def test_it_refuses_a_name_too_long_for_a_certificate(pki: Pki, now: datetime) -> None:
    with pytest.raises(NameMalformed, match="CN is longer than 64"):
        pki.issue(DistinguishedName.of(cn="a" * 65), now)
