"""Extracts are fetched from where they are published, when they are due, and imported."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from certs.sources import SourceTooLarge, SourceUnreachable
from directory.annuaire.generations import read_pointer
from directory.extracts import ExtractKind
from foundation.settings import DirectorySettings, Settings, TlsSettings
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write
from vaguemestre import fetching
from vaguemestre.fetching import Fetcher, believed, ended, fetch, folder_of, read_seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock

NAME = "Extraction_Correspondance_MSSante_202608261013.txt"
EXTRACT = "\n".join([MAILBOX_HEADER, mailbox(), ""]).encode()


@dataclass
class Publisher:
    """An HTTPS server that answers what a test wants."""

    authority: Path
    head: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = EXTRACT
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    announces: bool = True

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/extraction/MSSante"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        asked = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.asked.append({"": lines[0], **asked})
        told = {"Connection": "close", **self.headers}
        if self.announces:
            told["Content-Length"] = str(len(self.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"HTTP/1.1 {self.head}\r\n{head}\r\n".encode() + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Publisher]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    publisher = Publisher(folder / "ca.pem")
    server = await asyncio.start_server(publisher.answer, "127.0.0.1", 0, ssl=tls)
    publisher.port = server.sockets[0].getsockname()[1]
    async with server:
        yield publisher


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    async with running(tmp_path) as made:
        yield made


def settings_of(home: Path, *sources: str) -> Settings:
    return Settings(
        home=home,
        tls=TlsSettings(ca_file=home / "ca.pem"),
        directory=DirectorySettings(sources=list(sources)),
    )


async def test_a_file_is_fetched_under_the_name_its_publisher_gives(
    publisher: Publisher, tmp_path: Path, clock: FixedClock
) -> None:
    publisher.headers = {"Content-Disposition": f"attachment; filename={NAME}", "ETag": '"7"'}
    settings, came = settings_of(tmp_path), []
    fetched = await fetch(
        publisher.url, tmp_path, believed(settings), clock, lambda now, whole: came.append((now, whole))
    )
    assert fetched is not None
    assert fetched.path == tmp_path / "incoming" / NAME
    assert fetched.path.read_bytes() == EXTRACT
    assert fetched.seen.etag == '"7"'
    assert came[-1] == (len(EXTRACT), len(EXTRACT))
    assert publisher.asked[0][""] == "GET /extraction/MSSante HTTP/1.1"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", ".hidden", "a b", "", "x" * 200, "..", "a\\b"]
)
async def test_a_name_that_is_no_name_is_not_used(
    publisher: Publisher, tmp_path: Path, clock: FixedClock, name: str
) -> None:
    publisher.headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    fetched = await fetch(publisher.url, tmp_path, believed(settings_of(tmp_path)), clock)
    assert fetched is not None
    assert fetched.path == tmp_path / "incoming" / "MSSante"


@pytest.mark.parametrize(
    ("head", "headers", "reason"),
    [
        ("503 Later", {}, "answers 503"),
        ("302 Found", {"Location": "http://localhost/x"}, "only https and file URLs are"),
        ("302 Found", {"Location": "https://localhost:1/x"}, "cannot be fetched"),
        ("200 OK", {"Content-Length": str(3 * 1024**3)}, "larger than 2048 MB"),
        ("nonsense", {}, "cannot be fetched"),
    ],
)
async def test_what_cannot_be_fetched_is_told_in_one_sentence(
    publisher: Publisher, tmp_path: Path, clock: FixedClock, head: str, headers: dict[str, str], reason: str
) -> None:
    publisher.head, publisher.headers, publisher.announces = head, headers, False
    with pytest.raises(SourceUnreachable, match=reason) as caught:
        await fetch(publisher.url, tmp_path, believed(settings_of(tmp_path)), clock)
    assert str(caught.value).endswith(".")
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_body_without_an_end_is_cut_off(
    publisher: Publisher, tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 1000)
    publisher.announces, publisher.body = False, b"x" * 100_000
    with pytest.raises(SourceTooLarge):
        await fetch(publisher.url, tmp_path, believed(settings_of(tmp_path)), clock)
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_server_of_another_authority_is_not_believed(
    publisher: Publisher, tmp_path: Path, clock: FixedClock
) -> None:
    with pytest.raises(SourceUnreachable, match="certificate verify failed"):
        await fetch(publisher.url, tmp_path, ssl.create_default_context(), clock)


async def test_a_source_is_taken_when_it_is_due_and_only_when_it_has_changed(
    publisher: Publisher, tmp_path: Path, clock: FixedClock
) -> None:
    publisher.headers = {"Content-Disposition": f"attachment; filename={NAME}", "ETag": '"7"'}
    settings = settings_of(tmp_path, publisher.url)
    fetcher, folder = Fetcher(settings, clock), folder_of(settings)
    await fetcher.once()
    part = read_pointer(folder).current.parts[ExtractKind.MAILBOXES]
    assert (part.rows, part.source) == (1, NAME)
    assert read_seen(folder)[publisher.url].result == "imported"
    assert list((folder / "incoming").iterdir()) == []

    await fetcher.once()
    assert len(publisher.asked) == 1
    clock.advance(timedelta(hours=25))
    publisher.head, publisher.body, publisher.announces = "304 Not Modified", b"", False
    await fetcher.once()
    assert publisher.asked[1]["if-none-match"] == '"7"'
    assert read_seen(folder)[publisher.url].result == "unchanged"
    assert read_pointer(folder).current.parts[ExtractKind.MAILBOXES] == part


async def test_a_source_that_fails_is_tried_again_an_hour_later(
    publisher: Publisher, tmp_path: Path, clock: FixedClock
) -> None:
    publisher.body = b"no extract"
    settings = settings_of(tmp_path, publisher.url)
    fetcher, folder = Fetcher(settings, clock), folder_of(settings)
    await fetcher.once()
    assert "refused" in read_seen(folder)[publisher.url].result
    assert read_pointer(folder).current.parts == {}
    clock.advance(timedelta(minutes=59))
    await fetcher.once()
    assert len(publisher.asked) == 1
    clock.advance(timedelta(minutes=2))
    publisher.body = EXTRACT
    await fetcher.once()
    assert len(publisher.asked) == 2
    assert read_pointer(folder).current.parts[ExtractKind.MAILBOXES].rows == 1


async def test_a_local_file_is_imported_when_it_has_changed_and_stays(
    tmp_path: Path, clock: FixedClock
) -> None:
    path = write(tmp_path / NAME, MAILBOX_HEADER, mailbox())
    settings = settings_of(tmp_path, path.as_uri())
    fetcher, folder = Fetcher(settings, clock), folder_of(settings)
    await fetcher.once()
    assert read_pointer(folder).current.parts[ExtractKind.MAILBOXES].rows == 1
    assert path.exists()
    clock.advance(timedelta(hours=25))
    await fetcher.once()
    assert read_seen(folder)[path.as_uri()].result == "unchanged"
    clock.advance(timedelta(hours=25))
    write(path, MAILBOX_HEADER, mailbox(), mailbox("other@demo.mssante.fr"))
    await fetcher.once()
    assert read_pointer(folder).current.parts[ExtractKind.MAILBOXES].rows == 2


async def test_a_fetch_that_brings_nothing_moves_the_time_and_keeps_what_the_file_was(
    publisher: Publisher, tmp_path: Path, clock: FixedClock
) -> None:
    publisher.headers = {"ETag": '"7"'}
    settings = settings_of(tmp_path, publisher.url)
    fetcher, folder = Fetcher(settings, clock), folder_of(settings)
    await fetcher.once()
    first = read_seen(folder)[publisher.url]
    clock.advance(timedelta(hours=25))
    publisher.head = "503 Later"
    await fetcher.once()
    failed = read_seen(folder)[publisher.url]
    assert failed == ended(first, f"{publisher.url} answers 503.", clock.millis())
    assert (failed.checked_at, failed.etag) == (first.checked_at + 25 * 3_600_000, '"7"')


@pytest.mark.parametrize("url", ["file://elsewhere/x", "file:///no/such/file", "file:///tmp", "ftp://x/y"])
async def test_a_url_that_is_no_source_is_refused(tmp_path: Path, clock: FixedClock, url: str) -> None:
    with pytest.raises(SourceUnreachable):
        await fetch(url, tmp_path, ssl.create_default_context(), clock)
