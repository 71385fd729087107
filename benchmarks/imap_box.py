"""The reader's box: the same letters in the same order, with the same flags and dates, on every server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.imap_client import Wire, drive, signed_in, tagged
from benchmarks.letters import LETTERS, letters
from benchmarks.load import Failed
from benchmarks.run import NotOffered

if TYPE_CHECKING:
    from benchmarks.target import Target

CONNECTIONS = 10
OTHER_FOLDER = "Ailleurs"
"""A folder that nobody has open."""
_OTHER_LETTERS = 200
_MESSAGES = re.compile(rb"\(MESSAGES ([0-9]+)\)")
_UIDNEXT = re.compile(rb"\(UIDNEXT ([0-9]+)\)")


def offers(wire: Wire, needed: str) -> None:
    """Raises NotOffered when a word is missing in CAPABILITY after sign-in."""
    said = wire.ask(b"CAPABILITY").upper().split()
    for word in needed.split():
        if word.encode() not in said:
            raise NotOffered(word)


def filled(target: Target) -> None:
    """The inbox with the corpus, and another folder; does nothing where they are already."""
    with signed_in(target.imap_port, target.reader) as [wire]:
        if messages(wire, "INBOX") == LETTERS:
            return
        offers(wire, "LITERAL+")
        wire.ask(b"SELECT INBOX")
        if messages(wire, "INBOX"):
            wire.ask(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
            wire.ask(b"EXPUNGE")
        drive([wire], [(tagged(letter.append("INBOX")) for letter in letters())])
        wire.ask(f"CREATE {OTHER_FOLDER}".encode())
        wire.ask(f"COPY 1:{_OTHER_LETTERS} {OTHER_FOLDER}".encode())
        if messages(wire, "INBOX") != LETTERS:
            raise Failed(f"{target.name} does not show the {LETTERS} letters it took")


def copied(target: Target, folder: str, count: int) -> None:
    """A folder with at least so many messages, copies of the first thousand; does nothing where it is already."""
    filled(target)
    with signed_in(target.imap_port, target.reader) as [wire]:
        if has_folder(wire, folder) and messages(wire, folder) >= count:
            return
        anew(wire, folder)
        wire.ask(b"SELECT INBOX")
        for start in range(0, count, 1000):
            wire.ask(f"COPY 1:{min(1000, count - start)} {folder}".encode())


def anew(wire: Wire, folder: str) -> None:
    """An empty folder of that name."""
    if has_folder(wire, folder):
        wire.ask(f"DELETE {folder}".encode())
    wire.ask(f"CREATE {folder}".encode())


def has_folder(wire: Wire, folder: str) -> bool:
    return b"* LIST" in wire.ask(f'LIST "" {folder}'.encode())


def messages(wire: Wire, folder: str) -> int:
    """How many messages a folder has."""
    return _number(wire.ask(f"STATUS {folder} (MESSAGES)".encode()), _MESSAGES)


def uidnext(wire: Wire, folder: str) -> int:
    """The UID that the next message will have."""
    return _number(wire.ask(f"STATUS {folder} (UIDNEXT)".encode()), _UIDNEXT)


def _number(said: bytes, pattern: re.Pattern[bytes]) -> int:
    found = pattern.search(said)
    if found is None:
        raise Failed(f"no figure in {said[:200]!r}")
    return int(found.group(1))
