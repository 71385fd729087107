"""`vaguemestre bal absence`, on a home that nobody serves and beside a service that runs."""

from __future__ import annotations

import io
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.clock import PARIS
from foundation.mime.headers import encode_words
from mailserver.delivery.absence_answer import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

DOMAIN = "hopital-demo.mssante.fr"
BOX = f"absente@{DOMAIN}"
TEXT = "De retour en 2100.\n\nUrgences : le 15.\n"
NONE = {"address": BOX, "from": None, "until": None, "text": None}


@pytest.fixture
def bal(empty_home: Path, vaguemestre: Command) -> Command:
    def command(*words: str, **more: str) -> Said:
        return vaguemestre("bal", *words, "--home", str(empty_home), **more)

    said = command(
        "add", BOX, "--type", "PER", "--name", "N", "--password-stdin", stdin="une-phrase-de-passe\n"
    )
    assert said.code == 0
    return command


def test_an_absence_is_set_by_days_of_paris_shown_and_ended(
    bal: Command, empty_home: Path, vaguemestre: Command
) -> None:
    assert bal("absence", BOX, "--json").json == NONE
    words = ("--from", "2099-03-20", "--until", "2099-04-02", "--text-stdin")
    shown = {
        "address": BOX,
        "from": "2099-03-20",
        "until": "2099-04-02",
        "text": TEXT.strip(),
    }
    assert bal("absence", BOX, *words, "--json", stdin=TEXT).json == shown
    assert bal("absence", BOX, "--json").json == shown
    for _ in range(2):
        assert bal("absence", BOX, "--off", "--json").json == NONE
    assert bal("absence", BOX, "--off").out == f"{BOX}: no absence\n"
    said = vaguemestre("trail", "show", "--home", str(empty_home), "--json")
    actions = [row["action"] for row in said.json if row["action"].startswith("absence.")]
    assert actions == ["absence.announced", "absence.ended"]
    assert "2100" not in said.out


@pytest.mark.parametrize(
    "words",
    [
        ("--until", "2099-04-02"),
        ("--text-stdin",),
        ("--from", "2099-04-02"),
        ("--from", "2099-04-02", "--text-stdin"),
        ("--off", "--until", "2099-04-02", "--text-stdin"),
        ("--off", "--from", "2099-04-02"),
        ("--until", "demain", "--text-stdin"),
        ("--until", "9999-12-31", "--text-stdin"),
        ("--from", "2099-04-03", "--until", "2099-04-02", "--text-stdin"),
        ("--until", "2020-04-02", "--text-stdin"),
    ],
)
def test_words_that_say_no_absence_are_wrong_usage(bal: Command, words: tuple[str, ...]) -> None:
    said = bal("absence", BOX, *words, stdin=TEXT)
    assert (said.code, said.out) == (2, "")
    assert bal("absence", BOX, "--json").json == NONE


@pytest.mark.parametrize(
    ("text", "last", "word"),
    [("", "2099-04-02", "4096"), ("é" * 3000, "2099-04-02", "4096"), (TEXT, "2101-04-02", "un an")],
)
def test_what_is_no_absence_is_refused_in_a_sentence(bal: Command, text: str, last: str, word: str) -> None:
    words = ("--from", "2099-04-01", "--until", last, "--text-stdin")
    bal("absence", BOX, *words, stdin=text).is_refused(word)


def test_bytes_that_are_no_text_are_told(bal: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def raw(_text: str) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(b"\xff\xfe phrase"), encoding="utf-8")

    monkeypatch.setattr(io, "StringIO", raw)
    bal("absence", BOX, "--until", "2099-04-02", "--text-stdin").is_refused("not UTF-8")
    bal("password", BOX, "--password-stdin").is_refused("not UTF-8")


def test_a_box_that_is_not_there_or_closed_has_no_absence(bal: Command) -> None:
    bal("absence", f"personne@{DOMAIN}").is_refused("personne")
    bal("absence", f"personne@{DOMAIN}", "--off").is_refused("personne")
    bal("close", BOX)
    bal("absence", BOX, "--until", "2099-04-02", "--text-stdin", stdin=TEXT).is_refused("closed")


def test_who_writes_to_somebody_away_gets_the_answer(sandbox: Serving, vaguemestre: Command) -> None:
    away, sender = sandbox.bal("isabelle.faure"), sandbox.bal("nadia.petit")
    tomorrow = (datetime.now(PARIS) + timedelta(days=1)).date().isoformat()
    words = ("bal", "absence", away["address"], "--home", str(sandbox.home))
    assert vaguemestre(*words, "--until", tomorrow, "--text-stdin", stdin=TEXT).code == 0
    try:
        sandbox.send(sender, away["address"], "Une question")
        deadline = time.monotonic() + 30
        while encode_words(SUBJECT) not in (
            subjects := sandbox.subjects(sender["address"], sender["password"])
        ):
            assert time.monotonic() < deadline, subjects
    finally:
        vaguemestre(*words, "--off")
