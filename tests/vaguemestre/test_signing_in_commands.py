"""`vaguemestre bal app-password | totp | certificate | sessions | unlock | password`, on a home that nobody serves."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from directory.bals import find_bal
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.settings import load
from mailserver.envelope import Refused
from mailserver.refusals import LOCKED_OUT, WRONG_PASSWORD
from mailserver.signin import application, scram
from mailserver.signin.brake import FAILURES_OF_A_PAIR, Brake
from mailserver.signin.desk import SignIn
from mailserver.signin.second_factor import SecondFactors, code
from portal import sessions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mailserver.refusals import Refusal
    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]
    T = TypeVar("T")

DOMAIN = "hopital-demo.mssante.fr"
BOX = f"equipe@{DOMAIN}"
PASSWORD = "une-phrase-de-passe"
DN = "CN=dpi.hopital-demo.fr,OU=1990700106,O=CH DE DEMO,ST=Sarthe (72),C=FR"
NOBODY = f"personne@{DOMAIN}"


@pytest.fixture
def home(empty_home: Path, vaguemestre: Command) -> Path:
    said = vaguemestre(
        "bal", "add", BOX, "--home", str(empty_home), "--type", "ORG", "--name", "Équipe", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert said.code == 0
    return empty_home


@pytest.fixture
def bal(home: Path, vaguemestre: Command) -> Command:
    return lambda *words, **more: vaguemestre("bal", *words, "--home", str(home), **more)


def inside(home: Path, work: Callable[[Database, int], Awaitable[T]]) -> T:
    """What `work` finds or does in the home's database, for the owner of BOX."""

    async def session() -> T:
        settings = load(home)
        database = await Database.open(settings.database_url, key=key_of(settings))
        try:
            found = await database.read(lambda connection: find_bal(connection, BOX))
            assert found is not None
            return await work(database, found.owner_id)
        finally:
            await database.close()

    return asyncio.run(session())


def traced(home: Path, vaguemestre: Command, *actions: str) -> list[tuple[str, str, dict[str, Any]]]:
    said = vaguemestre("trail", "show", "--home", str(home), "--json")
    assert "@" not in said.out
    return [
        (row["action"], row["outcome"], json.loads(row["detail"]))
        for row in said.json
        if row["action"] in actions
    ]


# Application passwords ---------------------------------------------------------------------------------------


def test_an_application_password_is_printed_once_and_opens_what_was_said(home: Path, bal: Command) -> None:
    words = ("--name", "Le DPI", "--scope", "smtp", "--scope", "ldap", "--days", "10")
    made = bal("app-password", "add", BOX, *words, "--json").json
    assert (made["name"], made["scopes"], made["state"]) == ("Le DPI", ["ldap", "smtp"], "active")

    async def find(database: Database, owner_id: int) -> application.ApplicationPassword | None:
        return await database.read(lambda c: application.find(c, owner_id, made["password"]))

    found = inside(home, find)
    assert found is not None
    assert found.scopes == {application.Scope.SMTP, application.Scope.LDAP}
    assert found.expires_at is not None
    assert found.expires_at - found.created_at == 10 * 24 * 3600 * 1000
    listed = bal("app-password", "list", BOX, "--json")
    assert [row["id"] for row in listed.json] == [made["id"]]
    assert listed.json[0]["scopes"] == ["ldap", "smtp"]
    assert made["password"] not in listed.out
    printed = bal("app-password", "list", BOX).out
    assert "Le DPI" in printed
    assert "ldap smtp" in printed


def test_without_words_it_opens_mail_for_as_long_as_the_settings_say(home: Path, bal: Command) -> None:
    bal("app-password", "add", BOX, "--name", "Thunderbird")

    async def listed(database: Database, owner_id: int) -> list[application.ApplicationPassword]:
        return await database.read(lambda c: application.list_of(c, owner_id))

    (made,) = inside(home, listed)
    assert made.scopes == {application.Scope.IMAP, application.Scope.SMTP}
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == 365 * 24 * 3600 * 1000


