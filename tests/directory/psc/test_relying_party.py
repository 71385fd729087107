from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from directory.psc.faults import SignInFault, TokenFault
from directory.psc.relying_party import LOGOUT_EVENT, Begun, LoggedOut, RelyingParty, SignedIn
from tests.directory.psc.fake_provider import (
    CLIENT,
    IDNAT,
    ISSUER,
    PERSON,
    REDIRECT,
    RSA_2,
    SUBJECT,
    FakeProvider,
    half_hash,
    unpadded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import FixedClock


async def begun(party: RelyingParty) -> Begun:
    found = await party.begin(REDIRECT)
    assert isinstance(found, Begun)
    return found


async def signed_in(party: RelyingParty, fake: FakeProvider) -> SignedIn | SignInFault:
    request = await begun(party)
    code, state = fake.visit(request.url)
    assert state == request.state
    return await party.finish(request, code, REDIRECT)


def query_of(url: str) -> dict[str, str]:
    return {name: each[0] for name, each in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


async def test_the_request_is_what_pro_sante_connect_asks_for(party: RelyingParty) -> None:
    request = await begun(party)
    assert request.url.startswith(f"{ISSUER}/auth?theme=psc&response_type=code&")
    assert query_of(request.url) == {
        "theme": "psc",
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "scope": "openid scope_all",
        "acr_values": "eidas1",
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": unpadded(hashlib.sha256(request.verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    assert len(request.verifier) >= 43  # RFC 7636 §4.1


async def test_two_requests_have_nothing_in_common_and_show_nothing(party: RelyingParty) -> None:
    one, two = await begun(party), await begun(party)
    assert len({one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}) == 6
    assert repr(one) == "Begun()"


async def test_a_code_becomes_a_professional(party: RelyingParty, fake: FakeProvider) -> None:
    found = await signed_in(party, fake)
    assert isinstance(found, SignedIn)
    professional = found.professional
    assert (professional.idnat, professional.name) == (IDNAT, "Anne EXEMPLE")
    assert (professional.subject, professional.session, professional.acr) == (SUBJECT, "session-1", "eidas1")
    assert found.id_token not in repr(found)


async def test_a_code_serves_once(party: RelyingParty, fake: FakeProvider) -> None:
    request = await begun(party)
    code, _ = fake.visit(request.url)
    assert isinstance(await party.finish(request, code, REDIRECT), SignedIn)
    assert await party.finish(request, code, REDIRECT) is SignInFault.CODE_REFUSED


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(
    party: RelyingParty, fake: FakeProvider
) -> None:
    victim, thief = await begun(party), await begun(party)
    code, _ = fake.visit(victim.url)
    assert await party.finish(thief, code, REDIRECT) is SignInFault.CODE_REFUSED


async def test_an_id_token_of_another_request_is_not_taken(party: RelyingParty, fake: FakeProvider) -> None:
    for nonce in ("another", None, ["x"], "é"):
        fake.id_claims = {"nonce": nonce}
        assert await signed_in(party, fake) is SignInFault.WRONG_NONCE


@pytest.mark.parametrize("code", ["", "x" * 2049, "é"])
async def test_what_is_no_code_is_not_sent(party: RelyingParty, fake: FakeProvider, code: str) -> None:
    assert await party.finish(await begun(party), code, REDIRECT) is SignInFault.CODE_REFUSED
    assert fake.asked == [fake.discovery_name]


async def test_an_answer_of_another_provider_is_not_taken(party: RelyingParty, fake: FakeProvider) -> None:
    request = await begun(party)
    code, _ = fake.visit(request.url)
    wrong = await party.finish(request, code, REDIRECT, issuer="https://psc.example")
    assert wrong is SignInFault.WRONG_ISSUER
    assert isinstance(await party.finish(request, code, REDIRECT, issuer=ISSUER), SignedIn)


async def test_a_provider_that_names_itself_in_answers_must_do_so(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.metadata["authorization_response_iss_parameter_supported"] = True
    assert await signed_in(party, fake) is SignInFault.WRONG_ISSUER


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://psc.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another-client"], "azp": None},
        {"aud": [CLIENT, "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 99_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"typ": "Bearer"},
        {"at_hash": half_hash("another token")},
        {"at_hash": None, "typ": "Logout"},
        {"at_hash": ["x"]},
    ],
    ids=str,
)
async def test_an_id_token_that_is_wrong_is_not_believed(
    party: RelyingParty, fake: FakeProvider, claims: dict[str, Any]
) -> None:
    fake.id_claims = claims
    assert await signed_in(party, fake) is SignInFault.BAD_IDENTITY


async def test_an_id_token_with_several_audiences_names_its_party(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.id_claims = {"aud": [CLIENT, "another-client"], "azp": CLIENT}
    assert isinstance(await signed_in(party, fake), SignedIn)


async def test_an_id_token_may_leave_out_the_hash_of_the_access_token(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.id_claims = {"at_hash": None}
    assert isinstance(await signed_in(party, fake), SignedIn)


async def test_a_weak_authentication_is_told_apart(party: RelyingParty, fake: FakeProvider) -> None:
    for acr in ("eidas0", None, ["eidas1"]):
        fake.id_claims = {"acr": acr}
        assert await signed_in(party, fake) is SignInFault.WEAK_ACR


async def test_an_id_token_signed_by_an_unknown_key_is_not_believed(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.published = {"keys": [{**RSA_2.as_dict(private=False), "use": "sig"}]}
    assert await signed_in(party, fake) is SignInFault.BAD_IDENTITY


@pytest.mark.parametrize(
    "told",
    [{"sub": "f:x:somebody-else"}, {"sub": None}, {"sub": [SUBJECT]}, {"SubjectNameID": "810000000001"}],
    ids=str,
)
async def test_a_userinfo_about_somebody_else_is_not_believed(
    party: RelyingParty, fake: FakeProvider, told: Mapping[str, Any]
) -> None:
    fake.id_claims = {"SubjectNameID": IDNAT}
    fake.userinfo = {**PERSON, **told}
    assert await signed_in(party, fake) is SignInFault.WRONG_SUBJECT


async def test_the_acr_of_a_userinfo_does_not_count(party: RelyingParty, fake: FakeProvider) -> None:
    fake.userinfo = {**PERSON, "acr": "eidas3"}
    found = await signed_in(party, fake)
    assert isinstance(found, SignedIn) and found.professional.acr == "eidas1"


async def test_somebody_without_a_national_identifier_does_not_get_in(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.userinfo = {"sub": SUBJECT, "preferred_username": IDNAT}
    assert await signed_in(party, fake) is SignInFault.NO_SUBJECT


async def test_a_signed_userinfo_is_read_when_its_signature_holds(
    party: RelyingParty, fake: FakeProvider
) -> None:
    person = {**PERSON, "iss": ISSUER, "aud": CLIENT}
    fake.userinfo = fake.sign(person)
    assert isinstance(await signed_in(party, fake), SignedIn)
    for wrong in (
        fake.sign(person, key=RSA_2),
        fake.sign(person | {"aud": "another-client"}),
        fake.sign(person | {"iss": "https://psc.example"}),
        "x",
    ):
        fake.userinfo = wrong
        assert await signed_in(party, fake) is SignInFault.UNAVAILABLE


@pytest.mark.parametrize("missing", ["/token", "/userinfo", "/certs"])
async def test_a_provider_that_does_not_answer_fails_for_a_while(
    party: RelyingParty, fake: FakeProvider, missing: str
) -> None:
    fake.missing = {missing}
    assert await signed_in(party, fake) is SignInFault.UNAVAILABLE


@pytest.mark.parametrize("name", ["token_endpoint", "userinfo_endpoint"])
async def test_a_provider_without_an_endpoint_cannot_be_used(
    party: RelyingParty, fake: FakeProvider, name: str
) -> None:
    del fake.metadata[name]
    assert await signed_in(party, fake) is SignInFault.UNAVAILABLE


async def test_nothing_begins_while_the_provider_is_away(party: RelyingParty, fake: FakeProvider) -> None:
    fake.is_down = True
    assert await party.begin(REDIRECT) is SignInFault.UNAVAILABLE
    assert await party.logout_url("https://mail.test/") is None
    fake.is_down = False
    del fake.metadata["authorization_endpoint"]
    assert await party.begin(REDIRECT) is SignInFault.UNAVAILABLE


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "a", "id_token": "b"},
        {"access_token": "a", "id_token": "b", "token_type": "DPoP"},
        {"access_token": "a", "token_type": "Bearer"},
        {"access_token": "a b", "id_token": "b", "token_type": "Bearer"},
        {"access_token": "a\r\nX: y", "id_token": "b", "token_type": "Bearer"},
        {"access_token": ["a"], "id_token": "b", "token_type": "Bearer"},
        {"error": ["invalid_grant"]},
    ],
    ids=str,
)
async def test_an_answer_without_usable_tokens_is_a_fault_of_the_provider(
    party: RelyingParty, fake: FakeProvider, answer: dict[str, Any]
) -> None:
    fake.token_answer = answer
    assert await signed_in(party, fake) is SignInFault.UNAVAILABLE


async def test_the_operator_may_prove_itself_by_its_certificate_alone(
    party: RelyingParty, fake: FakeProvider
) -> None:
    fake.metadata["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    assert isinstance(await signed_in(party, fake), SignedIn)
    assert "/mtls/token" in fake.asked and "/token" not in fake.asked


async def test_signing_out_leads_to_the_provider_and_back(party: RelyingParty, fake: FakeProvider) -> None:
    url = await party.logout_url("https://mail.test/?a=b", id_token="x.y.z")
    assert url is not None and url.startswith(f"{ISSUER}/logout?")
    after = {"client_id": CLIENT, "post_logout_redirect_uri": "https://mail.test/?a=b"}
    assert query_of(url) == after | {"id_token_hint": "x.y.z"}
    without = await party.logout_url("https://mail.test/?a=b")
    assert without is not None and query_of(without) == after


async def test_a_provider_without_a_place_to_sign_out_has_no_address(
    party: RelyingParty, fake: FakeProvider
) -> None:
    del fake.metadata["end_session_endpoint"]
    assert await party.logout_url("https://mail.test/") is None


def logout_token(fake: FakeProvider, **claims: Any) -> str:
    usual: dict[str, Any] = {
        "typ": "Logout",
        "azp": None,
        "acr": None,
        "jti": "1",
        "events": {LOGOUT_EVENT: {}},
    }
    return fake.id_token(**usual | claims)


async def test_a_logout_token_says_whose_sessions_end(party: RelyingParty, fake: FakeProvider) -> None:
    assert await party.logged_out(logout_token(fake)) == LoggedOut(SUBJECT, "session-1")
    assert await party.logged_out(logout_token(fake, sid=None)) == LoggedOut(SUBJECT, "")
    assert await party.logged_out(logout_token(fake, sub=None)) == LoggedOut("", "session-1")


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"sub": None, "sid": None}, TokenFault.NO_SUBJECT),
        ({"sub": ["x"], "sid": "\x00"}, TokenFault.NO_SUBJECT),
        ({"nonce": "n"}, TokenFault.WRONG_TYPE),
        ({"events": None}, TokenFault.WRONG_TYPE),
        ({"events": [LOGOUT_EVENT]}, TokenFault.WRONG_TYPE),
        ({"events": {"another": {}}}, TokenFault.WRONG_TYPE),
        ({"events": {LOGOUT_EVENT: True}}, TokenFault.WRONG_TYPE),
        ({"aud": "another-client"}, TokenFault.WRONG_AUDIENCE),
        ({"iss": "https://psc.example"}, TokenFault.WRONG_ISSUER),
        ({"exp": 1}, TokenFault.EXPIRED),
    ],
    ids=str,
)
async def test_a_logout_token_that_is_wrong_ends_nothing(
    party: RelyingParty, fake: FakeProvider, claims: dict[str, Any], fault: TokenFault
) -> None:
    assert await party.logged_out(logout_token(fake, **claims)) is fault


async def test_a_logout_token_signed_by_somebody_else_ends_nothing(
    party: RelyingParty, fake: FakeProvider
) -> None:
    assert await party.logged_out(logout_token(fake, key=RSA_2)) is TokenFault.BAD_SIGNATURE
    assert await party.logged_out("x") is TokenFault.MALFORMED


async def test_an_id_token_ends_nothing(party: RelyingParty, fake: FakeProvider, clock: FixedClock) -> None:
    assert await party.logged_out(fake.id_token()) is TokenFault.WRONG_TYPE
    token = logout_token(fake)
    clock.advance(timedelta(minutes=6))
    assert await party.logged_out(token) is TokenFault.EXPIRED
