"""What commands share: the home option, printing for people or as JSON, and failing in one sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.signin.policy import wrong_length

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Home = Annotated[Path, typer.Option("--home", help="Folder of the operator or sandbox.", show_default=False)]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Failed(Exception):
    """The command could not do what was asked; the text is one sentence."""


def read_password(from_stdin: bool) -> str:
    """The password from standard input (first line), or asked twice on the terminal."""
    if from_stdin:
        password = read_stdin(sys.stdin.readline).rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise Failed("no password: give one with --password-stdin")
    weakness = wrong_length(password)
    if weakness is not None:
        raise Failed(f"the password is refused: {weakness}")
    return password


def read_stdin(read: Callable[[], str]) -> str:
    """What `read` takes from standard input; raises Failed where it is no text."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise Failed(f"standard input is not {error.encoding.upper()}") from None


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints rows as an aligned table, or as a JSON array."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2))
        return
    if not rows:
        print("(none)")
        return
    table = [
        [str(row.get(column) if row.get(column) is not None else "") for column in columns] for row in rows
    ]
    widths = [max(len(line[index]) for line in [list(columns), *table]) for index in range(len(columns))]
    for line in [list(columns), *table]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints one object, a key a line, or as a JSON object."""
    if as_json:
        print(json.dumps(dict(row), ensure_ascii=False, indent=2))
        return
    width = max((len(key) for key in row), default=0)
    for key, value in row.items():
        print(f"{key.ljust(width)}  {'' if value is None else value}")