def test_application_passwords_are_revoked_one_by_one_or_all(
    home: Path, bal: Command, vaguemestre: Command
) -> None:
    numbers = [bal("app-password", "add", BOX, "--name", "n", "--json").json["id"] for _ in range(3)]
    assert bal("app-password", "revoke", BOX, str(numbers[0]), "--json").json == {
        "address": BOX,
        "revoked": 1,
    }
    states = [row["state"] for row in bal("app-password", "list", BOX, "--json").json]
    assert states == ["revoked", "active", "active"]
    bal("app-password", "revoke", BOX, str(numbers[0])).is_refused(str(numbers[0]))
    assert bal("app-password", "revoke", BOX, "--all", "--json").json == {"address": BOX, "revoked": 2}
    assert {row["state"] for row in bal("app-password", "list", BOX, "--json").json} == {"revoked"}
    made, revoked = "application_password.made", "application_password.revoked"
    assert traced(home, vaguemestre, made, revoked) == [
        *((made, "made", {"id": number, "scopes": "imap smtp", "days": 365}) for number in numbers),
        (revoked, "revoked", {"id": numbers[0]}),
        (revoked, "all", {"count": 2}),
    ]


def test_what_is_no_application_password_is_refused(bal: Command) -> None:
    bal("app-password", "add", BOX, "--name", "n", "--days", "366").is_refused("365")
    bal("app-password", "add", BOX, "--name", " ").is_refused("nom")
    bal("app-password", "add", NOBODY, "--name", "n").is_refused("personne")
    bal("app-password", "list", NOBODY).is_refused("personne")
    assert bal("app-password", "add", BOX, "--name", "n", "--days", "0").code == 2
    assert bal("app-password", "add", BOX, "--name", "n", "--scope", "pop").code == 2
    assert bal("app-password", "revoke", BOX).code == 2
    assert bal("app-password", "revoke", BOX, "1", "--all").code == 2
    assert bal("app-password", "list", BOX, "--json").json == []


# Second factor -----------------------------------------------------------------------------------------------


def enabled(bal: Command) -> bytes:
    told = bal("totp", "enable", BOX, "--json").json
    asked = parse_qs(urlsplit(told["uri"]).query)
    assert asked["secret"] == [told["secret"]]
    return base64.b32decode(told["secret"])


def now() -> int:
    return time.time_ns() // 1_000_000


def test_a_script_gives_a_second_factor_in_two_steps(home: Path, bal: Command, vaguemestre: Command) -> None:
    nothing = {"enabled": False, "since": None, "recovery_codes_left": 0}
    assert bal("totp", "show", BOX, "--json").json == nothing
    secret = enabled(bal)
    assert bal("totp", "show", BOX, "--json").json == nothing
    codes = bal("totp", "confirm", BOX, "--code", code(secret, now()), "--json").json["recovery_codes"]
    assert len(codes) == 10
    shown = bal("totp", "show", BOX, "--json").json
    assert (shown["enabled"], shown["recovery_codes_left"]) == (True, 10)

    async def use(database: Database, owner_id: int) -> bool:
        factors = SecondFactors.of(load(home))
        return await database.write(lambda uow: factors.verify(uow, owner_id, codes[0], now()))

    assert inside(home, use)
    assert bal("totp", "show", BOX, "--json").json["recovery_codes_left"] == 9
    assert bal("totp", "disable", BOX, "--json").json == {"address": BOX, "enabled": False}
    assert bal("totp", "show", BOX, "--json").json == nothing
    bal("totp", "disable", BOX).is_refused("no second factor")
    assert traced(home, vaguemestre, "second_factor.enrolled", "second_factor.removed") == [
        ("second_factor.enrolled", "enrolled", {}),
        ("second_factor.removed", "removed", {}),
    ]


def test_a_wrong_code_and_a_code_without_an_offer_confirm_nothing(bal: Command) -> None:
    bal("totp", "confirm", BOX, "--code", "123456").is_refused("totp enable")
    secret = enabled(bal)
    wrong = f"{(int(code(secret, now())) + 1) % 10**6:06d}"
    bal("totp", "confirm", BOX, "--code", wrong).is_refused("wrong")
    assert not bal("totp", "show", BOX, "--json").json["enabled"]
    for words in (("enable",), ("show",), ("disable",), ("confirm", "--code", "123456")):
        bal("totp", words[0], NOBODY, *words[1:]).is_refused("personne")


