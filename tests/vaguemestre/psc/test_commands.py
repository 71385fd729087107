from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from foundation.settings import load
from tests.vaguemestre.psc.provider import CAMILLE
from vaguemestre import ports
from vaguemestre.home import to_toml
from vaguemestre.psc.issuer import issuer_at
from vaguemestre.psc.keys import SigningKeys
from vaguemestre.sandbox_home import write_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]


def read(home: Path, token: str) -> jwt.Token:
    keys = KeySet.import_key_set(SigningKeys(home).published())  # type: ignore[arg-type]
    return jwt.decode(token, keys, algorithms=["RS256", "ES256"])


def claims(home: Path, token: str) -> dict[str, Any]:
    return dict(read(home, token).claims)


def test_a_token_is_printed_for_a_professional(vaguemestre: Command, empty_home: Path) -> None:
    said = vaguemestre("token", "--home", str(empty_home), "--user", CAMILLE)
    assert said.code == 0
    assert said.out.count("\n") == 1
    told = claims(empty_home, said.out.strip())
    assert told["iss"] == issuer_at(load(empty_home).http)
    assert told["SubjectNameID"] == CAMILLE
    assert told["azp"] == "lps-bac-a-sable"
    assert told["scope"] == "openid scope_all"
    assert told["exp"] == told["iat"] + 240


def test_a_token_is_told_as_json(vaguemestre: Command, empty_home: Path) -> None:
    said = vaguemestre("token", "--home", str(empty_home), "--user", CAMILLE, "--json").json
    assert claims(empty_home, said.pop("access_token"))["SubjectNameID"] == CAMILLE
    assert said == {
        "token_type": "Bearer",
        "expires_in": 240,
        "scope": "openid scope_all",
        "username": CAMILLE,
        "issuer": issuer_at(load(empty_home).http),
    }


@pytest.mark.parametrize("lifetime", [3600, -1, -3600])
def test_a_token_holds_as_long_as_asked_or_has_expired(
    vaguemestre: Command, empty_home: Path, lifetime: int
) -> None:
    before = int(time.time())
    words = ("--home", str(empty_home), "--user", CAMILLE, "--lifetime", str(lifetime))
    told = claims(empty_home, vaguemestre("token", *words).out.strip())
    assert 0 <= told["exp"] - lifetime - before <= 10
    assert told["iat"] < told["exp"]


def test_a_token_is_bound_to_a_certificate(vaguemestre: Command, empty_home: Path) -> None:
    certificate = str(empty_home / "pki" / "server.pem")
    words = ("--home", str(empty_home), "--user", CAMILLE, "--certificate", certificate)
    told = claims(empty_home, vaguemestre("token", *words).out.strip())
    assert len(told["cnf"]["x5t#S256"]) == 43


def test_a_token_is_signed_by_the_other_algorithm_on_demand(vaguemestre: Command, empty_home: Path) -> None:
    words = ("--home", str(empty_home), "--user", CAMILLE, "--algorithm", "ES256")
    assert read(empty_home, vaguemestre("token", *words).out.strip()).header["alg"] == "ES256"


def test_who_is_unknown_gets_no_token_but_a_way_to_find_names(vaguemestre: Command, empty_home: Path) -> None:
    said = vaguemestre("token", "--home", str(empty_home), "--user", "personne")
    said.is_refused("personne", "vaguemestre psc show")


