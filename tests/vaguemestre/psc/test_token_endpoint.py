from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.names import DistinguishedName
from certs.pki import Pki
from tests.vaguemestre.psc.provider import (
    CAMILLE,
    ISSUER,
    PROTOCOL,
    RETURN,
    VERIFIER,
    Provider,
    refusal,
)
from vaguemestre.psc.clients import Clients, secret_of
from vaguemestre.psc.issuer import PORTAL, SOFTWARE

if TYPE_CHECKING:
    from foundation.clock import FixedClock


async def test_a_code_becomes_the_tokens_of_pro_sante_connect(provider: Provider, clock: FixedClock) -> None:
    tokens = await provider.tokens()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 240
    assert tokens["refresh_expires_in"] == 1800
    assert tokens["scope"] == "openid scope_all"
    now = clock.millis() // 1000
    access = await provider.read(tokens["access_token"])
    assert access.header["alg"] == "RS256"
    assert access.header["typ"] == "JWT"
    expected = {
        "iss": ISSUER,
        "typ": "Bearer",
        "azp": SOFTWARE,
        "acr": "eidas1",
        "scope": "openid scope_all",
        "iat": now,
        "exp": now + 240,
        "auth_time": now,
        "nonce": "nonce-1",
        "SubjectNameID": CAMILLE,
        "preferred_username": CAMILLE,
        "sid": tokens["session_state"],
    }
    assert expected.items() <= access.claims.items()
    assert access.claims["sub"].endswith(f":{CAMILLE}")
    assert access.claims["SubjectRefPro"]["exercices"][0]["codeProfession"] == "10"
    assert "cnf" not in access.claims
    identity = await provider.read(tokens["id_token"])
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    expected = {
        "iss": ISSUER,
        "typ": "ID",
        "aud": SOFTWARE,
        "azp": SOFTWARE,
        "acr": "eidas1",
        "nonce": "nonce-1",
        "auth_time": now,
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        "sid": tokens["session_state"],
        "sub": access.claims["sub"],
        "SubjectNameID": CAMILLE,
    }
    assert expected.items() <= identity.claims.items()
    assert identity.claims["jti"] != access.claims["jti"]


async def test_without_scope_all_a_token_says_who_it_is_and_no_more(provider: Provider) -> None:
    tokens = await provider.tokens(scope="openid")
    claims = (await provider.read(tokens["access_token"])).claims
    assert claims["SubjectNameID"] == CAMILLE
    assert "SubjectRefPro" not in claims


async def test_without_a_nonce_there_is_none_in_the_tokens(provider: Provider) -> None:
    tokens = await provider.tokens(nonce=None)
    assert "nonce" not in (await provider.read(tokens["id_token"])).claims


# Who asks ---------------------------------------------------------------------------------------------------


async def test_a_client_proves_itself_in_the_form_as_well(provider: Provider) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": await provider.code(),
        "redirect_uri": RETURN,
        "code_verifier": VERIFIER,
        "client_id": SOFTWARE,
        "client_secret": provider.secret,
    }
    assert (await provider.client.post(f"{PROTOCOL}/token", data=form)).status_code == 200


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({"auth": (SOFTWARE, "faux")}, {}),
        ({"auth": ("inconnu", "faux")}, {}),
        ({}, {}),
        ({}, {"client_id": SOFTWARE}),
        ({}, {"client_id": SOFTWARE, "client_secret": "faux"}),
    ],
)
async def test_a_client_with_a_wrong_secret_gets_nothing(
    provider: Provider, options: dict[str, Any], form: dict[str, str]
) -> None:
    code = await provider.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": RETURN, **form}
    for endpoint in ("token", "token/introspect", "revoke", "ext/ciba/auth"):
        answer = await provider.client.post(f"{PROTOCOL}/{endpoint}", data={"token": "a", **form}, **options)
        assert refusal(answer) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    # A stranger cannot use up somebody's code.
    assert (await provider.exchange(code)).status_code == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YQ==", "Bearer abc", "Basic /w==", ""])
async def test_an_authorization_header_that_cannot_be_read_is_a_wrong_client(
    provider: Provider, header: str
) -> None:
    answer = await provider.client.post(
        f"{PROTOCOL}/token", data={"grant_type": "refresh_token"}, headers={"Authorization": header}
    )
    assert refusal(answer) == (401, "invalid_client")


async def test_a_client_proves_itself_once_and_as_itself(provider: Provider) -> None:
    twice = await provider.post("token", grant_type="x", client_secret=provider.secret)
    assert refusal(twice) == (400, "invalid_request")
    other = await provider.post("token", grant_type="x", client_id=PORTAL)
    assert refusal(other) == (400, "invalid_request")


async def test_secrets_are_compared_in_constant_time_for_unknown_clients_too(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    real = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(len(left))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = Clients(provider.home, 1)
    assert known.proven("inconnu", "faux") is None
    assert known.proven(SOFTWARE, "faux") is None
    assert known.proven(SOFTWARE, provider.secret) is not None
    assert compared == [len(provider.secret)] * 3


# Codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": "court"},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:9000/autre"},
        {"redirect_uri": ""},
    ],
)
async def test_a_code_serves_only_who_asked_for_it(provider: Provider, other: dict[str, str]) -> None:
    code = await provider.code()
    assert refusal(await provider.exchange(code, **other)) == (400, "invalid_grant")


async def test_a_code_nobody_was_given_is_refused(provider: Provider) -> None:
    assert refusal(await provider.exchange("inconnu")) == (400, "invalid_grant")


