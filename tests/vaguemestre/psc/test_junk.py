"""Junk on every endpoint: each answer is one a client can understand, and none is an error of ours."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.vaguemestre.psc.provider import CAMILLE, PROTOCOL, RETURN, VERIFIER, Provider
from vaguemestre.psc.issuer import SOFTWARE
from vaguemestre.psc.tokens import challenge_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINTS = (
    "auth",
    "token",
    "userinfo",
    "token/introspect",
    "revoke",
    "logout",
    "ext/ciba/auth",
    "certs",
)
NAMES = (
    "client_id", "client_secret", "redirect_uri", "response_type", "scope", "state", "nonce", "code",
    "code_challenge", "code_challenge_method", "code_verifier", "grant_type", "refresh_token", "auth_req_id",
    "username", "decision", "login_hint", "binding_message", "token", "token_type_hint", "id_token_hint",
    "post_logout_redirect_uri", "client_certificate", "prompt", "response_mode", "request", "request_uri",
    "\x00", "é", "",
)  # fmt: skip
VALUES = (
    SOFTWARE, "code", "openid scope_all", RETURN, CAMILLE, "S256", challenge_of(VERIFIER), VERIFIER, "refuser",
    "confirmer", "authorization_code", "refresh_token", "urn:openid:params:grant-type:ciba", "a.b.c", "", " ",
    "\x00", "\ud7ff", "é" * 100, "A" * 5000, "[" * 3000, "%", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "https://[", "http://127.0.0.1:-1/", "https://a.example:99999999/", "//a", "../..", "{}", "null", "-1", "none",
)  # fmt: skip
RAW = (
    b"", b"&&&&", b"====", b"%ff%fe=%80", b"a" * 60_000, b"a=1&" * 2000, b"\xff\xfe", b"grant_type=%zz",
    b"client_id=a&client_id=b", b"token=" + b"%00" * 1000, b"state=%ed%a0%80",
)  # fmt: skip
KINDS = (b"application/x-www-form-urlencoded", b"application/json", b"multipart/form-data", b"\xff")


def junk(random_: random.Random) -> Iterator[dict[str, str]]:
    for _ in range(25):
        names = random_.sample(NAMES, random_.randint(0, 12))
        yield {name: random_.choice(VALUES) for name in names}


def understood(answer: Any) -> bool:
    return answer.status_code < 500 and b"Traceback" not in answer.content


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_junk_parameters_are_refused_without_an_incident(provider: Provider, endpoint: str) -> None:
    drawn = random.Random(endpoint)
    for values in junk(drawn):
        path = f"{PROTOCOL}/{endpoint}"
        assert understood(await provider.client.get(path, params=values)), values
        assert understood(await provider.client.post(path, data=values)), values
        assert understood(await provider.post(endpoint, **values)), values


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_bodies_that_are_no_form_are_refused_without_an_incident(
    provider: Provider, endpoint: str
) -> None:
    for body in RAW:
        for kind in KINDS:
            answer = await provider.client.post(
                f"{PROTOCOL}/{endpoint}",
                content=body,
                headers=[(b"Content-Type", kind)],
                auth=(SOFTWARE, provider.secret),
            )
            assert understood(answer), (body[:40], kind)


async def test_junk_on_the_pages_is_refused_without_an_incident(provider: Provider) -> None:
    for values in junk(random.Random(1)):
        assert understood(await provider.client.post("/psc/ciba", data=values)), values
    for body in RAW:
        answer = await provider.client.post(
            "/psc/ciba", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code in {400, 404}


@pytest.mark.parametrize(
    "query", ["%ff", "state=%ed%a0%80", "a=1&" * 500, "client_id=" + "a" * 17_000, "client_id=a;b"]
)
async def test_an_address_that_cannot_be_read_is_refused_with_a_page(provider: Provider, query: str) -> None:
    for endpoint in ("auth", "logout"):
        answer = await provider.client.get(f"{PROTOCOL}/{endpoint}?{query}")
        assert answer.status_code in {200, 400}
        assert "<html" in answer.text


@pytest.mark.parametrize(
    "header", [b"Bearer", b"Bearer ", b"Bearer a b", b"Bearer " + b"A" * 60_000, b"bearer \xff", b"x"]
)
async def test_a_strange_bearer_is_refused(provider: Provider, header: bytes) -> None:
    answer = await provider.client.get(f"{PROTOCOL}/userinfo", headers=[(b"Authorization", header)])
    assert answer.status_code == 401
