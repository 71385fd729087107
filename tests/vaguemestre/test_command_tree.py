"""What holds for every command there is: JSON for programs, the three exit codes, one sentence for what goes wrong."""

from __future__ import annotations

import importlib.metadata
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.core import TyperArgument

from tests.vaguemestre.programs import run
from vaguemestre import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

PASSWORD = "un-mot-de-passe-long\n"

WITHOUT_JSON: dict[tuple[str, ...], str] = {
    ("sandbox",): "serves until it is stopped; sandbox.json tells programs what there is",
    ("serve",): "serves until it is stopped",
    ("demo",): "plays a story before somebody's eyes; its exit code says whether every step held",
}
MAKES_ITS_HOME = {("sandbox",), ("init",), ("demo",)}
ONE_OF = {
    ("bal", "app-password", "revoke"): ("--all",),
    ("bal", "certificate", "add"): ("--dn", "CN=a"),
    ("bal", "certificate", "remove"): ("--dn", "CN=a"),
    ("directory", "publish"): ("--all",),
    ("directory", "export"): ("--json",),
    ("queue", "retry"): ("--all",),
    ("indicators",): ("2025-03",),
}
"""What a command wants beside its required words; `indicators` takes a month and nothing else."""


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the program: its words and itself."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), cli.commands())]
    while waiting:
        words, command = waiting.pop()
        below = getattr(command, "commands", None)
        if below is None:
            yield words, command
        else:
            waiting += [((*words, name), each) for name, each in below.items()]


ALL = dict(sorted(leaves()))
OF_A_HOME = [
    words
    for words, command in ALL.items()
    if "home" in {each.name for each in command.params} and words not in MAKES_ITS_HOME
]


def options(command: Any) -> set[str]:
    return {option for each in command.params for option in each.opts}


def required(words: tuple[str, ...]) -> list[str]:
    """Words that a command cannot do without, `--home` apart; of each kind the first that comes to mind."""
    if words == ("indicators",):
        return []
    given: list[str] = []
    for each in ALL[words].params:
        if not each.required or each.name == "home":
            continue
        kind = each.type_descriptor.annotation
        if isinstance(kind, type) and issubclass(kind, Enum):
            value = str(next(iter(kind)).value)
        else:
            value = {int: "1", Path: "x"}.get(kind, "a@b.fr")
        given += [value] if isinstance(each, TyperArgument) else [each.opts[0], value]
    return given


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_speaks_to_programs(words: tuple[str, ...]) -> None:
    assert ("--json" in options(ALL[words])) is not (words in WITHOUT_JSON), WITHOUT_JSON.get(words)


def test_only_what_is_a_command_is_an_exception() -> None:
    assert set(WITHOUT_JSON) | MAKES_ITS_HOME | set(ONE_OF) <= set(ALL)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_an_unknown_option_is_wrong_usage(words: tuple[str, ...], vaguemestre: Command) -> None:
    said = vaguemestre(*words, "--colour")
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", OF_A_HOME, ids=" ".join)
def test_without_settings_every_command_fails_in_one_sentence(
    words: tuple[str, ...], vaguemestre: Command, tmp_path: Path
) -> None:
    more = [*required(words), *ONE_OF.get(words, ())]
    if "--json" in options(ALL[words]) and "--json" not in more:
        more.append("--json")
    if "--password-stdin" in options(ALL[words]):
        more.append("--password-stdin")
    said = vaguemestre(*words, *more, "--home", str(tmp_path), stdin=PASSWORD)
    said.is_refused()
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_told(option: str, vaguemestre: Command) -> None:
    said = vaguemestre(option)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"vaguemestre {importlib.metadata.version('vaguemestre')}\n"


def test_the_installed_program_tells_its_version() -> None:
    said = run("--version")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("vaguemestre ")
