"""openssl s_client looks at the port for other operators: which TLS it speaks, and what a certificate is worth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from certs.tls import SUITES
from tests.interop.service import program, run

if TYPE_CHECKING:
    import subprocess

    from tests.interop.service import Service

pytestmark = pytest.mark.interop

# What OpenSSL 3 would not even offer by itself.
EVERYTHING = "ALL:@SECLEVEL=0"


def s_client(
    service: Service, *options: str, case: str | None = "valid", say: str = "", way: str = "mx"
) -> subprocess.CompletedProcess[str]:
    """`openssl s_client -starttls smtp`, as a peer of the audit or as nobody, saying these lines once it is encrypted."""
    identity: tuple[str, ...] = ()
    if case is not None:
        row = next(each for each in service.described["peers"] if each["case"] == case)
        identity = ("-cert", row["certificate"], "-key", row["key"], "-cert_chain", row["certificate"])
    return run(
        program("openssl"),
        *("s_client", "-connect", f"{service.host}:{service.port(way)}", "-starttls", "smtp"),
        *("-CAfile", service.ca_file, "-verify_return_error", "-verify_hostname", "localhost"),
        *("-crlf", "-quiet" if say else "-brief", "-ign_eof" if say else "-no_ign_eof"),
        *identity,
        *options,
        input=say or "QUIT\n",
        timeout=30,
    )


def spoken(said: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Protocol and suite of an established connection (-brief)."""
    text = said.stdout + said.stderr
    protocol = re.search(r"Protocol version: (\S+)", text)
    suite = re.search(r"Ciphersuite: (\S+)", text)
    assert protocol is not None, text
    assert suite is not None, text
    return protocol[1], suite[1]


def is_refused(said: subprocess.CompletedProcess[str]) -> None:
    text = said.stdout + said.stderr
    assert said.returncode != 0, text
    assert "CONNECTION ESTABLISHED" not in text
    # It is the handshake that fails: the connection and STARTTLS before it did not.
    assert re.search(r"alert|no protocols available|handshake", text), text


# ref: F11
@pytest.mark.parametrize("suite", SUITES)
def test_each_mandatory_suite_is_spoken(service: Service, suite: str) -> None:
    said = s_client(service, "-tls1_2", "-cipher", suite)
    assert said.returncode == 0, said.stdout + said.stderr
    assert spoken(said) == ("TLSv1.2", suite)


def test_the_server_chooses_the_strongest_suite_of_tls_1_2(service: Service) -> None:
    said = s_client(service, "-tls1_2", "-cipher", ":".join(reversed(SUITES)))
    assert spoken(said) == ("TLSv1.2", SUITES[0])


# ref: ECO.1.1.1
def test_tls_1_3_is_spoken(service: Service) -> None:
    assert spoken(s_client(service, "-tls1_3"))[0] == "TLSv1.3"
    assert spoken(s_client(service))[0] == "TLSv1.3"


# ref: ECO.1.1.2
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
@pytest.mark.parametrize("way", ["mx", "submission"])
def test_older_versions_are_not_spoken(service: Service, version: str, way: str) -> None:
    is_refused(s_client(service, version, "-cipher", EVERYTHING, way=way))


# ref: ECO.1.1.3
@pytest.mark.parametrize(
    "suite",
    [
        "AES128-SHA",
        "AES256-GCM-SHA384",
        "DHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "aNULL:eNULL:@SECLEVEL=0",
    ],
)
def test_no_other_suite_of_tls_1_2_is_spoken(service: Service, suite: str) -> None:
    is_refused(s_client(service, "-tls1_2", "-cipher", suite))


MAIL = "EHLO essai\nMAIL FROM:<audit@{domain}>\nQUIT\n"


def domain_of(service: Service, case: str) -> str:
    return str(next(each["domain"] for each in service.described["peers"] if each["case"] == case))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_listed_certificate_is_let_in(service: Service, version: str) -> None:
    said = s_client(service, version, say=MAIL.format(domain=domain_of(service, "valid")))
    assert re.search(r"(?m)^250 2\.1\.0 ", said.stdout), said.stdout + said.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_without_a_certificate_the_handshake_holds_and_mail_is_refused(
    service: Service, version: str
) -> None:
    said = s_client(service, version, case=None, say=MAIL.format(domain=domain_of(service, "valid")))
    assert re.search(r"(?m)^530 5\.7\.0 MSS-150 ", said.stdout), said.stdout + said.stderr
    assert not re.search(r"(?m)^250 2\.1\.0 ", said.stdout)


# ref: F05
@pytest.mark.parametrize(
    ("case", "alert"), [("expired", "certificate expired"), ("foreign-ca", "unknown ca")]
)
def test_a_certificate_outside_the_chain_or_its_dates_gets_an_alert(
    service: Service, case: str, alert: str
) -> None:
    said = s_client(service, "-tls1_2", case=case)
    assert said.returncode != 0
    assert alert in said.stderr, said.stderr


def test_a_revoked_certificate_is_told_so(service: Service) -> None:
    said = s_client(service, case="revoked", say=MAIL.format(domain=domain_of(service, "revoked")))
    assert re.search(r"(?m)^554 5\.7\.5 MSS-153 ", said.stdout), said.stdout + said.stderr


def test_the_certificate_shown_is_the_operators_with_its_chain(service: Service) -> None:
    said = run(
        program("openssl"),
        *("s_client", "-connect", f"{service.host}:{service.port('mx')}", "-starttls", "smtp"),
        *("-showcerts", "-CAfile", service.ca_file),
        input="QUIT\n",
    )
    assert "Verify return code: 0 (ok)" in said.stdout
    assert said.stdout.count("BEGIN CERTIFICATE") >= 2
    # And a certificate is asked for in return, of any authority.
    assert "Requested Signature Algorithms" in said.stdout


def test_there_is_no_renegotiation_and_no_compression(service: Service) -> None:
    said = run(
        program("openssl"),
        *("s_client", "-connect", f"{service.host}:{service.port('mx')}", "-starttls", "smtp", "-tls1_2"),
        *("-CAfile", service.ca_file),
        input="R\n",
    )
    assert "Compression: NONE" in said.stdout
    assert re.search(r"no renegotiation|RENEGOTIATING[\s\S]*(error|alert)", said.stdout + said.stderr), (
        said.stderr
    )
