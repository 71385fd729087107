"""The whole way: a client that signs in, the rules of the house, and the message on disk."""

from __future__ import annotations

import asyncio
import smtplib
from typing import TYPE_CHECKING

import pytest

from foundation.passwords import hash_password
from mailserver.signin.desk import SignIn
from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.listener import listen
from mailserver.smtp.policy import Limits, mx_plain, submission_plain
from mailserver.smtp.submission import AnySenderGate, SubmissionGate
from tests.mailserver.place import DOMAIN, Place, letter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Place]:
    opened = Place(database, vault, clock, tmp_path)
    yield opened
    await opened.router.close()


async def no_pause(seconds: float) -> None:
    """A guesser's wait, not spent here."""


@pytest.fixture
async def submission_port(place: Place) -> AsyncIterator[int]:
    gate = SubmissionGate(
        SignIn(place.database, place.clock, place.settings, pause=no_pause), place.rules, place.router
    )
    policy = submission_plain(place.settings.hostname, Limits.of(place.settings.limits))
    listener = await listen(policy, gate, MemoryBudget(), host="127.0.0.1", port=0)
    yield listener.port
    await listener.close()


@pytest.fixture
async def peer_port(place: Place) -> AsyncIterator[int]:
    gate = AnySenderGate(SignIn(place.database, place.clock, place.settings), place.rules, place.router)
    listener = await listen(mx_plain(place.settings.hostname), gate, MemoryBudget(), host="127.0.0.1", port=0)
    yield listener.port
    await listener.close()


async def test_a_signed_in_person_writes_to_a_box(place: Place, submission_port: int) -> None:
    marie = await place.add("marie", password_hash=await hash_password(PASSWORD))
    paul = await place.add("paul")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", submission_port, local_hostname="poste.example") as client:
            client.login(marie.address, PASSWORD)
            client.sendmail(marie.address, [paul.address.upper()], letter(marie.address, paul.address))

    await asyncio.to_thread(send)
    [found] = await place.kept(paul.owner_id)
    assert b"from poste.example" in found.content
    assert b"ESMTPA" in found.content


async def test_a_wrong_password_opens_nothing(place: Place, submission_port: int) -> None:
    await place.add("marie", password_hash=await hash_password(PASSWORD))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", submission_port) as client:
            client.login(f"marie@{DOMAIN}", "guess")

    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await asyncio.to_thread(send)
    assert refused.value.smtp_code == 535


async def test_one_writes_as_oneself_only(place: Place, submission_port: int) -> None:
    marie = await place.add("marie", password_hash=await hash_password(PASSWORD))
    paul = await place.add("paul")

    def send() -> tuple[tuple[int, bytes], ...]:
        with smtplib.SMTP("127.0.0.1", submission_port) as client:
            client.login(marie.address, PASSWORD)
            forged = client.mail(paul.address)
            client.mail(marie.address)
            return forged, client.rcpt(f"nobody@{DOMAIN}"), client.rcpt(paul.address)

    forged, unknown, known = await asyncio.to_thread(send)
    assert (forged[0], forged[1][:13]) == (550, b"5.7.1 MSS-120")
    assert (unknown[0], unknown[1][:13]) == (550, b"5.1.1 MSS-110")
    assert known == (250, b"2.1.5 Ok")


async def test_a_load_tool_writes_in_any_name(place: Place, peer_port: int) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", peer_port) as client:
            for sender in ("a@elsewhere.mssante.fr", marie.address):
                client.sendmail(
                    sender, [paul.address], letter(sender, paul.address, message_id=f"<{sender}>")
                )

    await asyncio.to_thread(send)
    assert len(await place.kept(paul.owner_id)) == 2


async def test_an_open_session_of_a_box_that_is_suspended_is_told_so(
    place: Place, submission_port: int
) -> None:
    marie = await place.add("marie", password_hash=await hash_password(PASSWORD))
    client = await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", submission_port)
    try:
        await asyncio.to_thread(client.login, marie.address, PASSWORD)
        await place.suspend(marie)
        code, said = await asyncio.to_thread(client.mail, marie.address)
        assert (code, said.decode()) == (550, "5.7.13 MSS-104 Cette boite aux lettres est suspendue.")
        await place.shut(marie)
        code, said = await asyncio.to_thread(client.mail, marie.address)
        assert (code, said[:13]) == (530, b"5.7.0 MSS-101")
    finally:
        client.close()
