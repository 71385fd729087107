from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.sasl.scram import ClientFirst, ServerFirst, parse_client_first
from mailserver.signin.scram import Verifier, derive

ENDPOINT = hashlib.sha256(b"certificate").digest()
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def final_of(first: ClientFirst, challenge: ServerFirst, verifier: Verifier, password: str) -> bytes:
    """What a client answers (RFC 5802 §3)."""
    nonce = challenge.message.split(b",")[0]
    without_proof = b"c=" + b64encode(first.bound) + b"," + nonce
    whole = first.bare + b"," + challenge.message + b"," + without_proof
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), verifier.salt, verifier.iterations)
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
    return without_proof + b",p=" + b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


def test_the_exchange_of_rfc_7677_is_reproduced() -> None:
    verifier = derive("pencil", salt=SALT, iterations=4096)
    first = parse_client_first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", None, plus=False)
    assert first is not None
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    challenge = ServerFirst(b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", first, verifier, nonce)
    final = b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert challenge.check(final) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert challenge.check(final.replace(b"dHzb", b"dHzc")) is None


@pytest.mark.parametrize(("plus", "flag"), [(False, b"n"), (True, b"p=tls-server-end-point")])
def test_the_right_password_is_proved_with_and_without_channel_binding(plus: bool, flag: bytes) -> None:
    verifier = derive("pencil")
    first = parse_client_first(flag + b",,n=marie@b.fr,r=abc", ENDPOINT, plus=plus)
    assert first is not None
    assert first.login == "marie@b.fr"
    challenge = ServerFirst.answer(first, verifier)
    assert challenge.check(final_of(first, challenge, verifier, "pencil")) is not None
    assert challenge.check(final_of(first, challenge, verifier, "pencils")) is None


def test_a_binding_to_another_certificate_proves_nothing() -> None:
    verifier = derive("pencil")
    first = parse_client_first(b"p=tls-server-end-point,,n=a,r=abc", ENDPOINT, plus=True)
    other = parse_client_first(b"p=tls-server-end-point,,n=a,r=abc", b"another certificate", plus=True)
    assert first is not None
    assert other is not None
    challenge = ServerFirst.answer(first, verifier)
    assert challenge.check(final_of(other, challenge, verifier, "pencil")) is None


@pytest.mark.parametrize(
    ("message", "endpoint", "plus"),
    [
        (b"", None, False),
        (b"n,,n=a", None, False),
        (b"n,,r=x,n=a", None, False),
        (b"n,,m=ext,n=a,r=x", None, False),
        (b"n,,n=,r=x", None, False),
        (b"n,,n=a,r=", None, False),
        (b"n,,n=a,r=x y", None, False),
        (b"n,,n=a,r=" + b"x" * 300, None, False),
        (b"n,a=other,n=a,r=x", None, False),
        (b"n,a,n=a,r=x", None, False),  # an identity without its "a="
        (b"y,,n=a,r=x", ENDPOINT, False),  # somebody took our offer away (RFC 5802 §6)
        (b"p=tls-server-end-point,,n=a,r=x", ENDPOINT, False),
        (b"p=tls-unique,,n=a,r=x", ENDPOINT, True),
        (b"n,,n=a,r=x", ENDPOINT, True),
        (b"p=tls-server-end-point,,n=a,r=x", None, True),
    ],
)
def test_what_is_malformed_unbound_or_downgraded_is_nothing(
    message: bytes, endpoint: bytes | None, plus: bool
) -> None:
    assert parse_client_first(message, endpoint, plus=plus) is None


@given(st.binary(max_size=200))
def test_no_octets_raise(octets: bytes) -> None:
    for plus in (False, True):
        parse_client_first(octets, ENDPOINT, plus=plus)
    first = parse_client_first(b"n,,n=a,r=x", None, plus=False)
    assert first is not None
    verifier = Verifier(b"salt", 10_000, b"s" * 32, b"k" * 32)
    assert ServerFirst.answer(first, verifier).check(octets) is None
