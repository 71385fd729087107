from __future__ import annotations

import plistlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)

from certs.tls import TlsUnusable
from foundation.settings import Settings, from_values
from portal.setup.mobileconfig import mobileconfig
from tests.interop.service import program

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS, NAME = "marie.martin@hopital-demo.mssante.fr", "Dr Marie MARTIN"


def settings(tls: Mapping[str, Path], **values: Any) -> Settings:
    chosen = {"hostname": "mail.hopital-demo.mssante.fr", "domains": ["hopital-demo.mssante.fr"], **values}
    return from_values(Path("/nowhere"), {"tls": dict(tls), **chosen})


def profile_of(made: bytes | None) -> dict[str, Any]:
    """The profile inside its signature."""
    assert made is not None
    start, end = made.index(b"<?xml"), made.index(b"</plist>") + len(b"</plist>")
    found: dict[str, Any] = plistlib.loads(made[start:end])
    return found


def payloads(made: bytes | None, kind: str) -> list[dict[str, Any]]:
    return [each for each in profile_of(made)["PayloadContent"] if each["PayloadType"] == kind]


def test_it_holds_the_settings_and_no_password(identity: dict[str, Path]) -> None:
    made = mobileconfig(settings(identity), ADDRESS, NAME)
    (mail,) = payloads(made, "com.apple.mail.managed")
    assert mail["EmailAddress"] == mail["IncomingMailServerUsername"] == ADDRESS
    assert mail["OutgoingMailServerUsername"] == ADDRESS
    assert mail["EmailAccountName"] == NAME
    assert (mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"]) == (
        "mail.hopital-demo.mssante.fr",
        1993,
    )
    assert (mail["OutgoingMailServerHostName"], mail["OutgoingMailServerPortNumber"]) == (
        "mail.hopital-demo.mssante.fr",
        1465,
    )
    assert mail["IncomingMailServerUseSSL"] is True
    assert mail["OutgoingMailServerUseSSL"] is True
    assert not {"IncomingPassword", "OutgoingPassword"} & mail.keys()


def test_health_data_stays_out_of_other_accounts_and_of_icloud(identity: dict[str, Path]) -> None:
    (mail,) = payloads(mobileconfig(settings(identity), ADDRESS, NAME), "com.apple.mail.managed")
    assert (mail["PreventMove"], mail["allowMailDrop"], mail["disableMailRecentsSyncing"]) == (
        True,
        False,
        True,
    )


# ref: ECO.1.1.4
def test_it_brings_the_authorities_above_the_server_and_no_other(identity: dict[str, Path]) -> None:
    made = mobileconfig(settings(identity), ADDRESS, NAME)
    root, organisations = x509.load_pem_x509_certificates(identity["ca_file"].read_bytes())
    assert [each["PayloadContent"] for each in payloads(made, "com.apple.security.root")] == [
        root.public_bytes(Encoding.DER)
    ]
    assert [each["PayloadContent"] for each in payloads(made, "com.apple.security.pkcs1")] == [
        organisations.public_bytes(Encoding.DER)
    ]
    foreign = identity["ca_file"].with_name("etrangere.pem")
    other = mobileconfig(settings({**identity, "ca_file": foreign}), ADDRESS, NAME)
    assert payloads(other, "com.apple.security.root") == []


def test_its_identifiers_are_the_same_each_time_for_a_box_and_a_host(identity: dict[str, Path]) -> None:
    def identifiers(address: str, **values: Any) -> list[str]:
        profile = profile_of(mobileconfig(settings(identity, **values), address, NAME))
        parts = [profile, *profile["PayloadContent"]]
        assert len({each["PayloadUUID"] for each in parts}) == len(parts)
        assert all(each["PayloadIdentifier"].endswith(each["PayloadUUID"].lower()) for each in parts)
        return [each["PayloadUUID"] for each in parts[:2]]

    first = identifiers(ADDRESS)
    assert identifiers(ADDRESS, setup={"imaps_port": 993}) == first
    assert not set(identifiers("a@hopital-demo.mssante.fr")) & set(first)
    assert not set(identifiers(ADDRESS, setup={"imap_host": "imap.hopital-demo.mssante.fr"})) & set(first)


@pytest.mark.interop
def test_openssl_finds_its_signature_good(identity: dict[str, Path], tmp_path: Path) -> None:
    made = mobileconfig(settings(identity), ADDRESS, NAME)
    assert made is not None

    def verified(content: bytes) -> subprocess.CompletedProcess[bytes]:
        command = [program("openssl"), "cms", "-verify", "-inform", "DER", "-purpose", "any"]
        command += ["-CAfile", str(identity["ca_file"])]
        return subprocess.run(command, input=content, capture_output=True, check=False, timeout=30)

    good = verified(made)
    assert good.returncode == 0, good.stderr
    assert plistlib.loads(good.stdout) == profile_of(made)
    changed = verified(made.replace(b"<integer>1993</integer>", b"<integer>1994</integer>"))
    assert changed.returncode != 0


def test_the_signature_carries_its_chain(identity: dict[str, Path]) -> None:
    made = mobileconfig(settings(identity), ADDRESS, NAME)
    assert made is not None
    assert len(pkcs7.load_der_pkcs7_certificates(made)) == 3


def test_a_key_that_cannot_sign_leaves_it_unsigned(identity: dict[str, Path], tmp_path: Path) -> None:
    key = tmp_path / "ed25519.key"
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*plain))
    made = mobileconfig(settings({**identity, "key": key}), ADDRESS, NAME)
    assert made is not None
    assert made.startswith(b"<?xml")


def test_a_name_that_is_markup_stays_a_name(identity: dict[str, Path]) -> None:
    name = "</string><key>x</key>&é\u202e"
    (mail,) = payloads(mobileconfig(settings(identity), ADDRESS, name), "com.apple.mail.managed")
    assert mail["EmailAccountName"] == name


def test_without_submission_there_is_none(identity: dict[str, Path]) -> None:
    smtp = {"submission": "", "submissions": ""}
    assert mobileconfig(settings(identity, smtp=smtp), ADDRESS, NAME) is None


def test_a_missing_certificate_is_named(identity: dict[str, Path]) -> None:
    with pytest.raises(TlsUnusable, match="nowhere"):
        mobileconfig(settings({**identity, "certificate": Path("/nowhere/server.pem")}), ADDRESS, NAME)
