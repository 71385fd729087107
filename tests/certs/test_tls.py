from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from certs.names import DistinguishedName
from certs.pki import Case, Pki
from certs.tls import (
    SUITES,
    Identity,
    TlsUnusable,
    Trust,
    check_identity,
    client_context,
    mutual_server_context,
    peer_name,
    server_context,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

MX = DistinguishedName.of(cn="mx.demo.mssante.fr", ou="1990780017", o="CH DE DÉMO", st="Paris (75)")
PEER = DistinguishedName.of(cn="mx.autre.test", ou="399900001000010", o="OPÉRATEUR D'À CÔTÉ", st="Nord (59)")


@pytest.fixture
def trust(pki: Pki) -> Trust:
    return Trust(pki.ca_file, pki.crl_file)


def identity(
    pki: Pki, name: DistinguishedName, now: datetime, folder: Path, case: Case = Case.VALID
) -> Identity:
    return Identity(*pki.issue(name, now, case=case).write(folder / (name.common_name or "")))


@asynccontextmanager
async def echo(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that answers a line with the suite and the name of the peer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        connection = writer.get_extra_info("ssl_object")
        writer.write(f"{connection.cipher()[0]} {peer_name(connection)}\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, context: ssl.SSLContext, host: str = "mx.demo.mssante.fr") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    try:
        writer.write(b"?\n")
        answer = await reader.readline()  # in TLS 1.3 a server refuses a client only here
    finally:
        writer.transport.abort()
    if not answer:
        raise ConnectionResetError("closed without an answer")
    return answer.decode().strip()


# ref: ECO.1.1.3
@pytest.mark.parametrize("suite", SUITES)
async def test_each_suite_of_the_referentiel_connects(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust, suite: str
) -> None:
    client = client_context(trust)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suite)
    async with echo(server_context(identity(pki, MX, now, tmp_path))) as port:
        assert await ask(port, client) == f"{suite} None"


# ref: ECO.1.1.1
async def test_tls_1_3_connects_and_python_s_strict_checks_hold(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust
) -> None:
    client = client_context(trust)
    client.verify_flags |= (
        ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # the defaults of Python 3.13
    async with echo(server_context(identity(pki, MX, now, tmp_path))) as port:
        for host in ("mx.demo.mssante.fr", "localhost", "127.0.0.1"):
            assert (await ask(port, client, host)).startswith("TLS_AES_256_GCM_SHA384")


# ref: ECO.1.1.3
@pytest.mark.parametrize(
    "suites", ["AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-SHA"]
)
async def test_another_suite_is_refused(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust, suites: str
) -> None:
    client = client_context(trust)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suites)
    async with echo(server_context(identity(pki, MX, now, tmp_path))) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, client)


# ref: ECO.1.1.2
async def test_tls_1_1_is_refused(pki: Pki, now: datetime, tmp_path: Path, trust: Trust) -> None:
    client = client_context(trust)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        client.minimum_version = ssl.TLSVersion.TLSv1_1
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    async with echo(server_context(identity(pki, MX, now, tmp_path))) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, client)


@pytest.mark.parametrize("case", [Case.EXPIRED, Case.REVOKED, Case.FOREIGN_CA])
async def test_a_client_refuses_a_server_with_a_broken_certificate(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust, case: Case
) -> None:
    async with echo(server_context(identity(pki, MX, now, tmp_path, case))) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, client_context(Trust(pki.ca_file, pki.crl_file)))


async def test_a_client_refuses_another_host_name(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust
) -> None:
    async with echo(server_context(identity(pki, MX, now, tmp_path))) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"mx\.autre\.test"):
            await ask(port, client_context(trust), "mx.autre.test")


async def test_both_sides_show_their_certificates(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust
) -> None:
    server = mutual_server_context(identity(pki, MX, now, tmp_path), trust)
    async with echo(server) as port:
        answer = await ask(port, client_context(trust, identity(pki, PEER, now, tmp_path)))
    assert DistinguishedName.parse(answer.partition(" ")[2]) == PEER


# ref: F05
@pytest.mark.parametrize("case", [Case.EXPIRED, Case.REVOKED, Case.FOREIGN_CA])
async def test_a_server_refuses_a_client_with_a_broken_certificate(
    pki: Pki, now: datetime, tmp_path: Path, case: Case
) -> None:
    client = client_context(Trust(pki.ca_file), identity(pki, PEER, now, tmp_path, case))
    trust = Trust(pki.ca_file, pki.crl_file)
    async with echo(
        mutual_server_context(identity(pki, MX, now, tmp_path), trust, ssl.CERT_OPTIONAL)
    ) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, client)


async def test_a_client_without_certificate_passes_only_where_it_may(
    pki: Pki, now: datetime, tmp_path: Path, trust: Trust
) -> None:
    own = identity(pki, MX, now, tmp_path)
    async with echo(mutual_server_context(own, trust, ssl.CERT_OPTIONAL)) as port:
        assert (await ask(port, client_context(trust))).endswith(" None")
    async with echo(mutual_server_context(own, trust)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, client_context(trust))


def test_a_context_neither_compresses_nor_renegotiates(pki: Pki, now: datetime, tmp_path: Path) -> None:
    context = server_context(identity(pki, MX, now, tmp_path))
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_each_unusable_file_is_named_in_one_sentence(pki: Pki, now: datetime, tmp_path: Path) -> None:
    own = identity(pki, MX, now, tmp_path)
    other = identity(pki, PEER, now, tmp_path)
    expired = Identity(*pki.issue(MX, now, case=Case.EXPIRED).write(tmp_path / "expired"))
    missing = tmp_path / "missing.pem"
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        pki.root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    for broken, sentence in (
        (Identity(missing, own.key), f"The certificate {missing} cannot be read: No such file or directory."),
        (Identity(own.certificate, missing), f"The key {missing} cannot be read: No such file or directory."),
        (Identity(own.certificate, other.key), f"The key {other.key} does not belong to"),
        (Identity(rubbish, own.key), f"The certificate {rubbish}"),
        (Identity(own.certificate, locked), "encrypted: give it without a pass phrase."),
    ):
        for load in (server_context, lambda broken: check_identity(broken, now)):
            with pytest.raises(TlsUnusable) as caught:
                load(broken)
            assert sentence in str(caught.value)
    with pytest.raises(TlsUnusable, match="expired on"):
        check_identity(expired, now)
    with pytest.raises(TlsUnusable, match="holds only from"):
        check_identity(own, now - timedelta(days=1))
    with pytest.raises(TlsUnusable, match="is not a PEM private key"):
        check_identity(Identity(own.certificate, rubbish), now)
    assert check_identity(own, now).serial_number
    with pytest.raises(TlsUnusable, match="authority file"):
        client_context(Trust(rubbish))
    with pytest.raises(TlsUnusable, match="revocation list"):
        client_context(Trust(pki.ca_file, missing))
