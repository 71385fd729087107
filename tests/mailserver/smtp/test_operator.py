"""The attacks that the house behind the doors has to answer, at submission and at the MX of a real operator."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from enum import StrEnum
from typing import TYPE_CHECKING

import pytest

from foundation.jobs import job
from foundation.passwords import hash_password
from foundation.vault import blob
from mailserver.store.tables import mail
from tests.mailserver.place import DOMAIN, letter
from tests.mailserver.smtp.conftest import until
from tests.mailserver.smtp.trusted import PEER, STRANGER, Operator, plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.mailserver.smtp.conftest import Talk
    from tests.mailserver.smtp.trusted import Papers

PASSWORD = "correct horse battery staple"
MARIE, PAUL = f"marie@{DOMAIN}", f"paul@{DOMAIN}"


class Side(StrEnum):
    """Who writes to Paul: Marie, or a doctor of another operator."""

    SUBMISSION = MARIE
    MX = f"dr@{PEER}"


both_sides = pytest.mark.parametrize("side", [Side.SUBMISSION, Side.MX], ids=["submission", "mx"])


async def furnished(operator: Operator) -> Operator:
    await operator.place.add("marie", password_hash=await hash_password(PASSWORD))
    await operator.place.add("paul")
    return operator


@pytest.fixture
async def operator(papers: Papers, tmp_path: Path) -> AsyncIterator[Operator]:
    async with Operator.open(papers, tmp_path) as opened:
        yield await furnished(opened)


def entered(operator: Operator, side: Side) -> AbstractAsyncContextManager[Talk]:
    """A conversation in which the side may say MAIL."""
    if side is Side.SUBMISSION:
        return operator.signed_in(MARIE, PASSWORD)
    return operator.visited(operator.papers.client())


async def send(talk: Talk, side: Side, content: bytes) -> str:
    assert await talk.say(f"MAIL FROM:<{side}>") == "250 2.1.0 Ok"
    assert await talk.say(f"RCPT TO:<{PAUL}>") == "250 2.1.5 Ok"
    assert (await talk.say("DATA")).startswith("354 ")
    return await talk.say(content + b".")


@both_sides
async def test_a_message_that_goes_round_in_circles_is_stopped(operator: Operator, side: Side) -> None:
    hops = tuple(
        f"Received: by mx{number}.example.fr; Thu, 13 Mar 2025 14:54:10 +0100" for number in range(200)
    )
    async with entered(operator, side) as talk:
        reply = await send(talk, side, letter(side, PAUL, headers=hops))
        assert reply.startswith("554 5.4.6 MSS-131 ")
        assert (await send(talk, side, letter(side, PAUL, headers=hops[:50]))).startswith("250 ")


@both_sides
async def test_a_letter_that_only_looks_alike_reaches_nobody(operator: Operator, side: Side) -> None:
    code = "5.1.2 MSS-118" if side is Side.SUBMISSION else "5.7.1 MSS-117"
    async with entered(operator, side) as talk:
        await talk.say(f"MAIL FROM:<{side}> SMTPUTF8")
        # U+043E, U+0456: Cyrillic о and і.
        for domain in (
            "hоpital-demo.mssante.fr",
            "hopіtal-demo.mssante.fr",
            "xn--hpital-demo-3ji.mssante.fr",
        ):
            reply = await talk.say(f"RCPT TO:<paul@{domain}>")
            assert reply.startswith((f"550 {code} ", "553 5.1.3 ")), reply
        for domain in (
            "ｈopital-demo.mssante.fr",
            "hopital-demo。mssante.fr",
            "hopital-demo.mssante.fr\u200b",
        ):
            assert (await talk.say(f"RCPT TO:<paul@{domain}>")).startswith("553 5.1.3 ")
        assert await talk.say("RCPT TO:<Paul@HOPITAL-DEMO.MSSante.FR>") == "250 2.1.5 Ok"


async def test_a_sender_that_only_looks_like_a_peer_is_none(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        reply = await talk.say("MAIL FROM:<dr@pаir.mssante.fr> SMTPUTF8")  # Cyrillic а
        assert reply.startswith(("550 5.7.1 MSS-158 ", "553 5.1.3 ")), reply
        assert (await talk.say("MAIL FROM:<DR@PAIR.mssante.fr>")).startswith("250 ")


@both_sides
@pytest.mark.parametrize("command", ["DATA", "BDAT 100000 LAST"])
async def test_who_leaves_in_the_middle_leaves_nothing_behind(
    operator: Operator, side: Side, command: str
) -> None:
    async with entered(operator, side) as talk:
        await talk.say(f"MAIL FROM:<{side}>")
        await talk.say(f"RCPT TO:<{PAUL}>")
        await talk.send(command.encode() + b"\r\n")
        if command == "DATA":
            await talk.answer()
        await talk.send(letter(side, PAUL, body="Bonjour,\r\n" * 5000))
        talk.writer.transport.abort()
    await until(lambda: operator.listener.connections + operator.submission.connections == 0)
    assert [operator.place.count(table) for table in (mail, blob, job)] == [0, 0, 0]


@both_sides
async def test_so_many_messages_in_a_minute_and_then_later(
    papers: Papers, tmp_path: Path, side: Side
) -> None:
    async with Operator.open(papers, tmp_path, per_minute=2) as operator:
        await furnished(operator)
        for _ in range(2):
            async with entered(operator, side) as talk:
                assert (await talk.say(f"MAIL FROM:<{side}>")).startswith("250 ")
        async with entered(operator, side) as talk:
            assert (await talk.say(f"MAIL FROM:<{side}>")).startswith("450 4.7.1 MSS-107 ")
        assert operator.refusals("MSS-107", side.name.lower()) == 1


async def test_a_refusal_at_submission_is_counted_by_its_code(operator: Operator) -> None:
    async with entered(operator, Side.SUBMISSION) as talk:
        assert (await talk.say(f"MAIL FROM:<{PAUL}>")).startswith("550 5.7.1 MSS-120 ")
        await talk.say(f"MAIL FROM:<{MARIE}>")
        assert (await talk.say(f"RCPT TO:<x@{STRANGER}>")).startswith("550 5.1.2 MSS-118 ")
        await talk.say(f"RCPT TO:<{PAUL}>")
        await talk.say("DATA")
        assert (await talk.say(letter(PAUL, PAUL) + b".")).startswith("550 5.7.1 MSS-121 ")
    assert [operator.refusals(code, "submission") for code in ("MSS-120", "MSS-118", "MSS-121")] == [1, 1, 1]


async def test_a_guesser_is_cut_off_and_then_locked_out(operator: Operator) -> None:
    async def guess(attempt: int) -> str:
        async with operator.submitting() as talk:
            return await talk.say(f"AUTH PLAIN {plain(MARIE, f'guess {attempt}')}")

    replies = [(await guess(attempt))[:17] for attempt in range(6)]
    assert replies == ["535 5.7.8 MSS-102"] * 5 + ["454 4.7.0 MSS-103"]
    async with operator.submitting() as talk:
        reply = await talk.say(f"AUTH PLAIN {plain(MARIE, PASSWORD)}")
        assert reply.startswith("454 4.7.0 MSS-103 ")


# ref: ECO.1.1.1
async def test_tls_is_1_2_or_newer_with_the_suites_of_the_rules(operator: Operator) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = operator.papers.client()
        context.minimum_version = context.maximum_version = version
        assert await operator.answer_to(context, Side.MX) == "250 2.1.0 Ok"
    for suite in (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-SHA384",
        "ECDHE-RSA-AES128-SHA256",
    ):
        context = operator.papers.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
        assert await operator.answer_to(context, Side.MX) == "250 2.1.0 Ok"
    for suite in ("ECDHE-RSA-CHACHA20-POLY1305", "AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384"):
        context = operator.papers.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await operator.answer_to(context, Side.MX)


async def test_a_resumed_session_is_judged_like_any_other(operator: Operator) -> None:
    """Under TLS 1.2 the client's ticket holds its certificate, which is judged again."""
    papers = operator.papers
    certificate, key, issued = papers.of(copy=str(operator.place.settings.home))
    context = papers.client(None)
    context.load_cert_chain(certificate, key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def attempt(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None, bytes]:
        with contextlib.closing(socket.create_connection(("127.0.0.1", operator.port), timeout=10)) as plain:
            plain.recv(512)
            plain.sendall(b"STARTTLS\r\n")
            plain.recv(512)
            with context.wrap_socket(plain, session=session, server_hostname="localhost") as secured:
                file = secured.makefile("rb")
                secured.sendall(b"HELO x\r\nMAIL FROM:<dr@pair.mssante.fr>\r\n")
                file.readline()
                return secured.session, secured.session_reused, file.readline()

    session, is_resumed, reply = await asyncio.to_thread(attempt, None)
    assert not is_resumed
    assert reply.startswith(b"250 ")
    papers.pki.revoke(issued.certificate, papers.now)
    await operator.trust.fetch_revocations()
    _, is_resumed, reply = await asyncio.to_thread(attempt, session)
    assert is_resumed
    assert reply.startswith(b"554 5.7.5 MSS-153 ")
    # Not one is held here: 15 KB each would add up.
    assert operator.trust.server_context().session_stats()["number"] == 0


async def test_nobody_renegotiates(operator: Operator) -> None:
    """Under TLS 1.2 a second handshake could bring another certificate."""
    assert operator.trust.server_context().options & ssl.OP_NO_RENEGOTIATION
