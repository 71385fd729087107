"""The house stands: imports go down only, files tell one story, licences allow what we do."""

from __future__ import annotations

import ast
import functools
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "foundation": 1,
    "directory": 2,
    "certs": 2,
    "mailserver": 3,
    "dmp_bridge": 3,
    "portal": 4,
    "vaguemestre": 5,
}
MODULES = sorted(path for package in FLOORS for path in (ROOT / package).rglob("*.py"))
LONGEST = 600
PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python|Unlicense|0BSD|HPND|Zlib", re.IGNORECASE)
COPYLEFT = re.compile(r"(?<![A-Z])A?GPL|LGPL|GNU", re.IGNORECASE)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its floor"
            yield node.module or ""


def package_of(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    for module in imported(path):
        package = package_of(module)
        if package in FLOORS and package != own:
            assert FLOORS[package] < FLOORS[own], f"{path.relative_to(ROOT)} imports {module}"


STORIES = [
    path for path in MODULES if "migrations" not in path.parts
]  # a migration is a list of tables, no story


@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_two_stories(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_module_hides_behind_a_name_that_says_nothing() -> None:
    nothing = {
        "utils.py",
        "util.py",
        "helpers.py",
        "helper.py",
        "manager.py",
        "service.py",
        "common.py",
        "misc.py",
    }
    assert [str(path) for path in MODULES if path.name in nothing] == []


def test_every_module_opens_with_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree(path))
    ]
    assert silent == []


def test_outside_mail_is_never_read_by_the_modern_policy_of_the_standard_library() -> None:
    using = [path for path in MODULES if "policy.default" in path.read_text(encoding="utf-8")]
    assert [str(path.relative_to(ROOT)) for path in using] == []


def test_test_clients_are_no_dependency_of_the_product() -> None:
    forbidden = {"aioimaplib", "imapclient", "ldap3", "pytest", "playwright", "trustme", "hypothesis"}
    for path in MODULES:
        assert not forbidden & {package_of(module) for module in imported(path)}, path


def runtime_distributions() -> Iterator[metadata.Distribution]:
    """Vaguemestre's requirements without its extras, and theirs, as installed."""
    waiting, seen = ["vaguemestre"], set()
    while waiting:
        name = waiting.pop()
        key = name.lower().replace("_", "-")
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        yield distribution
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0])


SAID_IN_A_FILE = {"sqlcipher3": ("Zlib", "This software is provided 'as-is'", "Altered source versions must")}
"""Distributions whose metadata name no licence: its name, and words of their LICENSE file."""


BY_FILE = {"certifi": "MPL-2.0"}
"""Under a licence that binds who changes the file alone: certifi is a list of authorities, which signxml asks for."""


def licence_of(distribution: metadata.Distribution) -> str:
    if distribution.metadata["Name"] in SAID_IN_A_FILE:
        licence, *words = SAID_IN_A_FILE[distribution.metadata["Name"]]
        text = distribution.read_text("licenses/LICENSE") or ""
        return licence if all(each in text for each in words) else ""
    about = distribution.metadata
    classifiers = [line for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    return " ".join(
        [
            str(about.get("License-Expression") or ""),
            (str(about.get("License") or "")).split("\n")[0],
            *classifiers,
        ]
    )


def test_every_runtime_dependency_has_a_permissive_licence() -> None:
    distributions = list(runtime_distributions())
    assert len(distributions) > 20
    for distribution in distributions:
        licence = licence_of(distribution)
        name = distribution.metadata["Name"]
        if name in BY_FILE:
            assert BY_FILE[name] in licence, f"{name}: {licence!r}"
            continue
        assert PERMISSIVE.search(licence), f"{name}: {licence!r}"
        assert not COPYLEFT.search(licence), f"{name}: {licence!r}"
