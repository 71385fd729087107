"""`vaguemestre bal delegate | seen | quota`, beside a service that runs."""

from __future__ import annotations

import imaplib
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
PASSWORD = "une-phrase-de-passe"
BOX, MEMBER, OTHER = f"equipe@{DOMAIN}", f"membre.un@{DOMAIN}", f"membre.deux@{DOMAIN}"


@pytest.fixture(name="home")
def home_with_boxes(empty_home: Path, vaguemestre: Command) -> str:
    home = str(empty_home)
    for address, kind in ((BOX, "ORG"), (MEMBER, "PER"), (OTHER, "PER")):
        said = vaguemestre(
            "bal", "add", address, "--home", home, "--type", kind, "--name", "N", "--password-stdin",
            stdin=PASSWORD + "\n",
        )  # fmt: skip
        assert said.code == 0
    return home


@pytest.fixture
def bal(home: str, vaguemestre: Command) -> Iterator[Command]:
    yield lambda *words: vaguemestre("bal", *words, "--home", home)


def test_a_member_is_named_with_a_role_and_shown(bal: Command) -> None:
    said = bal("delegate", BOX, "--to", MEMBER, "--role", "reader", "--json")
    assert said.json == {"address": BOX, "member": MEMBER, "rights": "lrs"}
    assert bal("delegate", BOX, "--to", OTHER, "--json").json["rights"] == "lrswipte"
    assert bal("show", BOX, "--json").json["members"] == [
        {"address": OTHER, "rights": "lrswipte"},
        {"address": MEMBER, "rights": "lrs"},
    ]
    assert f"{MEMBER} (lrs)" in bal("show", BOX).out


def test_rights_by_letters_take_the_place_of_a_role(bal: Command) -> None:
    assert bal("delegate", BOX, "--to", MEMBER, "--rights", "ewl", "--json").json["rights"] == "lwe"
    assert bal("delegate", BOX, "--to", MEMBER, "--role", "manager", "--json").json["rights"] == "lrswipkxtea"
    assert len(bal("show", BOX, "--json").json["members"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--role", "reader", "--rights", "lr"),
        ("--revoke", "--role", "reader"),
        ("--revoke", "--rights", "lr"),
        ("--rights", "lz"),
        ("--rights", "r"),
        ("--role", "queen"),
    ],
)
def test_wrong_words_and_words_that_exclude_each_other_are_wrong_usage(
    bal: Command, words: tuple[str, ...]
) -> None:
    said = bal("delegate", BOX, "--to", MEMBER, *words)
    assert said.code == 2
    assert "Value error" not in said.err
    assert bal("show", BOX, "--json").json["members"] == []


def test_who_is_revoked_is_no_member(bal: Command) -> None:
    bal("delegate", BOX, "--to", MEMBER)
    assert bal("delegate", BOX, "--to", MEMBER, "--revoke", "--json").json["rights"] == ""
    assert bal("show", BOX, "--json").json["members"] == []
    bal("delegate", BOX, "--to", MEMBER, "--revoke").is_refused(BOX, MEMBER)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((BOX, "--to", BOX), "PER"),
        ((MEMBER, "--to", OTHER), "bearer"),
        ((BOX, "--to", f"personne@{DOMAIN}"), "personne"),
        ((f"rien@{DOMAIN}", "--to", MEMBER), "rien"),
    ],
)
def test_what_cannot_be_delegated_is_refused_in_a_sentence(
    bal: Command, words: tuple[str, ...], named: str
) -> None:
    bal("delegate", *words).is_refused(named)


def test_whose_the_mark_is_can_be_said_of_a_service_only(bal: Command) -> None:
    assert bal("show", BOX, "--json").json["seen"] == "shared"
    assert bal("seen", BOX, "personal", "--json").json == {"address": BOX, "seen": "personal"}
    assert bal("show", BOX, "--json").json["seen"] == "personal"
    assert bal("seen", BOX, "shared").code == 0
    assert bal("show", BOX, "--json").json["seen"] == "shared"
    bal("seen", MEMBER, "personal").is_refused(MEMBER)


