"""`vaguemestre bal edit | red-list | keep | lifecycle`, `directory publish` and `operator …` beside no running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from vaguemestre.sandbox_home import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
PASSWORD = "girafe-lampe-quatre-vélo"
MARIE = f"marie.martin@{DOMAIN}"
SERVICE = f"cardiologie@{DOMAIN}"


@pytest.fixture
def home(empty_home: Path, vaguemestre: Command) -> str:
    """A home with a person's box and a service's."""
    for address, kind, idnat in ((MARIE, "PER", "899900000011"), (SERVICE, "ORG", "1990780017")):
        said = vaguemestre(
            "bal", "add", address, "--home", str(empty_home), "--type", kind, "--name", "Nom", "--idnat", idnat,
            "--password-stdin", stdin=f"{PASSWORD}\n",
        )  # fmt: skip
        assert (said.code, said.err) == (0, ""), said
    return str(empty_home)


def shown(vaguemestre: Command, home: str, address: str) -> Any:
    return vaguemestre("bal", "show", address, "--home", home, "--json").json


def test_a_new_box_is_created_and_waits_for_its_publication(home: str, vaguemestre: Command) -> None:
    told = shown(vaguemestre, home, MARIE)
    assert (told["state"], told["stage"], told["last_sign_in"]) == ("active", "created", None)
    assert (told["publication"], told["next"]) == ("waiting", "warn")
    assert told["accepts_xdm"] is True


def test_a_box_without_an_identifier_is_opened_and_told_to_be_incomplete(
    home: str, vaguemestre: Command
) -> None:
    said = vaguemestre(
        "bal", "add", f"x@{DOMAIN}", "--home", home, "--type", "ORG", "--name", "X", "--password-stdin",
        "--service", "A", "--responsible", "B", "--phone", "01 02", "--red-list", stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert said.code == 0
    assert "not published yet" in said.err
    told = shown(vaguemestre, home, f"x@{DOMAIN}")
    assert (told["service"], told["responsible"], told["phone"], told["red_list"]) == (
        "A",
        "B",
        "01 02",
        True,
    )


def test_what_a_box_says_is_edited_and_taken_away(home: str, vaguemestre: Command) -> None:
    words = ("bal", "edit", SERVICE, "--home", home, "--json")
    told = vaguemestre(*words, "--service", "CARDIO", "--rank", "2", "--no-xdm", "--largest", "1000000").json
    assert (told["service"], told["rank"], told["accepts_xdm"]) == ("CARDIO", 2, False)
    told = vaguemestre(*words, "--service", "", "--rank", "0", "--largest", "0", "--name", "Cœur").json
    assert (told["service"], told["rank"], told["largest_bytes"]) == (None, None, None)
    assert (told["name"], told["accepts_xdm"]) == ("Cœur", False)


@pytest.mark.parametrize(
    ("address", "option", "value", "words"),
    [
        (MARIE, "--service", "A", "no service"),
        (MARIE, "--structure", "77", "no identifier of a structure"),
        (MARIE, "--idnat", "899900000102", "does not change"),
        (SERVICE, "--structure", "1990780017", "its own identifier"),
        (SERVICE, "--service", "a|b", "no |"),
        (SERVICE, "--service", "a" * 256, "255 characters"),
        (SERVICE, "--phone", "zéro", "telephone"),
        (SERVICE, "--rank", "1001", "1000"),
        (SERVICE, "--largest", "5", "bytes"),
        (SERVICE, "--name", " ", "1 to 255"),
        (f"personne@{DOMAIN}", "--name", "X", "personne"),
    ],
)
def test_what_cannot_be_said_is_refused(
    home: str, vaguemestre: Command, address: str, option: str, value: str, words: str
) -> None:
    vaguemestre("bal", "edit", address, "--home", home, option, value).is_refused(words)


def test_a_box_goes_on_the_red_list_and_off_it(home: str, vaguemestre: Command) -> None:
    assert vaguemestre("bal", "red-list", MARIE, "--home", home, "--json").json["red_list"] is True
    assert vaguemestre("bal", "red-list", MARIE, "--off", "--home", home, "--json").json["red_list"] is False


def test_a_reason_is_kept_with_the_box_and_not_in_the_trail(home: str, vaguemestre: Command) -> None:
    vaguemestre("bal", "suspend", MARIE, "--home", home, "--reason", "Départ")
    assert shown(vaguemestre, home, MARIE)["reason"] == "Départ"
    assert "Départ" not in vaguemestre("trail", "show", "--home", home).out
    vaguemestre("bal", "suspend", SERVICE, "--home", home, "--reason", "x" * 201).is_refused("200")
    vaguemestre("bal", "resume", MARIE, "--home", home)
    assert shown(vaguemestre, home, MARIE)["reason"] is None


def test_the_life_of_every_box_is_listed_the_next_step_first(home: str, vaguemestre: Command) -> None:
    vaguemestre("bal", "suspend", MARIE, "--home", home)
    rows = vaguemestre("bal", "lifecycle", "--home", home, "--json").json
    assert [(row["address"], row["stage"], row["next"]) for row in rows] == [
        (SERVICE, "created", "warn"),
        (MARIE, "suspended", None),
    ]
    only = vaguemestre("bal", "lifecycle", "--home", home, "--stage", "suspended", "--json").json
    assert [row["address"] for row in only] == [MARIE]


def test_a_box_is_kept_while_it_is_in_service(home: str, vaguemestre: Command) -> None:
    assert vaguemestre("bal", "keep", MARIE, "--home", home).code == 0
    vaguemestre("bal", "close", MARIE, "--home", home)
    vaguemestre("bal", "keep", MARIE, "--home", home).is_refused("closed")


def test_the_publication_of_one_box_or_all_is_told_and_asked_anew(home: str, vaguemestre: Command) -> None:
    words = ("directory", "publish", "--home", home, "--json")
    assert [(row["address"], row["state"]) for row in vaguemestre(*words, "--status").json] == [
        (SERVICE, "waiting"),
        (MARIE, "waiting"),
    ]
    (row,) = vaguemestre(*words, MARIE).json
    assert (row["address"], row["state"], row["error"]) == (MARIE, "waiting", None)
    assert len(vaguemestre(*words, "--all").json) == 2
    assert len(vaguemestre(*words, MARIE, "--status").json) == 1
    vaguemestre(*words, f"personne@{DOMAIN}").is_refused("personne")
    assert vaguemestre(*words).code == 2
    assert vaguemestre(*words, MARIE, "--all").code == 2


def test_operators_are_added_listed_and_removed(home: str, vaguemestre: Command) -> None:
    def command(word: str, *more: str, stdin: str = f"{PASSWORD}\n") -> Said:
        return vaguemestre("operator", word, *more, "--home", home, stdin=stdin)

    assert command("add", "claude", "--password-stdin").code == 0
    command("add", "claude", "--password-stdin").is_refused("claude")
    command("add", "x y", "--password-stdin").is_refused("letters")
    command("add", "dominique", "--password-stdin", stdin="court\n").is_refused("too short")
    changed = command("password", "claude", "--password-stdin", "--json")
    assert (changed.code, changed.json["username"]) == (0, "claude")
    assert PASSWORD not in changed.out
    command("password", "personne", "--password-stdin").is_refused("personne")
    row, of_the_sandbox = command("list", "--json").json
    assert of_the_sandbox["username"] == OPERATOR
    assert (row["username"], row["removed_at"], row["second_factor"]) == ("claude", None, False)
    assert command("remove", "claude", "--json").json["removed_at"] is not None
    command("remove", "claude").is_refused("claude")
    actions = [row["action"] for row in vaguemestre("trail", "show", "--home", home, "--json").json]
    assert actions[-3:] == ["operator.added", "operator.password", "operator.removed"]
    assert PASSWORD not in vaguemestre("operator", "list", "--home", home).out
