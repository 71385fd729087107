"""FETCH: what is kept, what is streamed, what others do meanwhile, and what it costs."""

from __future__ import annotations

import asyncio
import base64
import os
from typing import TYPE_CHECKING

import psutil
import pytest

from foundation.prepared import PreparedStatements
from mailserver.store.tables import Flag
from tests.mailserver.imap.conftest import SIMPLE
from tests.mailserver.imap.sharing import DESK, Sharing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from foundation.prepared import Answer, Statement
    from tests.mailserver.imap.client import Client
    from tests.mailserver.imap.conftest import Imap

NESTED = (
    b"Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-ID: <h>\r\n\r\n<p>\r\n--b--\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    b"--c\r\n\r\nfirst\r\n--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: innermost\r\n\r\ndeep\r\n--c--\r\n"
    b"--a--\r\n"
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are run from now on."""
    statements: list[str] = []
    run = PreparedStatements.run

    def noted(self: PreparedStatements, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
        statements.append(str(statement))
        return run(self, statement, parameters)

    monkeypatch.setattr(PreparedStatements, "run", noted)
    return statements


def literal_of(answer: str) -> str:
    return answer.partition("}\n")[2].removesuffix(")")


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ("1.1", "plain"),
        ("1.2", "<p>"),
        ("1.2.MIME", "Content-Type: text/html\r\nContent-ID: <h>\r\n\r\n"),
        ("1.MIME", "Content-Type: multipart/alternative; boundary=b\r\n\r\n"),
        ("2.MIME", "Content-Type: message/rfc822\r\n\r\n"),
        ("2.HEADER", "Subject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"),
        ("2.1", "first"),
        ("2.1.MIME", "\r\n"),
        ("2.2", "Subject: innermost\r\n\r\ndeep"),
        ("2.2.HEADER", "Subject: innermost\r\n\r\n"),
        ("2.2.HEADER.FIELDS (SUBJECT)", "Subject: innermost\r\n\r\n"),
        ("2.2.TEXT", "deep"),
        ("2.2.1", "deep"),
        ("2.2.1.MIME", "Subject: innermost\r\n\r\n"),
    ],
)
async def test_parts_of_messages_inside_are_numbered_as_their_own(
    imap: Imap, section: str, content: str
) -> None:
    await imap.deliver(NESTED)
    client = await imap.selected()
    answer, done = await client.command(f"FETCH 1 BODY.PEEK[{section}]")
    assert done == "OK FETCH completed"
    assert literal_of(answer) == content


@pytest.mark.parametrize("section", ["1.HEADER", "1.TEXT", "1.1.1", "2.3", "2.1.HEADER", "2.2.2"])
async def test_parts_that_are_not_there(imap: Imap, section: str) -> None:
    await imap.deliver(NESTED)
    client = await imap.selected()
    answer = (await client.command(f"FETCH 1 BODY.PEEK[{section}]"))[0]
    assert answer == f"* 1 FETCH (BODY[{section}] NIL)"


async def test_one_who_asks_the_same_is_answered_without_a_query(imap: Imap, asked: list[str]) -> None:
    for _ in range(30):
        await imap.deliver()
    first, second = await imap.selected(), await imap.selected()
    command = "UID FETCH 1:* (ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
    answers = await first.command(command)
    assert any("envelope" in statement for statement in asked)
    asked.clear()
    assert await second.command(command) == answers
    assert await second.command("FETCH 3 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] ENVELOPE)")
    assert not [statement for statement in asked[:-2] if "envelope" in statement]


async def test_flags_dates_and_sizes_are_answered_from_memory(imap: Imap, asked: list[str]) -> None:
    for _ in range(5):
        await imap.deliver()
    client = await imap.selected()
    await client.command("NOOP")
    asked.clear()
    answers = await client.command("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE MODSEQ)")
    assert answers[4] == (
        "* 5 FETCH (UID 5 FLAGS (\\Recent) MODSEQ (6) RFC822.SIZE 230"
        ' INTERNALDATE "13-Mar-2026 14:54:10 +0000")'
    )
    assert asked == []


async def test_a_message_that_another_session_expunged_is_left_out(imap: Imap) -> None:
    for _ in range(4):
        await imap.deliver()
    first, second = await imap.selected(), await imap.selected()
    await first.command("STORE 2 +FLAGS.SILENT (\\Deleted)")
    await first.command("EXPUNGE")
    heard = await second.command("FETCH 1:4 (FLAGS RFC822.SIZE)")
    assert heard[-1].startswith("OK")
    # Now that the session knows, and could not say so yet:
    heard = await second.command("FETCH 1:4 (FLAGS)")
    assert [line.split()[1] for line in heard[:-1]] == ["1", "3", "4"]
    assert heard[-1] == "OK [EXPUNGEISSUED] Some messages were expunged meanwhile"
    assert (await second.command("FETCH 2:3 (UID)"))[:2] == ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]
    assert (await second.command("NOOP"))[0] == "* 2 EXPUNGE"


async def test_many_messages_come_in_their_order_and_let_others_in_between(imap: Imap) -> None:
    for _ in range(3):
        await imap.deliver()
    client = await imap.selected()
    for _ in range(10):
        await client.command("COPY 1:* INBOX")
        if len((await client.command("UID FETCH 1:* (UID)"))[:-1]) > 2500:
            break
    answers = (await client.command("UID FETCH 1:* (FLAGS ENVELOPE)"))[:-1]
    assert [int(answer.split()[1]) for answer in answers] == list(range(1, len(answers) + 1))
    assert len(answers) > 2500
    assert len((await client.command("UID FETCH 1:* (FLAGS)"))[:-1]) == len(answers)


async def test_a_section_of_25_mb_is_streamed_in_4_mb_of_memory(imap: Imap) -> None:
    body = base64.encodebytes(os.urandom(18 * 1024 * 1024)).replace(b"\n", b"\r\n")
    header = b"Subject: l\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf\r\n"
    await imap.deliver(header + b"Content-Transfer-Encoding: base64\r\n\r\n" + body)
    client = await imap.selected()

    async def read(section: str) -> int:
        await client.send(f"b FETCH 1 {section}\r\n".encode())
        octets, tail = 0, b""
        while not tail.endswith(b"b OK FETCH completed\r\n"):
            data = await client.reader.read(65_536)
            octets += len(data)
            tail = (tail + data)[-100:]
        return octets

    process = psutil.Process()
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.001)

    for section, least in (("BODY.PEEK[TEXT]", len(body)), ("BINARY.PEEK[1]", 18 * 1024 * 1024)):
        await read(f"{section}<0.3000000>")
        before = process.memory_info().rss
        peak = 0
        watching = asyncio.ensure_future(watch())
        octets = await read(section)
        watching.cancel()
        assert octets > least
        assert peak - before < 4 * 1024 * 1024 + 65_536 * 8  # with what the client of the test holds


@pytest.mark.parametrize("padding", [0, 400_000])
async def test_decoded_parts_have_their_sizes_and_windows(imap: Imap, padding: int) -> None:
    content = bytes(range(1, 256)) * 40 + b"x" * padding
    message = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\n"
    await imap.deliver(message + base64.encodebytes(content))
    client = await imap.selected()
    size = len(content)
    assert await client.command("FETCH 1 BINARY.SIZE[1]") == [
        f"* 1 FETCH (BINARY.SIZE[1] {size})",
        "OK FETCH completed",
    ]
    await client.send(f"w FETCH 1 (BINARY.PEEK[1]<{size - 3}.10> BINARY.PEEK[1]<{size}.1>)\r\n")
    end = content[-3:]
    expected = b"* 1 FETCH (BINARY[1]<%d> {3}\r\n%b BINARY[1]<%d> {0}\r\n)\r\n" % (size - 3, end, size)
    assert await client.reader.readexactly(len(expected)) == expected


@pytest.mark.parametrize("padding", [0, 400_000])
async def test_an_encoding_that_is_not_known_stops_no_other_message(imap: Imap, padding: int) -> None:
    unknown = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-own\r\n\r\nA" + b"x" * padding
    for message in (SIMPLE, unknown, SIMPLE):
        await imap.deliver(message)
    client = await imap.selected()
    heard = await client.command("FETCH 1:3 BINARY.PEEK[1]<0.5>")
    assert [line.split()[1] for line in heard[:-1]] == ["1", "3"]
    assert heard[-1] == "NO [UNKNOWN-CTE] The encoding of a part is not known"
    assert (await client.command("FETCH 2 BODY.PEEK[1]<0.1>"))[0] == "* 1 FETCH"[
        :2
    ] + "2 FETCH (BODY[1]<0> {1}\nA)"


async def last(client: Client, text: str) -> str:
    return (await client.command(text))[-1]


async def test_reading_marks_only_where_one_may(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate(rights="lr")
    await sharing.bring()
    client = await imap.signed_in()
    await client.command(f"SELECT Partages/{DESK}/INBOX")
    assert (await client.command("FETCH 1 BODY[TEXT]"))[0].startswith("* 1 FETCH (BODY[TEXT] {25}")
    assert await last(client, "STORE 1 +FLAGS (\\Seen)") == "NO [READ-ONLY] Mailbox was opened read-only"


async def test_a_change_of_flags_goes_as_far_as_the_rights(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.delegate(rights="lrw")
    await sharing.bring(flags=int(Flag.SEEN | Flag.DRAFT))
    client = await imap.signed_in()
    await client.command(f"SELECT Partages/{DESK}/INBOX")
    assert (await last(client, "STORE 1 +FLAGS (\\Deleted)")).startswith("NO [NOPERM]")
    assert (await last(client, "STORE 1 -FLAGS (\\Seen)")).startswith("NO [NOPERM]")
    heard = await client.command("STORE 1 +FLAGS (\\Deleted \\Flagged Urgent)")
    assert heard[-2:] == [
        "* 1 FETCH (FLAGS (\\Flagged \\Seen \\Draft \\Recent Urgent))",
        "OK STORE completed",
    ]
    heard = await client.command("STORE 1 FLAGS (\\Answered \\Deleted)")
    assert heard == ["* 1 FETCH (FLAGS (\\Answered \\Seen \\Recent))", "OK STORE completed"]


async def test_a_member_reads_for_themselves(imap: Imap) -> None:
    sharing = Sharing(imap)
    await sharing.box()
    await sharing.seen(DESK, "personal")
    await sharing.delegate()
    await sharing.bring()
    await sharing.bring()
    member, box = await imap.signed_in(), await imap.selected(login=DESK)
    await member.command(f"SELECT Partages/{DESK}/INBOX")
    assert (await member.command("FETCH 1 BODY[TEXT]<0.5>"))[0].startswith("* 1 FETCH (FLAGS (\\Seen")
    heard = await member.command("STORE 2 FLAGS (\\Seen \\Flagged)")
    assert heard[0].startswith("* 2 FETCH (FLAGS (\\Flagged \\Seen")
    lines = (await box.command("FETCH 1:2 FLAGS"))[:2]
    assert ["\\Seen" in line for line in lines] == [False, False]
    assert (await box.command("NOOP"))[-1].startswith("OK")
    assert "\\Flagged" in (await box.command("FETCH 2 FLAGS"))[0]
    heard = await member.command("STORE 1:2 -FLAGS (\\Seen)")
    assert not any("\\Seen" in line for line in heard)
    assert (await member.command("SEARCH UNSEEN"))[0] == "* SEARCH 1 2"


async def test_a_long_answer_that_is_kept_follows_every_change(imap: Imap) -> None:
    for _ in range(120):
        await imap.deliver()
    first, second = await imap.selected(), await imap.selected()
    third = await imap.selected()

    async def agree() -> list[str]:
        heard = await second.command("UID FETCH 1:* (FLAGS)")
        assert await third.command("UID FETCH 1:* (FLAGS)") == heard
        return [line for line in heard if line.startswith("* ") and "FETCH" in line]

    assert len(await agree()) == len(await agree()) == 120
    await first.command(r"STORE 5 +FLAGS (\Flagged)")
    await agree()
    assert r"* 5 FETCH (UID 5 FLAGS (\Flagged))" in await agree()
    await first.command(r"STORE 5 FLAGS (wichtig)")
    await agree()
    assert "* 5 FETCH (UID 5 FLAGS (wichtig))" in await agree()
    await first.command(r"STORE 1 +FLAGS (\Deleted)")
    await first.command("EXPUNGE")
    await agree()
    assert "* 4 FETCH (UID 5 FLAGS (wichtig))" in (told := await agree())
    assert len(told) == 119
    await imap.deliver()
    assert len(await first.command("UID FETCH 1:* (FLAGS)")) > 119
    assert r"* 4 FETCH (UID 5 FLAGS (wichtig))" in await agree()
