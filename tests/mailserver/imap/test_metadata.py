"""METADATA within its bounds: sizes, counts, names, octets of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.store import annotations
from mailserver.store.annotations import MAX_ENTRIES, MAX_VALUE

if TYPE_CHECKING:
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap


async def last(client: Client, text: str | bytes) -> str:
    return (await client.command(text))[-1]


@pytest.fixture
async def client(imap: Imap) -> Client:
    return await imap.signed_in()


async def test_a_value_has_a_largest_size(client: Client) -> None:
    value = b"x" * MAX_VALUE
    command = b"SETMETADATA INBOX (/private/comment {%d+}\r\n%b)"
    assert (await last(client, command % (len(value), value))).startswith("OK")
    refused = await last(client, command % (len(value) + 1, value + b"x"))
    assert refused == f"NO [METADATA MAXSIZE {MAX_VALUE}] A value is too long"


async def test_a_folder_has_so_many_entries_and_no_more(client: Client) -> None:
    entries = " ".join(f'/private/e{number} "v"' for number in range(MAX_ENTRIES - 1))
    assert (await last(client, f"SETMETADATA INBOX ({entries})")).startswith("OK")
    two = 'SETMETADATA INBOX (/private/y "v" /private/z "v")'
    assert await last(client, two) == "NO [METADATA TOOMANY] Too many entries"
    assert "NIL" in (await client.command("GETMETADATA INBOX /private/y"))[0]
    assert (await last(client, 'SETMETADATA INBOX (/private/y "v" /private/e0 NIL)')).startswith("OK")
    assert (await last(client, 'SETMETADATA "" (/private/y "v")')).startswith("OK")


async def test_a_person_has_so_many_in_all(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "MAX_OF_PERSON", 2)
    for folder in ("INBOX", "Sent"):
        assert (await last(client, f'SETMETADATA {folder} (/private/y "v")')).startswith("OK")
    assert (
        await last(client, 'SETMETADATA Trash (/private/y "v")') == "NO [METADATA TOOMANY] Too many entries"
    )


async def test_octets_come_back_as_they_were(client: Client) -> None:
    assert (await last(client, b"SETMETADATA INBOX (/private/a ~{4+}\r\n\0\1\r\n)")).startswith("OK")
    assert (await last(client, "SETMETADATA INBOX (/private/b {4+}\r\né\r\n)")).startswith("OK")
    assert (await client.command("GETMETADATA INBOX (/private/a /private/b)"))[0] == (
        "* METADATA INBOX (/private/a ~{4}\n\0\1\r\n /private/b {4}\né\r\n)"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "", " INBOX", " INBOX ()", " INBOX (/private)", " INBOX (/private/)", " INBOX (/private//a)",
        " INBOX (/private/a/)", " INBOX (/privates/a)", ' INBOX ("/private/a%")', " INBOX (private/a)",
        " (DEPTH 1 DEPTH 1) INBOX /private/a", " (DEPTH) INBOX /private/a", " (WIDTH 1) INBOX /private/a",
        " (MAXSIZE x) INBOX /private/a", " INBOX (DEPTH 1)", " INBOX /private/" + "a" * 300,
        " INBOX (" + " ".join(f"/private/{number}" for number in range(200)) + ")",
    ],
)  # fmt: skip
async def test_what_is_no_entry_is_bad(client: Client, arguments: str) -> None:
    assert (await last(client, "GETMETADATA" + arguments)).startswith("BAD")


async def test_renaming_inbox_leaves_its_notes_with_it(client: Client) -> None:
    await client.command('SETMETADATA INBOX (/private/comment "x")')
    await client.command("RENAME INBOX Old")
    assert (await client.command("GETMETADATA INBOX /private/comment"))[0].endswith('"x")')
    assert (await client.command("GETMETADATA Old /private/comment"))[0].endswith("NIL)")
