from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from sqlalchemy import select

from foundation.vault import BlobDamaged, read_master_key
from mailserver.signin import second_factor
from mailserver.signin.second_factor import OFFER_MS, STEP_MS, SecondFactors, code

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from tests.mailserver.place import Place

SECRET = b"12345678901234567890"


class Bearer:
    """Somebody with a box and an authenticator application."""

    def __init__(self, place: Place, bal: Bal, factors: SecondFactors) -> None:
        self.place = place
        self.owner_id = bal.owner_id
        self.factors = factors

    @property
    def now(self) -> int:
        return self.place.clock.millis()

    async def enrol(self, secret: bytes = SECRET) -> list[str]:
        """Enrols, and waits for the next code."""
        now = self.now
        codes = await self.place.database.write(
            lambda uow: self.factors.enrol(uow, self.owner_id, secret, code(secret, now), now)
        )
        assert codes is not None
        self.wait(30)
        return codes

    async def enter(self, typed: str) -> bool:
        now = self.now
        return await self.place.database.write(
            lambda uow: self.factors.verify(uow, self.owner_id, typed, now)
        )

    def wait(self, seconds: int) -> None:
        self.place.clock.advance(timedelta(seconds=seconds))

    @property
    def codes_left(self) -> int:
        return self.place.database.read_now(lambda c: second_factor.codes_left(c, self.owner_id))

    @property
    def is_enrolled(self) -> bool:
        return self.place.database.read_now(lambda c: second_factor.is_enrolled(c, self.owner_id))


@pytest.fixture
def factors(tmp_path: Path, place: Place) -> SecondFactors:
    return SecondFactors(read_master_key(tmp_path / "master.key"))


@pytest.fixture
def bearer(place: Place, marie: Bal, factors: SecondFactors) -> Bearer:
    return Bearer(place, marie, factors)


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238_appendix_b(seconds: int, eight_digits: str) -> None:
    assert code(SECRET, seconds * 1000) == eight_digits[-6:]


@pytest.mark.parametrize(
    ("counter", "digits"),
    list(
        enumerate(
            [
                "755224",
                "287082",
                "359152",
                "969429",
                "338314",
                "254676",
                "287922",
                "162583",
                "399871",
                "520489",
            ]
        )
    ),
)
def test_the_codes_are_those_of_rfc_4226_appendix_d(counter: int, digits: str) -> None:
    assert code(SECRET, counter * STEP_MS) == digits


