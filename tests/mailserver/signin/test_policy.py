from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from directory.bals import bal_of
from foundation.passwords import PasswordMemory
from foundation.settings import AccountSettings, Settings, explain
from mailserver.signin import policy, scram
from mailserver.signin.choosing import Choosing, Chosen, put
from mailserver.signin.policy import (
    FRENCH,
    RefusedPasswords,
    RefusedPasswordsUnreadable,
    Weakness,
    refusal_of,
    weakness_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from tests.mailserver.place import Place

ADDRESS = "camille.roussel@hopital-demo.mssante.fr"
NAME = "Dr Camille ROUSSEL"
GOOD = "tournesol girafe 41"


def weakness(plain: str, refused: RefusedPasswords | None = None) -> Weakness | None:
    return weakness_of(plain, address=ADDRESS, name=NAME, refused=refused or RefusedPasswords(None))


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("onze lettre", Weakness.SHORT),
        ("", Weakness.SHORT),
        (GOOD * 7, Weakness.LONG),
        ("tournesol\tgirafe 41", Weakness.CONTROL),
        ("tournesol\ud800girafe 41", Weakness.CONTROL),
        ("aaaaaaaaaaaa", Weakness.REPEATED),
        ("abcdabcdabcda", Weakness.REPEATED),
        ("Tr8$Tr8$Tr8$Tr", Weakness.REPEATED),
        ("aabbaabbabab", Weakness.REPEATED),
        ("azertyuiop12", Weakness.ROW),
        ("QWERTZUIOP123", Weakness.ROW),
        ("mlkjhgfdsq98", Weakness.ROW),
        ("1234567890abc", Weakness.ROW),
        ("abcdefghijklmn", Weakness.ROW),
        ("camille.roussel72", Weakness.NAME),
        ("Roussel-Camille!", Weakness.NAME),
        (ADDRESS, Weakness.NAME),
        ("Dr CAMILLE 1980", Weakness.NAME),
        ("hopital-demo 2026", Weakness.NAME),
        ("motdepasse!2026", Weakness.USUAL),
        ("Mot-de-passe 123", Weakness.USUAL),
        ("P@ssw0rd12345", Weakness.USUAL),
        ("correct horse battery staple", Weakness.USUAL),
        ("BonjourPharmacie1", Weakness.USUAL),
        ("Liberté, Égalité, Fraternité", Weakness.USUAL),
        (GOOD, None),
        ("un-mot-de-passe-long", None),
        ("bade-fipo-lusa-zeti-42", None),
        ("Xk4#vw9!Lq2z", None),
        ("le camion rouge de Camille", None),
        ("émeu 日本 tracteur", None),
    ],
)
def test_each_weakness_is_told(plain: str, expected: Weakness | None) -> None:
    assert weakness(plain) == expected


def test_a_person_reads_a_french_sentence() -> None:
    asked = {"address": ADDRESS, "name": NAME, "refused": RefusedPasswords(None)}
    assert refusal_of("azertyuiop12", **asked) == FRENCH[Weakness.ROW]  # type: ignore[arg-type]
    assert refusal_of(GOOD, **asked) is None  # type: ignore[arg-type]
    assert set(FRENCH) == set(Weakness)


def test_the_operator_s_list_is_plain_or_of_digests_with_or_without_counts(tmp_path: Path) -> None:
    words = ("tournesol girafe 41", "girafe tournesol 42", "tournesol girafe 43", "c" * 40)
    digests = [hashlib.sha1(word.encode()).hexdigest() for word in words]
    file = tmp_path / "refused.txt"
    file.write_bytes(
        f"{words[0]}\r\n\n{digests[1].upper()}:37\n{digests[2]}\n{'g' * 40}\n{'a:b ' * 600}\n".encode()
    )
    refused = RefusedPasswords(file)
    for word in (*words[:3], "g" * 40):
        assert refused(word)
    assert not refused(words[3])
    assert not refused(digests[1])
    assert weakness(words[0], refused) is Weakness.USUAL


def test_the_operator_s_list_is_read_once_when_it_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "refused.txt"
    refused = RefusedPasswords(file)
    with pytest.raises(RefusedPasswordsUnreadable, match=r"refused_passwords_file.*cannot be read"):
        refused(GOOD)
    file.write_text(GOOD)
    assert refused(GOOD)
    file.unlink()
    assert refused(GOOD)


def test_a_list_too_long_for_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "MOST_REFUSED", 3)
    file = tmp_path / "refused.txt"
    file.write_text("a\nb\nc\n")
    assert RefusedPasswords(file)("b")
    file.write_text("a\nb\nc\nd\n")
    with pytest.raises(RefusedPasswordsUnreadable, match="more than 3 lines"):
        RefusedPasswords(file)("b")


def test_the_settings_name_the_list_from_the_home_on(tmp_path: Path) -> None:
    (tmp_path / "refused.txt").write_text(GOOD)
    empty = Settings(home=tmp_path)
    assert ("accounts.refused_passwords_file", "") in [row[:2] for row in explain(empty)]
    assert not RefusedPasswords.of(empty)(GOOD)
    named = Settings(home=tmp_path, accounts={"refused_passwords_file": "refused.txt"})
    assert RefusedPasswords.of(named)(GOOD)


async def stored_as(place: Place, bal: Bal, chosen: Chosen) -> Bal:
    await place.database.write(lambda uow: put(uow, bal.address, chosen))
    stored = place.database.read_now(lambda connection: bal_of(connection, bal.owner_id))
    assert stored is not None
    return stored


async def test_a_chosen_password_is_stored_for_each_way_of_signing_in(place: Place, marie: Bal) -> None:
    with_scram = place.settings.model_copy(update={"accounts": AccountSettings(scram=True)})
    for settings, has_verifier in ((with_scram, True), (place.settings, False)):
        chosen = await Choosing(settings).choose(GOOD, address=marie.address, name=marie.name)
        assert not isinstance(chosen, Weakness)
        assert repr(chosen) == f"Chosen(verifier={chosen.verifier!r})"
        stored = await stored_as(place, marie, chosen)
        assert await PasswordMemory().verify(stored.password_hash, GOOD)
        verifier = place.database.read_now(lambda c: scram.find(c, marie.owner_id))
        assert (verifier is not None) is has_verifier
        if verifier is not None:
            assert verifier == scram.derive(GOOD, salt=verifier.salt)


async def test_a_weak_password_is_not_stored(place: Place, marie: Bal) -> None:
    assert await Choosing(place.settings).choose("marie", address=marie.address, name="M") is Weakness.SHORT
