from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from directory.psc.faults import TokenFault
from directory.psc.https import LARGEST, Https, Request, Response, Unreachable, is_https
from directory.psc.provider import PscProvider
from directory.psc.relying_party import Begun, RelyingParty, SignedIn
from directory.psc.tokens import Access, TokenCheck
from tests.directory.psc.fake_provider import IDNAT, REDIRECT, RSA_2, FakeProvider, over_https

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.clock import FixedClock
    from tests.directory.psc.conftest import SettingsOf


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_of(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture
async def https(authority: trustme.CA) -> AsyncIterator[Https]:
    opened = Https(client_of(authority))
    yield opened
    await opened.aclose()


class Answering(FakeProvider):
    """Gives one answer to everything."""

    answer: Response

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer


@asynccontextmanager
async def saying(octets: bytes, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that answers every request with the same octets, and then waits for the client to close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(octets)
            await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/x"


async def unreachable(https: Https, url: str) -> str:
    with pytest.raises(Unreachable) as found:
        await https(Request(url))
    text = str(found.value)
    assert text.endswith(".") and "\n" not in text
    return text


async def test_a_professional_signs_in_and_a_token_opens_mail_over_https(
    settings_of: SettingsOf, clock: FixedClock, fake: FakeProvider, authority: trustme.CA, https: Https
) -> None:
    async with over_https(fake, server_of(authority)) as url:
        issuer = f"{url}/psc"
        fake.issuer = issuer
        fake.metadata = {
            name: value.replace("https://psc.test/auth/realms/esante-wallet", issuer)
            if isinstance(value, str)
            else value
            for name, value in fake.metadata.items()
        }
        settings = settings_of(issuer=issuer)
        provider = PscProvider(settings, clock, https)
        party = RelyingParty(provider, settings.psc, clock)
        tokens = TokenCheck(provider, settings.psc, clock)
        request = await party.begin(REDIRECT)
        assert isinstance(request, Begun)
        code, _ = fake.visit(request.url)
        found = await party.finish(request, code, REDIRECT)
        assert isinstance(found, SignedIn) and found.professional.idnat == IDNAT
        assert isinstance(await tokens.check(fake.access_token()), Access)
        unknown = fake.access_token(key=RSA_2)
        fake.is_down = True
    assert await tokens.check(unknown) is TokenFault.UNAVAILABLE
    assert isinstance(await tokens.check(fake.access_token()), Access)
    await provider.aclose()


async def test_one_connection_serves_several_requests_and_no_cookie_stays(
    clock: FixedClock, authority: trustme.CA, https: Https
) -> None:
    fake = Answering(clock)
    fake.answer = Response(200, "application/json", b"{}")
    async with over_https(fake, server_of(authority)) as url:
        for _ in range(2):
            answer = await https(Request(f"{url}/x", form={"code": "à b&c"}))
            assert (answer.status, answer.media_type, answer.body) == (200, "application/json", b"{}")
    assert [each.form for each in fake.requests] == [{"code": "à b&c"}] * 2
    assert {each.headers.get("Cookie", "") for each in fake.requests} == {""}


@pytest.mark.parametrize("name", ["psc.test", "127.0.0.1"])
async def test_a_server_with_another_name_is_not_believed(
    authority: trustme.CA, https: Https, name: str
) -> None:
    async with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", server_of(authority, name)) as url:
        assert "certificate" in await unreachable(https, url)


async def test_a_server_of_another_authority_is_not_believed(https: Https) -> None:
    async with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", server_of(trustme.CA())) as url:
        assert "certificate" in await unreachable(https, url)


async def test_a_redirect_is_an_answer_and_is_not_followed(authority: trustme.CA, https: Https) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n"
    async with saying(moved, server_of(authority)) as url:
        assert (await https(Request(url))).status == 302


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1) + b"x" * (LARGEST + 1), "256 KB"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40001\r\n" + b"x" * (LARGEST + 1), "256 KB"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "encoding"),
        (b"SSH-2.0-x\r\n\r\n", "cannot be reached"),
    ],
    ids=["long", "long without a length", "encoded", "no HTTP"],
)
async def test_an_answer_that_cannot_be_used_is_named(
    authority: trustme.CA, https: Https, octets: bytes, reason: str
) -> None:
    async with saying(octets, server_of(authority)) as url:
        assert reason in await unreachable(https, url)


async def test_more_is_taken_from_whom_more_is_expected(authority: trustme.CA) -> None:
    https = Https(client_of(authority), largest=2 * LARGEST)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1) + b"x" * (LARGEST + 1)
    async with saying(long, server_of(authority)) as url:
        assert len((await https(Request(url))).body) == LARGEST + 1
    await https.aclose()


async def test_a_patch_carries_its_bytes(authority: trustme.CA, https: Https) -> None:
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=server_of(authority))
    async with server:
        port = server.sockets[0].getsockname()[1]
        headers = {"Content-Type": "application/fhir+json"}
        request = Request(f"https://localhost:{port}/Practitioner?a=b%7Cc", headers, patch=b"{}")
        assert (await https(request)).status == 200
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PATCH /Practitioner?a=b%7Cc HTTP/1.1\r\n")
    assert b"content-type: application/fhir+json" in head.lower()
    assert body == b"{}"


async def test_an_answer_that_does_not_end_is_given_up(
    authority: trustme.CA, https: Https, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.psc.https.LONGEST", 0.5)
    async with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", server_of(authority)) as url:
        assert "did not answer within" in await unreachable(https, url)


async def test_a_port_where_nobody_listens_is_unreachable(https: Https) -> None:
    assert "cannot be reached" in await unreachable(https, "https://localhost:1/x")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "https://",
        "https:///x",
        "https://user@localhost/",
        "https://localhost/#x",
        "file:///etc/passwd",
        "https://[::1/",
        "",
    ],
)
async def test_only_https_is_spoken(https: Https, url: str) -> None:
    assert not is_https(url)
    assert "https" in await unreachable(https, url)
