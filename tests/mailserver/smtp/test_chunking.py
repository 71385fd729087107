from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mailserver.smtp.conftest import Talk, limited

if TYPE_CHECKING:
    from mailserver.smtp.budget import MemoryBudget
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate


@pytest.fixture
async def sender(talk: Talk) -> Talk:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr>")
    await talk.say("RCPT TO:<c@b.fr>")
    return talk


async def chunk(talk: Talk, data: bytes, last: str = "") -> str:
    await talk.send(f"BDAT {len(data)}{last}\r\n".encode() + data)
    return await talk.answer()


async def test_chunks_are_joined_as_they_are(sender: Talk, gate: RecordingGate) -> None:
    assert (await chunk(sender, b"a\r")).startswith("250 2.0.0 ")
    assert (await chunk(sender, b"\n.\r\n..b\r\n")).startswith("250 2.0.0 ")
    assert (await chunk(sender, b"QUIT\r\n", " LAST")) == "250 2.0.0 Ok: queued as Q1"
    assert gate.delivered[0].content == b"a\r\n.\r\n..b\r\nQUIT\r\n"


async def test_an_empty_last_chunk_ends_a_message(sender: Talk, gate: RecordingGate) -> None:
    await chunk(sender, b"a")
    assert (await chunk(sender, b"", " last")).startswith("250")
    assert gate.delivered[0].content == b"a\r\n"


async def test_chunks_may_be_pipelined(sender: Talk, gate: RecordingGate) -> None:
    await sender.send(b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nMAIL FROM:<a@b.fr>\r\n")
    assert [(await sender.answer())[:9] for _ in range(3)] == ["250 2.0.0", "250 2.0.0", "250 2.1.0"]
    assert gate.delivered[0].content == b"a\r\nb\r\n"


@pytest.mark.parametrize("data", [b"a\nb\r\n", b"a\rb\r\n", b"a\0\r\n", b"a\r"])
async def test_bare_line_ends_and_nul_are_refused(sender: Talk, gate: RecordingGate, data: bytes) -> None:
    assert (await chunk(sender, data, " LAST")).startswith("550 5.6.0 ")
    assert await sender.is_closed()
    assert gate.delivered == []


async def test_data_and_bdat_do_not_mix(sender: Talk) -> None:
    await chunk(sender, b"a\r\n")
    assert (await sender.say("DATA")).startswith("503 ")
    assert (await sender.say("RCPT TO:<d@b.fr>")).startswith("503 ")
    assert (await sender.say("RSET")).startswith("250 ")
    assert (await chunk(sender, b"b\r\n", " LAST")).startswith("503 ")


async def test_a_chunk_without_a_recipient_is_read_over(talk: Talk, gate: RecordingGate) -> None:
    await talk.begin()
    assert (await chunk(talk, b"RSET\r\nRSET\r\n", " LAST")).startswith("503 5.5.1 ")
    await talk.say("MAIL FROM:<a@b.fr>")
    assert (await chunk(talk, b"RSET\r\n", " LAST")).startswith("554 5.5.1 ")
    assert (await talk.say("NOOP")).startswith("250")
    assert gate.delivered == []


async def test_a_chunk_of_100_gb_is_not_waited_for(harbour: Harbour) -> None:
    listener = await harbour.open(limited())
    for begin in (True, False):
        async with await Talk.open(listener.port) as talk:
            await talk.begin()
            if begin:
                await talk.say("MAIL FROM:<a@b.fr>")
                await talk.say("RCPT TO:<c@b.fr>")
            assert (await talk.say("BDAT 107374182400 LAST")).startswith("552 5.3.4 ")
            assert await talk.is_closed()


@pytest.mark.parametrize("argument", ["", "x", "-1", "1 FIRST", "1LAST", "9" * 21])
async def test_a_chunk_of_unknown_size_closes(sender: Talk, argument: str) -> None:
    assert (await sender.say(f"BDAT {argument}")).startswith("501 5.5.4 ")
    assert await sender.is_closed()


async def test_too_big_in_chunks_is_refused(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(limited(message_bytes=1000, unreserved_bytes=100))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("MAIL FROM:<a@b.fr>")
        await talk.say("RCPT TO:<c@b.fr>")
        assert (await chunk(talk, b"x" * 898 + b"\r\n")).startswith("250")
        assert budget.free == budget.total - 1000
        assert (await chunk(talk, b"x" * 148 + b"\r\n")).startswith("552 5.3.4 ")
        assert (await chunk(talk, b"x\r\n", " LAST")).startswith("503 ")
    assert budget.free == budget.total
    assert gate.delivered == []
