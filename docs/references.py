"""Finds where code and tests name a requirement, and keeps these places in `requirements.toml`.

A place names one in a comment (`# ref: ECO.2.2.8, F30`) or a docstring (`ref: ECO.2.2.8`, `Réf#2 ECO.2.2.8`). It is
called after the function or class it stands in, or that follows it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "requirements.toml"
PACKAGES = ("foundation", "certs", "directory", "mailserver", "dmp_bridge", "portal", "vaguemestre")
TESTS = "tests"
_ID = r"[A-Z][A-Za-z0-9]*(?:[./-][A-Za-z0-9]+)*"
_NAMED = re.compile(rf"(?:\bref: |Réf#2 )({_ID}(?:, {_ID})*)")
_ENTRY = "[[requirement]]\n"
_PLACES = re.compile(r"(?ms)^(?:code|tests) = \[.*?\]\n")


class Reference(NamedTuple):
    """One mention: the id as written, and the place as `path` or `path::name`."""

    id: str
    place: str


def references(root: Path = ROOT) -> list[Reference]:
    """Every mention in the packages and tests below `root`, in the order of the files."""
    return [
        Reference(id, path.relative_to(root).as_posix() + name)
        for folder in (*PACKAGES, TESTS)
        for path in sorted((root / folder).rglob("*.py"))
        for id, name in named_in(path.read_text(encoding="utf-8"))
    ]


def named_in(source: str) -> Iterator[tuple[str, str]]:
    """The ids that a Python text names, each with `::name` of its function or class, or "" outside of any."""
    if "ref: " not in source and "Réf#2 " not in source:
        return
    module = ast.parse(source)
    scopes = list(_scopes(module, ""))
    for line, text in sorted([*_comments(source), *_docstrings(module)]):
        for found in _NAMED.finditer(text):
            for id in found[1].split(", "):
                yield id, _place(line, scopes, source.splitlines())


class _Scope(NamedTuple):
    first: int
    last: int
    name: str


def _scopes(node: ast.AST, prefix: str) -> Iterator[_Scope]:
    """Functions and classes with their lines, decorators included; an outer one comes before those inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            yield _Scope(first, child.end_lineno or first, prefix + child.name)
            yield from _scopes(child, f"{prefix}{child.name}.")


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _docstrings(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def _place(line: int, scopes: list[_Scope], lines: list[str]) -> str:
    following = line + 1
    while following <= len(lines) and lines[following - 1].lstrip().startswith("#"):
        following += 1
    is_alone = lines[line - 1].lstrip().startswith("#")
    around = [scope for scope in scopes if scope.first <= line <= scope.last]
    below = [scope for scope in scopes if is_alone and scope.first == following]
    return f"::{[*around, *below][-1].name}" if around or below else ""


def indexed(text: str, found: list[Reference]) -> str:
    """The text of the list with the places of each requirement as `found` has them."""
    head, *entries = text.split(_ENTRY)
    return head + "".join(_ENTRY + _indexed_entry(entry, found) for entry in entries)


def _indexed_entry(entry: str, found: list[Reference]) -> str:
    known = tomllib.loads(entry)
    ids = {known["id"], *known.get("also", ())}
    places = sorted({each.place for each in found if each.id in ids})
    tests = [each for each in places if each.startswith(f"{TESTS}/")]
    code = [each for each in places if each not in tests]
    fields = _PLACES.sub("", entry).rstrip("\n")
    return f"{fields}\ncode = {_array(code)}\ntests = {_array(tests)}\n\n"


def _array(places: list[str]) -> str:
    return "[\n" + "".join(f'    "{place}",\n' for place in places) + "]" if places else "[]"


def write() -> None:
    """Brings the places in the list up to date."""
    before = LIST.read_text(encoding="utf-8")
    after = indexed(before, references())
    if after != before:
        LIST.write_text(after, encoding="utf-8")
