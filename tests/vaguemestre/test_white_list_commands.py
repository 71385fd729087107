from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from certs.list_signing import Profile, sign
from certs.names import DistinguishedName
from certs.pki import Pki
from certs.publisher import SIGNER_CN, published_file, published_signer
from tests.certs.lists import OTHER, entry, white_list_xml
from vaguemestre import ports
from vaguemestre.sandbox_home import write_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

NAME = "CN=smtp.essai.mssante.fr,OU=1990780017,O=CH DES ESSAIS,ST=Paris (75),C=FR"


@pytest.fixture
def home(empty_home: Path) -> str:
    write_settings(empty_home, ports.free())  # it was copied, and names its own files by their whole path
    return str(empty_home)


def signed(home: Path, *entries: str, at: datetime | None = None) -> bytes:
    """A list that the sandbox's own key signed."""
    now = datetime.now(UTC)
    signer = published_signer(Pki.open(home / "pki", now))
    return sign(white_list_xml(at or now, *entries), signer, Profile.XML_DSIG, now)


def test_an_entry_is_added_shown_and_removed(vaguemestre: Command, home: str) -> None:
    words = ("--home", home, "--domain", "essai.mssante.fr")
    vaguemestre("white-list", "show", "essai.mssante.fr", "--home", home).is_refused("not in the white list")
    said = vaguemestre("white-list", "add", *words, "--dn", NAME, "--json")
    assert said.json == {"domain": "essai.mssante.fr", "dn": NAME, "outcome": "added"}
    again = vaguemestre("white-list", "add", *words, "--dn", NAME, "--json")
    assert again.code == 0
    assert again.json["outcome"] == "listed already"
    shown = vaguemestre("white-list", "show", "Essai.MSSANTE.fr", "--home", home, "--json").json
    assert [(row["domain"], row["dn"]) for row in shown] == [("essai.mssante.fr", NAME)]
    assert vaguemestre("white-list", "remove", *words, "--json").json["entries_removed"] == 1
    vaguemestre("white-list", "remove", *words).is_refused("not in the white list")


def test_an_entry_is_added_by_its_certificate(vaguemestre: Command, home: str, empty_home: Path) -> None:
    file = empty_home / "pki" / "peers" / "unlisted-dn.pem"
    words = ("--home", home, "--domain", "neuf.test", "--certificate", str(file))
    assert "added" in vaguemestre("white-list", "add", *words).out
    assert vaguemestre("white-list", "remove", *words, "--json").json["entries_removed"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain", "a@b.fr", "--dn", NAME), "is no domain"),
        (("--domain", "a.fr", "--dn", "rien"), "distinguished name"),
        (("--domain", "a.fr", "--certificate", "none.pem"), "no certificate"),
    ],
)
def test_what_cannot_be_added_is_told_in_one_sentence(
    vaguemestre: Command, home: str, words: tuple[str, ...], said: str
) -> None:
    vaguemestre("white-list", "add", "--home", home, *words).is_refused(said)


@pytest.mark.parametrize("words", [(), ("--dn", NAME, "--certificate", "a.pem")])
def test_an_entry_needs_one_name(vaguemestre: Command, home: str, words: tuple[str, ...]) -> None:
    said = vaguemestre("white-list", "add", "--home", home, "--domain", "a.fr", *words)
    assert said.code == 2
    assert "--certificate" in said.err


def test_only_a_sandbox_has_a_list_of_its_own(vaguemestre: Command, home: str, empty_home: Path) -> None:
    file = empty_home / "vaguemestre.toml"
    file.write_text(file.read_text().replace("sandbox = true", "sandbox = false"))
    for command in ("add", "remove"):
        vaguemestre("white-list", command, "--home", home, "--domain", "a.fr", "--dn", NAME).is_refused(
            "sandbox"
        )
    peer = str(empty_home / "pki" / "peers" / "valid.pem")
    vaguemestre("certs", "revoke", "--home", home, peer).is_refused("sandbox")


def test_the_list_in_use_is_shown_as_a_whole(vaguemestre: Command, home: str) -> None:
    told = vaguemestre("white-list", "show", "--home", home, "--json").json
    assert told["entries"] > 5
    assert told["entries_left_out"] == 0
    assert told["age_hours"] == 0
    assert f"CN={SIGNER_CN}" in told["signer"]


def test_a_newer_list_is_fetched_and_an_older_one_refused(
    vaguemestre: Command, home: str, empty_home: Path
) -> None:
    first = vaguemestre("white-list", "fetch", "--home", home, "--json").json
    assert first["outcome"] == "unchanged"
    assert first["revocation_lists"][0]["failure"] is None
    soon = datetime.now(UTC) + timedelta(hours=1)
    content = published_file(empty_home).read_bytes()
    published_file(empty_home).write_bytes(signed(empty_home, entry("seul.test"), at=soon))
    said = vaguemestre("white-list", "fetch", "--home", home)
    assert said.code == 0
    assert "adopted" in said.out
    assert "revocation list file:///" in said.out
    assert vaguemestre("white-list", "show", "--home", home, "--json").json["domains"] == 1
    published_file(empty_home).write_bytes(content)
    vaguemestre("white-list", "fetch", "--home", home).is_refused("MSS-240", "older")


