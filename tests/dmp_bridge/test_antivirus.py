from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.antivirus import Clamd, ScannerUnavailable, ScanVerdict
from dmp_bridge.codes import ErrorCode
from dmp_bridge.examiner import Examiner
from dmp_bridge.findings import Kind
from foundation.settings import BridgeSettings
from tests.dmp_bridge.builders import PDF, cda, mail, n1_body, xdm

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

# The test file that every antivirus knows (eicar.org), in two halves so that this file is no find itself.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass(slots=True)
class FakeClamd:
    """Speaks INSTREAM as clamd(8) says; finds EICAR only in plain sight. ``max_length`` is its StreamMaxLength."""

    max_length: int = 100_000_000
    answer: bytes | None = None
    is_silent: bool = False
    streams: list[bytes] = field(default_factory=list)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            stream = bytearray()
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                stream += await reader.readexactly(length)
                if len(stream) > self.max_length:
                    writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return
            self.streams.append(bytes(stream))
            if self.is_silent:
                await reader.read()
                return
            found = b"stream: Eicar-Signature FOUND" if EICAR in stream else b"stream: OK"
            writer.write((found if self.answer is None else self.answer) + b"\0")
        finally:
            writer.close()


@asynccontextmanager
async def listening(fake: FakeClamd) -> AsyncIterator[str]:
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def examining(address: str, seconds: int = 10) -> AsyncIterator[Examiner]:
    examiner = Examiner(BridgeSettings(clamd=address, timeout_seconds=seconds))
    try:
        yield examiner
    finally:
        await examiner.close()


# ref: DMP-F39
@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"bonjour", ScanVerdict.CLEAN),
        (b"", ScanVerdict.CLEAN),
        (b"x" * 700_000 + EICAR, ScanVerdict.INFECTED),
        (b"x" * 3_000_000, ScanVerdict.TOO_LARGE),
    ],
)
async def test_a_stream_gets_its_verdict(data: bytes, verdict: ScanVerdict) -> None:
    async with listening(FakeClamd(max_length=2_000_000)) as address:
        assert await Clamd(address, seconds=10).scan(data) is verdict


async def test_it_is_reached_by_a_socket_of_the_machine_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("c") / "s"
    fake = FakeClamd()
    async with await asyncio.start_unix_server(fake.serve, path):
        assert await Clamd(f"unix:{path}", seconds=10).scan(EICAR) is ScanVerdict.INFECTED


@pytest.mark.parametrize("answer", [b"", b"OK", b"stream: OK stream", b"UNKNOWN COMMAND", b"x" * 10_000])
async def test_a_strange_answer_is_no_verdict(answer: bytes) -> None:
    async with listening(FakeClamd(answer=answer)) as address:
        with pytest.raises(ScannerUnavailable):
            await Clamd(address, seconds=10).scan(PDF)


async def test_a_scanner_that_is_silent_or_gone_gives_no_verdict_in_time() -> None:
    async with listening(FakeClamd(is_silent=True)) as address:
        with pytest.raises(ScannerUnavailable):
            await Clamd(address, seconds=0.05).scan(PDF)
    for gone in (address, "unix:/nowhere/clamd.ctl"):
        with pytest.raises(ScannerUnavailable):
            await Clamd(gone, seconds=5).scan(PDF)


# ref: DMP-F39
async def test_what_is_infected_is_refused_with_906_and_nothing_of_the_mail_is_filed() -> None:
    message = mail(("IHE_XDM.zip", "application/zip", xdm(cda())), ("a.txt", "text/plain", EICAR))
    fake = FakeClamd()
    async with listening(fake) as address, examining(address) as examiner:
        clean = await examiner.examine_message(mail(("IHE_XDM.zip", "application/zip", xdm(cda()))))
        assert [each.kind for each in clean] == [Kind.XDM_DOCUMENT]
        fake.answer = b"stream: Eicar-Signature FOUND"
        found = await examiner.examine_message(message)
    assert {(each.kind, each.code, each.data) for each in found} == {(Kind.REFUSED, ErrorCode.OTHER, b"")}
    assert all("malveillant" in each.sentence for each in found)


async def test_the_file_inside_a_document_is_looked_at_by_itself() -> None:
    fake = FakeClamd()
    document = cda(body=n1_body(b"%PDF-1.4\n" + EICAR))
    async with listening(fake) as address, examining(address) as examiner:
        (found,) = await examiner.examine_file("x.xml", document)
    assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER)
    assert fake.streams[0] == document
    assert EICAR not in document


async def test_what_stays_in_the_message_is_not_asked_about() -> None:
    fake = FakeClamd()
    async with listening(fake) as address, examining(address) as examiner:
        await examiner.examine_file("x.bin", b"\x00\x01\x02")
    assert fake.streams == []


async def test_without_a_verdict_nothing_is_found() -> None:
    async with examining("unix:/nowhere/clamd.ctl") as examiner:
        with pytest.raises(ScannerUnavailable):
            await examiner.examine_file("x.xml", cda())


@pytest.mark.parametrize("address", ["unix:", "clamd", "/run/clamd.ctl", "host:99999999", "a b:1"])
def test_an_address_that_is_none_is_refused_by_the_settings(address: str) -> None:
    with pytest.raises(ValueError, match="clamd"):
        BridgeSettings(clamd=address)
