"""What a hostile or careless client cannot do, and what it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mailserver.imap.context import ImapLimits
from tests.mailserver.imap.conftest import PASSWORD, SIMPLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap


@pytest.mark.parametrize("size", [8193, 4 * 1024**3, 10**40])
@pytest.mark.parametrize("plus", ["", "+"])
async def test_a_large_literal_before_sign_in_ends_the_session(imap: Imap, size: int, plus: str) -> None:
    client = await imap.connect()
    await client.send(f"a LOGIN {{{size}{plus}}}\r\n")
    assert await client.line() == "* BYE Literal too large"
    assert await client.is_closed()


async def test_many_literals_before_sign_in_end_the_session(imap: Imap) -> None:
    client = await imap.connect()
    await client.send("a ID (" + "{1+}\r\na " * 5)
    assert await client.line() == "* BYE Literal too large"


async def test_a_line_without_an_end_ends_the_session(imap: Imap) -> None:
    client = await imap.connect()
    await client.send("a LOGIN " + "x" * 70_000)
    assert await client.line() == "* BYE Command line too long"
    assert await client.is_closed()


async def test_parentheses_and_nots_without_end_are_bad(imap: Imap) -> None:
    client = await imap.selected()
    for program in ("(" * 20_000, "NOT " * 10_000 + "SEEN", "OR SEEN " * 5_000 + "SEEN"):
        assert (await client.command("SEARCH " + program))[-1] == "BAD Search program too large"
    assert (await client.command("FETCH 1 (" + "BODY[] " * 3000 + "UID)"))[-1] == "BAD More than 100 items"
    ranges = ",".join("1:*" for _ in range(10_000))
    assert await client.command(f"SEARCH {ranges}") == ["* SEARCH", "OK SEARCH completed"]


async def test_bad_commands_in_a_row_end_the_session(imap: Imap) -> None:
    client = await imap.signed_in()
    for _ in range(19):
        assert (await client.command("NONSENSE"))[-1].startswith("BAD")
    assert (await client.command("NOOP"))[-1].startswith("OK")
    for _ in range(20):
        assert (await client.command("NONSENSE"))[-1].startswith("BAD")
    assert await client.line() == "* BYE Too many bad commands"
    assert await client.is_closed()


async def test_commands_before_sign_in_are_counted(imap: Imap) -> None:
    client = await imap.connect()
    await client.send("a NOOP\r\n" * 60)
    answers = [await client.line() for _ in range(51)]
    assert answers == ["a OK Completed"] * 50 + ["* BYE Too many commands before sign-in"]


async def test_refused_sign_ins_are_counted(imap: Imap) -> None:
    client = await imap.connect()
    for _ in range(4):
        assert "AUTHENTICATIONFAILED" in (await client.command("LOGIN marie@test.mssante.fr no"))[-1]
    await client.send("z LOGIN marie@test.mssante.fr no\r\n")
    assert await client.line() == "* BYE Too many refused sign-ins"


async def test_a_client_that_does_not_sign_in_is_cut(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(sign_in_seconds=0.05))
    client = await imap.connect()
    hesitant = await imap.connect_raw()
    await hesitant.send("a AUTHENTICATE PLAIN\r\n")
    assert await client.line() == "* BYE Sign-in took too long"
    assert await client.is_closed()
    heard = [await hesitant.line() for _ in range(3)]
    assert heard[1:] == ["+ ", "* BYE Sign-in took too long"]


async def test_a_silent_client_is_cut_also_in_idle(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(idle_seconds=0.3))
    silent, idling = await imap.signed_in(), await imap.selected()
    await idling.send("i IDLE\r\n")
    assert await idling.line() == "+ idling"
    assert await silent.line() == "* BYE Idle for too long"
    assert await idling.line() == "* BYE Idle for too long"
    assert await idling.is_closed()


async def test_a_client_that_stops_in_a_literal_is_cut(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(stalled_seconds=0.05))
    client = await imap.signed_in()
    await client.send("a APPEND INBOX {100}\r\n")
    assert (await client.line()).startswith("+ ")
    assert await client.is_closed()


async def test_a_message_too_large_is_refused_before_it_is_sent(
    start: Callable[..., Awaitable[Imap]],
) -> None:
    imap = await start(ImapLimits(message_bytes=1000))
    client = await imap.signed_in()
    assert await client.command("APPEND INBOX {1001}") == ["NO [TOOBIG] The largest message has 1000 octets"]
    assert (await client.command("APPEND INBOX (\\Seen) {100000000000}"))[-1].startswith("NO [TOOBIG]")
    assert (await client.command(b"APPEND INBOX {1001+}\r\n" + b"x" * 1001))[-1].startswith("NO [TOOBIG]")
    assert (await client.command("STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 0)"
    await client.send("b APPEND INBOX {100000000000+}\r\n")
    assert await client.line() == "* BYE Literal too large"


async def test_messages_being_received_are_bounded_together(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(pending_append_bytes=1000))
    first, second = await imap.signed_in(), await imap.signed_in()
    await first.send("a APPEND INBOX {600}\r\n")
    assert (await first.line()).startswith("+ ")
    assert (await second.command("APPEND INBOX {600}"))[-1].startswith("NO [LIMIT]")
    await first.send(b"x" * 600 + b"\r\n")
    assert "APPENDUID" in (await first.line())
    assert "APPENDUID" in (await second.command(b"APPEND INBOX {600+}\r\n" + b"x" * 600))[-1]


async def test_a_client_that_closes_its_side_is_still_answered(imap: Imap) -> None:
    client = await imap.connect()
    await client.send(
        f'a LOGIN marie@test.mssante.fr "{PASSWORD}"\r\nb STATUS INBOX (MESSAGES)\r\nc NOOP\r\n'
    )
    client.writer.write_eof()
    answers = [await client.line() for _ in range(4)]
    assert [answer[:8] for answer in answers] == ["a OK [CA", "* STATUS", "b OK STA", "c OK Com"]
    assert await client.is_closed()


async def test_other_literals_after_sign_in_are_bounded(imap: Imap) -> None:
    client = await imap.signed_in()
    assert await client.command("SELECT {65537}") == ["BAD [TOOBIG] Literal too large"]
    assert await client.command(b"SELECT {65537+}\r\n" + b"x" * 65537) == ["BAD [TOOBIG] Literal too large"]
    many = b" ".join([b"{1+}\r\na"] * 65)
    assert await client.command(b"SEARCH BODY " + many) == ["BAD [LIMIT] Too many literals"]
    assert (await client.command("NOOP"))[-1] == "OK Completed"


async def test_connections_are_bounded_per_peer(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(connections_per_peer=2))
    first, _second = await imap.connect(), await imap.signed_in()
    third = await imap.connect_raw()
    assert await third.line() == "* BYE [LIMIT] Too many connections from this address"
    assert await third.is_closed()
    await first.command("LOGOUT")
    assert await first.is_closed()
    fourth = await imap.signed_in()
    assert (await fourth.command("NOOP"))[-1] == "OK Completed"


async def test_a_client_that_reads_nothing_holds_back_only_itself(
    start: Callable[..., Awaitable[Imap]],
) -> None:
    imap = await start(ImapLimits(stalled_seconds=0.2))
    await imap.deliver(SIMPLE + b"x" * 1_000_000)
    greedy = await imap.selected()
    (connection,) = imap.server._connections
    await greedy.send("a FETCH 1 BODY.PEEK[]\r\n" * 300)
    other = await imap.selected()
    assert (await other.command("FETCH 1 RFC822.SIZE"))[-1] == "OK FETCH completed"
    assert connection._transport is not None
    assert connection._transport.get_write_buffer_size() < 4_000_000
    assert connection.task is not None
    async with asyncio.timeout(10):
        await asyncio.wait([connection.task])
    assert imap.server.connections == 1


async def test_an_internal_error_says_a_number_and_nothing_else(
    imap: Imap, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await imap.connect()
    imap.sign_in.failure = RuntimeError("secret path /var/db")
    (answer,) = await client.command(f'LOGIN marie@test.mssante.fr "{PASSWORD}"')
    assert answer.startswith("NO [UNAVAILABLE] Internal error, reference ")
    assert "secret" not in answer
    logged = "".join(capsys.readouterr())
    assert "RuntimeError" in logged
    assert answer.rpartition(" ")[2] in logged
    assert "secret" not in logged
    imap.sign_in.failure = None
    assert (await client.command(f'LOGIN marie@test.mssante.fr "{PASSWORD}"'))[-1].startswith("OK")


async def test_the_server_says_goodbye_and_finishes_what_it_does(imap: Imap) -> None:
    waiting, idling = await imap.signed_in(), await imap.selected()
    await idling.send("i IDLE\r\n")
    assert await idling.line() == "+ idling"
    await imap.server.close()
    for client in (waiting, idling):
        assert await client.line() == "* BYE The server is closing, please come back"
        assert await client.is_closed()
    assert imap.server.connections == 0


async def test_nobody_sees_the_folders_of_another(imap: Imap) -> None:
    await imap.deliver()
    paul = await imap.selected(login="paul@test.mssante.fr")
    assert (await paul.command("FETCH 1:* FLAGS"))[-1] == "OK FETCH completed"
    assert (await paul.command("STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 0)"
    assert (await paul.command("SEARCH ALL"))[0] == "* SEARCH"


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01\r\n", b"\r\n", b"a\r\n", b"+ x y\r\n"]
)
async def test_other_protocols_hear_bad(imap: Imap, junk: bytes) -> None:
    client = await imap.connect()
    await client.send(junk)
    assert " BAD " in await client.line()
