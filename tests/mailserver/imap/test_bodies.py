"""BODY sections of real structures, large messages, and what reading them costs others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from foundation.prepared import Answer, PreparedStatements
from tests.mailserver.imap.conftest import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.prepared import Statement
    from tests.mailserver.imap.conftest import Imap

INNER = b"Subject: inner\r\nFrom: i@x.fr\r\n\r\ninner body\r\n"
MIXED = (
    b"From: a@x.fr\r\nSubject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst part\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n"
    b"--b--\r\n"
)


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ("1", b"first part"),
        ("1.MIME", b"Content-Type: text/plain\r\n\r\n"),
        ("2", INNER),
        ("2.HEADER", b"Subject: inner\r\nFrom: i@x.fr\r\n\r\n"),
        ("2.HEADER.FIELDS (FROM)", b"From: i@x.fr\r\n\r\n"),
        ("2.HEADER.FIELDS.NOT (FROM)", b"Subject: inner\r\n\r\n"),
        ("2.TEXT", b"inner body\r\n"),
        ("2.1", b"inner body\r\n"),
        ("HEADER.FIELDS (subject)", b"Subject: outer\r\n\r\n"),
        ("", MIXED),
        ("TEXT", MIXED[MIXED.index(b"preamble") :]),
    ],
)
@pytest.mark.parametrize("padding", [0, 400_000])
async def test_a_section_is_the_octets_that_were_sent(
    imap: Imap, section: str, content: bytes, padding: int
) -> None:
    message = MIXED + b"x" * padding  # an epilogue: a large message is streamed, a small one is not
    if section in ("", "TEXT"):
        content += b"x" * padding
    await imap.deliver(message)
    client = await imap.selected()
    answer, done = await client.command(f"FETCH 1 (BODY.PEEK[{section}] UID)")
    assert done == "OK FETCH completed"
    label = f"BODY[{section}]"
    assert answer == f"* 1 FETCH (UID 1 {label} {{{len(content)}}}\n{content.decode()})"


@pytest.mark.parametrize("section", ["3", "1.2", "2.2", "1.HEADER", "2.1.1.1"])
async def test_a_section_that_is_not_there_is_nil(imap: Imap, section: str) -> None:
    await imap.deliver(MIXED)
    client = await imap.selected()
    assert await client.command(f"FETCH 1 BODY.PEEK[{section}]") == [
        f"* 1 FETCH (BODY[{section}] NIL)",
        "OK FETCH completed",
    ]


async def test_a_large_message_comes_in_pieces_that_fit_together(imap: Imap) -> None:
    body = b"".join(b"%07d\r\n" % number for number in range(100_000))
    await imap.deliver(b"Subject: large\r\n\r\n" + body)
    client = await imap.selected()
    pieces = []
    for start in range(0, len(body), 250_000):
        answer, _ = await client.command(f"UID FETCH 1 BODY.PEEK[TEXT]<{start}.250000>")
        pieces.append(answer.partition("}\n")[2].removesuffix(")"))
    assert "".join(pieces).encode() == body
    assert (await client.command("FETCH 1 FLAGS"))[0] == "* 1 FETCH (FLAGS (\\Recent))"
    answer, _ = await client.command("FETCH 1 (BODY[TEXT] BODY[HEADER])")
    assert answer.startswith("* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {")
    assert answer.partition("}\n")[2].startswith(body.decode())


async def test_reading_many_bodies_marks_them_seen_in_one_go(imap: Imap) -> None:
    for number in range(30):
        await imap.deliver(SIMPLE, flags=number % 2)
    reader, watcher = await imap.selected(), await imap.selected()
    answers = await reader.command("FETCH 1:* (BODY[TEXT])")
    assert ["(FLAGS (\\Seen \\Recent) BODY" in answer for answer in answers[:-1]] == [True, False] * 15
    told = await watcher.command("NOOP")
    assert told[:-1] == [f"* {number} FETCH (FLAGS (\\Seen))" for number in range(1, 31, 2)]
    assert await reader.command("NOOP") == ["OK Completed"]


async def test_reading_in_an_examined_folder_changes_nothing(imap: Imap) -> None:
    await imap.deliver()
    client = await imap.signed_in()
    await client.command("EXAMINE INBOX")
    answer, _ = await client.command("FETCH 1 BODY[1]")
    assert "FLAGS" not in answer
    assert (await client.command("FETCH 1 FLAGS"))[0] == "* 1 FETCH (FLAGS (\\Recent))"


async def test_a_thousand_envelopes_are_one_query(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    run = PreparedStatements.run

    def noted(self: PreparedStatements, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
        asked.append(str(statement))
        return run(self, statement, parameters)

    for _ in range(60):
        await imap.deliver()
    client = await imap.selected()
    monkeypatch.setattr(PreparedStatements, "run", noted)
    answers = await client.command("FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)")
    assert len(answers) == 61
    assert len([statement for statement in asked if "envelope" in statement]) == 1
    scattered = ",".join(str(number) for number in range(1, 61, 2))
    asked.clear()
    assert len(await client.command(f"FETCH {scattered} (FLAGS ENVELOPE)")) == 31
    assert len([statement for statement in asked if "envelope" in statement]) == 1
    asked.clear()
    assert len(await client.command(f"FETCH {scattered} (FLAGS ENVELOPE)")) == 31
    assert not [statement for statement in asked if "envelope" in statement]


async def test_arrival_is_told_to_an_idle_client_within_50_ms(imap: Imap) -> None:
    client = await imap.selected()
    await client.send("i IDLE\r\n")
    assert await client.line() == "+ idling"
    loop = asyncio.get_running_loop()
    delays = []
    for number in range(1, 8):
        await imap.deliver()
        delivered = loop.time()
        assert await client.line() == f"* {number} EXISTS"
        delays.append(loop.time() - delivered)
        assert await client.line() == f"* {number} RECENT"
    assert sorted(delays)[3] < 0.05


async def test_the_same_message_searched_while_another_removes_it(imap: Imap) -> None:
    await imap.deliver()
    await imap.deliver()
    first, second = await imap.selected(), await imap.selected()
    await first.command("STORE 1 +FLAGS (\\Deleted)")
    await first.command("EXPUNGE")
    assert (await second.command("SEARCH TEXT second"))[0] == "* SEARCH 2"
    assert (await second.command("FETCH 1 BODY[]"))[-1].startswith("OK [EXPUNGEISSUED]")
    assert (await second.command("COPY 1 Trash"))[-1] == "OK COPY completed"
    assert (await second.command("UID SEARCH BODY first"))[:2] == ["* SEARCH 2", "OK SEARCH completed"]


async def test_addresses_are_searched_as_the_envelope_has_them(imap: Imap) -> None:
    await imap.deliver(b'To: groupname: u1@d.org, u2@d.org;,\r\n  other: "R \\"Q\\" T" <u3@d.org>;\r\n\r\nx')
    await imap.deliver(b"From: <user-from (comment)@ (comment) domain.org>\r\n\r\nx")
    await imap.deliver(b"From: =?utf-8?b?w4lsb8Ovc2U=?= <e@x.fr>\r\nSubject: a\xe9b\r\n\r\nx")
    client = await imap.selected()
    for program, found in [
        ("TO groupname", " 1"),
        ("TO u3@d.org", " 1"),
        ('TO "r \\"q\\" t"', " 1"),
        ("TO u4", ""),
        ("FROM user-from@domain.org", " 2"),
        ('HEADER From ""', " 2 3"),
        ("CHARSET UTF-8 FROM {8+}\r\nÉLOÏSE", " 3"),
    ]:
        assert (await client.command(f"SEARCH {program}"))[0] == f"* SEARCH{found}"
