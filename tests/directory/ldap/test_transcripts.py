"""Runs the dialogues of tests/transcripts: `C:` is asked, `S:` must come back, "…" stands for any text.

A request is its name and its words, as a shell would part them: `search BASE SCOPE FILTER ATTRIBUTE… OPTION…`.
An entry is told as `entry NAME ATTRIBUTE=VALUE…`, a result as its kind, its code and what it says.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.directory.ldap.client import paged, unbind_message

if TYPE_CHECKING:
    from tests.directory.ldap.client import Client, Response
    from tests.directory.ldap.conftest import Ldap

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts").glob("ldap-*.txt"))
_OPTION = re.compile(r"(size|page|next)=(\d+)|types-only")


class Dialogue:
    """One client; what it was told and has not shown yet."""

    def __init__(self, ldap: Ldap, client: Client) -> None:
        self._ldap = ldap
        self._client = client
        self._told: list[list[str]] = []
        self._cookie = b""

    async def ask(self, name: str, *words: str) -> None:
        assert self._told == [], "the server said more"
        client = self._client
        match name:
            case "bind":
                self._told.append(_result("bind", await client.bind(*words)))
            case "sasl":
                credentials = words[1].replace("\\0", "\0").encode()
                self._told.append(_result("bind", await client.sasl(words[0], credentials)))
            case "start-tls":
                response = await client.start_tls(self._ldap.client_tls)
                self._told.append(_result("extended", response))
            case "whoami":
                response = await client.extended("1.3.6.1.4.1.4203.1.11.3")
                assert response.value is not None
                self._told.append([*_result("extended", response), response.value.decode()])
            case "compare":
                self._told.append(_result("compare", await client.compare(*words)))
            case "unbind":
                client.send(unbind_message(99))
            case "search":
                await self._search(*words)
            case _:
                raise AssertionError(f"{name} is no request of a dialogue")

    async def _search(self, base: str, scope: str, wanted: str, *words: str) -> None:
        options: dict[str, Any] = {}
        for word in words:
            option = _OPTION.fullmatch(word)
            if option is None:
                options.setdefault("attributes", []).append(word)
            elif option[1] == "size":
                options["size"] = int(option[2])
            elif option[1]:
                cookie = self._cookie if option[1] == "next" else b""
                options["controls"] = [paged(int(option[2]), cookie)]
            else:
                options["types_only"] = True
        found = await self._client.search(wanted, base=base, scope=scope, **options)
        for entry in found.entries:
            told = ["entry", entry.dn]
            for name, values in entry.attributes.items():
                told += [f"{name}={value}" for value in values] or [name]
            self._told.append(told)
        done = _result("done", found.done)
        if found.done.controls and found.done.cookie:
            self._cookie = found.done.cookie
            done.append("more")
        self._told.append(done)

    async def hear(self, *expected: str) -> None:
        if expected == ("end",):
            assert await self._client.is_over()
            return
        told = self._told.pop(0)
        assert len(told) == len(expected), told
        # The attributes of an entry come in the server's order.
        ordered = [sorted(told[2:]), sorted(expected[2:])] if told[0] == "entry" else [told[2:], expected[2:]]
        for said, wanted in zip([*told[:2], *ordered[0]], [*expected[:2], *ordered[1]], strict=True):
            pattern = ".*".join(re.escape(piece) for piece in wanted.split("…"))
            assert re.fullmatch(pattern, said), told


def _result(kind: str, response: Response) -> list[str]:
    return [kind, response.code, *([response.diagnostic] if response.diagnostic else [])]


def _words(text: str) -> list[str]:
    parted = shlex.shlex(text, posix=True, punctuation_chars=False)
    parted.whitespace_split, parted.escape, parted.commenters, parted.quotes = True, "", "", '"'
    return list(parted)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_dialogue_goes_as_written(path: Path, ldap: Ldap, client: Client) -> None:
    dialogue = Dialogue(ldap, client)
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        side, _, content = text.partition(": ")
        try:
            if side == "C":
                await dialogue.ask(*_words(content))
            else:
                assert side == "S"
                await dialogue.hear(*_words(content))
        except AssertionError as error:
            raise AssertionError(f"{path.name}:{number}: {error}") from error
