from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from mailserver.signin import scram
from mailserver.signin.scram import Verifier, derive, prepared

if TYPE_CHECKING:
    from directory.bals import Bal
    from tests.mailserver.place import Place

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def test_the_keys_are_those_of_the_exchange_in_rfc_7677_section_3() -> None:
    verifier = derive("pencil", salt=SALT, iterations=4096)
    message = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s={base64.b64encode(SALT).decode()},i=4096,c=biws,r={NONCE}"
    ).encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(verifier.stored_key, message, hashlib.sha256)
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == verifier.stored_key
    server_signature = hmac.digest(verifier.server_key, message, hashlib.sha256)
    assert base64.b64encode(server_signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_another_salt_makes_another_verifier() -> None:
    first, second = derive("pencil"), derive("pencil")
    assert first.iterations == second.iterations >= 10_000
    assert len(first.salt) == 16
    assert first.salt != second.salt
    assert first.stored_key != second.stored_key


@pytest.mark.parametrize(
    ("plain", "bytes_"),
    [
        ("I\u00adX", b"IX"),
        ("user", b"user"),
        ("USER", b"USER"),
        ("\u00aa", b"a"),
        ("\u2168", b"IX"),
        ("a\u00a0b", b"a b"),
        # What SASLprep refuses is taken as it is.
        ("a\u0007", b"a\x07"),
        ("\u06271", "\u06271".encode()),
        ("\u0627a\u0628", "\u0627a\u0628".encode()),
        ("\u06271\u0628", "\u06271\u0628".encode()),
        ("\u00ad", "\u00ad".encode()),
        ("\U0001f9ff", "\U0001f9ff".encode()),
    ],
)
def test_passwords_are_prepared_as_rfc_4013_says(plain: str, bytes_: bytes) -> None:
    assert prepared(plain) == bytes_


async def test_a_verifier_is_stored_replaced_and_removed(place: Place, marie: Bal) -> None:
    def stored() -> Verifier | None:
        return place.database.read_now(lambda connection: scram.find(connection, marie.owner_id))

    async def store(verifier: Verifier | None) -> None:
        await place.database.write(lambda uow: scram.store(uow, marie.owner_id, verifier))

    assert stored() is None
    for verifier in (derive("one", iterations=1), derive("two", iterations=2), None):
        await store(verifier)
        assert stored() == verifier


def test_keys_do_not_show_in_a_repr() -> None:
    assert repr(derive("pencil", iterations=4)) == "Verifier(iterations=4)"
