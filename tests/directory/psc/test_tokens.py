from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from directory.psc.faults import TokenFault
from directory.psc.tokens import Access, TokenCheck, thumbprint
from tests.directory.psc.fake_provider import (
    CLIENT,
    IDNAT,
    ISSUER,
    LPS,
    PERSON,
    RSA_1,
    RSA_2,
    FakeProvider,
    hmac_token,
    public,
    raw_token,
    rsa_token,
    unpadded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import FixedClock

CERTIFICATE = b"DER of a certificate"


async def fault_of(tokens: TokenCheck, fake: FakeProvider, **claims: Any) -> TokenFault:
    found = await tokens.check(fake.access_token(**claims))
    assert isinstance(found, TokenFault), found
    return found


async def test_a_token_of_a_known_software_says_whose_it_is_and_until_when(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock
) -> None:
    found = await tokens.check(fake.access_token())
    assert isinstance(found, Access)
    assert found.idnat == IDNAT
    assert found.professional.name == "Anne EXEMPLE"
    assert found.expires_at == clock.millis() // 1000 * 1000 + 240_000
    assert IDNAT in repr(found) and "EXEMPLE" not in repr(found)


async def test_the_same_token_serves_several_connections(tokens: TokenCheck, fake: FakeProvider) -> None:
    token = fake.access_token()
    assert all([isinstance(await tokens.check(token), Access) for _ in range(5)])


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_every_rsa_signature_is_known(tokens: TokenCheck, fake: FakeProvider, alg: str) -> None:
    assert isinstance(await tokens.check(fake.access_token(header={"alg": alg})), Access)


@pytest.mark.parametrize(("curve", "alg"), [("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")])
async def test_every_ec_signature_is_known(
    tokens: TokenCheck, fake: FakeProvider, curve: Any, alg: str
) -> None:
    fake.keys = [ECKey.generate_key(curve, {"kid": "ec"})]
    assert isinstance(await tokens.check(fake.access_token(header={"alg": alg})), Access)


async def test_a_token_ends_five_seconds_after_its_end(
    tokens: TokenCheck, fake: FakeProvider, clock: FixedClock
) -> None:
    token = fake.access_token(exp=fake.now() + 10)
    clock.advance(timedelta(seconds=14))
    assert isinstance(await tokens.check(token), Access)
    clock.advance(timedelta(seconds=1))
    assert await tokens.check(token) is TokenFault.EXPIRED


async def test_a_token_begins_a_minute_before_its_beginning(tokens: TokenCheck, fake: FakeProvider) -> None:
    later = fake.now() + 62
    assert await fault_of(tokens, fake, nbf=later) is TokenFault.NOT_YET
    assert await fault_of(tokens, fake, iat=later) is TokenFault.NOT_YET
    assert isinstance(await tokens.check(fake.access_token(nbf=later - 2, iat=later - 2)), Access)


# ref: F50
@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"exp": None}, TokenFault.MALFORMED),
        ({"exp": "9999999999"}, TokenFault.MALFORMED),
        ({"exp": True}, TokenFault.MALFORMED),
        ({"exp": -1}, TokenFault.MALFORMED),
        ({"exp": 10**400}, TokenFault.MALFORMED),
        ({"exp": 1.0e300}, TokenFault.MALFORMED),
        ({"nbf": "now"}, TokenFault.MALFORMED),
        ({"iss": "https://psc.example/auth/realms/esante-wallet"}, TokenFault.WRONG_ISSUER),
        ({"iss": ISSUER + "/"}, TokenFault.WRONG_ISSUER),
        ({"iss": ISSUER.upper()}, TokenFault.WRONG_ISSUER),
        ({"iss": [ISSUER]}, TokenFault.WRONG_ISSUER),
        ({"iss": None}, TokenFault.WRONG_ISSUER),
        ({"azp": "another-software"}, TokenFault.WRONG_AUDIENCE),
        ({"azp": "another-software", "aud": CLIENT}, TokenFault.WRONG_AUDIENCE),
        ({"azp": [LPS]}, TokenFault.WRONG_AUDIENCE),
        ({"azp": ""}, TokenFault.WRONG_AUDIENCE),
        ({"azp": None}, TokenFault.WRONG_AUDIENCE),
        ({"azp": None, "aud": ["account", {}]}, TokenFault.WRONG_AUDIENCE),
        ({"azp": None, "client_id": "another-software", "aud": LPS}, TokenFault.WRONG_AUDIENCE),
        ({"acr": "eidas0"}, TokenFault.WEAK_ACR),
        ({"acr": None}, TokenFault.WEAK_ACR),
        ({"acr": ["eidas1"]}, TokenFault.WEAK_ACR),
        ({"SubjectNameID": None}, TokenFault.NO_SUBJECT),
        ({"SubjectNameID": ""}, TokenFault.NO_SUBJECT),
        ({"SubjectNameID": 899900000011}, TokenFault.NO_SUBJECT),
        ({"SubjectNameID": "8999 00000011"}, TokenFault.NO_SUBJECT),
        ({"SubjectNameID": "8" * 65}, TokenFault.NO_SUBJECT),
        ({"typ": "ID"}, TokenFault.WRONG_TYPE),
        ({"typ": "Refresh"}, TokenFault.WRONG_TYPE),
        ({"typ": None}, TokenFault.WRONG_TYPE),
        ({"typ": ["Bearer"]}, TokenFault.WRONG_TYPE),
    ],
    ids=str,
)
async def test_a_wrong_claim_is_named(
    tokens: TokenCheck, fake: FakeProvider, claims: Mapping[str, Any], fault: TokenFault
) -> None:
    assert await fault_of(tokens, fake, **claims) is fault


