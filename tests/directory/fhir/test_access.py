"""Keys from the settings: who may read, who may publish which domains."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory.fhir.guesses import MOST_WRONG, PAUSE_SECONDS, Guesses
from directory.fhir.routes import keys_of
from foundation.fhir.outcome import Refused
from foundation.settings import SettingsError, from_values
from tests.directory.fhir.place import place, refusal
from vaguemestre.home import to_toml

if TYPE_CHECKING:
    from pathlib import Path

    from directory.fhir.access import Keys
    from foundation.clock import FixedClock

DIGEST = hashlib.sha256(b"the key").hexdigest()


def keys(home: Path, *, sandbox: bool = False, **directory: Any) -> Keys:
    values = {"sandbox": sandbox, "domains": ["Hopital.mssante.fr"], "directory": directory}
    return keys_of(from_values(home, tomllib.loads(to_toml(values))))


def test_without_a_setting_nobody_reads(tmp_path: Path) -> None:
    with pytest.raises(Refused) as error:
        keys(tmp_path).caller(None)
    assert error.value.status == 401


def test_a_key_names_its_operator_and_domains(tmp_path: Path) -> None:
    known = keys(
        tmp_path,
        api_keys=[
            {"name": "autre", "sha256": "0" * 64},
            {"name": "demo", "sha256": DIGEST, "domains": ["A.mssante.fr"]},
        ],
    )
    caller = known.caller("the key")
    assert caller.name == "demo"
    assert caller.may_publish("x@a.mssante.fr")
    assert not caller.may_publish("x@b.a.mssante.fr")
    assert not caller.may_publish("x@mssante.fr")
    for wrong in ("", "the key ", "x" * 100_000, "clé"):
        with pytest.raises(Refused):
            known.caller(wrong)


def test_reading_may_be_open_and_publishing_in_a_sandbox_too(tmp_path: Path) -> None:
    reader = keys(tmp_path, fhir_access="reading").caller(None)
    assert not reader.may_publish("x@hopital.mssante.fr")
    publisher = keys(tmp_path, sandbox=True, fhir_access="everything").caller(None)
    assert publisher.may_publish("x@hopital.mssante.fr")
    assert not publisher.may_publish("x@autre.mssante.fr")


def test_only_a_sandbox_lets_anybody_publish(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sandbox only"):
        keys(tmp_path, fhir_access="everything")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b", "sha256": DIGEST},
        {"name": "a", "sha256": "x"},
        {"name": "a"},
        {"name": "a", "sha256": DIGEST, "colour": 1},
        {"name": "a", "sha256": DIGEST, "domains": ["a b"]},
    ],
)
def test_a_key_that_is_written_wrongly_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        keys(tmp_path, api_keys=[wrong])


async def test_who_guesses_keys_is_not_heard_for_a_while(clock: FixedClock) -> None:
    fhir = place(None, clock)
    for number in range(MOST_WRONG):
        async with fhir.client(f"guess {number}") as guesser:
            assert refusal(await guesser.get("/Practitioner"), 401) == "login"
    async with fhir.client() as client:
        answer = await client.get("/Practitioner")
        assert refusal(answer, 429) == "throttled"
        assert answer.headers["Retry-After"] == "900"
        clock.advance(timedelta(seconds=899, milliseconds=500))
        assert (await client.get("/Practitioner")).headers["Retry-After"] == "1"
        clock.advance(timedelta(milliseconds=500))
        assert (await client.get("/Practitioner")).status_code == 200
    async with fhir.client("one more") as guesser:
        assert (await guesser.get("/Practitioner")).status_code == 401


async def test_a_program_with_an_old_key_keeps_nobody_out(clock: FixedClock) -> None:
    fhir = place(None, clock)
    async with fhir.client("an old key") as program:
        for _ in range(3 * MOST_WRONG):
            assert (await program.get("/Practitioner")).status_code == 401
    async with fhir.client() as client:
        assert (await client.get("/Practitioner")).status_code == 200


def test_guesses_are_counted_by_network_and_few_are_remembered(clock: FixedClock) -> None:
    guesses = Guesses(clock)
    for number in range(MOST_WRONG):
        guesses.wrong(f"2001:db8::{number:x}", f"key {number}")
    assert guesses.pause("2001:db8::ffff%eth0") == PAUSE_SECONDS
    assert guesses.pause("2001:db8:0:1::1") == guesses.pause("192.0.2.1") == guesses.pause("") == 0
    for number in range(5000):
        guesses.wrong(f"client {number}", "\udcff")
    assert guesses.pause("2001:db8::1") == 0
