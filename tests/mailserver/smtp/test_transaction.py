from __future__ import annotations

import asyncio
import smtplib
from typing import TYPE_CHECKING

import pytest

from mailserver.envelope import Envelope
from mailserver.refusals import SENDER_NOT_OWNED
from tests.mailserver.smtp.conftest import HOSTNAME, Talk, limited

if TYPE_CHECKING:
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate


async def test_smtplib_delivers_a_message(port: int, gate: RecordingGate) -> None:
    def send() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
            return client.sendmail("a@b.mssante.fr", ["c@b.mssante.fr"], b"Subject: x\r\n\r\n.dot\r\n..\r\n")

    assert await asyncio.to_thread(send) == {}
    assert gate.delivered == [
        Envelope(
            sender="a@b.mssante.fr",
            recipients=("c@b.mssante.fr",),
            content=b"Subject: x\r\n\r\n.dot\r\n..\r\n",
            principal=None,
            peer="127.0.0.1",
            helo="client.example",
            protocol="ESMTP",
        )
    ]


async def test_the_250_names_the_queue_id_and_is_acknowledged(talk: Talk, gate: RecordingGate) -> None:
    await talk.ready()
    assert await talk.say("x\r\n.") == "250 2.0.0 Ok: queued as Q1"
    assert await talk.say("NOOP") == "250 2.0.0 Ok"
    assert gate.acknowledgements == ["Q1"]


async def test_ehlo_offers_what_is_done_and_no_more(talk: Talk) -> None:
    assert await talk.answer() == f"220 {HOSTNAME} ESMTP Vaguemestre"
    offered = (await talk.say("EHLO client.example")).split("\n")
    assert [line[4:] for line in offered] == [
        HOSTNAME,
        "SIZE 26214400",
        "8BITMIME",
        "SMTPUTF8",
        "PIPELINING",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "DSN",
        "LIMITS MAILMAX=10000 RCPTMAX=1000",
    ]


async def test_helo_offers_nothing(talk: Talk, gate: RecordingGate) -> None:
    await talk.answer()
    assert await talk.say("HELO client.example") == f"250 {HOSTNAME}"
    await talk.say("MAIL FROM:<>")
    await talk.say("RCPT TO:<c@b.fr>")
    await talk.say("DATA")
    await talk.say("x\r\n.")
    assert (gate.delivered[0].sender, gate.delivered[0].protocol) == ("", "SMTP")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MAIL FROM:<a@b.fr>", "503 5.5.1 "),
        ("RCPT TO:<a@b.fr>", "503 5.5.1 "),
        ("DATA", "503 5.5.1 "),
        ("BDAT 0 LAST", "503 5.5.1 "),
        ("EHLO", "501 5.5.4 "),
        ("EHLO a b", "501 5.5.4 "),
        ("VRFY anne", "252 2.5.2 "),
        ("EXPN list", "502 5.5.1 "),
        ("HELP", "214 2.0.0 "),
        ("NOOP anything", "250 2.0.0 "),
        ("RSET", "250 2.0.0 "),
        ("RSET x", "501 5.5.4 "),
        ("STARTTLS", "502 5.5.1 "),
        ("AUTH PLAIN", "502 5.5.1 "),
        ("XYZZY", "500 5.5.1 "),
        ("", "500 5.5.2 "),
        ("QUIT", "221 2.0.0 "),
    ],
)
async def test_a_first_command_has_its_reply(talk: Talk, line: str, reply: str) -> None:
    await talk.answer()
    assert (await talk.say(line)).startswith(reply)


async def test_quit_closes(talk: Talk) -> None:
    await talk.answer()
    await talk.say("quit")
    assert await talk.is_closed()


async def test_a_message_has_one_mail_and_at_least_one_recipient(talk: Talk) -> None:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr>")
    assert (await talk.say("MAIL FROM:<a@b.fr>")).startswith("503 5.5.1 ")
    assert (await talk.say("RCPT TO:<nobody@b.fr>")).startswith("550 5.1.1 MSS-110 ")
    assert (await talk.say("DATA")).startswith("554 5.5.1 MSS-133 ")
    assert (await talk.say("RSET")).startswith("250")
    assert (await talk.say("DATA")).startswith("503 5.5.1 ")


async def test_a_refused_recipient_leaves_the_others(talk: Talk, gate: RecordingGate) -> None:
    await talk.begin()
    await talk.say("MAIL FROM:<a@b.fr>")
    await talk.say("RCPT TO:<c@b.fr>")
    await talk.say("RCPT TO:<nobody@b.fr>")
    await talk.say("RCPT TO:<c@B.fr>")
    await talk.say("RCPT TO:<postmaster>")
    await talk.say("DATA")
    await talk.say("x\r\n.")
    assert gate.delivered[0].recipients == ("c@b.fr", f"postmaster@{HOSTNAME}")