def test_a_shrinking_list_is_fetched_only_by_force(vaguemestre: Command, home: str, empty_home: Path) -> None:
    file = empty_home / "vaguemestre.toml"
    file.write_text(file.read_text().replace("largest_loss_percent = 100", "largest_loss_percent = 10"))
    vaguemestre("white-list", "fetch", "--home", home)
    soon = datetime.now(UTC) + timedelta(hours=1)
    published_file(empty_home).write_bytes(signed(empty_home, entry("seul.test"), at=soon))
    vaguemestre("white-list", "fetch", "--home", home).is_refused("MSS-242", "loses more domains")
    assert vaguemestre("white-list", "fetch", "--home", home, "--force").code == 0


def test_a_source_that_is_not_there_is_told_in_one_sentence(
    vaguemestre: Command, home: str, empty_home: Path
) -> None:
    published_file(empty_home).unlink()
    vaguemestre("white-list", "fetch", "--home", home).is_refused("published.xml", "cannot be read")
    (empty_home / "trust" / "white-list.xml").unlink()
    vaguemestre("white-list", "show", "--home", home).is_refused("there is no white list")


def test_a_list_is_verified_with_the_operator_s_settings(
    vaguemestre: Command, home: str, empty_home: Path
) -> None:
    file = str(published_file(empty_home))
    told = vaguemestre("white-list", "verify", file, "--home", home, "--json").json
    assert told["outcome"] == "good"
    assert vaguemestre("white-list", "verify", published_file(empty_home).as_uri(), "--home", home).code == 0
    vaguemestre("white-list", "verify", file, "--home", home, "--signer", "CN=alb.mssante.fr").is_refused(
        "MSS-232"
    )


def test_a_list_is_verified_without_any_operator(
    vaguemestre: Command, empty_home: Path, tmp_path: Path
) -> None:
    file, pki = str(published_file(empty_home)), empty_home / "pki"
    ca = ("--ca", str(pki / "ca.pem"), "--signer", f"CN={SIGNER_CN}")
    assert vaguemestre("white-list", "verify", file, *ca).code == 0
    assert vaguemestre("white-list", "verify", file, *ca, "--crl", str(pki / "organisations.crl")).code == 0
    vaguemestre("white-list", "verify", file, "--ca", str(pki / "etrangere.pem")).is_refused("MSS-231")
    vaguemestre("white-list", "verify", file, "--ca", str(tmp_path / "none.pem")).is_refused("cannot be read")
    vaguemestre("white-list", "verify", str(tmp_path / "none.xml"), *ca).is_refused("cannot be read")
    nobody = vaguemestre("white-list", "verify", file)
    assert nobody.code == 2
    assert "--home" in nobody.err
    unsigned = tmp_path / "unsigned.xml"
    unsigned.write_bytes(white_list_xml(datetime.now(UTC)))
    vaguemestre("white-list", "verify", str(unsigned), *ca).is_refused("MSS-220")
    told = vaguemestre("white-list", "verify", str(unsigned), *ca, "--unsigned", "--json").json
    assert told["signer"] is None


def test_a_list_whose_signer_was_revoked_is_refused(
    vaguemestre: Command, home: str, empty_home: Path
) -> None:
    signer = str(empty_home / "pki" / "white-list.pem")
    assert vaguemestre("certs", "revoke", "--home", home, signer).code == 0
    soon = datetime.now(UTC) + timedelta(hours=1)
    published_file(empty_home).write_bytes(signed(empty_home, entry("seul.test"), at=soon))
    vaguemestre("white-list", "fetch", "--home", home, "--force").is_refused("MSS-235")