# Certificates ------------------------------------------------------------------------------------------------


def test_a_certificate_is_bound_by_its_name_or_its_file_and_removed(
    home: Path, bal: Command, vaguemestre: Command
) -> None:
    file = next((home / "pki" / "boxes").glob("*.pem"))
    assert bal("certificate", "add", BOX, "--dn", DN, "--json").json["dn"] == DN
    bound = bal("certificate", "add", BOX, "--file", str(file), "--json").json["dn"]
    assert [row["dn"] for row in bal("certificate", "list", BOX, "--json").json] == [DN, bound]
    removed = bal("certificate", "remove", BOX, "--dn", DN.lower().replace(",", ", "), "--json").json
    assert (removed["dn"], removed["outcome"]) == (DN, "removed")
    assert bal("certificate", "remove", BOX, "--file", str(file)).code == 0
    assert bal("certificate", "list", BOX, "--json").json == []
    bal("certificate", "remove", BOX, "--dn", DN).is_refused("No certificate")
    actions = [row[0] for row in traced(home, vaguemestre, "certificate.bound", "certificate.unbound")]
    assert actions == ["certificate.bound"] * 2 + ["certificate.unbound"] * 2


def test_the_same_certificate_twice_is_one_binding_and_one_trace(
    home: Path, bal: Command, vaguemestre: Command
) -> None:
    for _ in range(2):
        assert bal("certificate", "add", BOX, "--dn", DN).code == 0
    assert len(traced(home, vaguemestre, "certificate.bound")) == 1


def test_what_is_no_certificate_is_refused(home: Path, bal: Command, tmp_path: Path) -> None:
    key = next((home / "pki" / "boxes").glob("*.key"))
    bal("certificate", "add", BOX, "--file", str(key)).is_refused("no certificate in PEM")
    bal("certificate", "add", BOX, "--file", str(tmp_path / "none.pem")).is_refused("cannot be read")
    bal("certificate", "add", NOBODY, "--dn", DN).is_refused("personne")
    for words in ((), ("--dn", DN, "--file", str(key)), ("--dn", "pas un nom")):
        assert bal("certificate", "add", BOX, *words).code == 2


# Sessions, brake, password -----------------------------------------------------------------------------------


def begin_session(home: Path) -> None:
    async def begin(database: Database, owner_id: int) -> None:
        await database.write(lambda uow: sessions.begin(uow, owner_id, now()))

    inside(home, begin)


def test_sessions_of_the_portal_are_listed_and_ended(home: Path, bal: Command, vaguemestre: Command) -> None:
    assert bal("sessions", "list", BOX, "--json").json == []
    for _ in range(2):
        begin_session(home)
    listed = bal("sessions", "list", BOX, "--json").json
    assert [row["means"] for row in listed] == ["password", "password"]
    assert bal("sessions", "end", BOX, "--json").json == {"address": BOX, "ended": 2}
    assert bal("sessions", "end", BOX, "--json").json == {"address": BOX, "ended": 0}
    assert bal("sessions", "list", BOX, "--json").json == []
    assert traced(home, vaguemestre, "session.ended") == [("session.ended", "all", {})] * 2


@pytest.mark.parametrize("words", [("suspend",), ("close",), ("password", "--password-stdin")])
def test_who_may_not_sign_in_as_before_is_signed_out(
    home: Path, bal: Command, words: tuple[str, ...]
) -> None:
    begin_session(home)
    assert bal(words[0], BOX, *words[1:], stdin="tournesol girafe 41\n").code == 0
    assert bal("sessions", "list", BOX, "--json").json == []


def guesses(home: Path, count: int) -> list[Refusal]:
    """What so many wrong passwords are answered with, one after the other."""

    async def guess(database: Database, _owner_id: int) -> list[Refusal]:
        async def pause(_seconds: float) -> None:
            return None

        sign_in = SignIn(database, SystemClock(), load(home), pause=pause)
        said = [
            await sign_in.password(BOX, "wrong", peer="192.0.2.7", scope=application.Scope.IMAP)
            for _ in range(count)
        ]
        return [answer.refusal for answer in said if isinstance(answer, Refused)]

    return inside(home, guess)