@pytest.mark.parametrize(
    "claims",
    [{"azp": CLIENT}, {"azp": None, "aud": ["account", LPS]}, {"azp": None, "client_id": LPS}],
    ids=str,
)
async def test_a_token_is_known_by_its_party_or_else_its_audience(
    tokens: TokenCheck, fake: FakeProvider, claims: Mapping[str, Any]
) -> None:
    assert isinstance(await tokens.check(fake.access_token(**claims)), Access)


async def test_an_id_token_does_not_pass_for_an_access_token(tokens: TokenCheck, fake: FakeProvider) -> None:
    assert await tokens.check(fake.id_token(**PERSON)) is TokenFault.WRONG_TYPE
    unmarked = fake.id_token(**PERSON, typ=None, nonce="n")
    assert await tokens.check(unmarked) is TokenFault.WRONG_TYPE


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+JWT"])
async def test_the_type_of_the_header_tells_an_access_token_too(
    tokens: TokenCheck, fake: FakeProvider, typ: str
) -> None:
    assert isinstance(await tokens.check(fake.access_token(header={"typ": typ}, typ=None)), Access)


async def test_a_changed_token_is_not_believed(tokens: TokenCheck, fake: FakeProvider) -> None:
    header, claims, signature = fake.access_token().split(".")
    other = json.loads(urlsafe_b64decode(claims + "==")) | {"SubjectNameID": "810000000001"}
    forged = ".".join((header, unpadded(json.dumps(other).encode()), signature))
    assert await tokens.check(forged) is TokenFault.BAD_SIGNATURE
    assert await tokens.check(f"{header}.{claims}.{'A' * len(signature)}") is TokenFault.BAD_SIGNATURE
    assert await tokens.check(f"{header}.{claims}.") is TokenFault.BAD_SIGNATURE


async def test_another_key_under_a_known_name_is_not_believed(tokens: TokenCheck, fake: FakeProvider) -> None:
    token = fake.access_token(key=RSA_2, header={"kid": RSA_1.kid})
    assert await tokens.check(token) is TokenFault.BAD_SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "dir", "EdDSA"])
async def test_a_token_without_an_asymmetric_signature_is_not_believed(
    tokens: TokenCheck, fake: FakeProvider, alg: str
) -> None:
    _, claims, signature = fake.access_token().split(".")
    head = unpadded(json.dumps({"alg": alg, "typ": "JWT", "kid": RSA_1.kid}).encode())
    assert await tokens.check(f"{head}.{claims}.") is TokenFault.BAD_SIGNATURE
    assert await tokens.check(f"{head}.{claims}.{signature}") is TokenFault.BAD_SIGNATURE
    assert fake.asked == []


async def test_the_public_key_is_no_secret_of_an_hmac(tokens: TokenCheck, fake: FakeProvider) -> None:
    claims = json.loads(urlsafe_b64decode(fake.access_token().split(".")[1] + "=="))
    assert RSA_1.kid is not None
    for secret in (
        RSA_1.as_pem(private=False),
        RSA_1.as_der(private=False),
        json.dumps(public(RSA_1)).encode(),
    ):
        assert await tokens.check(hmac_token(claims, secret, RSA_1.kid)) is TokenFault.BAD_SIGNATURE


