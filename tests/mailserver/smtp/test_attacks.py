from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from mailserver.smtp.policy import mx_plain
from tests.mailserver.smtp.conftest import HOSTNAME, Talk, limited

if TYPE_CHECKING:
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate

SMUGGLED = b"MAIL FROM:<chief@b.fr>\r\nRCPT TO:<victim@b.fr>\r\nDATA\r\nforged\r\n.\r\n"


@pytest.mark.parametrize(
    "false_end",
    [
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
    ],
)
async def test_no_false_end_of_data_smuggles_a_message(
    talk: Talk, gate: RecordingGate, false_end: bytes
) -> None:
    await talk.ready()
    await talk.send(b"hi" + false_end + SMUGGLED + b"QUIT\r\n")
    assert (await talk.answer()).startswith("550 5.6.0 ")
    assert await talk.is_closed()
    assert gate.delivered == []


async def test_dot_stuffing_behind_a_bare_cr_is_refused(talk: Talk, gate: RecordingGate) -> None:
    await talk.ready()
    assert (await talk.say(b"a\r\n\r.\r\nb\r\n.")).startswith("550 5.6.0 ")
    assert gate.delivered == []


@pytest.mark.parametrize("line", [b"NOOP\n", b"EHLO x\n", b"MAIL FROM:<a@b.fr>\n", b"\n"])
async def test_a_command_ends_with_crlf(talk: Talk, line: bytes) -> None:
    await talk.answer()
    await talk.send(line + b"NOOP\r\n")
    assert (await talk.answer()).startswith("500 5.5.2 ")
    assert await talk.is_closed()


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
async def test_a_command_is_clean_text(talk: Talk, line: bytes) -> None:
    await talk.begin()
    assert (await talk.say(line)).startswith("500 5.5.2 ")


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
    ],
)
async def test_a_deceptive_recipient_is_refused(talk: Talk, path: str) -> None:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr> SMTPUTF8")
    assert (await talk.say(f"RCPT TO:<{path}>"))[:9] in {"553 5.1.3", "500 5.5.2"}


async def test_a_command_line_of_100_kb_closes(talk: Talk) -> None:
    await talk.answer()
    await talk.send(b"NOOP " + b"x" * 100_000 + b"\r\n")
    assert (await talk.answer()).startswith("500 5.5.2 ")
    assert await talk.is_closed()


async def test_a_command_line_without_end_costs_no_memory(talk: Talk) -> None:
    await talk.answer()
    process = psutil.Process()
    before = process.memory_info().rss
    with pytest.raises(ConnectionError):
        for _ in range(50):
            await talk.send(b"x" * 1_000_000)
    assert process.memory_info().rss - before < 10_000_000


@pytest.mark.parametrize("command", [b"NOOP", b"RSET", b"VRFY x", b"HELP", b"EHLO client.example"])
async def test_pipelined_junk_ends_the_conversation(talk: Talk, command: bytes) -> None:
    await talk.answer()
    await talk.send((command + b"\r\n") * 150)
    answers = [await talk.answer() for _ in range(101)]
    assert [answer[:1] for answer in answers] == ["2"] * 100 + ["4"]
    assert answers[-1] == "421 4.7.0 Too many commands without mail"
    assert await talk.is_closed()


async def test_a_flood_of_noops_is_cut_off(talk: Talk) -> None:
    await talk.answer()
    with pytest.raises(ConnectionError):
        for _ in range(1000):
            await talk.send(b"NOOP\r\n" * 20_000)


async def test_mail_makes_up_for_junk(talk: Talk) -> None:
    await talk.begin()
    for _ in range(3):
        for _ in range(60):
            assert (await talk.say("NOOP")).startswith("250")
        await talk.say("MAIL FROM:<a@b.fr>")
        await talk.say("RCPT TO:<c@b.fr>")
        await talk.say("DATA")
        assert (await talk.say("x\r\n.")).startswith("250")


async def test_sixty_bad_commands_end_the_conversation(talk: Talk) -> None:
    await talk.answer()
    answers = []
    while answer := await talk.answer_to_bad_command():
        answers.append(answer)
    assert len(answers) == 21
    assert answers[-1] == "421 4.7.0 Too many errors"


async def test_asking_for_many_addresses_ends_the_conversation(talk: Talk) -> None:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr>")
    await talk.send(b"".join(b"RCPT TO:<nobody%d@b.fr>\r\n" % number for number in range(110)))
    answers = [await talk.answer() for _ in range(100)]
    assert [answer[:9] for answer in answers] == ["550 5.1.1"] * 99 + ["421 4.7.0"]
    assert await talk.is_closed()