async def test_a_code_of_another_client_is_refused(provider: Provider) -> None:
    code = await provider.code()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": RETURN,
        "code_verifier": VERIFIER,
    }
    secret = secret_of(provider.home, PORTAL)
    answer = await provider.client.post(f"{PROTOCOL}/token", data=form, auth=(PORTAL, secret))
    assert refusal(answer) == (400, "invalid_grant")


async def test_a_verifier_without_a_challenge_tells_that_somebody_took_it_away(provider: Provider) -> None:
    code = await provider.code(code_challenge=None, code_challenge_method=None)
    assert refusal(await provider.exchange(code)) == (400, "invalid_grant")
    code = await provider.code(code_challenge=None, code_challenge_method=None)
    assert (await provider.exchange(code, code_verifier="")).status_code == 200


async def test_a_code_that_is_used_twice_ends_the_session_it_began(provider: Provider) -> None:
    code = await provider.code()
    tokens = (await provider.exchange(code)).json()
    assert (await provider.userinfo(tokens["access_token"])).status_code == 200
    assert refusal(await provider.exchange(code)) == (400, "invalid_grant")
    assert (await provider.userinfo(tokens["access_token"])).status_code == 401
    assert refusal(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_a_code_lives_a_minute(provider: Provider, clock: FixedClock) -> None:
    early, late = await provider.code(), await provider.code()
    clock.advance(timedelta(seconds=59))
    assert (await provider.exchange(early)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert refusal(await provider.exchange(late)) == (400, "invalid_grant")


# Refresh tokens ---------------------------------------------------------------------------------------------


async def test_a_refresh_token_continues_the_session_and_is_exchanged(
    provider: Provider, clock: FixedClock
) -> None:
    first = await provider.tokens()
    clock.advance(timedelta(minutes=29))
    second = (await provider.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["session_state"] == first["session_state"]
    claims = (await provider.read(second["access_token"])).claims
    assert claims["auth_time"] == claims["iat"] - 29 * 60
    assert (await provider.userinfo(first["access_token"])).status_code == 401
    assert (await provider.userinfo(second["access_token"])).status_code == 200


async def test_a_refresh_token_that_is_used_twice_ends_the_session(provider: Provider) -> None:
    first = await provider.tokens()
    second = (await provider.refresh(first["refresh_token"])).json()
    assert refusal(await provider.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert refusal(await provider.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert not await provider.is_active(second["access_token"])


# ref: ECO.1.2.6
async def test_a_refresh_token_lives_half_an_hour_and_a_session_four(
    provider: Provider, clock: FixedClock
) -> None:
    token = (await provider.tokens())["refresh_token"]
    clock.advance(timedelta(minutes=30))
    assert refusal(await provider.refresh(token)) == (400, "invalid_grant")
    token = (await provider.tokens())["refresh_token"]
    for _ in range(9):
        clock.advance(timedelta(minutes=25))
        token = (await provider.refresh(token)).json()["refresh_token"]
    clock.advance(timedelta(minutes=25))
    assert refusal(await provider.refresh(token)) == (400, "invalid_grant")


async def test_a_refresh_token_of_another_client_is_refused_and_not_used_up(provider: Provider) -> None:
    token = (await provider.tokens())["refresh_token"]
    secret = secret_of(provider.home, PORTAL)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = await provider.client.post(f"{PROTOCOL}/token", data=form, auth=(PORTAL, secret))
    assert refusal(answer) == (400, "invalid_grant")
    assert (await provider.refresh(token)).status_code == 200


async def test_a_refresh_does_not_widen_the_scope(provider: Provider) -> None:
    token = (await provider.tokens(scope="openid"))["refresh_token"]
    answer = await provider.refresh(token, scope="openid scope_all")
    assert refusal(answer) == (400, "invalid_scope")


# Requests that make no sense --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "urn:openid:params:grant-type:ciba"}, "invalid_request"),
    ],
)
async def test_what_is_missing_is_named(provider: Provider, form: dict[str, str], error: str) -> None:
    assert refusal(await provider.post("token", **form)) == (400, error)


async def test_only_a_form_is_read(provider: Provider) -> None:
    answer = await provider.client.post(
        f"{PROTOCOL}/token", json={"grant_type": "refresh_token"}, auth=(SOFTWARE, provider.secret)
    )
    assert refusal(answer) == (400, "invalid_request")


# Tokens bound to a certificate ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    now = datetime.now(UTC)
    issued = Pki.open_or_create(tmp_path_factory.mktemp("pki"), now).issue(
        DistinguishedName.of(cn="lps.example", ou="1990780017", o="ESSAI", st="Paris (75)"), now
    )
    path, _ = issued.write(tmp_path_factory.mktemp("lps") / "lps")
    return path.read_bytes()


async def test_a_token_is_bound_to_the_certificate_that_is_presented(
    provider: Provider, certificate: bytes
) -> None:
    answer = await provider.exchange(await provider.code(), client_certificate=certificate.decode())
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    expected = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    claims = (await provider.read(answer.json()["access_token"])).claims
    assert claims["cnf"] == {"x5t#S256": expected}


async def test_what_is_no_certificate_is_refused_and_costs_no_code(provider: Provider) -> None:
    code = await provider.code()
    answer = await provider.exchange(code, client_certificate="pas un certificat")
    assert refusal(answer) == (400, "invalid_request")
    assert (await provider.exchange(code)).status_code == 200
