from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, RSAKey

from directory.psc.faults import TokenFault
from directory.psc.jose import public_keys
from directory.psc.provider import FRESH, PscProvider
from directory.psc.renewal import SPACING
from directory.psc.tokens import Access, TokenCheck
from tests.directory.psc.fake_provider import (
    ISSUER,
    RSA_1,
    RSA_2,
    RSA_3,
    FakeProvider,
    public,
    rsa_token,
    unpadded,
)
from tests.shared_data import shared

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from tests.directory.psc.conftest import SettingsOf

USUAL = "/.well-known/openid-configuration"
UNUSABLE: dict[str, Any] = {"kty": "oct", "kid": "key-1", "k": "AA"}
WALLET = "/.well-known/wallet-openid-configuration"


async def settle() -> None:
    """Lets everything that can go on without waiting do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_metadata_are_found_under_the_name_of_pro_sante_connect(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    assert fake.asked == [WALLET, "/certs"]


async def test_metadata_are_found_under_the_name_of_the_standard_where_the_other_is_not(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    fake.discovery_name = USUAL
    assert isinstance(await tokens.check(fake.access_token()), Access)
    assert fake.asked == [WALLET, USUAL, "/certs"]


async def test_metadata_are_looked_for_only_where_the_settings_say(
    settings_of: SettingsOf, clock: FixedClock, fake: FakeProvider
) -> None:
    settings = settings_of(discovery=f"{ISSUER}/elsewhere")
    provider = PscProvider(settings, clock, fake)
    assert (
        await TokenCheck(provider, settings.psc, clock).check(fake.access_token()) is TokenFault.UNAVAILABLE
    )
    assert fake.asked == ["/elsewhere"]
    await provider.aclose()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": None},
        {"issuer": [ISSUER]},
        {"jwks_uri": None},
        {"jwks_uri": "http://psc.test/certs"},
        {"jwks_uri": "https://user@psc.test/certs"},
        {"jwks_uri": ["https://psc.test/certs"]},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"end_session_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_metadata_of_another_issuer_or_without_https_are_not_believed(
    tokens: TokenCheck, fake: FakeProvider, changed: dict[str, Any]
) -> None:
    fake.metadata |= changed
    assert await tokens.check(fake.access_token()) is TokenFault.UNAVAILABLE
    assert "/certs" not in fake.asked


@pytest.mark.parametrize("issuer", ["", "http://127.0.0.1:8443/psc", "https://", "psc.test"])
async def test_an_issuer_that_is_no_https_url_is_never_asked(
    settings_of: SettingsOf, clock: FixedClock, issuer: str
) -> None:
    fake = FakeProvider(clock, issuer)
    settings = settings_of(issuer=issuer)
    provider = PscProvider(settings, clock, fake)
    assert (
        await TokenCheck(provider, settings.psc, clock).check(fake.access_token()) is TokenFault.UNAVAILABLE
    )
    assert fake.asked == []
    await provider.aclose()


async def test_the_published_metadata_of_pro_sante_connect_are_read(
    tokens: TokenCheck, fake: FakeProvider, provider: PscProvider
) -> None:
    sample = json.loads(shared("psc", "discovery-bas-like.json").read_text(encoding="utf-8"))
    realm = "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet"
    repaired = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": f"{ISSUER}/token",
    }
    fake.metadata = sample | repaired | {"end_session_endpoint": f"{ISSUER}/logout"}
    metadata = await provider.metadata()
    assert metadata.jwks_uri == f"{realm}/protocol/openid-connect/certs"
    assert metadata.token is not None
    assert metadata.token.mtls_url == f"{realm}/protocol/openid-connect/token"
    assert metadata.introspection is not None
    assert "client_secret_basic" in metadata.introspection.methods


# ref: F50
async def test_a_rotation_amid_two_hundred_checks_loses_none(tokens: TokenCheck, fake: FakeProvider) -> None:
    old = [fake.access_token(key=RSA_1) for _ in range(100)]
    assert isinstance(await tokens.check(old[0]), Access)
    fake.asked.clear()
    before = [asyncio.create_task(tokens.check(token)) for token in old[:50]]
    await asyncio.sleep(0)
    fake.keys = [RSA_2]
    new = [fake.access_token(key=RSA_2) for _ in range(100)]
    after = [
        asyncio.create_task(tokens.check(token))
        for pair in zip(old[50:], new, strict=False)
        for token in pair
    ]
    rest = [asyncio.create_task(tokens.check(token)) for token in new[50:]]
    found = await asyncio.gather(*before, *after, *rest)
    assert len(found) == 200
    assert [each for each in found if not isinstance(each, Access)] == []
    assert fake.asked == ["/certs"]


async def test_a_new_key_published_while_the_keys_are_being_fetched_is_found(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    fake.hold = asyncio.Event()
    early = asyncio.create_task(tokens.check(fake.access_token(key=RSA_3)))
    await settle()  # its request has the answer from before the rotation
    fake.keys = [RSA_2, RSA_1]
    late = asyncio.create_task(tokens.check(fake.access_token()))
    await settle()
    fake.hold.set()
    assert isinstance(await late, Access)
    assert await early is TokenFault.BAD_SIGNATURE


async def test_a_flood_of_invented_keys_asks_the_provider_once_in_five_seconds(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    fake.asked.clear()
    began = clock.millis()
    for batch in range(20):
        junk = [fake.access_token(header={"kid": f"junk-{batch}-{number}"}) for number in range(10)]
        found = await asyncio.gather(*(tokens.check(token) for token in junk))
        assert set(found) == {TokenFault.BAD_SIGNATURE}
    assert len(fake.asked) == 20
    assert clock.millis() - began == 20 * SPACING


async def test_a_true_new_key_amid_a_flood_waits_and_is_found(tokens: TokenCheck, fake: FakeProvider) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    assert await tokens.check(fake.access_token(header={"kid": "junk"})) is TokenFault.BAD_SIGNATURE
    flood = [
        asyncio.create_task(tokens.check(fake.access_token(header={"kid": f"junk-{number}"})))
        for number in range(100)
    ]
    await asyncio.sleep(0)
    fake.keys = [RSA_2]
    assert isinstance(await tokens.check(fake.access_token()), Access)
    assert set(await asyncio.gather(*flood)) == {TokenFault.BAD_SIGNATURE}


async def test_a_check_that_is_given_up_does_not_end_the_fetch_others_wait_for(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    fake.hold = asyncio.Event()
    token = fake.access_token()
    impatient, patient = (asyncio.create_task(tokens.check(token)) for _ in range(2))
    await settle()
    impatient.cancel()
    await settle()
    fake.hold.set()
    assert isinstance(await patient, Access)
    assert impatient.cancelled()


async def test_a_withdrawn_key_serves_as_long_as_tokens_live(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock
) -> None:
    fake.keys = [RSA_1, RSA_2]
    assert isinstance(await tokens.check(fake.access_token()), Access)
    fake.keys = [RSA_2]
    clock.advance(timedelta(milliseconds=FRESH + 1))
    assert isinstance(await tokens.check(fake.access_token(key=RSA_1)), Access)
    await settle()  # the keys are fetched beside the sign-ins
    clock.advance(timedelta(seconds=299))
    assert isinstance(await tokens.check(fake.access_token(key=RSA_1)), Access)
    clock.advance(timedelta(seconds=1))
    assert await tokens.check(fake.access_token(key=RSA_1)) is TokenFault.BAD_SIGNATURE
    assert isinstance(await tokens.check(fake.access_token(key=RSA_2)), Access)


async def test_known_keys_are_fetched_again_beside_the_sign_ins(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    clock.advance(timedelta(milliseconds=FRESH + 1))
    fake.hold = asyncio.Event()
    assert isinstance(await tokens.check(fake.access_token()), Access)
    await settle()
    assert fake.asked == [WALLET, "/certs", "/certs"]
    fake.hold.set()


async def test_metadata_are_fetched_again_after_an_hour(
    provider: PscProvider, fake: FakeProvider, clock: FixedClock
) -> None:
    await provider.metadata()
    fake.metadata |= {"userinfo_endpoint": f"{ISSUER}/elsewhere"}
    clock.advance(timedelta(hours=1, seconds=1))
    await provider.metadata()
    await settle()
    assert (await provider.metadata()).userinfo == f"{ISSUER}/elsewhere"


@pytest.mark.parametrize("gone", ["unreachable", "404", "no keys", "unusable keys"])
async def test_the_last_keys_serve_while_there_are_no_others_and_then_sign_in_fails_for_a_while(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock, gone: str
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    fake.is_down = gone == "unreachable"
    fake.missing = {"/certs"} if gone == "404" else set()
    if gone.endswith("keys"):
        fake.published = {"keys": [UNUSABLE] if gone == "unusable keys" else []}
    for _ in range(23):
        clock.advance(timedelta(hours=1))
        assert isinstance(await tokens.check(fake.access_token()), Access)
        await settle()
    clock.advance(timedelta(hours=1, seconds=1))
    assert await tokens.check(fake.access_token()) is TokenFault.UNAVAILABLE
    assert await tokens.check(fake.access_token(key=RSA_2)) is TokenFault.UNAVAILABLE
    fake.is_down, fake.missing, fake.published = False, set(), None
    assert isinstance(await tokens.check(fake.access_token()), Access)


async def test_a_key_that_is_new_while_the_provider_is_away_fails_for_a_while_only(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    assert isinstance(await tokens.check(fake.access_token()), Access)
    fake.is_down = True
    fake.keys = [RSA_2]
    assert await tokens.check(fake.access_token()) is TokenFault.UNAVAILABLE
    fake.is_down = False
    assert isinstance(await tokens.check(fake.access_token()), Access)


async def test_a_provider_that_never_answers_is_not_waited_for_without_end(
    settings_of: SettingsOf, clock: FixedClock, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.psc.provider._PATIENCE", 0.0)
    fake.hold = asyncio.Event()
    settings = settings_of()
    provider = PscProvider(settings, clock, fake)
    assert (
        await TokenCheck(provider, settings.psc, clock).check(fake.access_token()) is TokenFault.UNAVAILABLE
    )
    await provider.aclose()


@pytest.mark.parametrize(
    "entry",
    [
        {**public(RSA_1), "use": "enc"},
        {**public(RSA_1), "key_ops": ["encrypt"]},
        {**public(RSA_1), "key_ops": "verify"},
        {**public(RSA_1), "alg": "HS256"},
        {**public(RSA_1), "alg": "none"},
        {**public(RSA_1), "alg": ["RS256"]},
        {**public(RSA_1), "alg": "ES256"},
        {**public(RSA_1), "kty": "EC"},
        {**public(RSA_1), "kty": ["RSA"]},
        {**public(RSA_1), "kid": "k" * 300},
        {**public(RSA_1), "kid": None},
        {**public(RSA_1), "e": "AQAB" * 10},
        {**public(RSA_1), "e": "AA"},
        {**public(RSA_1), "n": "*" * 342},
        {**public(RSA_1), "n": "A" + "_" * 5000},
        {**RSA_1.as_dict(private=True), "use": "sig"},
        "key-1",
        None,
    ],
    ids=lambda entry: "key",  # keys are new in each run: their text is no name
)
async def test_a_key_that_is_weak_or_for_something_else_is_passed_over(
    tokens: TokenCheck, fake: FakeProvider, entry: Any
) -> None:
    fake.published = {"keys": [entry, public(RSA_2)]}
    assert await tokens.check(fake.access_token(key=RSA_1)) is TokenFault.BAD_SIGNATURE
    assert isinstance(await tokens.check(fake.access_token(key=RSA_2)), Access)


def test_a_key_whose_exponent_makes_verifying_slow_is_passed_over() -> None:
    assert [key.kid for key in public_keys({"keys": [public(RSA_1), public(RSA_2)]})] == ["key-1", "key-2"]
    slow = public(RSA_1) | {"e": "AQAB" * 4}
    assert [key.kid for key in public_keys({"keys": [slow, public(RSA_2)]})] == ["key-2"]


async def test_a_key_of_1024_bits_is_passed_over(tokens: TokenCheck, fake: FakeProvider) -> None:
    small = rsa.generate_private_key(65537, 1024)
    modulus = small.public_key().public_numbers().n.to_bytes(128, "big")
    entry = {"kty": "RSA", "kid": "small", "use": "sig", "n": unpadded(modulus), "e": "AQAB"}
    fake.published = {"keys": [entry, public(RSA_1)]}
    claims = urlsafe_b64decode(fake.access_token().split(".")[1] + "==")
    token = rsa_token(b'{"alg":"RS256","kid":"small"}', claims, small)
    assert await tokens.check(token) is TokenFault.BAD_SIGNATURE


async def test_a_key_on_no_curve_and_a_secret_are_passed_over(tokens: TokenCheck, fake: FakeProvider) -> None:
    curve = public(ECKey.generate_key("P-256", {"kid": "ec"}))
    odd = [curve | {"y": curve["x"]}, curve | {"crv": "P-192"}, curve | {"x": 1}]
    secret = OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True)
    fake.published = {"keys": [*odd, {**secret, "use": "sig"}, public(RSA_1)]}
    assert isinstance(await tokens.check(fake.access_token()), Access)


@pytest.mark.parametrize(
    "published",
    [{}, {"keys": {}}, {"keys": "x"}, {"keys": [{}] * 64 + [public(RSA_1)]}],
    ids=lambda each: str(each)[:20],
)
async def test_what_is_no_set_of_keys_is_no_answer(
    tokens: TokenCheck, fake: FakeProvider, published: dict[str, Any]
) -> None:
    fake.published = published
    assert await tokens.check(fake.access_token()) is TokenFault.UNAVAILABLE


async def test_two_keys_of_one_name_are_told_apart_by_their_type(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    curve = ECKey.generate_key("P-256", {"kid": RSA_1.kid or ""})
    fake.keys = [RSA_1, curve]
    for key in (RSA_1, curve):
        assert isinstance(key, RSAKey | ECKey)
        assert isinstance(await tokens.check(fake.access_token(key=key)), Access)
