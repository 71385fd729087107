"""What is tried against an SMTP server, at each door of an operator.

Row by row of the attack list this server is held against:

- smuggling in DATA and in BDAT, dot-stuffing behind a bare CR, STARTTLS injection, AUTH before TLS, pipelining
  before replies, long lines and commands, too much content, junk, HTTP, BDAT without recipient or end: here
- slow and half-open clients, handshakes that do not end, crowds, who never reads: test_slow_clients.py
- deceptive paths: here for the grammar, test_operator.py for homographs, hops and brute force
- recipients in number: here; messages in number: test_operator.py, test_rates.py, test_mx.py
- renegotiation, resumption, suites: test_operator.py
- the faults of aiosmtpd: test_aiosmtpd_faults.py
- forged header fields: tests/mailserver/delivery
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.mailserver.smtp.doors import Way

if TYPE_CHECKING:
    from tests.mailserver.smtp.conftest import RecordingGate
    from tests.mailserver.smtp.doors import Door, Visit

SMUGGLED = b"MAIL FROM:<chief@b.fr>\r\nRCPT TO:<victim@b.fr>\r\nDATA\r\nforged\r\n.\r\n"
FALSE_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\r\n.\r\r\n",
    b"\0\r\n.\0\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
]


# Smuggling --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("false_end", FALSE_ENDS)
async def test_no_false_end_of_data_smuggles_a_message(
    visit: Visit, gate: RecordingGate, false_end: bytes
) -> None:
    await visit.ready()
    await visit.send(b"hi" + false_end + SMUGGLED + b"QUIT\r\n")
    assert (await visit.answer()).startswith("550 5.6.0 ")
    assert await visit.is_closed()
    assert gate.delivered == []


@pytest.mark.parametrize("false_end", FALSE_ENDS)
async def test_no_chunk_carries_a_false_end_of_data(
    visit: Visit, gate: RecordingGate, false_end: bytes
) -> None:
    await visit.begin()
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.say("RCPT TO:<c@b.fr>")
    chunk = b"hi" + false_end + SMUGGLED
    await visit.send(b"BDAT %d LAST\r\n%bQUIT\r\n" % (len(chunk), chunk))
    assert (await visit.answer()).startswith("550 5.6.0 ")
    assert await visit.is_closed()
    assert gate.delivered == []


async def test_an_end_of_data_in_a_chunk_is_content(visit: Visit, gate: RecordingGate) -> None:
    await visit.begin()
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.say("RCPT TO:<c@b.fr>")
    chunk = b"hi\r\n.\r\n" + SMUGGLED
    await visit.send(b"BDAT %d LAST\r\n%b" % (len(chunk), chunk))
    assert (await visit.answer()).startswith("250 2.0.0 ")
    assert [envelope.content for envelope in gate.delivered] == [chunk]


async def test_dot_stuffing_behind_a_bare_cr_is_refused(visit: Visit, gate: RecordingGate) -> None:
    await visit.ready()
    assert (await visit.say(b"a\r\n\r.\r\nb\r\n.")).startswith("550 5.6.0 ")
    assert gate.delivered == []


# What is said too early -------------------------------------------------------------------------------------


async def test_commands_behind_starttls_close(door: Door) -> None:
    if door.way is Way.SUBMISSIONS:
        return  # there is no STARTTLS under TLS
    async with await door.visit(await door.open()) as visit:
        await visit.greeted()
        await visit.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@b.fr>\r\n")
        assert (await visit.answer()).startswith("554 5.5.1 ")
        assert await visit.is_closed()


async def test_what_follows_the_220_in_clear_is_no_command(door: Door, gate: RecordingGate) -> None:
    if door.way is Way.SUBMISSIONS:
        return
    async with await door.visit(await door.open()) as visit:
        await visit.greeted()
        await visit.say("STARTTLS")
        await visit.send(b"MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@b.fr>\r\n")
        said = await asyncio.wait_for(visit.reader.read(), 10)
        assert b"250" not in said


async def test_a_password_is_not_taken_in_clear(door: Door, gate: RecordingGate) -> None:
    if door.way is Way.SUBMISSIONS:
        return
    async with await door.visit(await door.open()) as visit:
        await visit.answer()
        assert "AUTH" not in await visit.say("EHLO client.example")
        reply = await visit.say("AUTH PLAIN " + b64encode(b"\0a@b.fr\0secret").decode())
        assert reply.startswith("502 5.5.1 " if door.way is Way.MX else "538 5.7.11 ")
        assert gate.logins == []


async def test_content_sent_before_the_354_is_not_taken(visit: Visit, gate: RecordingGate) -> None:
    await visit.begin()
    await visit.send(b"MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@b.fr>\r\nDATA\r\nearly\r\n.\r\n" + SMUGGLED)
    assert [(await visit.answer())[:9] for _ in range(3)] == ["250 2.1.0", "250 2.1.5", "554 5.5.0"]
    assert await visit.is_closed()
    assert gate.delivered == []


async def test_a_whole_conversation_sent_blindly_delivers_nothing(door: Door, gate: RecordingGate) -> None:
    async with await door.visit(await door.open()) as visit:
        await visit.send(b"EHLO client.example\r\n" + SMUGGLED + b"QUIT\r\n")
        said = await asyncio.wait_for(visit.reader.read(), 10)
        assert b"queued" not in said
    assert gate.delivered == []


# Commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"NOOP\n", b"EHLO x\n", b"MAIL FROM:<a@b.fr>\n", b"\n"])
async def test_a_command_ends_with_crlf(visit: Visit, line: bytes) -> None:
    await visit.begin()
    await visit.send(line + b"NOOP\r\n")
    assert (await visit.answer()).startswith("500 5.5.2 ")
    assert await visit.is_closed()


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<a\0@b.fr>",
        b"MAIL FROM:<a@b.fr>\rRCPT TO:<x@b.fr>",
        b"MAIL\tFROM:<a@b.fr>",
        b"MAIL FROM:<\xff\xfe@b.fr> SMTPUTF8",
        b"MAIL FROM:<\xc0\xae@b.fr> SMTPUTF8",
        b"\x16\x03\x01\x02\x00",
    ],
)
async def test_a_command_is_clean_text(visit: Visit, line: bytes) -> None:
    await visit.begin()
    assert (await visit.say(line)).startswith("500 5.5.2 ")


@pytest.mark.parametrize(
    "path",
    [
        '"a\\\rb"@b.fr',
        "a\u202eb@b.fr",
        "a\uff20b.fr",
        "\uff41@b.fr",
        "a@b\u200d.fr",
        "user%other.fr@b.fr",
        "other.fr!user@b.fr",
        '"user@other.fr"@b.fr',
        "@relay.fr:user@b.fr",
        "user(comment)@b.fr",
        "=?utf-8?q?a=0d=0aRCPT=20TO:_x?=@b.fr",
    ],
)
async def test_a_deceptive_recipient_is_refused(visit: Visit, path: str) -> None:
    await visit.begin()
    await visit.say("MAIL FROM:<a@b.fr> SMTPUTF8")
    assert (await visit.say(f"RCPT TO:<{path}>"))[:9] in {"553 5.1.3", "500 5.5.2"}


async def test_a_command_line_of_100_kb_closes(visit: Visit) -> None:
    await visit.begin()
    await visit.send(b"NOOP " + b"x" * 100_000 + b"\r\n")
    assert (await visit.answer()).startswith("500 5.5.2 ")
    assert await visit.is_closed()


async def test_a_command_line_without_end_costs_no_memory(visit: Visit) -> None:
    await visit.begin()
    process = psutil.Process()
    before = process.memory_info().rss
    with pytest.raises(ConnectionError):
        for _ in range(50):
            await visit.send(b"x" * 1_000_000)
    assert process.memory_info().rss - before < 10_000_000


# Junk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [b"NOOP", b"RSET", b"VRFY x", b"HELP", b"EHLO client.example"])
async def test_pipelined_junk_ends_the_conversation(visit: Visit, command: bytes) -> None:
    await visit.answer()
    await visit.send((command + b"\r\n") * 150)
    answers = [await visit.answer() for _ in range(101)]
    assert [answer[:1] for answer in answers] == ["2"] * 100 + ["4"]
    assert answers[-1] == "421 4.7.0 Too many commands without mail"
    assert await visit.is_closed()


async def test_a_flood_of_noops_is_cut_off(visit: Visit) -> None:
    await visit.begin()
    with pytest.raises(ConnectionError):
        for _ in range(1000):
            await visit.send(b"NOOP\r\n" * 20_000)


async def test_mail_makes_up_for_junk(visit: Visit) -> None:
    await visit.begin()
    for _ in range(3):
        for _ in range(60):
            assert (await visit.say("NOOP")).startswith("250")
        await visit.say("MAIL FROM:<a@b.fr>")
        await visit.say("RCPT TO:<c@b.fr>")
        await visit.say("DATA")
        assert (await visit.say("x\r\n.")).startswith("250")


async def test_sixty_bad_commands_end_the_conversation(visit: Visit) -> None:
    await visit.begin()
    answers = []
    while answer := await visit.answer_to_bad_command():
        answers.append(answer)
    assert len(answers) == 21
    assert answers[-1] == "421 4.7.0 Too many errors"


async def test_asking_for_many_addresses_ends_the_conversation(visit: Visit) -> None:
    await visit.begin()
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.send(b"".join(b"RCPT TO:<nobody%d@b.fr>\r\n" % number for number in range(110)))
    answers = []
    while answer := await visit.answer():
        answers.append(answer[:9])
    assert 97 <= answers.count("550 5.1.1") < 100
    assert answers[-1] == "421 4.7.0"


async def test_a_web_browser_is_told_so(visit: Visit) -> None:
    await visit.answer()
    await visit.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.fr>\r\n")
    assert (await visit.answer()).startswith("221 2.7.0 ")
    assert await visit.is_closed()


async def test_three_thousand_recipients_are_a_thousand(visit: Visit, gate: RecordingGate) -> None:
    await visit.begin()
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.send(b"".join(b"RCPT TO:<c%d@b.fr>\r\n" % number for number in range(3000)))
    answers = []
    while answer := await visit.answer():
        answers.append(answer[:9])
    assert answers[:1000] == ["250 2.1.5"] * 1000
    assert set(answers[1000:-1]) == {"452 4.5.3"}
    assert len(answers) < 1105
    assert answers[-1] == "421 4.7.0"


# Content ----------------------------------------------------------------------------------------------------


# ref: F13
async def test_a_message_of_25_mb_is_taken_and_one_more_octet_is_not(
    visit: Visit, gate: RecordingGate
) -> None:
    await visit.begin()
    line = b"x" * 62 + b"\r\n"
    content = line * (25 * 1024 * 1024 // 64)
    for extra, reply in ((b"", "250 2.0.0 "), (b"\r\n", "552 5.3.4 MSS-130 ")):
        await visit.say("MAIL FROM:<a@b.fr>")
        await visit.say("RCPT TO:<c@b.fr>")
        await visit.say("DATA")
        await visit.send(content)
        assert (await visit.say(extra + b".")).startswith(reply)
    assert [len(envelope.content) for envelope in gate.delivered] == [25 * 1024 * 1024]
    assert (await visit.say("MAIL FROM:<a@b.fr> SIZE=26214401")).startswith("552 5.3.4 MSS-130 ")
    assert (await visit.say("NOOP")).startswith("250")


async def test_who_sends_much_too_much_is_cut_off(door: Door, gate: RecordingGate) -> None:
    listener = await door.open(message_bytes=1_000_000)
    async with await door.visit(listener) as visit:
        await visit.ready()
        with pytest.raises(ConnectionError):
            for _ in range(100):
                await visit.send(b"x" * 998 * 500 + b"\r\n")
                await asyncio.sleep(0)  # under TLS a cut line is heard of by the next turn of the loop alone
    assert gate.delivered == []


async def test_a_chunk_without_a_recipient_is_read_over(visit: Visit, gate: RecordingGate) -> None:
    await visit.begin()
    await visit.send(b"BDAT 12 LAST\r\nRSET\r\nRSET\r\n")
    assert (await visit.answer()).startswith("503 5.5.1 ")
    assert (await visit.say("NOOP")).startswith("250")
    assert gate.delivered == []


async def test_a_chunk_of_100_gb_is_not_waited_for(door: Door) -> None:
    listener = await door.open()
    for with_recipient in (True, False):
        async with await door.visit(listener) as visit:
            await visit.begin()
            if with_recipient:
                await visit.say("MAIL FROM:<a@b.fr>")
                await visit.say("RCPT TO:<c@b.fr>")
            assert (await visit.say("BDAT 107374182400 LAST")).startswith("552 5.3.4 ")
            assert await visit.is_closed()


async def test_a_truncated_message_is_not_delivered(door: Door, gate: RecordingGate) -> None:
    listener = await door.open()
    for command in ("DATA", "BDAT 1000 LAST"):
        async with await door.visit(listener) as visit:
            await visit.begin()
            await visit.say("MAIL FROM:<a@b.fr>")
            await visit.say("RCPT TO:<c@b.fr>")
            await visit.send(command.encode() + b"\r\n")
            if command == "DATA":
                await visit.answer()
            await visit.send(b"half a mess")
            visit.writer.transport.abort()
    await listener.close()
    assert gate.delivered == []
