from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import peers
from certs.authorities import Authorities
from certs.names import DistinguishedName
from certs.peers import Judge, Peer, PeerFault, Role, fault_of_handshake
from certs.pki import Case
from certs.profiles import DIGEST, Issuer, Purpose, Validity, authority, leaf
from certs.revocation import Crl, Revocations
from certs.white_list import parse_white_list
from tests.certs.lists import CrlTimes, a_key, certificate_of, crl_of, entry, new_issuer, white_list_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from certs.pki import Pki
    from certs.white_list import WhiteList

NAME = DistinguishedName.of(cn="mx.essai.test", ou="399900001000010", o="OPÉRATEUR D'ESSAI", st="Nord (59)")
DAY = timedelta(days=1)
BOTH = pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])


@pytest.fixture
def white_list(now: datetime) -> WhiteList:
    return parse_white_list(
        white_list_xml(now, entry("a.fr", str(NAME)), entry("b.fr", str(NAME)), entry("c.fr"))
    )


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def judge_with(pki: Pki, white_list: WhiteList, now: datetime, *crls: bytes, grace: timedelta = DAY) -> Judge:
    authorities = Authorities.load(pki.ca_file)
    read = [Crl.read(each, authorities, now) for each in crls or (pki.crl_file.read_bytes(),)]
    return Judge(authorities, Revocations.of(read, grace), white_list)


@pytest.fixture
def judge(pki: Pki, white_list: WhiteList, now: datetime) -> Judge:
    return judge_with(pki, white_list, now)


@BOTH
def test_a_listed_peer_is_known_with_its_domains(judge: Judge, pki: Pki, now: datetime, role: Role) -> None:
    shown = der(certificate_of(pki.organisations, NAME, now))
    expected = Peer(NAME, "mx.essai.test", frozenset({"a.fr", "b.fr"}))
    assert judge.judge(shown, role, now) == expected
    assert judge.judge(shown, role, now) == expected


@BOTH
def test_an_unlisted_peer_has_no_domains(judge: Judge, pki: Pki, now: datetime, role: Role) -> None:
    name = DistinguishedName.of(cn="mx.essai.test", ou="399900001000010", o="AUTRE", st="Nord (59)")
    found = judge.judge(der(certificate_of(pki.organisations, name, now)), role, now)
    assert isinstance(found, Peer)
    assert found.domains == frozenset()


# ref: F05
@BOTH
def test_what_openssl_would_have_refused_is_refused_here_too(
    judge: Judge, pki: Pki, now: datetime, role: Role
) -> None:
    expired = certificate_of(pki.organisations, NAME, now, days=(-9, -1))
    foreign = certificate_of(pki.foreign, NAME, now)
    assert judge.judge(der(expired), role, now) is PeerFault.EXPIRED
    assert judge.judge(der(foreign), role, now) is PeerFault.UNTRUSTED
    assert judge.judge(None, role, now) is PeerFault.NO_CERTIFICATE
    assert judge.judge(b"", role, now) is PeerFault.NO_CERTIFICATE
    assert judge.judge(b"rubbish", role, now) is PeerFault.UNTRUSTED


# ref: F06
def test_a_certificate_ends_while_the_service_runs(judge: Judge, pki: Pki, now: datetime) -> None:
    certificate = certificate_of(pki.organisations, NAME, now)
    shown = der(certificate)
    assert isinstance(judge.judge(shown, Role.CLIENT, now), Peer)
    assert judge.judge(shown, Role.CLIENT, certificate.not_valid_after_utc + DAY) is PeerFault.EXPIRED
    assert judge.judge(shown, Role.CLIENT, certificate.not_valid_before_utc - DAY) is PeerFault.EXPIRED


# Revocation -------------------------------------------------------------------------------------------------


# ref: F07
@BOTH
def test_a_revoked_certificate_is_refused(pki: Pki, white_list: WhiteList, now: datetime, role: Role) -> None:
    gone = certificate_of(pki.organisations, NAME, now)
    judge = judge_with(
        pki, white_list, now, crl_of(pki.organisations, CrlTimes(now - DAY, now + DAY), [gone])
    )
    assert judge.judge(der(gone), role, now) is PeerFault.REVOKED
    assert isinstance(judge.judge(der(certificate_of(pki.organisations, NAME, now)), role, now), Peer)


