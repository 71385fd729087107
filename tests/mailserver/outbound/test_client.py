"""One message to one server, good or evil: what arrives, and what the sender's side makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailserver.outbound.client import Patience
from mailserver.outbound.content import Body
from mailserver.outbound.outcome import Failure, Unreached
from mailserver.outbound.transaction import Letter
from mailserver.refusals import (
    BARE_LINE_END,
    INVALID_ADDRESS,
    PEER_DEFERRED,
    PEER_GARBLED,
    PEER_LACKS_UTF8,
    PEER_REFUSED,
    PEER_WITHOUT_TLS,
    TOO_BIG,
    UNREACHABLE,
)
from tests.mailserver.outbound.house import LETTER, PEER, QUICK, SENDER, SENT, letter, recipient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailserver.outbound.outcome import Outcome
    from tests.mailserver.outbound.house import House
    from tests.mailserver.outbound.peer import Peer, Session

BOB, CAT, DAN = (f"{each}@{PEER}" for each in ("bob", "cat", "dan"))


async def send(house: House, wanted: Letter) -> Outcome:
    link = await house.connector().open(PEER)
    outcome = await link.conversation.send(wanted)
    await link.conversation.leave()
    return outcome


async def exchange(house: House, wanted: Letter, **answers: Any) -> tuple[Outcome, Peer]:
    """Sends one letter to a peer with these answers."""
    async with house.peer(**answers) as peer:
        return await send(house, wanted), peer


def cause(outcome: Outcome, address: str = BOB) -> Failure:
    failure = outcome.results[address]
    assert failure is not None
    return failure


@contextlib.asynccontextmanager
async def refused(house: House, **answers: Any) -> AsyncIterator[tuple[Failure, Peer]]:
    """Opens a connection that must not come about."""
    async with house.peer(**answers) as peer:
        with pytest.raises(Unreached) as caught:
            await house.connector().open(PEER)
        yield caught.value.failure, peer


# A good server


async def test_the_content_arrives_octet_for_octet_without_the_return_path(house: House) -> None:
    outcome, peer = await exchange(house, letter(BOB))
    assert outcome.results == {BOB: None}
    assert peer.received[0].content == SENT
    assert b"\r\n..Bonjour\r\n...\r\n" in peer.received[0].raw


async def test_size_body_type_and_delivery_reports_are_asked_for_where_they_are_offered(house: House) -> None:
    wanted = letter(
        recipient(BOB, "SUCCESS", "FAILURE", orcpt="rfc822;b+2Bob@x"),
        recipient(CAT, "NEVER"),
        recipient(DAN),
        ret="HDRS",
        envid="QQ314159",
    )
    outcome, peer = await exchange(house, wanted)
    assert outcome.confirms
    assert peer.lines("MAIL") == [
        f"MAIL FROM:<{SENDER}> SIZE={len(SENT)} BODY=8BITMIME RET=HDRS ENVID=QQ314159"
    ]
    assert peer.lines("RCPT") == [
        f"RCPT TO:<{BOB}> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;b+2Bob@x",
        f"RCPT TO:<{CAT}> NOTIFY=NEVER",
        f"RCPT TO:<{DAN}>",
    ]


async def test_nothing_is_asked_of_a_server_that_offers_nothing(house: House) -> None:
    wanted = letter(recipient(BOB, "SUCCESS"), CAT, ret="FULL", envid="x")
    outcome, peer = await exchange(house, wanted, extensions=())
    assert outcome.results == {BOB: None, CAT: None}
    assert not outcome.confirms
    assert peer.lines("MAIL") == [f"MAIL FROM:<{SENDER}>"]
    assert peer.lines("RCPT") == [f"RCPT TO:<{BOB}>", f"RCPT TO:<{CAT}>"]


async def test_only_what_is_offered_under_tls_counts(house: House) -> None:
    _, peer = await exchange(house, letter(BOB), extensions=("DSN", "SIZE 1"), tls_extensions=("8BITMIME",))
    assert peer.lines("MAIL") == [f"MAIL FROM:<{SENDER}> BODY=8BITMIME"]


async def test_the_null_sender_is_sent_as_such(house: House) -> None:
    _, peer = await exchange(house, letter(BOB, sender=""))
    assert peer.lines("MAIL")[0].startswith("MAIL FROM:<> ")


async def test_several_messages_share_a_connection(house: House) -> None:
    async with house.peer() as peer:
        link = await house.connector().open(PEER)
        for _ in range(3):
            assert (await link.conversation.send(letter(BOB))).results == {BOB: None}
        await link.conversation.leave()
    assert {received.connection for received in peer.received} == {1}
    assert peer.lines("QUIT") == ["QUIT"]
    assert not peer.lines("RSET")


async def test_twenty_five_megabytes_arrive_in_flat_memory(house: House) -> None:
    block = (b"." * 70 + b"\r\n") * 3640
    stored = b"Subject: x\r\n\r\n" + block * 100
    assert len(stored) > 25_000_000
    unsent = []

    async with house.peer() as peer:
        link = await house.connector().open(PEER)
        transport = link.conversation._wire._transport

        async def blocks() -> AsyncIterator[bytes]:
            for start in range(0, len(stored), 262_144):
                unsent.append(transport.get_write_buffer_size())
                yield stored[start : start + 262_144]

        parts = blocks()
        body = Body(await anext(parts), len(stored), parts)
        outcome = await link.conversation.send(Letter(SENDER, [recipient(BOB)], body))
        await link.conversation.leave()
    assert outcome.results == {BOB: None}
    assert peer.received[0].content == stored
    assert max(unsent) < 262_144


async def test_a_message_above_the_limit_of_the_server_is_not_even_begun(house: House) -> None:
    outcome, peer = await exchange(house, letter(BOB), extensions=("SIZE 20",))
    assert cause(outcome).refusal is TOO_BIG
    assert not peer.lines("MAIL")


# Addresses beyond ASCII


async def test_smtputf8_is_asked_for_only_when_it_is_needed(house: House) -> None:
    _, peer = await exchange(house, letter(BOB, utf8=True))
    assert "SMTPUTF8" not in peer.lines("MAIL")[0]
    _, peer = await exchange(house, letter(f"zoé@{PEER}"))
    assert "SMTPUTF8" in peer.lines("MAIL")[0]
    accented = LETTER.replace(b"Bonjour", "Accentué".encode(), 1)
    _, peer = await exchange(house, letter(BOB, utf8=True, content=accented))
    assert "SMTPUTF8" in peer.lines("MAIL")[0]
    _, peer = await exchange(house, letter(BOB, content=accented))
    assert "SMTPUTF8" not in peer.lines("MAIL")[0]


async def test_a_server_without_smtputf8_gets_those_that_it_can_read(house: House) -> None:
    outcome, peer = await exchange(house, letter(BOB, f"zoé@{PEER}"), extensions=())
    assert outcome.results[BOB] is None
    assert cause(outcome, f"zoé@{PEER}").refusal is PEER_LACKS_UTF8
    assert len(peer.received) == 1
    outcome, peer = await exchange(house, letter(BOB, sender="zoé@ici.mssante.fr"), extensions=())
    assert cause(outcome).refusal is PEER_LACKS_UTF8
    assert not peer.lines("MAIL")


# Refusals


async def test_each_recipient_has_its_own_answer(house: House) -> None:
    async def judge(_: Session, line: str) -> str:
        if "cat" in line:
            return "550 5.1.1 cat is unknown"
        return "450 4.2.2 dan is full" if "dan" in line else "250 2.1.5 ok"

    outcome, peer = await exchange(house, letter(BOB, CAT, DAN), RCPT=judge)
    assert outcome.results == {
        BOB: None,
        CAT: Failure(PEER_REFUSED, "550 5.1.1 cat is unknown"),
        DAN: Failure(PEER_DEFERRED, "450 4.2.2 dan is full"),
    }
    assert len(peer.received) == 1


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize(
    ("verb", "reply", "refusal"),
    [
        ("MAIL", "550 5.7.1 not you", PEER_REFUSED),
        ("MAIL", "451 4.3.0 later", PEER_DEFERRED),
        ("RCPT", "550 5.1.1 nobody", PEER_REFUSED),
        ("DATA", "554 5.7.1 no", PEER_REFUSED),
        ("DATA", "451 4.3.0 later", PEER_DEFERRED),
        ("END", "554 5.6.0 bad content", PEER_REFUSED),
        ("END", "452 4.3.1 disk full", PEER_DEFERRED),
    ],
)
async def test_a_refusal_at_any_step_is_for_all_and_the_next_message_is_tried_afresh(
    house: House, verb: str, reply: str, refusal: Any, extensions: tuple[str, ...]
) -> None:
    answers: dict[str, Any] = {verb: reply}
    async with house.peer(extensions=extensions, **answers) as peer:
        link = await house.connector().open(PEER)
        outcome = await link.conversation.send(letter(BOB, CAT))
        assert outcome.results == dict.fromkeys((BOB, CAT), Failure(refusal, reply))
        assert not outcome.is_lost
        assert link.conversation.is_usable
        del peer.answers[verb]
        assert (await link.conversation.send(letter(DAN))).results == {DAN: None}
        await link.conversation.leave()
    assert [received.rcpt for received in peer.received] == [(f"RCPT TO:<{DAN}>",)]


async def test_content_wanted_for_nobody_is_not_given(house: House) -> None:
    outcome, peer = await exchange(house, letter(BOB), RCPT="550 5.1.1 nobody", DATA="354 go on")
    assert cause(outcome).refusal is PEER_REFUSED
    assert not outcome.is_lost
    assert not peer.received


async def test_too_many_recipients_are_told_apart_from_other_delays(house: House) -> None:
    async def judge(_: Session, line: str) -> str:
        return "250 ok" if "bob" in line else "452 4.5.3 too many recipients"

    outcome, _ = await exchange(house, letter(BOB, CAT), RCPT=judge)
    assert cause(outcome, CAT).at_once


async def test_a_thousand_recipients_go_in_one_transaction(house: House) -> None:
    many = [f"box{number}@{PEER}" for number in range(1000)]
    for extensions in (("PIPELINING",), ()):
        outcome, peer = await exchange(house, letter(*many), extensions=extensions)
        assert not any(outcome.results.values())
        assert len(peer.received[0].rcpt) == 1000


async def test_addresses_that_would_break_the_command_are_not_sent(house: House) -> None:
    evil = f"bob>\r\nRCPT TO:<x@{PEER}"
    outcome, peer = await exchange(house, letter(evil, CAT))
    assert cause(outcome, evil).refusal is INVALID_ADDRESS
    assert peer.lines("RCPT") == [f"RCPT TO:<{CAT}>"]
    outcome, peer = await exchange(house, letter(CAT, sender="a\r\nb@x"))
    assert cause(outcome, CAT).refusal is INVALID_ADDRESS
    assert not peer.lines("MAIL")
    _, peer = await exchange(house, letter(recipient(CAT, orcpt="rfc822;a b\r\nRSET"), envid="a b"))
    assert peer.lines("RCPT") == [f"RCPT TO:<{CAT}>"]
    assert "ENVID" not in peer.lines("MAIL")[0]


async def test_a_lone_line_feed_is_never_sent_and_nothing_is_accepted(house: House) -> None:
    early = b"Subject: x\r\n\r\nBonjour\n.\r\nMAIL FROM:<evil@x>\r\n"
    late = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 60_000 + b"\n.\r\nMAIL FROM:<evil@x>\r\n"

    async def blocks() -> AsyncIterator[bytes]:
        yield late[:100_000]
        yield late[100_000:]

    parts = blocks()
    for body in (Body(early, len(early)), Body(await anext(parts), len(late), parts)):
        outcome, peer = await exchange(house, Letter(SENDER, [recipient(BOB)], body))
        assert cause(outcome).refusal is BARE_LINE_END
        assert not peer.received


# Hostile servers

GARBAGE = [
    "hello there",
    "250-a\r\n251 b",
    "250-" + "x" * 5000,
    "250-x\r\n" * 500,
    "199 strange",
    "\0\0\0\0\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
async def test_garbage_instead_of_a_reply_is_no_delivery(house: House, verb: str, garbage: str) -> None:
    outcome, _ = await exchange(house, letter(BOB), **{verb: garbage})
    assert cause(outcome).refusal is PEER_GARBLED
    assert outcome.is_lost


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
async def test_garbage_before_tls_ends_the_connection(house: House, verb: str) -> None:
    async with refused(house, **{verb: "SSH-2.0-OpenSSH_9.2"}) as (failure, peer):
        assert failure.refusal is PEER_GARBLED
        assert not peer.lines("MAIL")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "END"])
async def test_a_reply_that_fits_no_command_is_garbage(house: House, verb: str) -> None:
    outcome, _ = await exchange(house, letter(BOB), **{verb: "354 go on"})
    assert cause(outcome).refusal is PEER_GARBLED


async def test_250_together_with_354_is_no_delivery(house: House) -> None:
    async def too_soon(session: Session, _: str) -> None:
        await session.say("354 go on\r\n250 2.0.0 thank you")
        with contextlib.suppress(EOFError, OSError):
            await session.content()

    outcome, _ = await exchange(house, letter(BOB), DATA=too_soon)
    assert cause(outcome).refusal is PEER_GARBLED


async def test_250_before_the_content_was_read_is_no_delivery(house: House) -> None:
    stored = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 1_000_000

    async def too_soon(session: Session, _: str) -> None:
        await session.say("354 go on")
        await session.reader.readexactly(100_000)
        await session.say("250 2.0.0 thank you")

    outcome, _ = await exchange(house, letter(BOB, content=stored), DATA=too_soon)
    assert cause(outcome).refusal is PEER_GARBLED


async def test_a_refusal_in_the_middle_of_the_content_is_a_delay(house: House) -> None:
    stored = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 1_000_000

    async def enough(session: Session, _: str) -> None:
        await session.say("354 go on")
        await session.reader.readexactly(100_000)
        await session.say("452 4.3.1 disk full")

    outcome, _ = await exchange(house, letter(BOB, content=stored), DATA=enough)
    assert cause(outcome) == Failure(PEER_DEFERRED, "452 4.3.1 disk full")


async def test_a_second_reply_to_one_command_counts_for_nothing(house: House) -> None:
    outcome, _ = await exchange(
        house, letter(BOB), extensions=(), MAIL="250 ok\r\n250 ok\r\n354 go\r\n250 queued"
    )
    assert cause(outcome).refusal is PEER_GARBLED


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
async def test_a_server_that_hangs_up_has_taken_nothing(house: House, verb: str) -> None:
    async def hang_up(session: Session, _: str) -> None:
        session.hang_up()

    outcome, _ = await exchange(house, letter(BOB), **{verb: hang_up})
    assert cause(outcome).refusal is UNREACHABLE
    assert outcome.is_lost
    assert outcome.is_unheard == (verb == "MAIL")


async def test_a_server_that_hangs_up_in_the_middle_of_the_content_has_taken_nothing(house: House) -> None:
    stored = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 1_000_000

    async def cut(session: Session, _: str) -> None:
        await session.say("354 go on")
        await session.reader.readexactly(100_000)
        session.hang_up()

    outcome, _ = await exchange(house, letter(BOB, content=stored), DATA=cut)
    assert cause(outcome).refusal is UNREACHABLE


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
async def test_421_closes_and_says_why(house: House, verb: str) -> None:
    outcome, _ = await exchange(house, letter(BOB), **{verb: "421 4.3.2 going down"})
    assert cause(outcome) == Failure(PEER_DEFERRED, "421 4.3.2 going down")
    assert outcome.is_lost


async def test_421_between_two_messages_is_heard_before_the_next(house: House) -> None:
    async with house.peer() as peer:

        async def last_words(session: Session, line: str) -> str:
            return "250 2.0.0 queued\r\n421 4.4.2 idle too long"

        peer.answers["END"] = last_words
        link = await house.connector().open(PEER)
        assert (await link.conversation.send(letter(BOB))).results == {BOB: None}
        outcome = await link.conversation.send(letter(CAT))
        assert outcome.is_unheard
        assert cause(outcome, CAT).refusal is PEER_DEFERRED


SHORT = Patience(
    connect=0.3,
    greeting=0.3,
    hello=0.3,
    handshake=0.3,
    mail=0.3,
    rcpt=0.3,
    data=0.3,
    block=0.3,
    end=0.3,
    leave=0.3,
)


async def silence(session: Session, _: str) -> None:
    await session.reader.read()


async def drip(session: Session, _: str) -> None:
    """Never ends a reply, and never stops one."""
    while True:
        await session.say(b"2")
        await asyncio.sleep(0.05)
        await session.say(b"50-and so on\r\n25")
        await asyncio.sleep(0.05)
        await session.say(b"0-and so on\r\n")


@pytest.mark.parametrize("manner", [silence, drip])
@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
async def test_a_server_that_never_comes_to_the_point_is_left(house: House, verb: str, manner: Any) -> None:
    house.patience = SHORT
    async with refused(house, **{verb: manner}) as (failure, _):
        assert failure == Failure(UNREACHABLE, "the server did not answer in time")


@pytest.mark.parametrize("manner", [silence, drip])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
async def test_a_server_that_falls_silent_has_taken_nothing(house: House, verb: str, manner: Any) -> None:
    # The time for the steps before must do on a busy machine; the one that is tested is short.
    field = {"MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "END": "end"}[verb]
    short: dict[str, Any] = {field: 0.3}
    house.patience = replace(QUICK, **short)
    outcome, _ = await exchange(house, letter(BOB), extensions=(), **{verb: manner})
    assert cause(outcome) == Failure(UNREACHABLE, "the server did not answer in time")


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_a_server_that_answers_late_for_each_of_many_recipients_is_left(
    house: House, extensions: tuple[str, ...]
) -> None:
    house.patience = replace(QUICK, mail=0.5, rcpt=0.5, data=0.5, each_recipient=0.001)

    async def late(_: Session, __: str) -> str:
        await asyncio.sleep(0.1)
        return "250 2.1.5 ok"

    many = [f"box{number}@{PEER}" for number in range(100)]
    outcome, _ = await exchange(house, letter(*many), extensions=extensions, RCPT=late)
    assert cause(outcome, many[0]) == Failure(UNREACHABLE, "the server answered too slowly")
    assert outcome.is_lost


async def test_a_server_that_does_not_read_is_left(house: House) -> None:
    house.patience = replace(QUICK, block=0.3)
    stored = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 3_000_000
    forever = asyncio.Event()

    async def deaf(session: Session, _: str) -> None:
        session.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await session.say("354 go on")
        await forever.wait()

    outcome, _ = await exchange(house, letter(BOB, content=stored), DATA=deaf)
    assert cause(outcome).refusal is UNREACHABLE


async def test_a_server_that_reads_by_the_octet_is_left(house: House) -> None:
    house.patience = replace(QUICK, block=0.5, bytes_per_second=1_000_000_000)
    stored = b"Subject: x\r\n\r\n" + b"Bonjour\r\n" * 3_000_000

    async def slow(session: Session, _: str) -> None:
        session.reader._limit = 65_536  # type: ignore[attr-defined]
        await session.say("354 go on")
        while True:
            await session.reader.readexactly(100_000)
            await asyncio.sleep(0.05)

    outcome, _ = await exchange(house, letter(BOB, content=stored), DATA=slow)
    assert cause(outcome) == Failure(UNREACHABLE, "the server read the message too slowly")


# Before TLS


# ref: F12
async def test_a_server_without_starttls_gets_nothing(house: House) -> None:
    async with refused(house, EHLO="250-mail.example\r\n250 SIZE") as (failure, peer):
        assert failure.refusal is PEER_WITHOUT_TLS
        assert {heard.line.split(" ")[0] for heard in peer.heard} <= {"EHLO", "QUIT"}


@pytest.mark.parametrize("reply", ["502 5.5.1 what?", "554 5.7.0 no TLS for you"])
async def test_a_server_that_offers_starttls_and_takes_it_back_gets_nothing(house: House, reply: str) -> None:
    async with refused(house, STARTTLS=reply) as (failure, peer):
        assert failure == Failure(PEER_WITHOUT_TLS, reply)
        assert not peer.lines("MAIL")


@pytest.mark.parametrize("reply", ["454 4.7.0 TLS not available", "421 4.3.2 shutting down"])
async def test_tls_that_is_not_available_now_is_asked_for_again_later(house: House, reply: str) -> None:
    async with refused(house, STARTTLS=reply) as (failure, peer):
        assert failure == Failure(PEER_DEFERRED, reply)
        assert not peer.lines("MAIL")


async def test_a_server_that_knows_no_ehlo_gets_nothing(house: House) -> None:
    async with refused(house, EHLO="502 5.5.1 what?") as (failure, peer):
        assert failure.refusal is PEER_WITHOUT_TLS
        assert not peer.lines("HELO")


async def test_octets_between_220_and_tls_end_the_connection(house: House) -> None:
    async def inject(session: Session, _: str) -> None:
        await session.say("220 go\r\n250-mail.example\r\n250 DSN")
        await session.start_tls()

    async with refused(house, STARTTLS=inject) as (failure, peer):
        assert failure.refusal is PEER_GARBLED
        assert not peer.lines("MAIL")


async def test_plain_text_instead_of_tls_ends_the_connection(house: House) -> None:
    async def mock(session: Session, _: str) -> str:
        await session.say("220 go")
        await session.reader.read(1)
        return "250 2.0.0 as if nothing had happened"

    async with refused(house, STARTTLS=mock) as (failure, _):
        assert failure.refusal is PEER_GARBLED


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
@pytest.mark.parametrize(
    "reply",
    ["554 5.3.2 no service here", "550 5.7.1 too busy", "421 4.3.2 too many connections", "451 4.3.0 later"],
)
async def test_a_server_that_does_not_want_to_talk_now_is_asked_again_later(
    house: House, verb: str, reply: str
) -> None:
    async with refused(house, **{verb: reply}) as (failure, _):
        assert failure == Failure(PEER_DEFERRED, reply)


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "STARTTLS"])
async def test_a_server_that_answers_beside_the_point_is_hung_up_on(house: House, verb: str) -> None:
    gone = asyncio.Event()

    async def odd(session: Session, _: str) -> None:
        await session.say("354 go on")
        await session.reader.read()
        gone.set()

    async with refused(house, **{verb: odd}) as (failure, _):
        assert failure.refusal is PEER_GARBLED
        await asyncio.wait_for(gone.wait(), 5)


async def test_nobody_there_is_unreachable(house: House) -> None:
    async with house.peer():
        pass
    with pytest.raises(Unreached) as caught:
        await house.connector().open(PEER)
    assert caught.value.failure.refusal is UNREACHABLE
