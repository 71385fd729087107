from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import BalType
from mailserver.store import acl
from mailserver.store.rights import ALL_RIGHTS
from tests.mailserver.place import Place
from tests.vaguemestre.psc.provider import (
    CAMILLE,
    ISSUER,
    KARIM,
    PROTOCOL,
    RETURN,
    Provider,
    hidden_fields,
    returned,
)
from vaguemestre.fictive import PROFESSIONALS
from vaguemestre.psc.clients import Client
from vaguemestre.psc.issuer import PORTAL

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PORTAL_RETURN = "https://127.0.0.1:21007/pro/psc/retour"


async def test_the_page_lists_every_professional_and_hands_the_request_back(provider: Provider) -> None:
    answer = await provider.client.get(f"{PROTOCOL}/auth", params=provider.asked())
    assert answer.status_code == 200
    for professional in PROFESSIONALS:
        assert f'value="{professional.idnat}"' in answer.text
        assert professional.structure.name in answer.text
    assert "Bac à sable" in answer.text
    assert "<script" not in answer.text
    asked = {name: value for name, value in provider.asked().items() if "&" not in html.escape(value)}
    assert asked.items() <= hidden_fields(answer.text).items()


async def test_the_page_names_own_boxes_and_those_one_was_let_into(
    provider: Provider, database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path)
    own = await place.add("camille", idnat=CAMILLE)
    service = await place.add("neurologie", type=BalType.ORG)
    closed = await place.add("ferme", type=BalType.ORG)
    for box in (service.owner_id, closed.owner_id):
        await database.write(
            partial(acl.grant, owner_id=box, member_id=own.owner_id, rights=ALL_RIGHTS, now=0)
        )
    await place.shut(closed)
    page = (await provider.client.get(f"{PROTOCOL}/auth", params=provider.asked())).text
    assert f"{own.address}, {service.address}" in page
    assert closed.address not in page
    assert page.count("sans boîte chez cet opérateur") == len(PROFESSIONALS) - 1


@pytest.mark.parametrize(("hint", "checked"), [(KARIM, 1), ("personne", 0), ("", 0)])
async def test_a_login_hint_selects_in_advance(provider: Provider, hint: str, checked: int) -> None:
    answer = await provider.client.get(f"{PROTOCOL}/auth", params=provider.asked(login_hint=hint))
    assert answer.text.count(" checked") == checked
    if checked:
        line = next(line for line in answer.text.splitlines() if " checked" in line)
        assert KARIM in line


async def test_a_choice_is_answered_by_a_code_at_the_address_of_return(provider: Provider) -> None:
    answer = await provider.choose()
    assert answer.headers["location"].startswith(RETURN + "&")
    values = returned(answer)
    assert values["page"] == "1"
    assert values["state"] == "état de la requête"
    assert values["iss"] == ISSUER
    assert len(values["code"]) >= 32
    assert values["session_state"]


async def test_a_post_without_a_choice_shows_the_page(provider: Provider) -> None:
    answer = await provider.client.post(f"{PROTOCOL}/auth", data=provider.asked())
    assert answer.status_code == 200
    assert 'name="username"' in answer.text


async def test_somebody_unknown_is_asked_again(provider: Provider) -> None:
    answer = await provider.choose("810000000001")
    assert answer.status_code == 400
    assert "Choisissez un professionnel" in answer.text


async def test_who_refuses_is_sent_back_without_a_code(provider: Provider) -> None:
    values = returned(await provider.choose(decision="refuser"))
    assert values["error"] == "access_denied"
    assert values["state"] == "état de la requête"
    assert "code" not in values


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://ailleurs.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:21007"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_chooses_nobody(provider: Provider, headers: dict[str, str]) -> None:
    answer = await provider.client.post(
        f"{PROTOCOL}/auth", data=provider.asked(username=CAMILLE), headers=headers
    )
    assert answer.status_code == 403
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "scope_all"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://a.example/r"}, "request_uri_not_supported"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "court"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_granted_is_told_to_the_client(
    provider: Provider, other: dict[str, Any], error: str
) -> None:
    values = returned(await provider.choose(**other))
    assert values["error"] == error
    assert values["error_description"]
    assert values["state"] == "état de la requête"
    assert "code" not in values


async def test_unknown_scopes_are_left_out(provider: Provider) -> None:
    tokens = await provider.tokens(scope="profile openid rpps")
    assert tokens["scope"] == "openid"


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": "inconnu"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "http://ailleurs.example/retour"},
        {"redirect_uri": "http://127.0.0.1.ailleurs.example/"},
        {"redirect_uri": "http://moi@127.0.0.1/"},
        {"redirect_uri": "http://localhost:99999/"},
        {"redirect_uri": "https://a.example/#fragment"},
        {"redirect_uri": "https://a.example;b/"},
        {"redirect_uri": "https:///retour"},
        {"redirect_uri": "https://[::1]/"},
        {"redirect_uri": "https://a.example/\r\nSet-Cookie: a=b"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "https://a.example/" + "a" * 2000},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    provider: Provider, other: dict[str, Any]
) -> None:
    answer = await provider.choose(**other)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "Demande refusée" in answer.text


@pytest.mark.parametrize(
    "uri",
    [
        "https://logiciel.example/retour",
        "https://LOGICIEL.example:8443/a?b=c",
        "http://localhost:9000/",
        "http://127.0.0.1/",
    ],
)
async def test_the_software_may_return_to_https_and_to_this_machine(provider: Provider, uri: str) -> None:
    answer = await provider.choose(redirect_uri=uri)
    assert answer.headers["location"].startswith(uri)


@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        (PORTAL_RETURN, True),
        ("https://localhost:21007/pro/psc/retour", True),
        (PORTAL_RETURN + "/", False),
        (PORTAL_RETURN + "?a=b", False),
        ("https://127.0.0.1:21008/pro/psc/retour", False),
        ("https://logiciel.example/pro/psc/retour", False),
    ],
)
async def test_the_portal_returns_to_its_own_page_alone(provider: Provider, uri: str, taken: bool) -> None:
    answer = await provider.choose(client_id=PORTAL, redirect_uri=uri)
    assert answer.status_code == (303 if taken else 400)


async def test_the_page_may_send_its_form_to_itself_and_the_address_of_return(provider: Provider) -> None:
    answer = await provider.client.get(f"{PROTOCOL}/auth", params=provider.asked())
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("form-action 'self' http://127.0.0.1:9000")


async def test_what_came_in_is_shown_as_text(provider: Provider) -> None:
    answer = await provider.client.get(
        f"{PROTOCOL}/auth", params=provider.asked(state='"><script>alert(1)</script>')
    )
    assert "<script" not in answer.text


async def test_a_parameter_that_stands_there_twice_is_refused(provider: Provider) -> None:
    query = "&".join(f"{name}={value}" for name, value in (("client_id", "a"), ("client_id", "b")))
    answer = await provider.client.get(f"{PROTOCOL}/auth?{query}")
    assert answer.status_code == 400
    assert "Cette demande est illisible." in answer.text


def test_a_client_does_not_show_its_secret() -> None:
    assert "chut" not in repr(Client("a", "chut"))