def test_a_list_serves_past_its_end_for_the_grace_and_no_longer(
    pki: Pki, white_list: WhiteList, now: datetime
) -> None:
    gone, good = (certificate_of(pki.organisations, NAME, now) for _ in range(2))
    crl = crl_of(pki.organisations, CrlTimes(now - DAY, now + DAY), [gone])
    judge = judge_with(pki, white_list, now, crl, grace=3 * DAY)
    assert isinstance(judge.judge(der(good), Role.CLIENT, now + 4 * DAY), Peer)
    assert (
        judge.judge(der(good), Role.CLIENT, now + 4 * DAY + timedelta(seconds=1))
        is PeerFault.REVOCATION_UNKNOWN
    )
    assert judge.judge(der(gone), Role.CLIENT, now + 9 * DAY) is PeerFault.REVOKED


def test_without_a_list_of_the_issuer_nobody_passes(pki: Pki, white_list: WhiteList, now: datetime) -> None:
    judge = judge_with(pki, white_list, now, crl_of(pki.root, CrlTimes(now - DAY, now + DAY)))
    assert (
        judge.judge(der(certificate_of(pki.organisations, NAME, now)), Role.CLIENT, now)
        is PeerFault.REVOCATION_UNKNOWN
    )


def test_without_any_list_to_ask_for_everybody_passes(pki: Pki, white_list: WhiteList, now: datetime) -> None:
    judge = Judge(Authorities.load(pki.ca_file), Revocations.unchecked(), white_list)
    assert isinstance(judge.judge(der(certificate_of(pki.organisations, NAME, now)), Role.CLIENT, now), Peer)


def test_a_revoked_authority_counts(pki: Pki, white_list: WhiteList, now: datetime) -> None:
    times = CrlTimes(now - DAY, now + DAY)
    below = crl_of(pki.organisations, times)
    shown = der(certificate_of(pki.organisations, NAME, now))
    judge = judge_with(pki, white_list, now, below, crl_of(pki.root, times, [pki.organisations.certificate]))
    assert judge.judge(shown, Role.CLIENT, now) is PeerFault.REVOKED
    judge = judge_with(pki, white_list, now, below, crl_of(pki.root, times))
    assert isinstance(judge.judge(shown, Role.CLIENT, now), Peer)


def test_a_list_of_the_root_that_is_out_of_date_stops_everybody(
    pki: Pki, white_list: WhiteList, now: datetime
) -> None:
    below = crl_of(pki.organisations, CrlTimes(now - DAY, now + 9 * DAY))
    judge = judge_with(pki, white_list, now, below, crl_of(pki.root, CrlTimes(now - 9 * DAY, now - 2 * DAY)))
    assert (
        judge.judge(der(certificate_of(pki.organisations, NAME, now)), Role.CLIENT, now)
        is PeerFault.REVOCATION_UNKNOWN
    )


# Usage and names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "client", "server"),
    [(Purpose.SERVER, True, True), (Purpose.ORGANISATION, True, False), (Purpose.SIGNATURE, False, False)],
)
def test_a_certificate_serves_for_what_it_was_made(
    judge: Judge, pki: Pki, now: datetime, purpose: Purpose, client: bool, server: bool
) -> None:
    shown = der(certificate_of(pki.organisations, NAME, now, purpose=purpose))
    for role, may in ((Role.CLIENT, client), (Role.SERVER, server)):
        found = judge.judge(shown, role, now)
        assert isinstance(found, Peer) if may else found is PeerFault.WRONG_USAGE


