from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certs.names import DistinguishedName
from certs.pki import Case, Issued
from certs.sources import SourceTooLarge, SourceUnreachable, fetch, path_of, read_file
from certs.tls import Identity, server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from certs.pki import Pki

    Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

NAME = DistinguishedName.of(cn="localhost")
HTTPS = ("https", "file")
ANY = ("https", "http", "file")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def server(pki: Pki, now: datetime) -> Issued:
    return pki.issue(NAME, now)


def context_of(issued: Issued, folder: Path) -> ssl.SSLContext:
    return server_context(Identity(*issued.write(folder / "server")))


def response(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, "Connection: close"])
    return head.encode() + b"\r\n\r\n" + body


def saying(content: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return answer


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server that answers every request with the same octets."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, host, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def unreachable(url: str, pki: Pki, *, limit: int = 1000, schemes: tuple[str, ...] = HTTPS) -> str:
    with pytest.raises(SourceUnreachable) as refused:
        await fetch(url, schemes=schemes, authorities=pki.ca_file, limit=limit, longest=30)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


async def test_a_list_is_fetched_over_https(pki: Pki, server: Issued, tmp_path: Path) -> None:
    tls = context_of(server, tmp_path)
    for fields in (("Content-Length: 5",), ()):
        async with serving(saying(response(b"<a/>\n", *fields)), tls) as port:
            url = f"https://localhost:{port}/liste.xml"
            assert await fetch(url, schemes=HTTPS, authorities=pki.ca_file, limit=5) == b"<a/>\n"


async def test_chunks_are_put_together(pki: Pki, server: Issued, tmp_path: Path) -> None:
    chunked = response(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", "Transfer-Encoding: chunked")
    async with serving(saying(chunked), context_of(server, tmp_path)) as port:
        url = f"https://localhost:{port}/"
        assert await fetch(url, schemes=HTTPS, authorities=pki.ca_file, limit=5) == b"abcde"


@pytest.mark.parametrize("case", [Case.EXPIRED, Case.FOREIGN_CA])
async def test_a_server_with_a_wrong_certificate_is_not_believed(
    pki: Pki, now: datetime, tmp_path: Path, case: Case
) -> None:
    tls = context_of(pki.issue(NAME, now, case=case), tmp_path)
    async with serving(saying(response(b"x")), tls) as port:
        assert "certificate" in await unreachable(f"https://localhost:{port}/", pki)


async def test_a_server_with_another_name_is_not_believed(pki: Pki, server: Issued, tmp_path: Path) -> None:
    async with serving(saying(response(b"x")), context_of(server, tmp_path), "127.0.0.2") as port:
        assert "certificate" in await unreachable(f"https://127.0.0.2:{port}/", pki)


async def test_a_server_that_speaks_no_tls_is_not_believed(pki: Pki) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x"))
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as clear:
        await unreachable(f"https://localhost:{clear.sockets[0].getsockname()[1]}/", pki)


@pytest.mark.parametrize(
    "status", ["404 Not Found", "500 Internal Server Error", "204 No Content", "206 Partial Content"]
)
async def test_any_other_answer_is_a_failure(pki: Pki, server: Issued, tmp_path: Path, status: str) -> None:
    async with serving(saying(response(b"", status=status)), context_of(server, tmp_path)) as port:
        assert status[:3] in await unreachable(f"https://localhost:{port}/", pki)


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"],
    ids=["nothing", "rubbish", "cut short", "half a chunk"],
)  # fmt: skip
async def test_half_an_answer_is_a_failure(pki: Pki, server: Issued, tmp_path: Path, answer: bytes) -> None:
    async with serving(saying(answer), context_of(server, tmp_path)) as port:
        await unreachable(f"https://localhost:{port}/", pki)


async def test_what_is_declared_too_large_is_not_read(pki: Pki, server: Issued, tmp_path: Path) -> None:
    big = response(b"x" * 10, "Content-Length: 1000000000")
    async with serving(saying(big), context_of(server, tmp_path)) as port:
        with pytest.raises(SourceTooLarge):
            await fetch(f"https://localhost:{port}/", schemes=HTTPS, authorities=pki.ca_file, limit=1000)


async def test_an_endless_answer_is_cut_off(pki: Pki, server: Issued, tmp_path: Path) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(response(b""))
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(endless, context_of(server, tmp_path)) as port:
        with pytest.raises(SourceTooLarge):
            await fetch(f"https://localhost:{port}/", schemes=HTTPS, authorities=pki.ca_file, limit=1_000_000)


async def test_a_server_that_drips_is_given_up_after_a_while(
    pki: Pki, server: Issued, tmp_path: Path
) -> None:
    gone = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(response(b""))
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)
        gone.set()

    async with serving(drip, context_of(server, tmp_path)) as port:
        with pytest.raises(SourceUnreachable, match="did not answer whole"):
            await fetch(
                f"https://localhost:{port}/", schemes=HTTPS, authorities=pki.ca_file, limit=10**6, longest=0.5
            )
        await asyncio.wait_for(gone.wait(), 10)


