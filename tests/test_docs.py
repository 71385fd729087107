"""The pages are true: generated tables are current, links lead somewhere, commands parse, nobody's folders show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.core import TyperGroup

from docs import generate
from vaguemestre import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = re.compile(r"(?ms)^```(?:toml\n.*?^```$|(?:sh)?\n(.*?)^```$)")
SPOKEN = re.compile(r"`(vaguemestre [^`]+)`")
ENDS = {"|", "||", "&&", ";", ">", "2>", "&"}
UsageError = typer.BadParameter.__mro__[1]  # typer has its own copy of click and does not name this one
HOME_OF_SOMEBODY = re.compile(r"/(?:home|root|Users|work|tmp)/")


def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str) -> Iterator[list[str]]:
    """Every `vaguemestre …` of the shell blocks, as words."""
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if "vaguemestre" not in line or line.lstrip().startswith("#"):
                continue
            words = shlex.split(line)
            for start, word in enumerate(words):
                is_program = word == "vaguemestre" or word.endswith("bin/vaguemestre")
                if is_program and (start == 0 or words[start - 1] in ENDS):
                    rest = words[start + 1 :]
                    end = next((place for place, each in enumerate(rest) if each in ENDS), len(rest))
                    yield rest[:end]


def leaf(words: list[str]) -> tuple[typer.Context, Any, list[str]]:
    """The command that the first words name, in its context, and the words behind them."""
    command: Any = cli.commands()
    context = typer.Context(command, info_name="vaguemestre")
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, list(words))
        assert command is not None
        context = typer.Context(command, info_name=name, parent=context)
    return context, command, words


def parse(words: list[str]) -> None:
    """Raises UsageError when a command or option does not exist or an argument is missing."""
    context, command, rest = leaf(words)
    command.make_context(context.info_name, rest, parent=context.parent)


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_generated_tables_are_current(path: Path) -> None:
    assert generate.current(page(path)) == page(path), "run: .venv/bin/python -m docs.generate"


def test_every_generated_table_stands_on_a_page() -> None:
    standing = [name for path in PAGES for name in generate.names(page(path))]
    assert sorted(standing) == sorted(generate.BLOCKS)


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_every_local_link_leads_to_a_file(path: Path) -> None:
    for target in LINK.findall(page(path)):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).is_file(), target


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target in LINK.findall(page(ROOT / "README.md"))}
    assert set((ROOT / "docs").glob("*.md")) <= linked


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_every_command_in_a_block_parses(path: Path) -> None:
    for words in commands(page(path)):
        parse(words)


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_every_command_in_a_sentence_exists(path: Path) -> None:
    for spoken in SPOKEN.findall(page(path)):
        _, command, words = leaf([word for word in shlex.split(spoken)[1:] if word != "…"])
        known = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, spoken


def test_commands_are_found_and_wrong_ones_are_noticed() -> None:
    text = "```sh\nprintf x | vaguemestre bal list --home a --json > b\nmake .venv/bin/vaguemestre\n```\n"
    assert list(commands(text)) == [["bal", "list", "--home", "a", "--json"]]
    for wrong in (["bal", "lists", "--home", "a"], ["bal", "list", "--hom", "a"], ["bal", "list"]):
        with pytest.raises(UsageError):
            parse(wrong)


def test_the_pages_show_commands_of_every_family() -> None:
    shown = {words[0] for path in PAGES for words in commands(page(path)) if words}
    group = cli.commands()
    assert isinstance(group, TyperGroup)
    # migrate is spoken of in a sentence; demo, sandbox and the others are shown.
    assert set(group.commands) - {"migrate"} <= shown


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_no_page_names_a_developers_folder(path: Path) -> None:
    assert HOME_OF_SOMEBODY.search(page(path)) is None


def test_the_readme_is_short() -> None:
    assert len(page(ROOT / "README.md").splitlines()) <= 150


def test_the_picture_is_light() -> None:
    assert (ROOT / "docs" / "conversation.png").stat().st_size < 250_000
