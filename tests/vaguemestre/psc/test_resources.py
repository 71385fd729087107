from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.vaguemestre.psc.provider import (
    CAMILLE,
    ISSUER,
    KARIM,
    ORIGIN,
    PROTOCOL,
    Provider,
    refusal,
)
from vaguemestre.psc.clients import secret_of
from vaguemestre.psc.issuer import PORTAL, SOFTWARE

if TYPE_CHECKING:
    from foundation.clock import FixedClock

# Userinfo ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_userinfo_tells_what_the_token_tells(provider: Provider, method: str) -> None:
    token = (await provider.tokens(KARIM))["access_token"]
    answer = await provider.client.request(
        method, f"{PROTOCOL}/userinfo", headers={"Authorization": f"Bearer {token}"}
    )
    told = answer.json()
    assert told["SubjectNameID"] == KARIM
    assert told["family_name"] == "BENALI"
    assert told.items() <= (await provider.read(token)).claims.items()


async def test_userinfo_without_scope_all_is_short(provider: Provider) -> None:
    token = (await provider.tokens(scope="openid"))["access_token"]
    told = (await provider.userinfo(token)).json()
    assert set(told) == {"sub", "preferred_username", "SubjectNameID", "given_name", "family_name"}


async def test_userinfo_refuses_a_token_that_has_expired(provider: Provider, clock: FixedClock) -> None:
    token = (await provider.tokens())["access_token"]
    clock.advance(timedelta(seconds=239))
    assert (await provider.userinfo(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    answer = await provider.userinfo(token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_userinfo_without_a_token_asks_for_one(provider: Provider) -> None:
    answer = await provider.client.get(f"{PROTOCOL}/userinfo")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="psc"'


async def test_an_id_token_opens_nothing(provider: Provider) -> None:
    token = (await provider.tokens())["id_token"]
    assert (await provider.userinfo(token)).status_code == 401
    assert not await provider.is_active(token)


def tampered(token: str) -> str:
    """The same token with another payload of the same length."""
    header, payload, signature = token.split(".")
    return f"{header}.{payload[:-8]}{'A' * 8}.{signature}"


@pytest.mark.parametrize(
    "token",
    [
        "rien",
        "a.b.c",
        "é.é.é",
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.",
        "W10.e30.AAAA",
        "eyJhbGciOlsiUlMyNTYiXX0.e30.AAAA",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6WzFdfQ.e30.AAAA",
        "W1tbW1tb" * 1000 + ".e30.AAAA",
        "a." * 8000,
        "A" * 16_000,
    ],
)
async def test_what_is_no_token_is_not_active(provider: Provider, token: str) -> None:
    assert not await provider.is_active(token)


async def test_a_tampered_token_is_not_active(provider: Provider) -> None:
    token = (await provider.tokens())["access_token"]
    assert await provider.is_active(token)
    assert not await provider.is_active(tampered(token))


# Introspection ----------------------------------------------------------------------------------------------


async def test_introspection_tells_an_access_token_as_keycloak_does(provider: Provider) -> None:
    token = (await provider.tokens())["access_token"]
    told = (await provider.post("token/introspect", token=token)).json()
    claims = (await provider.read(token)).claims
    added = {"active": True, "username": CAMILLE, "client_id": SOFTWARE, "token_type": "Bearer"}
    assert told == claims | added
    assert told["iss"] == ISSUER


async def test_introspection_knows_refresh_tokens_and_their_end(
    provider: Provider, clock: FixedClock
) -> None:
    token = (await provider.tokens())["refresh_token"]
    told = (await provider.post("token/introspect", token=token)).json()
    assert told["active"]
    assert told["username"] == CAMILLE
    clock.advance(timedelta(minutes=30))
    assert not await provider.is_active(token)


async def test_of_a_token_that_has_expired_nothing_is_told(provider: Provider, clock: FixedClock) -> None:
    token = (await provider.tokens())["access_token"]
    clock.advance(timedelta(seconds=240))
    answer = await provider.post("token/introspect", token=token)
    assert answer.json() == {"active": False}


async def test_introspection_needs_a_token(provider: Provider) -> None:
    assert refusal(await provider.post("token/introspect")) == (400, "invalid_request")


# Revocation -------------------------------------------------------------------------------------------------


async def test_a_revoked_access_token_ends_alone(provider: Provider) -> None:
    tokens = await provider.tokens()
    answer = await provider.post("revoke", token=tokens["access_token"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert not await provider.is_active(tokens["access_token"])
    again = await provider.refresh(tokens["refresh_token"])
    assert await provider.is_active(again.json()["access_token"])


async def test_a_revoked_refresh_token_ends_the_session(provider: Provider) -> None:
    tokens = await provider.tokens()
    await provider.post("revoke", token=tokens["refresh_token"], token_type_hint="access_token")
    assert not await provider.is_active(tokens["access_token"])
    assert refusal(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_to_revoke_what_is_not_there_is_done_already(provider: Provider) -> None:
    assert (await provider.post("revoke", token="inconnu")).status_code == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_client_revokes_its_own_tokens_only(provider: Provider, kind: str) -> None:
    token = (await provider.tokens())[kind]
    secret = secret_of(provider.home, PORTAL)
    answer = await provider.client.post(f"{PROTOCOL}/revoke", data={"token": token}, auth=(PORTAL, secret))
    assert refusal(answer) == (400, "invalid_grant")
    assert await provider.is_active(token)


# Sign-out ---------------------------------------------------------------------------------------------------


async def leave(provider: Provider, **parameters: Any) -> Any:
    return await provider.client.get(f"{PROTOCOL}/logout", params=parameters)


async def test_signing_out_ends_the_session_and_leads_back(provider: Provider) -> None:
    tokens, others = await provider.tokens(), await provider.tokens()
    answer = await leave(
        provider,
        id_token_hint=tokens["id_token"],
        post_logout_redirect_uri="http://localhost:9000/fin?a=1",
        state="x y",
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "http://localhost:9000/fin?a=1&state=x+y"
    assert not await provider.is_active(tokens["access_token"])
    assert refusal(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert await provider.is_active(others["access_token"])


async def test_an_id_token_that_has_expired_still_signs_out(provider: Provider, clock: FixedClock) -> None:
    tokens = await provider.tokens()
    clock.advance(timedelta(minutes=20))
    answer = await provider.client.post(f"{PROTOCOL}/logout", data={"id_token_hint": tokens["id_token"]})
    assert answer.status_code == 200
    assert "Vous êtes déconnecté" in answer.text
    assert refusal(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_another_token_signs_nobody_out(provider: Provider) -> None:
    tokens = await provider.tokens()
    for hint in (tokens["access_token"], tampered(tokens["id_token"]), "rien"):
        answer = await leave(provider, id_token_hint=hint)
        assert answer.status_code == 400
    answer = await leave(provider, id_token_hint=tokens["id_token"], client_id=PORTAL)
    assert answer.status_code == 400
    assert await provider.is_active(tokens["access_token"])


@pytest.mark.parametrize(
    ("client_id", "after", "status"),
    [
        (SOFTWARE, "https://logiciel.example/fin", 303),
        (SOFTWARE, "http://logiciel.example/fin", 400),
        (PORTAL, ORIGIN + "/?motif=sortie", 303),
        (PORTAL, "https://logiciel.example/fin", 400),
        ("inconnu", "https://logiciel.example/fin", 200),
    ],
)
async def test_after_signing_out_one_is_sent_to_an_address_of_the_client(
    provider: Provider, client_id: str, after: str, status: int
) -> None:
    answer = await leave(provider, client_id=client_id, post_logout_redirect_uri=after)
    assert answer.status_code == status
    assert answer.headers.get("location") == (after if status == 303 else None)