async def test_an_encoding_that_was_not_asked_for_is_refused(
    pki: Pki, server: Issued, tmp_path: Path
) -> None:
    packed = response(b"x", "Content-Encoding: gzip")
    async with serving(saying(packed), context_of(server, tmp_path)) as port:
        assert "encoding" in await unreachable(f"https://localhost:{port}/", pki)


def redirect(to: str) -> Answer:
    return saying(response(b"", f"Location: {to}", status="302 Found"))


async def test_a_redirect_is_followed_from_https_to_https(pki: Pki, server: Issued, tmp_path: Path) -> None:
    tls = context_of(server, tmp_path)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(saying(response(b"found")), tls))
        first = await stack.enter_async_context(serving(redirect(f"https://localhost:{port}/"), tls))
        url = f"https://localhost:{first}/"
        assert await fetch(url, schemes=HTTPS, authorities=pki.ca_file, limit=9) == b"found"


async def test_a_redirect_never_leaves_https(pki: Pki, server: Issued, tmp_path: Path) -> None:
    tls = context_of(server, tmp_path)
    file = tmp_path / "secret"
    file.write_text("secret")
    async with serving(saying(response(b"x")), None) as port:
        for target in (f"http://localhost:{port}/", file.as_uri(), "ftp://localhost/", "data:,x"):
            async with serving(redirect(target), tls) as first:
                for schemes in (HTTPS, ANY):
                    text = await unreachable(f"https://localhost:{first}/", pki, schemes=schemes)
                    assert "is not fetched" in text


async def test_a_redirect_of_plain_http_leads_to_the_web_and_to_no_file(
    pki: Pki, server: Issued, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            serving(saying(response(b"crl")), context_of(server, tmp_path))
        )
        first = await stack.enter_async_context(serving(redirect(f"https://localhost:{port}/"), None))
        url = f"http://localhost:{first}/"
        assert await fetch(url, schemes=ANY, authorities=pki.ca_file, limit=9) == b"crl"
    file = tmp_path / "secret"
    file.write_text("secret")
    async with serving(redirect(file.as_uri()), None) as first:
        assert "is not fetched" in await unreachable(f"http://localhost:{first}/", pki, schemes=ANY)


async def test_a_redirect_without_end_is_cut_off(pki: Pki, server: Issued, tmp_path: Path) -> None:
    async with serving(redirect("/again"), context_of(server, tmp_path)) as port:
        assert "redirects more than" in await unreachable(f"https://localhost:{port}/", pki)


async def test_plain_http_is_only_for_what_may_come_over_it(pki: Pki) -> None:
    async with serving(saying(response(b"crl")), None) as port:
        url = f"http://localhost:{port}/"
        assert "is not fetched" in await unreachable(url, pki)
        assert await fetch(url, schemes=ANY, authorities=pki.ca_file, limit=9) == b"crl"


async def test_nobody_there_is_told(pki: Pki, server: Issued, tmp_path: Path) -> None:
    async with serving(saying(b""), None) as port:
        pass
    await unreachable(f"https://localhost:{port}/", pki)


@pytest.mark.parametrize(
    "url", ["", "liste.xml", "ftp://a.fr/", "https://", "https://[::1/", "https://a b/", "file://elsewhere/x"]
)
async def test_what_is_no_url_is_told(pki: Pki, url: str) -> None:
    await unreachable(url, pki)


async def test_a_file_is_read_up_to_its_limit(pki: Pki, tmp_path: Path) -> None:
    file = tmp_path / "une liste.xml"
    file.write_bytes(b"12345")
    assert await fetch(file.as_uri(), schemes=HTTPS, authorities=pki.ca_file, limit=5) == b"12345"
    with pytest.raises(SourceTooLarge):
        await fetch(file.as_uri(), schemes=HTTPS, authorities=pki.ca_file, limit=4)
    assert "cannot be read" in await unreachable((tmp_path / "none.xml").as_uri(), pki)


async def test_what_is_no_file_is_not_read(pki: Pki, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/zero")):
        assert "is not a file" in await unreachable(path.as_uri(), pki)
    with pytest.raises(SourceTooLarge):
        read_file(Path("/dev/zero"), 10)


def test_only_a_file_of_this_host_has_a_path(tmp_path: Path) -> None:
    file = tmp_path / "une liste é.xml"
    assert path_of(file.as_uri()) == file
    assert path_of(f"file://localhost{tmp_path}") == tmp_path
    assert path_of("file://elsewhere/x") is None
    assert path_of("https://a.fr/x") is None
