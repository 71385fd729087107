"""Each fault of aiosmtpd 1.4.6 that we know of, shown to be absent at each door of an operator.

Not here: implicit TLS and the client's certificate (test_tls.py, test_mx.py), AUTH in lower case and slow hashes
(test_sign_in.py), a client that closes its end while we work (test_listener.py), the time-out during DATA and the
number of connections (test_slow_clients.py), bare line ends (test_attacks.py), what EHLO offers
(test_transaction.py, test_mx.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import aiosmtpd
import psutil
import pytest
from aiosmtpd.smtp import SMTP

from mailserver.envelope import RecipientDsn
from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.census import Census
from mailserver.smtp.policy import Limits, mx_plain
from mailserver.smtp.protocol import SmtpProtocol
from tests.mailserver.smtp.conftest import HOSTNAME, RecordingGate, Talk

if TYPE_CHECKING:
    from tests.mailserver.smtp.conftest import Harbour
    from tests.mailserver.smtp.doors import Door, Visit


def test_the_version_is_the_one_whose_private_parts_we_know() -> None:
    assert aiosmtpd.__version__ == "1.4.6"


async def test_our_initialiser_leaves_every_attribute_that_aiosmtpd_reads() -> None:
    loop = asyncio.get_running_loop()
    theirs = SMTP(object(), hostname=HOSTNAME, loop=loop)
    ours = SmtpProtocol(mx_plain(HOSTNAME), RecordingGate(), Census(Limits()), MemoryBudget(), loop)
    assert [name for name in vars(theirs) if not hasattr(ours, name)] == []


@pytest.mark.parametrize(
    "path",
    [
        "=?utf-8?q?a=0d=0aRCPT=20TO:_x?=@c.fr",
        "u@=?utf-8?q?hopital.mssante.fr?=",
        "=?utf-8?q?=00?=@c.fr",
        "u(comment)@c.fr",
        "@relay.fr:u@c.fr",
    ],
)
async def test_a_path_is_never_decoded_or_trimmed(visit: Visit, path: str) -> None:
    await visit.begin()
    assert (await visit.say(f"MAIL FROM:<{path}>")).startswith("553 5.1.3 ")
    await visit.say("MAIL FROM:<a@b.fr>")
    assert (await visit.say(f"RCPT TO:<{path}>")).startswith("553 5.1.3 ")


async def test_sixty_megabytes_without_a_line_end_cost_no_memory(door: Door, gate: RecordingGate) -> None:
    listener = await door.open(message_bytes=60_000_000)
    process = psutil.Process()
    async with await door.visit(listener) as visit:
        await visit.ready()
        before = process.memory_info().rss
        block = b"x" * 1_000_000
        for _ in range(60):
            await visit.send(block)
        assert process.memory_info().rss - before < 20_000_000
        assert (await visit.say("\r\n.")).startswith("550 5.6.0 MSS-136")
    assert gate.delivered == []


async def test_parameters_of_notifications_are_taken_with_their_case(
    visit: Visit, gate: RecordingGate
) -> None:
    await visit.begin()
    assert "DSN" in (await visit.say("EHLO client.example"))
    assert (await visit.say("MAIL FROM:<a@b.fr> ENVID=Abc+2B RET=full")).startswith("250")
    assert (await visit.say("RCPT TO:<c@b.fr> ORCPT=rfc822;Cc@b.fr NOTIFY=delay,SUCCESS")).startswith("250")
    assert (await visit.say("RCPT TO:<d@b.fr> NOTIFY=NEVER")).startswith("250")
    assert (await visit.say("RCPT TO:<e@b.fr>")).startswith("250")
    await visit.say("DATA")
    assert (await visit.say("x\r\n.")).startswith("250")
    [envelope] = gate.delivered
    assert (envelope.dsn.ret, envelope.dsn.envid) == ("FULL", "Abc+2B")
    assert envelope.dsn.of("c@b.fr") == RecipientDsn(frozenset({"DELAY", "SUCCESS"}), "rfc822;Cc@b.fr")
    assert envelope.dsn.of("d@b.fr") == RecipientDsn(frozenset({"NEVER"}))
    assert envelope.dsn.of("e@b.fr") == RecipientDsn()


async def test_the_limits_of_commands_do_not_grow_with_ehlo(visit: Visit) -> None:
    shared = dict(SMTP.command_size_limits)
    await visit.begin()
    for _ in range(30):
        assert (await visit.say("EHLO client.example")).startswith("250")
    assert (await visit.say("NOOP " + "x" * 2041)).startswith("250")
    assert (await visit.say("NOOP " + "x" * 2042)).startswith("500 5.5.2 ")
    assert dict(SMTP.command_size_limits) == shared


async def test_our_errors_are_temporary_and_say_nothing(
    visit: Visit, gate: RecordingGate, capsys: pytest.CaptureFixture[str]
) -> None:
    await visit.begin()
    reply = await visit.say("MAIL FROM:<crash@b.fr>")
    assert reply.startswith("451 4.3.0 MSS-190 ")
    assert "secret" not in reply
    gate.error = RuntimeError("secret /var/db password=x")
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.say("RCPT TO:<c@b.fr>")
    await visit.say("DATA")
    reply = await visit.say("x\r\n.")
    assert reply.startswith("451 4.3.0 MSS-190 ")
    reference = reply[-9:-1]
    logged = "".join(capsys.readouterr())
    assert reference in logged
    assert "RuntimeError" in logged
    assert "secret" not in logged
    assert "b.fr" not in logged
    gate.error = None
    await visit.say("MAIL FROM:<a@b.fr>")
    await visit.say("RCPT TO:<c@b.fr>")
    await visit.say("DATA")
    assert (await visit.say("x\r\n.")).startswith("250")


async def test_nothing_of_a_conversation_is_logged(visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await visit.ready()
        await visit.say("x\r\n.")
        await visit.say("MAIL FROM:<bad@@b.fr>")
        await visit.say("QUIT")
    assert "b.mssante.fr" not in caplog.text
    assert "bad@" not in caplog.text


async def test_a_line_of_8_kb_is_taken_and_stored_as_it_is(visit: Visit, gate: RecordingGate) -> None:
    await visit.ready()
    assert (await visit.say(b"x" * 8192 + b"\r\n.")).startswith("250")
    assert gate.delivered[0].content == b"x" * 8192 + b"\r\n"


async def test_a_connection_is_cheap_to_make(harbour: Harbour) -> None:
    listener = await harbour.open(mx_plain(HOSTNAME))
    began = time.process_time()
    for _ in range(100):
        async with await Talk.open(listener.port) as talk:
            await talk.answer()
    # Both ends; aiosmtpd's initialiser alone and its DNS look-up took as much.
    assert (time.process_time() - began) / 100 < 0.005


async def test_a_large_message_is_not_read_line_by_line(visit: Visit, gate: RecordingGate) -> None:
    content = b"".join(b"%076d\r\n" % number for number in range(100_000))
    await visit.ready()
    began = time.process_time()
    assert (await visit.say(content + b".")).startswith("250")
    assert (
        time.process_time() - began < 0.4
    )  # line by line: 0.25 s for the server's end alone, on a quick machine
    assert gate.delivered[0].content == content
