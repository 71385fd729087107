from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest

from mailserver.smtp.policy import submission
from tests.mailserver.doors import ALL_BUT_SCRAM
from tests.mailserver.smtp.conftest import HOSTNAME, LOGIN, Talk

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from tests.mailserver.smtp.conftest import Harbour, RecordingGate

GOOD = "good.token.here"


def xoauth2(token: str) -> str:
    return "AUTH XOAUTH2 " + b64encode(f"user={LOGIN}\x01auth=Bearer {token}\x01\x01".encode()).decode()


@pytest.fixture
async def software(
    harbour: Harbour, gate: RecordingGate, client_context: ssl.SSLContext
) -> AsyncIterator[Talk]:
    """Business software behind STARTTLS, where tokens open mail."""
    gate.doors.taken = ALL_BUT_SCRAM
    gate.doors.tokens[GOOD] = LOGIN
    listener = await harbour.open_starttls(submission(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.start_tls(client_context)
        assert "XOAUTH2" in await talk.say("EHLO client.example")
        yield talk


async def refused(software: Talk) -> None:
    reply = await software.say(xoauth2("an.expired.one"))
    assert reply.startswith("334 ")
    assert json.loads(b64decode(reply[4:])) == {"status": "401", "schemes": "bearer", "scope": "mail"}


# ref: ECO.1.2.7, F19
async def test_a_refused_token_is_told_in_json_and_the_client_may_try_a_fresh_one(software: Talk) -> None:
    await refused(software)
    assert (await software.say("")).startswith("535 5.7.8 MSS-180")
    assert (await software.say(xoauth2(GOOD))).startswith("235 ")


# ref: F19
async def test_where_the_operator_hangs_up_nothing_follows_the_json(
    software: Talk, gate: RecordingGate
) -> None:
    gate.doors.closes_behind_refused_tokens = True
    await refused(software)
    assert await software.is_closed()