def test_a_wrong_word_is_told_as_it_is(bal: Command) -> None:
    said = bal("seen", BOX, "everybody")
    assert said.code == 2
    assert "'everybody' is not one of 'shared', 'personal'" in said.err
    assert "Value error" not in said.err


def test_what_changes_nothing_leaves_no_trace(bal: Command, home: str, vaguemestre: Command) -> None:
    for whose in ("shared", "personal", "personal", "shared", "shared"):
        assert bal("seen", BOX, whose, "--json").json == {"address": BOX, "seen": whose}
    rows = vaguemestre("trail", "show", "--home", home, "--json").json
    assert [row["outcome"] for row in rows if row["action"] == "bal.seen"] == ["personal", "shared"]


def test_the_trail_tells_a_limit_in_words(bal: Command, home: str, vaguemestre: Command) -> None:
    bal("quota", BOX, "--storage", "1K", "--messages", "none")
    bal("quota", BOX, "--storage", "default")
    rows = vaguemestre("trail", "show", "--home", home, "--json").json
    assert [json.loads(row["detail"]) for row in rows if row["action"] == "bal.quota"] == [
        {"octets": "1024", "messages": "none"},
        {"octets": "as in the settings", "messages": "none"},
    ]


def test_a_quota_is_given_and_taken_back(bal: Command) -> None:
    empty = {"address": BOX, "bytes": 0, "bytes_limit": 10 * 1024**3, "messages": 0, "messages_limit": None}
    assert bal("quota", BOX, "--json").json == empty
    given = bal("quota", BOX, "--storage", "20G", "--messages", "1000", "--json").json
    assert given == empty | {"bytes_limit": 20 * 1024**3, "messages_limit": 1000}
    assert bal("quota", BOX, "--storage", "none", "--json").json == given | {"bytes_limit": None}
    assert bal("quota", BOX, "--storage", "default", "--messages", "default", "--json").json == empty
    for wrong in ("20X", "-1", "0", "1.5G", "99999T", "G", ""):
        for option in ("--storage", "--messages"):
            said = bal("quota", BOX, option, wrong)
            assert (said.code, said.out) == (2, "")
            assert "is no limit" in said.err
            assert option in said.err
    assert bal("quota", BOX, "--json").json == empty


def test_everything_stands_in_the_trail_without_an_address(
    bal: Command, home: str, vaguemestre: Command
) -> None:
    bal("delegate", BOX, "--to", MEMBER, "--role", "reader")
    bal("seen", BOX, "personal")
    bal("quota", BOX, "--storage", "1G")
    bal("delegate", BOX, "--to", MEMBER, "--revoke")
    said = vaguemestre("trail", "show", "--home", home, "--json")
    rows = [row for row in said.json if row["action"].startswith(("access.", "bal.seen", "bal.quota"))]
    assert [row["action"] for row in rows] == ["access.granted", "bal.seen", "bal.quota", "access.revoked"]
    assert "@" not in said.out


def test_a_box_opens_and_closes_while_the_service_runs(sandbox: Serving, vaguemestre: Command) -> None:
    home = str(sandbox.home)
    for address, kind in ((BOX, "ORG"), (MEMBER, "PER")):
        vaguemestre(
            "bal", "add", address, "--home", home, "--type", kind, "--name", "N", "--password-stdin",
            stdin=PASSWORD + "\n",
        )  # fmt: skip
    host, port = sandbox.told["host"], sandbox.told["ports"]["imaps"]
    with imaplib.IMAP4_SSL(host, port, ssl_context=sandbox.tls(), timeout=30) as client:
        client.login(MEMBER, PASSWORD)
        assert client.select(f"Partages/{BOX}/INBOX")[0] == "NO"
        vaguemestre("bal", "delegate", BOX, "--to", MEMBER, "--home", home)
        assert client.select(f"Partages/{BOX}/INBOX")[0] == "OK"
        vaguemestre("bal", "delegate", BOX, "--to", MEMBER, "--revoke", "--home", home)
        with pytest.raises(imaplib.IMAP4.abort, match="Access to this mailbox has ended"):
            client.noop()
