from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.sasl import messages
from mailserver.sasl.messages import BearerToken, Credentials

ADDRESS = "marie.martin@medecin.mssante.fr"


def test_plain_names_a_login_and_a_password() -> None:
    assert messages.parse_plain(b"\0marie\0secret") == Credentials("marie", "secret")
    assert messages.parse_plain(b"Marie\0marie\0secret") == Credentials("marie", "secret")
    other = messages.parse_plain(b"paul\0marie\0secret")
    assert other is not None
    assert other.acts_for_another


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"marie",
        b"\0marie",
        b"\0\0secret",
        b"\0marie\0",
        b"\0marie\0a\0b",
        b"\0\xff\0secret",
        b"\0" + b"m" * 321 + b"\0s",
    ],
)
def test_a_malformed_plain_is_nothing(message: bytes) -> None:
    assert messages.parse_plain(message) is None


# ref: ECO.1.2.1
def test_xoauth2_names_a_box_and_a_token() -> None:
    message = f"user={ADDRESS}\x01auth=Bearer abc.def\x01\x01".encode()
    assert messages.parse_xoauth2(message) == BearerToken(ADDRESS, "abc.def")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01\x01",
        b"user=a@b.fr\x01auth=Bearer x\x01",
        b"user=a@b.fr\x01\x01",
        b"auth=Bearer x\x01\x01",
        b"user=a@b.fr\x01auth=Basic x\x01\x01",
        b"user=a@b.fr\x01user=c@d.fr\x01auth=Bearer x\x01\x01",
        b"user=\xff\x01auth=Bearer x\x01\x01",
        "user=a@b.fr\x01auth=Bearer é\x01\x01".encode(),
        b"user=a@b.fr\x01auth=Bearer " + b"x" * 20_000 + b"\x01\x01",
    ],
)
def test_a_malformed_xoauth2_is_nothing(message: bytes) -> None:
    assert messages.parse_xoauth2(message) is None


def test_oauthbearer_names_the_box_in_its_gs2_header() -> None:
    """The example of RFC 7628 §4.1, with a comma and an equals sign in the name."""
    message = b"n,a=us=2Cer=3D1@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4==\x01\x01"
    assert messages.parse_oauthbearer(message) == BearerToken("us,er=1@example.com", "vF9dft4==")
    assert messages.parse_oauthbearer(b"n,,\x01auth=bearer x\x01\x01") == BearerToken("", "x")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"n",
        b"n,",
        b"p=tls-unique,,",
        b"n,b=x,",
        b"n,a=x",
        b"n,a=x=y,",
        b"n,a=x,z",
        b"n,a=" + b"x" * 400 + b",",
    ],
)
def test_a_malformed_gs2_header_is_nothing(head: bytes) -> None:
    assert messages.parse_oauthbearer(head + b"\x01auth=Bearer x\x01\x01") is None


def test_a_refused_token_is_answered_in_the_words_clients_know() -> None:
    assert messages.xoauth2_refusal() == b'{"status":"401","schemes":"bearer","scope":"mail"}'
    told = json.loads(
        messages.oauthbearer_refusal("https://psc.test/.well-known/wallet-openid-configuration")
    )
    assert told == {
        "status": "invalid_token",
        "scope": "mail",
        "openid-configuration": "https://psc.test/.well-known/wallet-openid-configuration",
    }


def test_external_names_nobody_or_a_box() -> None:
    assert messages.authorization(b"") == ""
    assert messages.authorization(ADDRESS.encode()) == ADDRESS
    assert messages.authorization(b"a\0b") is None
    assert messages.authorization(b"\xff") is None


# ref: ECO.1.2.5
def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(Credentials("marie", "secret"))
    assert "secret" not in repr(BearerToken("marie", "secret"))


@given(st.binary(max_size=200))
def test_no_octets_raise(message: bytes) -> None:
    for parse in (
        messages.parse_plain,
        messages.parse_xoauth2,
        messages.parse_oauthbearer,
        messages.authorization,
    ):
        parse(message)
