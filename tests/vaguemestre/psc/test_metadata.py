from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from tests.shared_data import shared
from tests.vaguemestre.psc.provider import ISSUER, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_OF_THE_SAMPLE = {
    "backchannel_user_code_parameter_supported",
    "authorization_response_iss_parameter_supported",
}
"""Registered members (CIBA Core §4, RFC 9207 §3) that the derived sample has not."""


async def told(provider: Provider, name: str = "wallet-openid-configuration") -> dict[str, Any]:
    answer = await provider.client.get(f"/psc/.well-known/{name}")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


async def test_the_metadata_lie_under_the_odd_name_and_the_usual_one(provider: Provider) -> None:
    metadata = await told(provider)
    assert metadata == await told(provider, "openid-configuration")
    assert metadata["issuer"] == ISSUER


async def test_the_members_are_those_of_the_real_provider(provider: Provider) -> None:
    real = json.loads(shared("psc", "discovery-bas-like.json").read_text(encoding="utf-8"))
    metadata = await told(provider)
    assert set(metadata) - set(real) == NOT_OF_THE_SAMPLE
    for name, value in metadata.items():
        if name in real:
            assert type(value) is type(real[name]), name


async def test_only_what_is_served_is_promised(provider: Provider) -> None:
    metadata = await told(provider)
    assert metadata["grant_types_supported"] == [
        "authorization_code",
        "refresh_token",
        "urn:openid:params:grant-type:ciba",
    ]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["acr_values_supported"] == ["eidas1"]
    assert metadata["scopes_supported"] == ["openid", "scope_all"]
    assert metadata["request_uri_parameter_supported"] is False
    tokens = await provider.tokens()
    named = set(metadata["claims_supported"])
    assert set((await provider.userinfo(tokens["access_token"])).json()) <= named


def paths(provider: Provider) -> Iterator[tuple[str, set[str]]]:
    for route in provider.app.routes:
        if isinstance(route, Route):
            yield route.path, set(route.methods or ())


async def test_every_endpoint_of_the_metadata_answers(provider: Provider) -> None:
    served = dict(paths(provider))
    for name, url in (await told(provider)).items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert url.startswith(ISSUER + "/protocol/openid-connect/")
            assert url.removeprefix(ISSUER.removesuffix("/psc")) in served, name


@pytest.mark.parametrize(
    "path", ["/psc/protocol/openid-connect/token", "/psc/protocol/openid-connect/revoke"]
)
async def test_what_is_posted_cannot_be_fetched(provider: Provider, path: str) -> None:
    assert (await provider.client.get(path)).status_code == 405


async def test_the_index_names_everybody_and_how_to_get_a_token(provider: Provider) -> None:
    answer = await provider.client.get("/psc")
    assert answer.headers["location"] == "/psc/"
    page = (await provider.client.get("/psc/")).text
    assert "vaguemestre token --home sandbox --user 899900000102" in page
    assert f"{ISSUER}/.well-known/wallet-openid-configuration" in page
    assert "Hélène LEFÈVRE" in page
    assert provider.secret not in page