async def test_a_key_serves_only_the_algorithm_it_is_published_for(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    fake.published = {"keys": [public(RSA_1, alg="PS256")]}
    assert await tokens.check(fake.access_token()) is TokenFault.BAD_SIGNATURE
    assert isinstance(await tokens.check(fake.access_token(header={"alg": "PS256"})), Access)


async def test_a_token_may_leave_out_the_name_of_the_only_key(tokens: TokenCheck, fake: FakeProvider) -> None:
    assert isinstance(await tokens.check(fake.access_token(header={"kid": None})), Access)


async def test_without_a_name_none_of_several_keys_is_tried(tokens: TokenCheck, fake: FakeProvider) -> None:
    fake.keys = [RSA_1, RSA_2]
    assert await tokens.check(fake.access_token(header={"kid": None})) is TokenFault.BAD_SIGNATURE


async def test_a_bound_token_opens_nothing_without_its_certificate(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    token = fake.access_token(cnf={"x5t#S256": thumbprint(CERTIFICATE)})
    assert isinstance(await tokens.check(token, certificate=CERTIFICATE), Access)
    assert await tokens.check(token) is TokenFault.NOT_BOUND
    assert await tokens.check(token, certificate=b"another one") is TokenFault.NOT_BOUND


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        "x",
        [],
        {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
        {"x5t#S256": None},
        {"x5t#S256": "é"},
        {"x5t#S256": thumbprint(CERTIFICATE), "jkt": "x"},
    ],
    ids=str,
)
async def test_a_binding_that_cannot_be_checked_does_not_hold(
    tokens: TokenCheck, fake: FakeProvider, cnf: Any
) -> None:
    assert await tokens.check(fake.access_token(cnf=cnf), certificate=CERTIFICATE) is TokenFault.NOT_BOUND


async def test_a_certificate_does_no_harm_to_a_token_that_is_not_bound(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    assert isinstance(await tokens.check(fake.access_token(), certificate=CERTIFICATE), Access)


HEAD = json.dumps({"alg": "RS256", "kid": RSA_1.kid}).encode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\x00" * 30,
        "\ud800.\ud800.\ud800",
        "*" * 100,
        raw_token(b"{}", b"{}"),
        raw_token(b"[]", b"{}"),
        raw_token(HEAD, b"[]"),
        raw_token(HEAD, b"null"),
        raw_token(HEAD, b""),
        raw_token(HEAD, b"\xff\xfe"),
        raw_token(HEAD, b'{"exp": NaN}'),
        raw_token(HEAD, b'{"exp": ' + b"9" * 5000 + b"}"),
        raw_token(HEAD, b'{"a":' * 2000 + b"1" + b"}" * 2000),
        raw_token(HEAD, b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
        raw_token(b"[" * 190 + b"]" * 190, b"{}"),
        raw_token(b'{"alg":1}', b"{}"),
        raw_token(b'{"alg":"RS256","kid":1}', b"{}"),
        raw_token(b'{"alg":"RS256","typ":[]}', b"{}"),
        raw_token(b'{"alg":"RS256","crit":["exp"],"exp":1}', b"{}"),
        raw_token(b'{"alg":"RS256","crit":["b64"],"b64":false}', b"{}"),
        raw_token(b'{"alg":"RS256","b64":false}', b"{}"),
        raw_token(b'{"alg":"RS256","kid":"' + b"k" * 600 + b'"}', b"{}"),
        raw_token(HEAD, b"{}") + ".x",
        raw_token(HEAD, b"{}") + "=",
        raw_token(HEAD, b'{"a":"' + b"x" * 12_000 + b'"}'),
    ],
)
async def test_what_is_no_token_is_named_so_without_asking_the_provider(
    tokens: TokenCheck, fake: FakeProvider, token: str
) -> None:
    assert await tokens.check(token) is TokenFault.MALFORMED
    assert fake.asked == []


async def test_a_token_of_twelve_kilobytes_is_read_and_a_larger_one_is_not(
    tokens: TokenCheck, fake: FakeProvider
) -> None:
    room = 12 * 1024 - len(fake.access_token(padding=""))
    assert isinstance(await tokens.check(fake.access_token(padding="x" * (room * 3 // 4 - 3))), Access)
    assert await tokens.check(fake.access_token(padding="x" * room)) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    "twice",
    [
        b'"SubjectNameID":"810000000001"',
        b'"iss":"https://evil.test"',
        b'"cnf":{"x5t#S256":"x"}',
    ],
)
async def test_a_claim_that_stands_twice_makes_a_token_unreadable(
    tokens: TokenCheck, fake: FakeProvider, twice: bytes
) -> None:
    claims = urlsafe_b64decode(fake.access_token(cnf={}).split(".")[1] + "==")
    doubled = claims[:-1] + b"," + twice + b"}"
    assert await tokens.check(raw_token(HEAD, doubled)) is TokenFault.MALFORMED
    header = b'{"alg":"none","alg":"RS256"}'
    assert await tokens.check(raw_token(header, claims)) is TokenFault.MALFORMED


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ODD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "exp", "iat", "nbf", "azp", "aud", "acr", "cnf", "typ", "sub", "SubjectNameID"])
    | st.sampled_from(["SubjectRefPro", "SubjectRole", "otherIds", "client_id", "given_name", "sid"]),
    ODD,
    max_size=6,
)
QUIET = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(
    text=st.text()
    | st.lists(st.binary(max_size=60), min_size=2, max_size=4).map(lambda each: ".".join(map(unpadded, each)))
)
async def test_no_text_whatever_raises(tokens: TokenCheck, text: str) -> None:
    assert isinstance(await tokens.check(text), TokenFault)


@QUIET
@given(claims=CLAIMS, header=st.dictionaries(st.sampled_from(["typ", "jku", "x5c", "cty"]), ODD, max_size=2))
async def test_no_claims_whatever_raise_however_well_they_are_signed(
    tokens: TokenCheck, fake: FakeProvider, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    usual = json.loads(urlsafe_b64decode(fake.access_token().split(".")[1] + "=="))
    head = json.dumps({"alg": "RS256", "kid": RSA_1.kid, "typ": "JWT"} | header).encode()
    body = json.dumps(usual | claims).encode()
    token = rsa_token(head, body, RSA_1.get_op_key("sign"))
    assert isinstance(await tokens.check(token), Access | TokenFault)
