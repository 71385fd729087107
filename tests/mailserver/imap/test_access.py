"""A session lives no longer than its right to read the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.context import ImapLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap

GONE = "* BYE Access to this mailbox has ended"


async def test_a_box_that_was_closed_is_not_read_on(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(access_seconds=0))
    client = await imap.selected()
    assert (await client.command("NOOP"))[-1].startswith("OK")
    imap.sign_in.principals.clear()
    await client.send("a FETCH 1:* FLAGS\r\n")
    assert await client.line() == GONE
    assert await client.is_closed()


async def test_an_idle_session_ends_as_well(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(ImapLimits(access_seconds=0.05))
    client = await imap.selected()
    await client.send("a IDLE\r\n")
    assert await client.line() == "+ idling"
    imap.sign_in.principals.clear()
    assert await client.line() == GONE


async def test_between_two_looks_nothing_is_asked(imap: Imap) -> None:
    client = await imap.selected()
    imap.sign_in.principals.clear()
    assert (await client.command("NOOP"))[-1].startswith("OK")