def test_a_box_is_unlocked(home: Path, bal: Command, vaguemestre: Command) -> None:
    assert guesses(home, FAILURES_OF_A_PAIR) == [WRONG_PASSWORD] * FAILURES_OF_A_PAIR
    assert guesses(home, 1) == [LOCKED_OUT]
    assert bal("unlock", BOX, "--json").json == {"address": BOX, "had_failures": True}
    assert not bal("unlock", BOX, "--json").json["had_failures"]
    assert guesses(home, 1) == [WRONG_PASSWORD]
    bal("unlock", NOBODY).is_refused("personne")
    assert traced(home, vaguemestre, "signin.unlocked") == [("signin.unlocked", "unlocked", {})]


def test_a_patient_is_unlocked_by_number_or_address(home: Path, vaguemestre: Command) -> None:
    ins = "180027512345678"
    at = ("--home", str(home))
    said = vaguemestre(
        "patient", "add", ins, *at, "--birth-name", "DURAND", "--first-names", "PAUL", "--birth-date",
        "1980-02-15", "--sex", "M", "--password-stdin", stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert said.code == 0

    async def fail(database: Database, _owner_id: int) -> bool:
        brake = Brake(database, SystemClock(), pause=no_wait)
        for _ in range(FAILURES_OF_A_PAIR):
            attempt = await brake.begin(ins, "192.0.2.1")
            assert attempt is not None
            await brake.failed(attempt, lambda _uow: None)
        return await brake.begin(ins, "192.0.2.1") is None

    assert inside(home, fail)
    words = ("patient", "unlock", f"{ins}@patient.mssante.fr", *at, "--json")
    assert vaguemestre(*words).json == {"ins": ins, "had_failures": True}
    assert vaguemestre("patient", "unlock", ins, *at, "--json").json == {"ins": ins, "had_failures": False}
    assert inside(home, lambda database, _: heard(database, ins))
    vaguemestre("patient", "unlock", "180027512345699", *at).is_refused("no patient")
    assert traced(home, vaguemestre, "signin.unlocked") == [("signin.unlocked", "unlocked", {})]


async def no_wait(_seconds: float) -> None:
    """A guesser's pause, not spent here."""


async def heard(database: Database, account: str) -> bool:
    return await Brake(database, SystemClock()).begin(account, "192.0.2.1") is not None


@pytest.mark.parametrize(
    ("plain", "word"),
    [
        ("motdepasse!2026", "usual"),
        ("azertyuiop12", "keyboard"),
        ("equipe equipe1", "name"),
        ("é" * 129, "long"),
    ],
)
def test_the_operator_s_words_are_held_to_the_policy_too(bal: Command, plain: str, word: str) -> None:
    bal("password", BOX, "--password-stdin", stdin=plain + "\n").is_refused("password is refused", word)
    bal(
        "add",
        f"equipe.deux@{DOMAIN}",
        "--type",
        "ORG",
        "--name",
        "Équipe",
        "--password-stdin",
        stdin=plain + "\n",
    ).is_refused("password is refused", word)


def test_the_operator_s_own_list_counts_and_a_missing_one_is_told(
    home: Path, bal: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGUEMESTRE_ACCOUNTS__REFUSED_PASSWORDS_FILE", "refused.txt")
    words = ("password", BOX, "--password-stdin")
    bal(*words, stdin="tournesol girafe 41\n").is_refused("refused_passwords_file")
    (home / "refused.txt").write_text("tournesol girafe 41\n")
    bal(*words, stdin="tournesol girafe 41\n").is_refused("usual")
    assert bal(*words, stdin="tournesol girafe 42\n").code == 0


def test_a_password_is_stored_for_scram_where_the_settings_say_so(
    home: Path, bal: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stored(database: Database, owner_id: int) -> bool:
        return await database.read(lambda c: scram.find(c, owner_id)) is not None

    assert not inside(home, stored)
    for setting, kept in (("true", True), ("false", False)):
        monkeypatch.setenv("VAGUEMESTRE_ACCOUNTS__SCRAM", setting)
        assert bal("password", BOX, "--password-stdin", stdin="tournesol girafe 41\n").code == 0
        assert inside(home, stored) is kept
