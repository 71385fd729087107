from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from mailserver.smtp.policy import mx_plain
from tests.mailserver.smtp.conftest import HOSTNAME, Talk, limited, until

if TYPE_CHECKING:
    import ssl

    from mailserver.smtp.listener import Listener
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate


@pytest.fixture
async def listener(harbour: Harbour) -> Listener:
    return await harbour.open(mx_plain(HOSTNAME))


async def test_a_half_closed_client_still_gets_its_250(
    talk: Talk, gate: RecordingGate, listener: Listener
) -> None:
    await talk.ready()
    gate.may_finish.clear()
    await talk.send(b"x\r\n.\r\nQUIT\r\n")
    talk.writer.write_eof()
    await gate.started.wait()
    gate.may_finish.set()
    assert (await talk.answer()).startswith("250 ")
    assert (await talk.answer()).startswith("221 ")


async def test_a_half_closed_client_is_not_known_to_have_its_250(
    talk: Talk, gate: RecordingGate, listener: Listener
) -> None:
    await talk.ready()
    gate.may_finish.clear()
    await talk.send(b"x\r\n.\r\n")
    talk.writer.write_eof()
    await gate.started.wait()
    await asyncio.wait([asyncio.create_task(gate.finished.wait())], timeout=0.05)
    gate.may_finish.set()
    assert (await talk.answer()).startswith("250 ")
    assert await talk.is_closed()
    assert gate.acknowledgements == []


async def test_a_client_that_vanishes_does_not_cut_its_delivery(
    listener: Listener, gate: RecordingGate
) -> None:
    gate.may_finish.clear()
    talk = await Talk.open(listener.port)
    await talk.ready()
    await talk.send(b"x\r\n.\r\n")
    await gate.started.wait()
    talk.writer.transport.abort()
    await until(lambda: talk.writer.transport.is_closing())
    await asyncio.wait([asyncio.create_task(gate.finished.wait())], timeout=0.05)
    gate.may_finish.set()
    await asyncio.wait_for(gate.finished.wait(), 5)
    await listener.close()
    assert len(gate.delivered) == 1
    assert gate.acknowledgements == []


async def test_a_tls_client_that_vanishes_does_not_cut_its_delivery(
    harbour: Harbour, gate: RecordingGate, client_context: ssl.SSLContext
) -> None:
    listener = await harbour.open_tls(mx_plain(HOSTNAME))
    gate.may_finish.clear()
    talk = await Talk.open(listener.port, client_context)
    await talk.ready()
    await talk.send(b"x\r\n.\r\n")
    await gate.started.wait()
    talk.writer.close()
    await talk.writer.wait_closed()
    gate.may_finish.set()
    await asyncio.wait_for(gate.finished.wait(), 5)
    await listener.close()
    assert gate.acknowledgements == []


async def test_an_acknowledgement_that_fails_adds_no_second_reply(talk: Talk, gate: RecordingGate) -> None:
    gate.acknowledgement_error = RuntimeError("no")
    await talk.ready()
    assert (await talk.say("x\r\n.")).startswith("250 ")
    assert (await talk.say("NOOP")).startswith("250 2.0.0 Ok")


async def test_a_lost_database_is_not_taken_for_a_lost_client(talk: Talk, gate: RecordingGate) -> None:
    gate.error = ConnectionResetError("database")
    await talk.ready()
    assert (await talk.say("x\r\n.")).startswith("451 4.3.0 ")
    assert (await talk.say("NOOP")).startswith("250 ")


async def test_a_client_that_pipelines_lets_others_in_between(
    talk: Talk, listener: Listener, gate: RecordingGate
) -> None:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr>")
    async with await Talk.open(listener.port) as other:
        await other.begin()
        other.writer.write(b"NOOP\r\n")
        talk.writer.write(b"".join(b"RCPT TO:<c%d@b.fr>\r\n" % number for number in range(900)))
        answered: list[str] = []

        async def last_recipient() -> None:
            for _ in range(900):
                await talk.answer()
            answered.append("many")

        async def noop() -> None:
            await other.answer()
            answered.append("one")

        await asyncio.gather(last_recipient(), noop())
    assert answered == ["one", "many"]


async def test_closing_tells_idle_clients_and_refuses_new_ones(listener: Listener) -> None:
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await listener.close()
        assert (await talk.answer()).startswith("421 4.3.2 ")
        assert await talk.is_closed()
    with pytest.raises(ConnectionError):
        await Talk.open(listener.port)
    assert listener.connections == 0


async def test_closing_waits_for_a_delivery(listener: Listener, gate: RecordingGate) -> None:
    gate.may_finish.clear()
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.send(b"x\r\n.\r\n")
        await gate.started.wait()
        closing = asyncio.create_task(listener.close(grace=5))
        await asyncio.wait([closing], timeout=0.05)
        assert not closing.done()
        gate.may_finish.set()
        assert (await talk.answer()).startswith("250 ")
        assert (await talk.answer()).startswith("421 4.3.2 ")
        await closing
    assert len(gate.delivered) == 1


async def test_closing_outlasts_its_grace_for_a_delivery(listener: Listener, gate: RecordingGate) -> None:
    gate.may_finish.clear()
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.send(b"x\r\n.\r\n")
        await gate.started.wait()
        closing = asyncio.create_task(listener.close(grace=0.01))
        await asyncio.wait([closing], timeout=0.1)
        assert not closing.done()
        gate.may_finish.set()
        await closing
    assert len(gate.delivered) == 1


async def test_closing_cuts_content_after_its_grace(listener: Listener, gate: RecordingGate) -> None:
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.send(b"x\r\n")
        await listener.close(grace=0.05)
        assert await talk.is_closed()
    assert gate.delivered == []


async def test_a_delivery_may_take_longer_than_a_client_may(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(limited(idle=0.1, block=0.1))
    gate.may_finish.clear()
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.send(b"x\r\n.\r\n")
        answer = asyncio.create_task(talk.answer())
        await asyncio.wait([answer], timeout=0.3)
        assert not answer.done()
        gate.may_finish.set()
        assert (await answer).startswith("250 ")


async def test_a_port_that_is_taken_is_an_error(harbour: Harbour) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        from mailserver.smtp.listener import listen

        with pytest.raises(OSError, match="in use"):
            await listen(
                mx_plain(HOSTNAME),
                harbour.gate,
                harbour.budget,
                host="127.0.0.1",
                port=taken.getsockname()[1],
            )
