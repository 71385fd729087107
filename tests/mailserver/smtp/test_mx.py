"""Other operators at the door: whose certificate opens it, in whose name it speaks, and what is said to the rest."""

from __future__ import annotations

import asyncio
import json
import smtplib
import socket
import ssl
import struct
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from certs.pki import Case
from certs.profiles import Purpose
from mailserver.envelope import Origin
from tests.mailserver.place import DOMAIN, PATIENTS, letter
from tests.mailserver.smtp.conftest import Talk, until
from tests.mailserver.smtp.trusted import OTHER, OTHER_NAME, PEER, PEER_NAME, STRANGER, Operator, name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailserver.refusals import Refusal
    from mailserver.smtp.gate import Client
    from tests.mailserver.smtp.trusted import Papers

BOTH_LOOPS = True  # every test of this module runs on asyncio's own loop and on uvloop
FROM_PEER = f"dr@{PEER}"
MARIE = f"marie@{DOMAIN}"


@pytest.fixture
async def operator(papers: Papers, tmp_path: Path) -> AsyncIterator[Operator]:
    async with Operator.open(papers, tmp_path) as opened:
        yield opened


async def test_a_listed_peer_delivers(operator: Operator) -> None:
    marie = await operator.place.add("marie")
    async with operator.visited(operator.papers.client()) as talk:
        assert await talk.say(f"MAIL FROM:<{FROM_PEER}>") == "250 2.1.0 Ok"
        assert await talk.say(f"RCPT TO:<{MARIE}>") == "250 2.1.5 Ok"
        await talk.say("DATA")
        assert (await talk.say(letter(FROM_PEER, MARIE) + b".")).startswith("250 2.0.0 Ok: queued as ")
        assert await talk.say("QUIT") == "221 2.0.0 Bye"
    [kept] = await operator.place.kept(marie.owner_id)
    assert b"with ESMTPS id" in kept.content
    assert operator.trail() == []
    assert b'vaguemestre_accepted_messages_total{listener="mx"} 1.0' in operator.metrics.render()


async def test_what_is_offered_before_and_under_tls(operator: Operator) -> None:
    async with await Talk.open(operator.port) as talk:
        await talk.answer()
        before = (await talk.say("EHLO x")).split("\n")
        await talk.start_tls(operator.papers.client())
        under = (await talk.say("EHLO x")).split("\n")
    words = {line[4:].split(" ")[0] for line in under[1:]}
    assert words == {
        "SIZE", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "LIMITS",
    }  # fmt: skip
    assert {line[4:].split(" ")[0] for line in before[1:]} == words | {"STARTTLS"}


# ref: F04
async def test_without_tls_there_is_no_mail(operator: Operator) -> None:
    for sender in (FROM_PEER, ""):
        assert (await operator.answer_to(None, sender)).startswith("530 5.7.0 MSS-105 ")
    assert operator.refusals("MSS-105") == 2


# ref: F04
@pytest.mark.parametrize("sender", [FROM_PEER, "", f"dr@{STRANGER}"])
async def test_without_a_certificate_there_is_no_mail(operator: Operator, sender: str) -> None:
    reply = await operator.answer_to(operator.papers.client(None), sender)
    assert reply.startswith("530 5.7.0 MSS-150 ")
    assert operator.refusals("MSS-150") == 1


# ref: F07
async def test_a_revoked_certificate_is_told_so(operator: Operator) -> None:
    reply = await operator.answer_to(operator.papers.client(case=Case.REVOKED), FROM_PEER)
    # The list on disk is older than the revocation, which the session's authority added.
    await operator.trust.fetch_revocations()
    reply = await operator.answer_to(operator.papers.client(case=Case.REVOKED), FROM_PEER)
    assert reply.startswith("554 5.7.5 MSS-153 ")
    [row] = operator.trail()
    assert (row.actor, row.subject, row.outcome) == ("peer", "listener:mx", "MSS-153")
    assert json.loads(row.detail) == {"domain": PEER}


async def test_a_revocation_counts_from_the_next_message_on(operator: Operator) -> None:
    papers = operator.papers
    certificate, key, issued = papers.of(copy=str(operator.place.settings.home))
    context = papers.client(None)
    context.load_cert_chain(certificate, key)
    async with operator.visited(context) as talk:
        assert (await talk.say(f"MAIL FROM:<{FROM_PEER}>")).startswith("250 ")
        papers.pki.revoke(issued.certificate, papers.now)
        await operator.trust.fetch_revocations()
        await talk.say("RSET")
        assert (await talk.say(f"MAIL FROM:<{FROM_PEER}>")).startswith("554 5.7.5 MSS-153 ")


