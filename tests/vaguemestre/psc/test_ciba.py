from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.vaguemestre.psc.provider import (
    CAMILLE,
    KARIM,
    PROTOCOL,
    Provider,
    hidden_fields,
    refusal,
)
from vaguemestre.psc.clients import secret_of
from vaguemestre.psc.issuer import PORTAL

if TYPE_CHECKING:
    import httpx2

    from foundation.clock import FixedClock

CIBA = "urn:openid:params:grant-type:ciba"


async def ask(provider: Provider, **other: str) -> httpx2.Response:
    form = {"scope": "openid scope_all", "login_hint": CAMILLE, "binding_message": "42", **other}
    return await provider.post("ext/ciba/auth", **form)


async def asked(provider: Provider) -> str:
    return str((await ask(provider)).json()["auth_req_id"])


async def poll(provider: Provider, request_id: str) -> httpx2.Response:
    return await provider.post("token", grant_type=CIBA, auth_req_id=request_id)


async def decide(provider: Provider, request_id: str, decision: str, **headers: str) -> httpx2.Response:
    form = {"auth_req_id": request_id, "decision": decision}
    return await provider.client.post("/psc/ciba", data=form, headers=headers)


async def test_the_software_waits_until_the_professional_confirms(
    provider: Provider, clock: FixedClock
) -> None:
    begun = (await ask(provider)).json()
    assert (begun["expires_in"], begun["interval"]) == (120, 1)
    assert refusal(await poll(provider, begun["auth_req_id"])) == (400, "authorization_pending")
    page = (await provider.client.get("/psc/ciba")).text
    assert "Camille ROUSSEL" in page
    assert "42" in page
    shown = hidden_fields(page)["auth_req_id"]
    assert shown == begun["auth_req_id"]
    confirmed = await decide(provider, shown, "confirmer")
    assert "Identification confirmée" in confirmed.text
    assert "Aucune demande" in confirmed.text
    clock.advance(timedelta(seconds=1))
    tokens = (await poll(provider, shown)).json()
    claims = (await provider.read(tokens["access_token"])).claims
    assert claims["SubjectNameID"] == CAMILLE
    assert claims["scope"] == "openid scope_all"
    assert (await provider.refresh(tokens["refresh_token"])).status_code == 200
    assert refusal(await poll(provider, shown)) == (400, "invalid_grant")


async def test_who_refuses_gives_nothing(provider: Provider) -> None:
    request_id = await asked(provider)
    assert "Identification refusée" in (await decide(provider, request_id, "refuser")).text
    assert refusal(await poll(provider, request_id)) == (400, "access_denied")
    assert refusal(await poll(provider, request_id)) == (400, "invalid_grant")


async def test_who_asks_too_often_is_slowed_down(provider: Provider, clock: FixedClock) -> None:
    request_id = await asked(provider)
    assert refusal(await poll(provider, request_id))[1] == "authorization_pending"
    assert refusal(await poll(provider, request_id))[1] == "slow_down"
    clock.advance(timedelta(seconds=5))
    assert refusal(await poll(provider, request_id))[1] == "slow_down"
    clock.advance(timedelta(seconds=11))
    assert refusal(await poll(provider, request_id))[1] == "authorization_pending"


async def test_a_request_expires(provider: Provider, clock: FixedClock) -> None:
    request_id = await asked(provider)
    clock.advance(timedelta(seconds=120))
    assert refusal(await poll(provider, request_id)) == (400, "expired_token")
    answer = await decide(provider, request_id, "confirmer")
    assert answer.status_code == 404
    clock.advance(timedelta(seconds=120))
    assert refusal(await poll(provider, request_id)) == (400, "invalid_grant")


async def test_another_client_learns_nothing(provider: Provider) -> None:
    request_id = await asked(provider)
    await decide(provider, request_id, "confirmer")
    secret = secret_of(provider.home, PORTAL)
    form = {"grant_type": CIBA, "auth_req_id": request_id}
    answer = await provider.client.post(f"{PROTOCOL}/token", data=form, auth=(PORTAL, secret))
    assert refusal(answer) == (400, "invalid_grant")
    assert (await poll(provider, request_id)).status_code == 200


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"login_hint": "personne"}, "unknown_user_id"),
        ({"login_hint": ""}, "invalid_request"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"scope": "scope_all"}, "invalid_scope"),
        ({"binding_message": "a" * 65}, "invalid_binding_message"),
        ({"binding_message": "a\nb"}, "invalid_binding_message"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    provider: Provider, other: dict[str, str], error: str
) -> None:
    assert refusal(await ask(provider, **other)) == (400, error)
    assert "Aucune demande" in (await provider.client.get("/psc/ciba")).text


async def test_a_form_of_another_site_confirms_nothing(provider: Provider) -> None:
    request_id = await asked(provider)
    answer = await decide(provider, request_id, "confirmer", Origin="https://ailleurs.example")
    assert answer.status_code == 403
    assert refusal(await poll(provider, request_id))[1] == "authorization_pending"


@pytest.mark.parametrize(
    ("request_id", "decision"), [("inconnue", "confirmer"), ("", ""), (None, "peut-être")]
)
async def test_a_decision_about_nothing_changes_nothing(
    provider: Provider, request_id: str | None, decision: str
) -> None:
    real = await asked(provider)
    answer = await decide(provider, real if request_id is None else request_id, decision)
    assert answer.status_code == 404
    assert refusal(await poll(provider, real))[1] == "authorization_pending"


async def test_several_requests_wait_beside_each_other(provider: Provider) -> None:
    first = await asked(provider)
    second = (await ask(provider, login_hint=KARIM, binding_message="")).json()["auth_req_id"]
    page = (await provider.client.get("/psc/ciba")).text
    assert "Karim BENALI" in page
    assert page.count("Message à comparer") == 1
    await decide(provider, second, "confirmer")
    assert refusal(await poll(provider, first))[1] == "authorization_pending"
    tokens = (await poll(provider, second)).json()
    assert (await provider.read(tokens["access_token"])).claims["SubjectNameID"] == KARIM
