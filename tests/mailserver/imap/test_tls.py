"""STARTTLS, implicit TLS, and what is offered before and after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mailserver.imap.server import Security
from tests.mailserver.imap.client import Client
from tests.mailserver.imap.conftest import PASSWORD

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap

BOTH_LOOPS = True
LOGIN = f'LOGIN marie@test.mssante.fr "{PASSWORD}"'


# ref: ECO.1.0.2
async def test_starttls_opens_what_was_closed(
    start: Callable[..., Awaitable[Imap]], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    imap = await start(security=Security.STARTTLS, tls=server_tls)
    client = await imap.connect()
    before = (await client.command("CAPABILITY"))[0]
    assert before.endswith(" STARTTLS LOGINDISABLED")
    assert (await client.command(LOGIN))[-1] == "NO [PRIVACYREQUIRED] Sign-in needs TLS"
    assert (await client.command("AUTHENTICATE PLAIN AGEAYg=="))[-1].startswith("NO [PRIVACYREQUIRED]")
    assert (await client.command("STARTTLS"))[-1] == "OK Begin TLS negotiation now"
    await client.writer.start_tls(client_tls, server_hostname="localhost")
    after = (await client.command("CAPABILITY"))[0]
    assert after == before.replace("STARTTLS LOGINDISABLED", "AUTH=PLAIN AUTH=LOGIN")
    assert (await client.command("STARTTLS"))[-1] == "BAD TLS is not available now"
    assert (await client.command(LOGIN))[-1].startswith("OK")
    assert (await client.command("SELECT INBOX"))[-1].startswith("OK")


async def test_commands_injected_behind_starttls_end_the_connection(
    start: Callable[..., Awaitable[Imap]], server_tls: ssl.SSLContext
) -> None:
    imap = await start(security=Security.STARTTLS, tls=server_tls)
    client = await imap.connect()
    await client.send(b"a STARTTLS\r\nb LOGIN x y\r\n")
    assert await client.line() == "* BYE Nothing may follow STARTTLS before TLS"
    assert await client.is_closed()


async def test_a_handshake_that_is_none_ends_the_connection(
    start: Callable[..., Awaitable[Imap]], server_tls: ssl.SSLContext
) -> None:
    imap = await start(security=Security.STARTTLS, tls=server_tls)
    client = await imap.connect()
    await client.command("STARTTLS")
    await client.send(b"b NOOP this is no handshake\r\n")
    assert await client.is_closed()


async def test_implicit_tls_needs_no_command(
    start: Callable[..., Awaitable[Imap]], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    imap = await start(security=Security.IMPLICIT_TLS, tls=server_tls)
    client = Client(
        *await asyncio.open_connection("127.0.0.1", imap.port, ssl=client_tls, server_hostname="localhost")
    )
    imap.clients.append(client)
    assert "LOGINDISABLED" not in await client.line()
    assert (await client.command(LOGIN))[-1].startswith("OK")
    message = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 60_000
    assert (await client.command(b"APPEND INBOX {%d+}\r\n" % len(message) + message))[-1].startswith("OK")
    assert (await client.command("SELECT INBOX"))[-1].startswith("OK")
    (answer, done) = await client.command("FETCH 1 BODY.PEEK[]")
    assert done == "OK FETCH completed"
    assert answer.encode().count(b"0123456789abcde\r\n") == 60_000


async def test_a_listener_without_a_certificate_offers_no_tls(start: Callable[..., Awaitable[Imap]]) -> None:
    imap = await start(security=Security.STARTTLS)
    client = await imap.connect()
    assert "STARTTLS" not in (await client.command("CAPABILITY"))[0]
    assert (await client.command("STARTTLS"))[-1] == "BAD TLS is not available now"
    with pytest.raises(ValueError, match="certificate"):
        await imap.server.listen("127.0.0.1", 0, Security.IMPLICIT_TLS)