def made(
    pki: Pki,
    now: datetime,
    *extensions: tuple[x509.ExtensionType, bool],
    subject: x509.Name | None = None,
) -> bytes:
    """A certificate of the authority with exactly these extensions."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or NAME.to_x509())
        .issuer_name(pki.organisations.certificate.subject)
        .public_key(a_key(0).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return der(builder.sign(pki.organisations.key, DIGEST))


def usage(**granted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**(dict.fromkeys(names, False) | granted))


@BOTH
def test_absent_usages_allow_everything(judge: Judge, pki: Pki, now: datetime, role: Role) -> None:
    assert isinstance(judge.judge(made(pki, now), role, now), Peer)


@BOTH
@pytest.mark.parametrize(
    ("extension", "may"),
    [
        (usage(digital_signature=True), True),
        (usage(key_encipherment=True), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.BasicConstraints(ca=True, path_length=None), False),
    ],
)
def test_each_usage_extension_is_heeded(
    judge: Judge, pki: Pki, now: datetime, role: Role, extension: x509.ExtensionType, may: bool
) -> None:
    found = judge.judge(made(pki, now, (extension, True)), role, now)
    assert isinstance(found, Peer) if may else found is PeerFault.WRONG_USAGE


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.mark.parametrize(
    "name",
    ["*.essai.test", "mx.essai.test\0.autre.test", "mx\n.essai.test", "mx.*.test"],
    ids=["wildcard", "nul", "line end", "wildcard inside"],
)
def test_a_name_with_a_wildcard_or_a_control_character_is_refused(
    judge: Judge, pki: Pki, now: datetime, name: str
) -> None:
    for shown in (
        made(pki, now, subject=common_name(name)),
        made(pki, now, (x509.SubjectAlternativeName([x509.DNSName(name)]), False)),
    ):
        assert judge.judge(shown, Role.CLIENT, now) is PeerFault.WRONG_USAGE


def test_a_name_without_common_name_is_refused(judge: Judge, pki: Pki, now: datetime) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SANS NOM")])
    assert judge.judge(made(pki, now, subject=subject), Role.CLIENT, now) is PeerFault.WRONG_USAGE


def test_a_certificate_with_a_broken_extension_is_refused(judge: Judge, pki: Pki, now: datetime) -> None:
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x82\xff\xff")
    assert judge.judge(made(pki, now, (broken, False)), Role.CLIENT, now) is PeerFault.UNTRUSTED


def test_a_signature_of_less_than_whole_octets_is_untrusted(judge: Judge, pki: Pki, now: datetime) -> None:
    """The count of unused bits stands outside what is signed, and OpenSSL lets one pass whose bits are zero."""
    for _ in range(64):
        certificate = certificate_of(pki.organisations, NAME, now)
        if certificate.signature[-1] & 1 == 0:
            break
    content = bytearray(der(certificate))
    assert isinstance(judge.judge(bytes(content), Role.CLIENT, now), Peer)
    content[-len(certificate.signature) - 1] = 1
    assert judge.judge(bytes(content), Role.CLIENT, now) is PeerFault.UNTRUSTED


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_certificate_with_a_flipped_octet_is_untrusted(
    judge: Judge, pki: Pki, now: datetime, data: st.DataObject
) -> None:
    content = bytearray(der(certificate_of(pki.organisations, NAME, now)))
    content[data.draw(st.integers(0, 10**6)) % len(content)] ^= data.draw(st.integers(1, 255))
    assert judge.judge(bytes(content), Role.CLIENT, now) is PeerFault.UNTRUSTED


def test_an_authority_is_no_peer(judge: Judge, pki: Pki, now: datetime) -> None:
    shown = judge.judge(der(pki.organisations.certificate), Role.CLIENT, now)
    assert shown is PeerFault.WRONG_USAGE


def test_an_authority_that_was_renewed_gives_another_way(
    pki: Pki, white_list: WhiteList, now: datetime
) -> None:
    root = new_issuer("RACINE", now)
    later = Validity(now + 3 * DAY, now + 30 * DAY)
    below = new_issuer("ORGANISATIONS", now, root, key_number=2, path_length=0)
    ends_soon = authority(
        DistinguishedName.from_x509(below.certificate.subject),
        below.key,
        Validity(now - DAY, now + 2 * DAY),
        root,
        path_length=0,
    )
    renewed = authority(
        DistinguishedName.from_x509(below.certificate.subject), below.key, later, root, path_length=0
    )
    issuer = Issuer(renewed, below.key, "http://crl.test/")
    shown = der(
        leaf(NAME, a_key(0).public_key(), Validity(now - DAY, now + 20 * DAY), issuer, Purpose.SERVER)
    )
    authorities = Authorities((root.certificate, ends_soon, renewed))
    judge = Judge(authorities, Revocations.unchecked(), white_list)
    assert isinstance(judge.judge(shown, Role.CLIENT, now), Peer)
    assert isinstance(judge.judge(shown, Role.CLIENT, now + 5 * DAY), Peer)
    assert judge.judge(shown, Role.CLIENT, now + 2.5 * DAY) is PeerFault.EXPIRED


def test_a_certificate_is_read_once(
    judge: Judge, pki: Pki, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = der(certificate_of(pki.organisations, NAME, now))
    judge.judge(shown, Role.CLIENT, now)
    monkeypatch.setattr(peers.x509, "load_der_x509_certificate", None)
    assert isinstance(judge.judge(shown, Role.CLIENT, now), Peer)


def test_what_is_remembered_is_bounded(judge: Judge, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_MOST_VERDICTS", 8)
    for number in range(100):
        assert judge.judge(b"%d" % number, Role.CLIENT, now) is PeerFault.UNTRUSTED
    assert len(judge._verdicts) <= 8


# What OpenSSL says ------------------------------------------------------------------------------------------


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> Iterable[tuple[str, ssl.SSLError]]:
    """The errors of a handshake without a network, by side."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides: list[tuple[str, Any]] = [
        ("client", client.wrap_bio(one, other)),
        ("server", server.wrap_bio(other, one, server_side=True)),
    ]
    done: set[str] = set()
    for _ in range(10):
        for side, connection in sides:
            if side in done:
                continue
            try:
                connection.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                done.add(side)
                yield side, error


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda pki, now: pki.issue(NAME, now, case=Case.EXPIRED), PeerFault.EXPIRED),
        (lambda pki, now: pki.issue(NAME, now + 9 * DAY), PeerFault.EXPIRED),
        (lambda pki, now: pki.issue(NAME, now, case=Case.FOREIGN_CA), PeerFault.UNTRUSTED),
        (lambda pki, now: pki.issue(NAME, now, purpose=Purpose.SIGNATURE), PeerFault.WRONG_USAGE),
    ],
    ids=["expired", "not yet", "foreign", "usage"],
)
@BOTH
def test_the_fault_of_a_failed_handshake_is_told_on_the_side_that_judged(
    pki: Pki,
    now: datetime,
    make: Callable[[Pki, datetime], Any],
    expected: PeerFault,
    role: Role,
    tmp_path: Any,
) -> None:
    wrong, good = make(pki, now).write(tmp_path / "wrong"), pki.issue(NAME, now).write(tmp_path / "good")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(*(good if role is Role.CLIENT else wrong))
    client.load_cert_chain(*(wrong if role is Role.CLIENT else good))
    for context in (server, client):
        context.load_verify_locations(pki.ca_file)
    told = {side: fault_of_handshake(error) for side, error in shaken(server, client)}
    judging, judged = ("server", "client") if role is Role.CLIENT else ("client", "server")
    assert told[judging] is expected
    assert told.get(judged) is None


def test_a_client_without_certificate_is_told_from_other_failures(
    pki: Pki, now: datetime, tmp_path: Any
) -> None:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(*pki.issue(NAME, now).write(tmp_path / "good"))
    for context in (server, client):
        context.load_verify_locations(pki.ca_file)
    told = {side: fault_of_handshake(error) for side, error in shaken(server, client)}
    assert told["server"] is PeerFault.NO_CERTIFICATE
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert {fault_of_handshake(error) for _, error in shaken(server, client)} == {None}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (3, PeerFault.REVOCATION_UNKNOWN),
        (12, PeerFault.REVOCATION_UNKNOWN),
        (20, PeerFault.UNTRUSTED),
        (23, PeerFault.REVOKED),
        (67, PeerFault.UNTRUSTED),
    ],
)
def test_each_verify_code_has_its_fault(code: int, expected: PeerFault) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    assert fault_of_handshake(error) is expected
