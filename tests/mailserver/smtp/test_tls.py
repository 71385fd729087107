from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
import uvloop

from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.listener import listen
from mailserver.smtp.policy import Limits, ListenerPolicy, mx_plain, submission
from tests.mailserver.smtp.conftest import HOSTNAME, RecordingGate, Talk, until

if TYPE_CHECKING:
    import trustme

    from tests.mailserver.smtp.conftest import Harbour


async def start_tls(talk: Talk, context: ssl.SSLContext) -> None:
    assert (await talk.say("STARTTLS")) == "220 2.0.0 Ready to start TLS"
    await talk.writer.start_tls(context, server_hostname="localhost")


async def test_starttls_forgets_what_was_said_in_clear(
    harbour: Harbour, client_context: ssl.SSLContext
) -> None:
    listener = await harbour.open_starttls(mx_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("MAIL FROM:<a@b.fr>")
        await start_tls(talk, client_context)
        assert (await talk.say("RCPT TO:<c@b.fr>")).startswith("503 ")
        assert (await talk.say("MAIL FROM:<a@b.fr>")).startswith("503 5.5.1 Send EHLO first")
        offered = await talk.say("EHLO x")
        assert "STARTTLS" not in offered
        assert (await talk.say("STARTTLS")).startswith("503 5.5.1 ")


async def test_sign_in_is_offered_under_tls(harbour: Harbour, client_context: ssl.SSLContext) -> None:
    listener = await harbour.open_starttls(submission(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await start_tls(talk, client_context)
        assert "250 AUTH PLAIN LOGIN" in (await talk.say("EHLO x")).split("\n")


async def test_implicit_tls_counts_as_tls(
    harbour: Harbour, gate: RecordingGate, client_context: ssl.SSLContext
) -> None:
    listener = await harbour.open_tls(submission(HOSTNAME))
    async with await Talk.open(listener.port, client_context) as talk:
        await talk.answer()
        offered = await talk.say("EHLO x")
        assert "AUTH PLAIN LOGIN" in offered
        assert "STARTTLS" not in offered
        assert (await talk.say("MAIL FROM:<a@b.fr>")).startswith("530 5.7.0 MSS-101 ")


async def test_commands_behind_starttls_close(harbour: Harbour) -> None:
    listener = await harbour.open_starttls(submission(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@b.fr>\r\n")
        assert (await talk.answer()).startswith("554 5.5.1 ")
        assert await talk.is_closed()


async def test_what_follows_the_220_in_clear_is_no_command(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open_starttls(mx_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("STARTTLS")
        await talk.send(b"MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@b.fr>\r\n")
        rest = await asyncio.wait_for(talk.reader.read(), 10)
        assert b"250" not in rest
    await until(lambda: listener.connections == 0)


async def test_a_failed_handshake_leaves_nothing_behind(harbour: Harbour) -> None:
    listener = await harbour.open_starttls(mx_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("STARTTLS")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk.writer.start_tls(ssl.create_default_context(), server_hostname="localhost")
        talk.writer.transport.abort()
    await listener.close()
    assert listener.connections == 0


async def test_a_handshake_that_never_comes_is_timed_out(harbour: Harbour) -> None:
    listener = await harbour.open_starttls(
        ListenerPolicy("mx", HOSTNAME, requires_sign_in=False, limits=Limits(handshake=0.1))
    )
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("STARTTLS")
        assert await talk.is_closed()
    await listener.close()


async def test_the_gate_sees_the_certificate_of_the_client(
    harbour: Harbour, gate: RecordingGate, authority: trustme.CA, server_context: ssl.SSLContext
) -> None:
    wants_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(wants_certificate)
    authority.configure_trust(wants_certificate)
    wants_certificate.verify_mode = ssl.CERT_OPTIONAL
    peer = authority.issue_cert("peer.mssante.fr")
    client = ssl.create_default_context()
    authority.configure_trust(client)
    peer.configure_cert(client)
    seen: list[bytes | None] = []

    class Looking(RecordingGate):
        async def sender(self, client: object, sender: str) -> None:
            seen.append(client.certificate)  # type: ignore[attr-defined]

    listener = await listen(
        mx_plain(HOSTNAME), Looking(), MemoryBudget(), host="127.0.0.1", port=0, tls=wants_certificate
    )
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await start_tls(talk, client)
        await talk.say("EHLO x")
        await talk.say("MAIL FROM:<a@b.fr>")
    await listener.close()
    assert seen == [ssl.PEM_cert_to_DER_cert(peer.cert_chain_pems[0].bytes().decode())]


def test_it_runs_on_uvloop(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    async def story() -> RecordingGate:
        gate = RecordingGate()
        listener = await listen(
            mx_plain(HOSTNAME), gate, MemoryBudget(), host="127.0.0.1", port=0, tls=server_context
        )
        async with await Talk.open(listener.port) as talk:
            await talk.begin()
            await start_tls(talk, client_context)
            await talk.say("EHLO x")
            await talk.say("MAIL FROM:<a@b.fr>")
            await talk.say("RCPT TO:<c@b.fr>")
            await talk.say("DATA")
            assert (await talk.say((b"x" * 998 + b"\r\n") * 3000 + b".")).startswith("250 ")
            assert (await talk.say("QUIT")).startswith("221 ")
        await listener.close()
        return gate

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gate = runner.run(story())
    assert [len(envelope.content) for envelope in gate.delivered] == [3_000_000]
    assert gate.delivered[0].protocol == "ESMTPS"