async def test_ehlo_and_rset_end_a_transaction(talk: Talk) -> None:
    await talk.begin()
    for command in ("EHLO again.example", "RSET"):
        assert (await talk.say("MAIL FROM:<a@b.fr>")).startswith("250")
        assert (await talk.say(command)).startswith("250")
        assert (await talk.say("RCPT TO:<c@b.fr>")).startswith("503")


async def test_parameters_are_read(talk: Talk) -> None:
    await talk.begin()
    for arguments, reply in {
        "<a@b.fr> SIZE=26214401": "552 5.3.4 MSS-130 ",
        "<a@b.fr> SIZE=x": "501 5.5.4 ",
        "<a@b.fr> BODY=BINARYMIME": "501 5.5.4 ",
        "<a@b.fr> FOO=1": "555 5.5.4 ",
        "<élise@b.fr>": "553 5.6.7 ",
        "a@b.fr": "501 5.5.4 ",
    }.items():
        assert (await talk.say(f"MAIL FROM:{arguments}")).startswith(reply)
    assert (
        await talk.say("MAIL FROM:<a@b.fr> SIZE=26214400 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<>")
    ).startswith("250")
    assert (await talk.say("RCPT TO:<c@b.fr> NOTIFY=NEVER ORCPT=rfc822;c@b.fr")).startswith("250")
    assert (await talk.say("RCPT TO:<d@b.fr> NOTIFY=SOMETIMES")).startswith("501")


async def test_unicode_addresses_go_through_with_smtputf8(talk: Talk, gate: RecordingGate) -> None:
    await talk.begin()
    assert (await talk.say("MAIL FROM:<élise@hôpital.fr> SMTPUTF8")).startswith("250")
    assert (await talk.say("RCPT TO:<noël@b.fr>")).startswith("250")
    await talk.say("DATA")
    assert (await talk.say("Subject: é\r\n.")).startswith("250")
    envelope = gate.delivered[0]
    assert (envelope.sender, envelope.recipients) == ("élise@xn--hpital-ixa.fr", ("noël@b.fr",))
    assert envelope.content == "Subject: é\r\n".encode()
    assert envelope.protocol == "UTF8SMTP"


async def test_pipelined_commands_are_answered_together(talk: Talk, gate: RecordingGate) -> None:
    await talk.begin()
    await talk.send(
        b"MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@b.fr>\r\nRCPT TO:<nobody@b.fr>\r\nRCPT TO:<d@b.fr>\r\nDATA\r\n"
    )
    assert [(await talk.answer())[:3] for _ in range(5)] == ["250", "250", "550", "250", "354"]
    await talk.send(b"one\r\n.\r\nMAIL FROM:<a@b.fr>\r\nRCPT TO:<c@b.fr>\r\nDATA\r\n")
    assert [(await talk.answer())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    await talk.send(b"two\r\n.\r\nQUIT\r\n")
    assert [(await talk.answer())[:3] for _ in range(2)] == ["250", "221"]
    assert [envelope.content for envelope in gate.delivered] == [b"one\r\n", b"two\r\n"]


async def test_the_house_may_refuse_after_the_data(talk: Talk, gate: RecordingGate) -> None:
    gate.refusal = SENDER_NOT_OWNED
    await talk.ready()
    assert (await talk.say("x\r\n.")).startswith("550 5.7.1 MSS-120 L'adresse d'expedition")
    assert (await talk.say("RCPT TO:<c@b.fr>")).startswith("503")


async def test_too_many_recipients_are_deferred(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open(limited(recipients=1000))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.say("MAIL FROM:<a@b.fr>")
        await talk.send(b"".join(b"RCPT TO:<c%d@b.fr>\r\n" % number for number in range(1003)))
        answers = [await talk.answer() for _ in range(1003)]
        assert all(answer.startswith("250") for answer in answers[:1000])
        assert all(answer.startswith("452 4.5.3 ") for answer in answers[1000:])
        await talk.say("DATA")
        assert (await talk.say("x\r\n.")).startswith("250")
    assert len(gate.delivered[0].recipients) == 1000


async def test_a_connection_carries_only_so_many_messages(harbour: Harbour) -> None:
    listener = await harbour.open(limited(messages=1))
    async with await Talk.open(listener.port) as talk:
        await talk.ready()
        await talk.say("x\r\n.")
        assert (await talk.say("MAIL FROM:<a@b.fr>")).startswith("421 4.7.0 ")
        assert await talk.is_closed()
