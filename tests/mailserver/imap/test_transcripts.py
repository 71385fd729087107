"""Runs the dialogues of tests/transcripts: `C:` is sent, `S:` must come back, "…" stands for any text.

`C2:` and `S2:` are a second connection, and so on. `@deliver FOLDER` puts a message into a folder of the first
mailbox from outside; the other directives are those of `sharing.py`. Lines that start with "#" explain. "{…}" is the length of the literal that the `L:` lines
after it make.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mailserver.imap.sharing import Sharing

if TYPE_CHECKING:
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts").glob("imap-*.txt"))
_LINE = re.compile(r"([CSL])(\d?): ?(.*)")


def _lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def _literal_after(lines: list[tuple[int, str]], place: int) -> int:
    """Octets of the next literal."""
    size = 0
    for _, text in lines[place:]:
        if text.startswith("L"):
            size += len(text.partition(":")[2].removeprefix(" ").encode("utf-8")) + 2
        elif size:
            break
    return size


def _pattern(expected: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in expected.split("…")))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_dialogue_goes_as_written(path: Path, imap: Imap) -> None:
    clients: dict[str, Client] = {}
    lines = _lines(path)
    for place, (number, text) in enumerate(lines, 1):
        if not text.strip() or text.startswith("#"):
            continue
        if text.startswith("@deliver "):
            await imap.deliver(folder=text.removeprefix("@deliver "))
            continue
        if text.startswith("@"):
            await Sharing(imap).directive(*text[1:].split())
            continue
        found = _LINE.fullmatch(text)
        assert found is not None, f"{path.name}:{number}: not a line of a dialogue"
        side, who, content = found.groups()
        if who not in clients:
            clients[who] = await imap.connect()
        if side in "CL":
            content = content.replace("{…", f"{{{_literal_after(lines, place)}")
            await clients[who].send(content + "\r\n")
        else:
            heard = await clients[who].line()
            assert _pattern(content).fullmatch(heard), f"{path.name}:{number}: heard {heard!r}"


def test_there_are_dialogues() -> None:
    assert len(TRANSCRIPTS) > 10