async def test_a_web_browser_is_told_so(talk: Talk) -> None:
    await talk.answer()
    await talk.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.fr>\r\n")
    assert (await talk.answer()).startswith("221 2.7.0 ")
    assert await talk.is_closed()


async def test_a_message_of_25_mb_is_taken_and_one_more_octet_is_not(talk: Talk, gate: RecordingGate) -> None:
    await talk.begin()
    line = b"x" * 62 + b"\r\n"
    content = line * (25 * 1024 * 1024 // 64)
    for extra, reply in ((b"", "250 2.0.0 "), (b"\r\n", "552 5.3.4 MSS-130 ")):
        await talk.say("MAIL FROM:<a@b.fr>")
        await talk.say("RCPT TO:<c@b.fr>")
        await talk.say("DATA")
        await talk.send(content)
        assert (await talk.say(extra + b".")).startswith(reply)
    assert [len(envelope.content) for envelope in gate.delivered] == [25 * 1024 * 1024]
    assert (await talk.say("NOOP")).startswith("250")


async def test_who_sends_much_too_much_is_cut_off(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(limited(message_bytes=1_000_000))
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        with pytest.raises(ConnectionError):
            for _ in range(100):
                await talk.send(b"x" * 998 * 500 + b"\r\n")
    assert gate.delivered == []


async def test_a_truncated_message_is_not_delivered(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(mx_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.send(b"half a mess")
        talk.writer.write_eof()
        assert await talk.is_closed()
    assert gate.delivered == []


async def test_400_slow_clients_do_not_hold_up_the_next(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(mx_plain(HOSTNAME))
    process = psutil.Process()
    before = process.memory_info().rss
    slow = [await Talk.open(listener.port) for _ in range(400)]
    for talk in slow:
        await talk.answer()
        await talk.send(b"EHL")
    # Both ends are in this process.
    assert (process.memory_info().rss - before) / 400 < 200_000
    began = time.perf_counter()
    async with await Talk.open(listener.port) as quick:
        await quick.ready()
        assert (await quick.say("x\r\n.")).startswith("250")
    assert time.perf_counter() - began < 2
    for talk in slow:
        talk.writer.transport.abort()
    assert len(gate.delivered) == 1


async def test_a_slow_line_is_timed_out(harbour: Harbour) -> None:
    listener = await harbour.open(limited(idle=0.2))
    async with await Talk.open(listener.port) as talk:
        await talk.answer()
        await talk.send(b"NOO")
        assert (await talk.answer()).startswith("421 4.4.2 ")
        assert await talk.is_closed()


async def test_content_slower_than_the_minimum_is_timed_out(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(limited(block=0.3, bytes_per_second=1_000_000))
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        answer = asyncio.create_task(talk.answer())
        while not answer.done():
            await talk.send(b"drip\r\n")
            await asyncio.wait([answer], timeout=0.05)
        assert answer.result().startswith("421 4.4.2 ")
    assert gate.delivered == []


async def test_content_that_flows_is_not_timed_out(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(limited(idle=0.3, block=0.3, bytes_per_second=1))
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        answer = asyncio.create_task(talk.answer())
        for _ in range(12):
            await talk.send(b"x" * 70 + b"\r\n")
            await asyncio.wait([answer], timeout=0.05)
        await talk.send(b".\r\n")
        assert (await answer).startswith("250")
    assert len(gate.delivered) == 1


async def test_who_never_reads_replies_is_dropped(harbour: Harbour) -> None:
    listener = await harbour.open(limited(idle=0.3, junk=10_000_000))
    async with await Talk.open(listener.port) as talk:
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                await talk.send(b"HELP\r\n" * 10_000)


async def test_connections_are_counted_in_total_and_by_address(harbour: Harbour) -> None:
    for policy in (limited(connections=2), limited(connections_per_peer=2)):
        listener = await harbour.open(policy)
        first, second = await Talk.open(listener.port), await Talk.open(listener.port)
        await first.answer()
        await second.answer()
        async with await Talk.open(listener.port) as third:
            assert (await third.answer()).startswith("421 4.7.0 MSS-106 ")
            assert await third.is_closed()
        assert listener.connections == 2
        await first.say("QUIT")
        assert await first.is_closed()
        async with await Talk.open(listener.port) as third:
            assert (await third.answer()).startswith("220 ")
        for talk in (first, second):
            talk.writer.close()