@pytest.mark.parametrize("content", [None, "ceci n'est pas un certificat"])
def test_a_file_that_is_no_certificate_is_named(
    vaguemestre: Command, empty_home: Path, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "lps.pem"
    if content is not None:
        file.write_text(content)
    words = ("--home", str(empty_home), "--user", CAMILLE, "--certificate", str(file))
    vaguemestre("token", *words).is_refused("lps.pem")


@pytest.mark.parametrize("words", [("token", "--user", CAMILLE), ("psc", "show"), ("psc", "rotate")])
def test_a_real_operator_has_no_provider_of_its_own(
    vaguemestre: Command, empty_home: Path, words: tuple[str, ...]
) -> None:
    file = empty_home / "vaguemestre.toml"
    file.write_text(file.read_text().replace("sandbox = true", "sandbox = false"))
    before = (empty_home / "psc" / "keys.json").read_bytes()
    vaguemestre(*words, "--home", str(empty_home)).is_refused("sandbox only")
    assert (empty_home / "psc" / "keys.json").read_bytes() == before


def test_a_sandbox_that_never_started_says_so(vaguemestre: Command, tmp_path: Path) -> None:
    (tmp_path / "vaguemestre.toml").write_text("sandbox = true\n")
    for words in (("token", "--user", CAMILLE), ("psc", "show"), ("psc", "rotate")):
        vaguemestre(*words, "--home", str(tmp_path)).is_refused("keys.json", "vaguemestre sandbox")


def test_everything_about_the_provider_is_shown(vaguemestre: Command, empty_home: Path) -> None:
    told = vaguemestre("psc", "show", "--home", str(empty_home), "--json").json
    assert told["issuer"] == issuer_at(load(empty_home).http)
    assert told["discovery"].endswith("/psc/.well-known/wallet-openid-configuration")
    assert told["clients"] == ["vaguemestre", "lps-bac-a-sable"]
    assert {"username": CAMILLE, "name": "Camille ROUSSEL"}.items() <= told["users"][0].items()
    assert [key["state"] for key in told["keys"]] == ["current", "current"]
    shown = vaguemestre("psc", "show", "--home", str(empty_home))
    assert shown.code == 0
    assert all(user["username"] in shown.out for user in told["users"])
    assert all(key["kid"] in shown.out for key in told["keys"])


def test_keys_are_exchanged_and_dropped(vaguemestre: Command, empty_home: Path) -> None:
    first = vaguemestre("token", "--home", str(empty_home), "--user", CAMILLE).out.strip()
    made = vaguemestre("psc", "rotate", "--home", str(empty_home), "--json").json
    second = vaguemestre("token", "--home", str(empty_home), "--user", CAMILLE).out.strip()
    assert read(empty_home, second).header["kid"] == made[0]["kid"]
    assert claims(empty_home, first)["SubjectNameID"] == CAMILLE
    assert vaguemestre("psc", "rotate", "--home", str(empty_home), "--drop-old").code == 0
    states = vaguemestre("psc", "show", "--home", str(empty_home), "--json").json["keys"]
    assert [key["state"] for key in states] == ["current", "current"]
    for token in (first, second):
        with pytest.raises(InvalidKeyIdError):
            read(empty_home, token)


# The settings of a sandbox ----------------------------------------------------------------------------------


def test_a_sandbox_relies_on_its_own_provider(empty_home: Path) -> None:
    settings = load(empty_home)
    assert settings.psc.issuer == issuer_at(settings.http)
    assert settings.psc.discovery == f"{settings.psc.issuer}/.well-known/wallet-openid-configuration"
    assert settings.psc.client_id == "vaguemestre"
    assert settings.psc.authorized_parties == ["lps-bac-a-sable"]
    assert settings.accounts.mail_password == "always"
    secret = settings.path(settings.psc.client_secret_file)
    assert secret.read_text().strip()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert settings.path(settings.psc.ca_file).exists()


def test_a_sandbox_that_has_joined_another_trusts_its_authority(empty_home: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "joined.toml").write_text(to_toml({"first": str(empty_home), "suffix": "b"}))
    settings = write_settings(second, ports.free())
    assert settings.path(settings.psc.ca_file) == empty_home / "pki" / "ca.pem"
    assert settings.path(settings.psc.client_secret_file).is_relative_to(second)
    assert settings.psc.issuer == issuer_at(settings.http)


def test_what_the_file_says_otherwise_is_kept(empty_home: Path) -> None:
    file = empty_home / "vaguemestre.toml"
    text = file.read_text().replace('mail_password = "always"', 'mail_password = "never"\nscram = true')
    file.write_text(
        text.replace('authorized_parties = ["lps-bac-a-sable"]', 'authorized_parties = ["a"]\nkeys_hours = 2')
    )
    settings = write_settings(empty_home, ports.free())
    assert settings.accounts.mail_password == "never"
    assert settings.accounts.scram
    assert settings.psc.authorized_parties == ["a"]
    assert settings.psc.keys_hours == 2
    assert settings.psc.issuer == issuer_at(settings.http)


def test_a_section_that_stands_there_first_is_filled_in(empty_home: Path) -> None:
    (empty_home / "vaguemestre.toml").write_text(to_toml({"sandbox": True, "accounts": {"scram": True}}))
    settings = write_settings(empty_home, ports.free())
    assert settings.accounts.mail_password == "always"
    assert settings.accounts.scram