def test_the_uri_is_what_applications_read() -> None:
    parts = urlsplit(second_factor.uri(SECRET, "marie@hopital-demo.mssante.fr", "Hôpital & co"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Hôpital & co:marie@hopital-demo.mssante.fr"
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Hôpital & co"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_secrets_are_160_bits_and_not_the_same_twice() -> None:
    first, second = second_factor.new_secret(), second_factor.new_secret()
    assert len(first) == len(second) == 20
    assert first != second


async def test_a_wrong_code_enrols_nothing(bearer: Bearer) -> None:
    now = bearer.now
    wrong = f"{(int(code(SECRET, now)) + 1) % 10**6:06d}"
    assert await bearer.place.database.write(
        lambda uow: bearer.factors.enrol(uow, bearer.owner_id, SECRET, wrong, now) is None
    )
    assert not bearer.is_enrolled
    assert not await bearer.enter(wrong)


@pytest.mark.parametrize(("shift", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_the_step_before_and_the_one_after_count_and_those_beyond_do_not(
    bearer: Bearer, shift: int, counts: bool
) -> None:
    await bearer.enrol()
    bearer.wait(300)
    assert await bearer.enter(code(SECRET, bearer.now + shift * STEP_MS)) is counts


async def test_the_code_that_enrolled_is_not_taken_again(bearer: Bearer) -> None:
    first = code(SECRET, bearer.now)
    await bearer.enrol()
    assert not await bearer.enter(first)
    assert await bearer.enter(code(SECRET, bearer.now))


async def test_no_step_is_taken_twice_nor_one_before_it(bearer: Bearer) -> None:
    await bearer.enrol()
    early, late = code(SECRET, bearer.now), code(SECRET, bearer.now + STEP_MS)
    assert await bearer.enter(late)
    assert not await bearer.enter(late)
    assert not await bearer.enter(early)
    bearer.wait(60)
    assert await bearer.enter(code(SECRET, bearer.now))


async def test_a_code_may_be_typed_in_two_groups(bearer: Bearer) -> None:
    await bearer.enrol()
    digits = code(SECRET, bearer.now)
    assert await bearer.enter(f" {digits[:3]} {digits[3:]} ")


async def test_what_is_no_code_is_refused(bearer: Bearer) -> None:
    await bearer.enrol()
    for typed in ("", "12345", "1234567", "é" * 6, "\ud800", "9" * 100_000, "-" * 19):
        assert not await bearer.enter(typed)
    assert bearer.codes_left == second_factor.RECOVERY_CODES


async def test_a_box_without_a_second_factor_takes_no_code(bearer: Bearer) -> None:
    assert not bearer.is_enrolled
    assert not await bearer.enter(code(SECRET, bearer.now))


async def test_each_recovery_code_serves_once(bearer: Bearer) -> None:
    codes = await bearer.enrol()
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert await bearer.enter(codes[3].upper().replace("-", " "))
    assert not await bearer.enter(codes[3])
    assert bearer.codes_left == second_factor.RECOVERY_CODES - 1
    assert await bearer.enter(codes[4])


async def test_another_enrolment_ends_the_former_secret_and_its_codes(bearer: Bearer) -> None:
    codes = await bearer.enrol()
    await bearer.enrol(b"another secret 01234")
    assert not await bearer.enter(code(SECRET, bearer.now))
    assert not await bearer.enter(codes[0])
    assert bearer.codes_left == second_factor.RECOVERY_CODES


async def test_a_second_factor_that_was_removed_is_gone_with_its_codes(bearer: Bearer) -> None:
    codes = await bearer.enrol()
    for was_there in (True, False):
        gone = await bearer.place.database.write(lambda uow: second_factor.remove(uow, bearer.owner_id))
        assert gone is was_there
    assert not bearer.is_enrolled
    assert bearer.codes_left == 0
    assert not await bearer.enter(codes[0])


async def test_codes_of_one_box_do_not_open_another(bearer: Bearer) -> None:
    codes = await bearer.enrol()
    paul = Bearer(bearer.place, await bearer.place.add("paul"), bearer.factors)
    await paul.enrol(b"another secret 01234")
    assert not await paul.enter(codes[0])
    assert not await paul.enter(code(SECRET, bearer.now))


async def test_an_offered_secret_counts_from_its_first_code_on(bearer: Bearer) -> None:
    now, database, factors = bearer.now, bearer.place.database, bearer.factors
    secret = await database.write(lambda uow: factors.offer(uow, bearer.owner_id, now))
    assert not bearer.is_enrolled
    assert not await bearer.enter(code(secret, now))
    wrong = f"{(int(code(secret, now)) + 1) % 10**6:06d}"
    assert await database.write(lambda uow: factors.confirm(uow, bearer.owner_id, wrong, now)) is None
    assert database.read_now(lambda c: factors.offered(c, bearer.owner_id, now)) == secret
    codes = await database.write(lambda uow: factors.confirm(uow, bearer.owner_id, code(secret, now), now))
    assert codes is not None
    assert bearer.is_enrolled
    assert database.read_now(lambda c: factors.offered(c, bearer.owner_id, now)) is None


async def test_an_offer_ends_after_a_quarter_of_an_hour_and_with_the_next_one(bearer: Bearer) -> None:
    now, database, factors = bearer.now, bearer.place.database, bearer.factors
    first = await database.write(lambda uow: factors.offer(uow, bearer.owner_id, now))
    second = await database.write(lambda uow: factors.offer(uow, bearer.owner_id, now))

    async def confirm(secret: bytes, at: int) -> bool:
        digits = code(secret, at)
        codes = await database.write(lambda uow: factors.confirm(uow, bearer.owner_id, digits, at))
        return codes is not None

    assert not await confirm(first, now)
    assert not await confirm(second, now + OFFER_MS)
    assert not bearer.is_enrolled
    assert await confirm(second, now + OFFER_MS - 1)


async def test_the_stored_secret_opens_under_its_key_and_for_its_owner_alone(
    bearer: Bearer, place: Place
) -> None:
    await bearer.enrol()
    table = second_factor.second_factor
    sealed = place.database.read_now(lambda c: c.execute(select(table.c.sealed_secret)).scalar_one())
    assert SECRET not in sealed
    paul = await place.add("paul")
    row = {"owner_id": paul.owner_id, "sealed_secret": sealed, "last_step": 0, "enrolled_at": 0}
    await place.database.write(lambda uow: uow.execute(table.insert(), row).rowcount)
    with pytest.raises(BlobDamaged, match="master key"):
        await Bearer(place, paul, bearer.factors).enter("123456")
    other = Bearer(place, paul, SecondFactors(b"k" * 32))
    other.owner_id = bearer.owner_id
    with pytest.raises(BlobDamaged, match="master key"):
        await other.enter("123456")
    assert repr(bearer.factors) == "SecondFactors(...)"
