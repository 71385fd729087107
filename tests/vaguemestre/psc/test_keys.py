from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.vaguemestre.psc.provider import PROTOCOL, Provider
from vaguemestre.errors import SandboxBroken
from vaguemestre.psc.clients import Clients, ensure_secrets, secret_file
from vaguemestre.psc.issuer import PORTAL, SOFTWARE, Algorithm
from vaguemestre.psc.keys import SigningKeys, ensure_keys, keys_file, rotate, states

if TYPE_CHECKING:
    from pathlib import Path


async def published(provider: Provider) -> list[dict[str, Any]]:
    return list((await provider.client.get(f"{PROTOCOL}/certs")).json()["keys"])


async def test_the_published_keys_have_no_secret(provider: Provider) -> None:
    keys = await published(provider)
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [
        ("RSA", "RS256", "sig"),
        ("EC", "ES256", "sig"),
    ]
    for key in keys:
        assert set(key) <= {"kty", "alg", "use", "kid", "n", "e", "crv", "x", "y"}


async def test_a_running_provider_takes_up_new_keys_and_honours_the_former(provider: Provider) -> None:
    before = await provider.tokens()
    old = [key["kid"] for key in await published(provider)]
    new = rotate(provider.home, keep_old=True)
    assert [key["kid"] for key in await published(provider)] == [*new, *old]
    after = await provider.tokens()
    assert (await provider.read(before["access_token"])).header["kid"] == old[0]
    assert (await provider.read(after["access_token"])).header["kid"] == new[0]
    assert await provider.is_active(before["access_token"])
    assert await provider.is_active(after["access_token"])
    # A refresh continues a session of the former keys.
    assert (await provider.refresh(before["refresh_token"])).status_code == 200


async def test_the_keys_before_the_former_ones_are_gone(provider: Provider) -> None:
    token = (await provider.tokens())["access_token"]
    first = rotate(provider.home, keep_old=True)
    second = rotate(provider.home, keep_old=True)
    assert [key["kid"] for key in await published(provider)] == [*second, *first]
    assert not await provider.is_active(token)


async def test_stolen_keys_are_dropped_at_once(provider: Provider) -> None:
    tokens = await provider.tokens()
    new = rotate(provider.home, keep_old=False)
    assert [key["kid"] for key in await published(provider)] == new
    assert (await provider.userinfo(tokens["access_token"])).status_code == 401
    assert await provider.is_active((await provider.refresh(tokens["refresh_token"])).json()["access_token"])


async def test_a_file_that_is_lost_or_damaged_leaves_the_keys_that_were_read(provider: Provider) -> None:
    token = (await provider.tokens())["access_token"]
    keys_file(provider.home).write_text("{")
    assert await provider.is_active(token)
    keys_file(provider.home).unlink()
    assert await provider.is_active(token)


def test_the_first_keys_stay(prepared: Path) -> None:
    before = keys_file(prepared).read_bytes()
    ensure_keys(prepared)
    secrets = [secret_file(prepared, each).read_text() for each in (PORTAL, SOFTWARE)]
    ensure_secrets(prepared)
    assert keys_file(prepared).read_bytes() == before
    assert [secret_file(prepared, each).read_text() for each in (PORTAL, SOFTWARE)] == secrets
    assert secrets[0] != secrets[1]


def test_only_their_owner_reads_keys_and_secrets(provider: Provider) -> None:
    rotate(provider.home, keep_old=True)
    files = sorted((provider.home / "psc").iterdir())
    assert [file.name for file in files] == ["keys.json", "lps-bac-a-sable.secret", "vaguemestre.secret"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_states_name_current_and_former_keys(provider: Provider) -> None:
    new = rotate(provider.home, keep_old=True)
    told = states(provider.home)
    assert [(each["alg"], each["state"]) for each in told] == [
        ("RS256", "current"),
        ("ES256", "current"),
        ("RS256", "previous"),
        ("ES256", "previous"),
    ]
    assert [each["kid"] for each in told[:2]] == new


def test_a_home_without_keys_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(SandboxBroken, match="vaguemestre sandbox"):
        SigningKeys(tmp_path)
    with pytest.raises(SandboxBroken, match="vaguemestre sandbox"):
        rotate(tmp_path, keep_old=True)
    with pytest.raises(SandboxBroken, match="vaguemestre sandbox"):
        Clients(tmp_path, 1)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"current": [{}], "previous": []}', '{"current": 1, "previous": []}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    ensure_keys(tmp_path)
    keys_file(tmp_path).write_text(content)
    with pytest.raises(SandboxBroken, match=r"keys\.json cannot be read"):
        SigningKeys(tmp_path)


def test_a_key_of_another_kind_is_a_damaged_file(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    values = json.loads(keys_file(tmp_path).read_text())
    values["current"][0] = {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}
    keys_file(tmp_path).write_text(json.dumps(values))
    with pytest.raises(SandboxBroken, match=r"keys\.json cannot be read"):
        SigningKeys(tmp_path).signing(Algorithm.RS256)
