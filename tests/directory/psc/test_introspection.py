from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from directory.psc.faults import TokenFault
from directory.psc.tokens import Access, TokenCheck, thumbprint
from tests.directory.psc.fake_provider import CLIENT, IDNAT, ISSUER, PERSON, SECRET, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from directory.psc.provider import PscProvider
    from foundation.clock import FixedClock
    from foundation.settings import Settings
    from tests.directory.psc.conftest import SettingsOf

TOKEN = "mF_9.B5f-4.1JqM"


@pytest.fixture
def settings(settings_of: SettingsOf) -> Settings:
    return settings_of(validation="introspection")


@pytest.fixture
def active(fake: FakeProvider) -> dict[str, Any]:
    """What the provider says of a token that holds."""
    return {
        **PERSON,
        "active": True,
        "iss": ISSUER,
        "exp": fake.now() + 240,
        "typ": "Bearer",
        "azp": CLIENT,
        "acr": "eidas1",
    }


async def test_the_provider_is_asked_each_time_in_the_name_of_the_operator(
    tokens: TokenCheck, fake: FakeProvider, active: dict[str, Any]
) -> None:
    fake.introspection = active
    for _ in range(2):
        found = await tokens.check(TOKEN)
        assert isinstance(found, Access) and found.idnat == IDNAT
    assert fake.asked[1:] == ["/introspect", "/introspect"]
    assert fake.requests[-1].form == {"token": TOKEN, "token_type_hint": "access_token"}


async def test_neither_the_token_nor_the_secret_shows_in_a_request(
    tokens: TokenCheck, fake: FakeProvider, active: dict[str, Any]
) -> None:
    fake.introspection = active
    await tokens.check(TOKEN)
    assert TOKEN not in repr(fake.requests) and "Basic" not in repr(fake.requests)


async def test_a_token_that_is_not_active_is_revoked(
    tokens: TokenCheck, fake: FakeProvider, active: dict[str, Any]
) -> None:
    for answer in ({"active": False}, {}, active | {"active": "true"}, active | {"active": 1}):
        fake.introspection = answer
        assert await tokens.check(TOKEN) is TokenFault.REVOKED


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"iss": "https://psc.example"}, TokenFault.WRONG_ISSUER),
        ({"typ": "ID"}, TokenFault.WRONG_TYPE),
        ({"typ": "Refresh", "token_type": "Bearer"}, TokenFault.WRONG_TYPE),
        ({"exp": 1}, TokenFault.EXPIRED),
        ({"exp": None}, TokenFault.MALFORMED),
        ({"azp": "another-software"}, TokenFault.WRONG_AUDIENCE),
        ({"acr": "0"}, TokenFault.WEAK_ACR),
        ({"cnf": {"x5t#S256": thumbprint(b"another one")}}, TokenFault.NOT_BOUND),
        ({"SubjectNameID": None}, TokenFault.NO_SUBJECT),
    ],
    ids=str,
)
async def test_what_the_provider_says_of_an_active_token_is_judged_too(
    tokens: TokenCheck,
    fake: FakeProvider,
    active: dict[str, Any],
    changed: Mapping[str, Any],
    fault: TokenFault,
) -> None:
    fake.introspection = active | dict(changed)
    assert await tokens.check(TOKEN, certificate=b"DER") is fault


async def test_an_answer_may_leave_out_the_issuer_and_tell_the_type_in_the_words_of_the_rfc(
    tokens: TokenCheck, fake: FakeProvider, active: dict[str, Any]
) -> None:
    del active["iss"], active["typ"]
    fake.introspection = active
    assert await tokens.check(TOKEN) is TokenFault.WRONG_TYPE
    fake.introspection = active | {"token_type": "bearer"}
    assert isinstance(await tokens.check(TOKEN), Access)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"active":true,"active":false}', b"\xff"])
async def test_an_answer_that_is_no_object_fails_for_a_while(
    tokens: TokenCheck, fake: FakeProvider, body: bytes
) -> None:
    fake.introspection = body
    assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE


async def test_a_provider_that_is_away_or_refuses_the_operator_fails_for_a_while(
    tokens: TokenCheck, fake: FakeProvider, active: dict[str, Any], settings: Settings
) -> None:
    fake.introspection = active
    fake.is_down = True
    assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE
    fake.is_down = False
    secret = settings.path(settings.psc.client_secret_file)
    for wrong in (b"wrong", b"", b"\xff\xfe"):
        secret.write_bytes(wrong)
        assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE
    secret.unlink()
    assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE
    secret.write_text(SECRET, encoding="utf-8")
    assert isinstance(await tokens.check(TOKEN), Access)


async def test_without_an_introspection_endpoint_nothing_can_be_said(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    del fake.metadata["introspection_endpoint"]
    assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE


@pytest.mark.parametrize("token", ["", "a b", "é", "a\r\nb", "=", "x" * (12 * 1024 + 1)])
async def test_what_is_no_token_is_not_sent_to_the_provider(
    tokens: TokenCheck, fake: FakeProvider, token: str
) -> None:
    assert await tokens.check(token) is TokenFault.MALFORMED
    assert fake.asked == []


@pytest.mark.parametrize(
    ("methods", "way"),
    [(["client_secret_post"], "post"), (["tls_client_auth", "private_key_jwt"], "tls"), (None, "basic")],
)
async def test_the_operator_proves_itself_as_the_provider_asks(
    provider: PscProvider, fake: FakeProvider, clock: FixedClock, methods: list[str] | None, way: str
) -> None:
    fake.metadata |= {"introspection_endpoint_auth_methods_supported": methods}
    if methods is None:
        del fake.metadata["introspection_endpoint_auth_methods_supported"]
    fake.metadata["mtls_endpoint_aliases"] = {"introspection_endpoint": f"{ISSUER}/mtls/introspect"}
    endpoint = (await provider.metadata()).introspection
    assert endpoint is not None
    await provider.ask_as_client(endpoint, {"token": TOKEN})
    request = fake.requests[-1]
    assert request.form is not None
    assert ("Authorization" in request.headers) is (way == "basic")
    assert (request.form.get("client_secret") == SECRET) is (way == "post")
    assert (request.url == f"{ISSUER}/mtls/introspect") is (way == "tls")
    assert (request.form.get("client_id") == CLIENT) is (way != "basic")


@pytest.mark.parametrize("methods", [["private_key_jwt"], [], "client_secret_basic", [1]], ids=str)
async def test_a_way_of_proof_that_is_not_known_here_fails_for_a_while(
    tokens: TokenCheck, fake: FakeProvider, methods: Any
) -> None:
    fake.metadata["introspection_endpoint_auth_methods_supported"] = methods
    assert await tokens.check(TOKEN) is TokenFault.UNAVAILABLE
    assert fake.asked[-1] == fake.discovery_name