async def test_old_revocation_lists_put_everybody_off(operator: Operator) -> None:
    operator.clock.advance(timedelta(days=34))
    reply = await operator.answer_to(operator.papers.client(), FROM_PEER)
    assert reply.startswith("454 4.7.5 MSS-154 ")


# ref: F06
async def test_a_certificate_that_expires_on_an_open_connection_is_told_so(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        operator.clock.advance(timedelta(days=4 * 365))
        assert (await talk.say(f"MAIL FROM:<{FROM_PEER}>")).startswith("554 5.7.5 MSS-152 ")


@pytest.mark.parametrize(
    ("case", "purpose", "alert", "code"),
    [
        (Case.EXPIRED, Purpose.SERVER, "certificate expired", "MSS-152"),
        (Case.FOREIGN_CA, Purpose.SERVER, "unknown ca", "MSS-151"),
        (Case.VALID, Purpose.SIGNATURE, "unsupported certificate", "MSS-155"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_handshake_that_fails_says_why(
    operator: Operator, case: Case, purpose: Purpose, alert: str, code: str, version: ssl.TLSVersion
) -> None:
    context = operator.papers.client(case=case, purpose=purpose)
    context.minimum_version = context.maximum_version = version

    def connect() -> None:
        with smtplib.SMTP("127.0.0.1", operator.port, timeout=10) as client:
            client.starttls(context=context)
            client.ehlo()

    with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected), match=f"alert {alert}"):
        await asyncio.to_thread(connect)
    await until(lambda: bool(operator.trail()))
    [row] = operator.trail()
    assert (row.actor, row.subject, row.outcome, row.detail) == ("peer", "listener:mx", code, "{}")
    assert operator.refusals(code) == 1
    await until(lambda: operator.listener.connections == 0)


async def test_who_resets_the_connection_is_written_down_as_well(operator: Operator) -> None:
    context = operator.papers.client(case=Case.FOREIGN_CA)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3
    )  # the client's side is done before its certificate is seen

    def connect() -> None:
        with socket.create_connection(("127.0.0.1", operator.port), timeout=10) as plain:
            plain.recv(512)
            plain.sendall(b"STARTTLS\r\n")
            plain.recv(512)
            secured = context.wrap_socket(plain, server_hostname="localhost")
            secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            secured.close()

    await asyncio.to_thread(connect)
    await until(lambda: bool(operator.trail()))
    assert operator.refusals("MSS-151") == 1
    await until(lambda: operator.listener.connections == 0)


async def test_a_trail_that_cannot_be_written_still_ends_the_conversation(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def full(unit: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(operator.place.database, "write", full)
    async with await Talk.open(operator.port) as talk:
        await talk.begin()
        await talk.say("STARTTLS")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk.writer.start_tls(
                _at_most_1_2(operator.papers.client(case=Case.EXPIRED)), server_hostname="localhost"
            )
    await until(lambda: operator.listener.connections == 0)
    assert operator.refusals("MSS-152") == 1
    assert "smtp.failure" in "".join(capsys.readouterr())
    assert (await operator.answer_to(operator.papers.client(None), FROM_PEER)).startswith(
        "451 4.3.0 MSS-190 "
    )


def _at_most_1_2(context: ssl.SSLContext) -> ssl.SSLContext:
    """So that the client learns of its refusal within the handshake."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_a_name_nowhere_in_the_list_may_not_write(operator: Operator) -> None:
    unlisted = name("mail.ailleurs.mssante.fr")
    for sender in (FROM_PEER, "", f"dr@{STRANGER}"):
        reply = await operator.answer_to(operator.papers.client(unlisted), sender)
        assert reply.startswith("554 5.7.1 MSS-156 ")
    [row] = operator.trail()
    assert json.loads(row.detail) == {"domain": PEER, "dn": str(unlisted)}
    assert operator.refusals("MSS-156") == 3


# ref: F08
async def test_the_common_name_alone_opens_nothing(operator: Operator) -> None:
    same_cn = name(f"mail.{PEER}", "UNE AUTRE ORGANISATION")
    reply = await operator.answer_to(operator.papers.client(same_cn), FROM_PEER)
    assert reply.startswith("554 5.7.1 MSS-156 ")


# ref: F09
async def test_a_peer_writes_in_the_name_of_its_own_domains_alone(operator: Operator) -> None:
    for sender, code in (
        (f"dr@{OTHER}", "MSS-157"),
        (f"dr@{STRANGER}", "MSS-158"),
        (f"dr@sub.{PEER}", "MSS-158"),
        (MARIE, "MSS-124"),
        (f"279035121518989@{PATIENTS}", "MSS-124"),
    ):
        reply = await operator.answer_to(operator.papers.client(), sender)
        assert reply.startswith(f"550 5.7.1 {code} ")
        assert operator.refusals(code) >= 1


# ref: F49
async def test_a_hosted_domain_may_have_a_second_operator(operator: Operator) -> None:
    operator.list(DOMAIN, PEER_NAME)
    assert await operator.answer_to(operator.papers.client(), MARIE) == "250 2.1.0 Ok"
    reply = await operator.answer_to(operator.papers.client(OTHER_NAME), MARIE)
    assert reply.startswith("550 5.7.1 MSS-124 ")


async def test_the_list_counts_as_it_is_at_each_message(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        assert (await talk.say(f"MAIL FROM:<dr@{OTHER}>")).startswith("550 5.7.1 MSS-157 ")
        operator.list(OTHER, PEER_NAME)
        assert await talk.say(f"MAIL FROM:<dr@{OTHER}>") == "250 2.1.0 Ok"


async def test_a_report_comes_with_the_null_sender_of_a_listed_peer(operator: Operator) -> None:
    await operator.place.add("marie")
    async with operator.visited(operator.papers.client()) as talk:
        assert await talk.say("MAIL FROM:<>") == "250 2.1.0 Ok"
        assert await talk.say(f"RCPT TO:<{MARIE}>") == "250 2.1.5 Ok"
        await talk.say("DATA")
        assert (await talk.say(letter(f"MAILER-DAEMON@{PEER}", MARIE) + b".")).startswith("250 ")


async def test_nothing_is_relayed(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say(f"MAIL FROM:<{FROM_PEER}>")
        for recipient in (f"dr@{OTHER}", f"dr@{PEER}", f"dr@{STRANGER}"):
            assert (await talk.say(f"RCPT TO:<{recipient}>")).startswith("550 5.7.1 MSS-117 ")
        assert (await talk.say(f"RCPT TO:<personne@{DOMAIN}>")).startswith("550 5.1.1 MSS-110 ")
    assert [row.outcome for row in operator.trail()] == ["MSS-117"]
    assert (operator.refusals("MSS-117"), operator.refusals("MSS-110")) == (3, 1)


@pytest.mark.parametrize("author", [f"dr@{OTHER}", f"dr@{STRANGER}", MARIE])
async def test_the_author_belongs_to_the_peer_too(operator: Operator, author: str) -> None:
    marie = await operator.place.add("marie")
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say(f"MAIL FROM:<{FROM_PEER}>")
        await talk.say(f"RCPT TO:<{MARIE}>")
        await talk.say("DATA")
        assert (await talk.say(letter(author, MARIE) + b".")).startswith("550 5.7.1 MSS-159 ")
    assert await operator.place.kept(marie.owner_id) == []
    [row] = operator.trail()
    assert row.outcome == "MSS-159"
    assert json.loads(row.detail) == {"domain": PEER, "dn": str(PEER_NAME)}


async def test_the_router_learns_for_whom_the_peer_speaks(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await operator.place.add("marie")
    seen = []
    deliver = operator.place.router.deliver

    async def watching(envelope):  # type: ignore[no-untyped-def]
        seen.append(envelope)
        return await deliver(envelope)

    monkeypatch.setattr(operator.place.router, "deliver", watching)
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say(f"MAIL FROM:<{FROM_PEER}> ENVID=e1 RET=HDRS")
        await talk.say(f"RCPT TO:<{MARIE}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Marie@x.fr")
        await talk.say("DATA")
        assert (await talk.say(letter(FROM_PEER, MARIE) + b".")).startswith("250 ")
    [envelope] = seen
    assert envelope.speaks_for == frozenset({PEER})
    assert envelope.peer_host == f"mail.{PEER}"
    assert envelope.origin is Origin.PEER
    assert (envelope.dsn.envid, envelope.dsn.ret) == ("e1", "HDRS")
    assert envelope.dsn.of(MARIE).notify == frozenset({"SUCCESS", "DELAY"})


async def test_nobody_signs_in_here(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        assert (await talk.say("AUTH PLAIN AGEAYg==")).startswith("502 5.5.1 ")


async def test_the_trail_is_bounded_and_the_metric_is_not(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        for _ in range(30):
            await talk.say(f"MAIL FROM:<dr@{STRANGER}>")
            await talk.say(f"MAIL FROM:<dr@{OTHER}>")
    assert operator.refusals("MSS-157") == operator.refusals("MSS-158") == 30
    rows = [row.outcome for row in operator.trail()]
    assert 2 <= len(rows) <= 12
    assert {"MSS-157", "MSS-158"} == set(rows)


async def test_no_address_is_written_down(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say("MAIL FROM:<279035121518989@ailleurs.mssante.fr>")
        await talk.say(f"MAIL FROM:<{FROM_PEER}>")
        await talk.say(f"RCPT TO:<secret.nom@{STRANGER}>")
    written = "".join(row.detail for row in operator.trail()) + "".join(capsys.readouterr())
    assert "ailleurs.mssante.fr" in written
    for personal in ("279035121518989", "secret.nom", "dr@", "127.0.0.1"):
        assert personal not in written


async def test_a_peer_sends_so_many_messages_in_a_minute(papers: Papers, tmp_path: Path) -> None:
    async with Operator.open(papers, tmp_path, per_minute=3) as operator:
        async with operator.visited(papers.client()) as talk:
            for _ in range(3):
                assert (await talk.say(f"MAIL FROM:<{FROM_PEER}>")).startswith("250 ")
                await talk.say("RSET")
            assert (await talk.say("MAIL FROM:<>")).startswith("450 4.7.1 MSS-107 ")
        # The certificate counts, not the connection.
        reply = await operator.answer_to(papers.client(), FROM_PEER)
        assert reply.startswith("450 4.7.1 MSS-107 ")
        assert (await operator.answer_to(papers.client(OTHER_NAME), f"dr@{OTHER}")).startswith("250 ")
        assert operator.refusals("MSS-107") == 2


async def test_a_client_that_leaves_before_tls_is_nothing_to_tell(operator: Operator) -> None:
    async with await Talk.open(operator.port) as talk:
        await talk.begin()
        assert (await talk.say("QUIT")).startswith("221 ")
    async with await Talk.open(operator.port) as talk:
        await talk.begin()
        await talk.say("STARTTLS")
    await until(lambda: operator.listener.connections == 0)
    assert operator.trail() == []
    assert b"vaguemestre_refusals_total{" not in operator.metrics.render()


async def test_a_client_that_does_not_trust_us_is_nothing_to_tell(operator: Operator) -> None:
    def connect() -> None:
        with smtplib.SMTP("127.0.0.1", operator.port, timeout=10) as client:
            client.starttls(context=ssl.create_default_context())

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(connect)
    await until(lambda: operator.listener.connections == 0)
    assert operator.trail() == []


async def test_memory_is_held_on_behalf_of_the_address_and_the_certificate(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    sender = operator.gate.sender

    async def watching(client: Client, address: str) -> Refusal | None:
        answer = await sender(client, address)
        seen.append(client.holders)
        return answer

    monkeypatch.setattr(operator.gate, "sender", watching)
    await operator.answer_to(operator.papers.client(), FROM_PEER)
    await operator.answer_to(operator.papers.client(None), FROM_PEER)
    assert seen == [("127.0.0.1", PEER_NAME), ("127.0.0.1",)]


@pytest.mark.parametrize(
    "author", [f"<{MARIE}> <{FROM_PEER}>", f"{MARIE} {FROM_PEER}", f'"{MARIE}" <{FROM_PEER}>']
)
async def test_an_author_that_looks_like_one_of_ours_is_refused(operator: Operator, author: str) -> None:
    marie = await operator.place.add("marie")
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say(f"MAIL FROM:<{FROM_PEER}>")
        await talk.say(f"RCPT TO:<{MARIE}>")
        await talk.say("DATA")
        mail = f"From: {author}\r\nTo: {MARIE}\r\n\r\nBonjour\r\n."
        assert (await talk.say(mail)).startswith("550 5.")
    assert await operator.place.kept(marie.owner_id) == []


async def test_who_asks_for_many_boxes_is_cut_off(operator: Operator) -> None:
    async with operator.visited(operator.papers.client()) as talk:
        await talk.say(f"MAIL FROM:<{FROM_PEER}>")
        await talk.send(b"".join(b"RCPT TO:<p%d@hopital-demo.mssante.fr>\r\n" % each for each in range(5000)))
        said = [await talk.answer() for _ in range(102)]
    assert 90 <= sum(reply.startswith("550 5.1.1 ") for reply in said) <= 100
    assert any(reply.startswith("421 ") for reply in said)


async def test_renegotiation_is_refused_on_the_wire(operator: Operator) -> None:
    certificate, key, _ = operator.papers.of()
    client = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-tls1_2", "-starttls", "smtp", "-connect", f"127.0.0.1:{operator.port}",
        "-cert", str(certificate), "-key", str(key),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert client.stdin is not None
    assert client.stdout is not None
    said = b""
    while b"Verify return code" not in said:
        said += await client.stdout.readline()
    client.stdin.write(b"R\n")
    rest, _ = await client.communicate()
    assert b"RENEGOTIATING" in rest
    assert b"no renegotiation" in rest
    async with operator.visited(operator.papers.client()) as talk:
        assert (await talk.say(f"MAIL FROM:<{FROM_PEER}>")).startswith("250 ")