def test_two_lists_are_compared(vaguemestre: Command, tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(white_list_xml("2026-11-01T03:00:00Z", entry("a.fr"), entry("b.fr")))
    new.write_bytes(
        white_list_xml("2026-11-02T03:00:00Z", entry("a.fr", description="Neuf"), entry("c.fr", OTHER))
    )
    rows = vaguemestre("white-list", "diff", str(old), str(new), "--json").json
    assert [(row["change"], row["domain"]) for row in rows] == [
        ("domain added", "c.fr"),
        ("domain removed", "b.fr"),
        ("certificate added", "c.fr"),
        ("certificate removed", "b.fr"),
        ("certificate changed", "a.fr"),
    ]
    assert DistinguishedName.parse(rows[2]["dn"]) == DistinguishedName.parse(OTHER)
    assert vaguemestre("white-list", "diff", str(old), str(old)).out == "(none)\n"
    old.write_text("rubbish")
    vaguemestre("white-list", "diff", str(old), str(new)).is_refused("MSS-202")


def test_routes_are_set_listed_and_unset(vaguemestre: Command, home: str, empty_home: Path) -> None:
    file = empty_home / "vaguemestre.toml"
    file.write_text(file.read_text() + '\n[routes]\n"fixe.test" = "127.0.0.1:26"\n')
    assert (
        vaguemestre("routes", "set", "--home", home, "a.test", "127.0.0.1:25", "--json").json["outcome"]
        == "set"
    )
    assert "already" in vaguemestre("routes", "set", "--home", home, "a.test", "127.0.0.1:25").out
    rows = vaguemestre("routes", "list", "--home", home, "--json").json
    assert [tuple(row.values()) for row in rows] == [
        ("a.test", "127.0.0.1:25", "routes.toml"),
        ("fixe.test", "127.0.0.1:26", "vaguemestre.toml"),
    ]
    assert vaguemestre("routes", "unset", "--home", home, "a.test").code == 0
    vaguemestre("routes", "unset", "--home", home, "a.test").is_refused("has no route")
    vaguemestre("routes", "unset", "--home", home, "fixe.test").is_refused("vaguemestre.toml")
    vaguemestre("routes", "set", "--home", home, "a.test", "nowhere").is_refused("write host:port")
    vaguemestre("routes", "set", "--home", home, "a@b", "a:25").is_refused("is no domain")


def test_a_certificate_is_revoked_once(vaguemestre: Command, home: str, empty_home: Path) -> None:
    peers = empty_home / "pki" / "peers"
    words = ("certs", "revoke", "--home", home)
    assert vaguemestre(*words, str(peers / "valid.pem"), "--json").json["outcome"] == "revoked"
    assert vaguemestre(*words, str(peers / "valid.pem"), "--json").json["outcome"] == "revoked already"
    vaguemestre(*words, str(peers / "foreign-ca.pem")).is_refused("not a certificate of this sandbox")
    vaguemestre(*words, str(peers / "none.pem")).is_refused("no certificate")


def test_what_ends_is_told_and_what_ends_soon_fails(
    vaguemestre: Command, home: str, empty_home: Path
) -> None:
    vaguemestre("white-list", "fetch", "--home", home)
    rows = vaguemestre("certs", "expiry", "--home", home, "--json").json
    assert {row["state"] for row in rows} == {"good"}
    assert rows[0]["what"] == "server certificate"
    soon = vaguemestre("certs", "expiry", "--home", home, "--days", "2000")
    assert soon.code == 1
    assert "server certificate" in soon.err
    (empty_home / "trust" / "white-list.xml").unlink()
    gone = vaguemestre("certs", "expiry", "--home", home)
    assert gone.code == 1
    assert "signer of the white list" in gone.err


@pytest.mark.parametrize("profile", list(Profile))
def test_any_list_is_signed_with_the_sandbox_s_key_and_judged_at_its_own_date(
    vaguemestre: Command, home: str, tmp_path: Path, profile: Profile
) -> None:
    plain, out = tmp_path / "liste.xml", tmp_path / "signee.xml"
    written_at = datetime.now(UTC) - timedelta(days=600)
    plain.write_bytes(white_list_xml(written_at, entry("ancien.mssante.fr", OTHER)))
    refused = vaguemestre("white-list", "verify", str(plain), "--home", home, "--json")
    assert refused.code == 1
    assert refused.json["code"] == "MSS-220"
    words = ("--home", home, "--out", str(out), "--profile", profile.value)
    assert vaguemestre("white-list", "sign", str(plain), *words).code == 0
    assert vaguemestre("white-list", "verify", str(out), "--home", home, "--json").json["entries"] == 1
    fetched = vaguemestre("white-list", "fetch", str(out), "--home", home)
    fetched.is_refused("MSS-240")  # older than the one in use


def test_a_file_is_shown_and_compared_with_the_list_in_use(
    vaguemestre: Command, home: str, tmp_path: Path
) -> None:
    file = tmp_path / "liste.xml"
    file.write_bytes(white_list_xml(datetime.now(UTC), entry("neuf.mssante.fr", OTHER)))
    shown = vaguemestre("white-list", "show", str(file), "--json").json
    assert (shown["domains"], shown["signature"]) == (1, "not looked at")
    changes = vaguemestre("white-list", "diff", str(file), "--home", home, "--json").json
    assert {"change": "domain added", "domain": "neuf.mssante.fr"} in changes
    assert vaguemestre("white-list", "diff", str(file)).code == 2
    assert vaguemestre("white-list", "show").code == 2


def test_a_list_from_elsewhere_is_fetched_once(vaguemestre: Command, home: str, empty_home: Path) -> None:
    file = empty_home / "autre.xml"
    later = datetime.now(UTC) + timedelta(hours=1)
    file.write_bytes(signed(empty_home, entry("neuf.mssante.fr", OTHER), at=later))
    assert (
        vaguemestre("white-list", "fetch", str(file), "--home", home, "--json").json["outcome"] == "adopted"
    )
    assert vaguemestre("white-list", "show", "neuf.mssante.fr", "--home", home).code == 0
