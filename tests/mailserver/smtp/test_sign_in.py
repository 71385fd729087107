from __future__ import annotations

import asyncio
import smtplib
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from mailserver.envelope import Principal, Refused
from mailserver.refusals import WRONG_PASSWORD
from mailserver.sasl.mechanisms import Mechanism
from mailserver.smtp.policy import Limits, submission, submission_plain
from tests.mailserver.doors import FewDoors
from tests.mailserver.smtp.conftest import HOSTNAME, LOGIN, PASSWORD, Talk

if TYPE_CHECKING:
    import ssl

    from mailserver.signin.application import Scope
    from mailserver.signin.scrambled import ScramAttempt
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate


def base64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


PLAIN = base64(f"\0{LOGIN}\0{PASSWORD}")


@pytest.mark.parametrize("verb", ["AUTH PLAIN", "auth plain", "Auth Plain"])
async def test_plain_with_an_initial_response(signing_talk: Talk, gate: RecordingGate, verb: str) -> None:
    assert (await signing_talk.say(f"{verb} {PLAIN}")) == "235 2.7.0 Authentication successful"
    assert gate.logins == [(LOGIN, PASSWORD)]


async def test_plain_after_a_challenge(signing_talk: Talk, gate: RecordingGate) -> None:
    assert await signing_talk.say("AUTH PLAIN") == "334 "
    assert (await signing_talk.say(PLAIN)).startswith("235 ")
    assert gate.logins == [(LOGIN, PASSWORD)]


async def test_plain_for_oneself(signing_talk: Talk) -> None:
    assert (await signing_talk.say("AUTH PLAIN " + base64(f"{LOGIN}\0{LOGIN}\0{PASSWORD}"))).startswith(
        "235 "
    )


async def test_plain_for_somebody_else_is_refused(signing_talk: Talk, gate: RecordingGate) -> None:
    reply = await signing_talk.say("AUTH PLAIN " + base64(f"chief@b.fr\0{LOGIN}\0{PASSWORD}"))
    assert reply.startswith("501 ")
    assert gate.logins == []


async def test_login_with_two_challenges(signing_talk: Talk, gate: RecordingGate) -> None:
    assert await signing_talk.say("AUTH LOGIN") == "334 " + base64("Username:")
    assert await signing_talk.say(base64(LOGIN)) == "334 " + base64("Password:")
    assert (await signing_talk.say(base64(PASSWORD))).startswith("235 ")
    assert gate.logins == [(LOGIN, PASSWORD)]


async def test_login_as_outlook_does_it(signing_talk: Talk, gate: RecordingGate) -> None:
    assert await signing_talk.say("AUTH login " + base64(LOGIN)) == "334 " + base64("Password:")
    assert (await signing_talk.say(base64(PASSWORD))).startswith("235 ")
    assert gate.logins == [(LOGIN, PASSWORD)]


class SlowDoors(FewDoors):
    """They take their time with a password."""

    def __init__(self) -> None:
        super().__init__(PASSWORD)
        self.asked, self.may_answer, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def password(self, login: str, password: str, *, peer: str, scope: Scope) -> Principal | Refused:
        self.asked.set()
        await self.may_answer.wait()
        self.answered.set()
        return Refused(WRONG_PASSWORD)

    async def scram(self, login: str, *, peer: str) -> ScramAttempt | Refused:
        self.asked.set()
        await self.may_answer.wait()
        return await super().scram(login, peer=peer)


async def test_a_guess_is_judged_to_its_end_although_the_client_hangs_up(
    signing_talk: Talk, gate: RecordingGate
) -> None:
    gate.doors = doors = SlowDoors()
    await signing_talk.send(f"AUTH PLAIN {PLAIN}\r\n".encode())
    await doors.asked.wait()
    port: int = signing_talk.writer.get_extra_info("peername")[1]
    signing_talk.writer.transport.abort()
    async with await Talk.open(port) as other:
        await other.begin()  # by now the server has noticed
    doors.may_answer.set()
    await asyncio.wait_for(doors.answered.wait(), 5)


async def test_who_is_asked_for_a_password_is_told_that_the_server_closes(
    harbour: Harbour, gate: RecordingGate
) -> None:
    listener = await harbour.open(submission_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        assert await talk.say("AUTH PLAIN") == "334 "
        await listener.close(grace=5)
        assert (await talk.answer()).startswith("421 4.3.2 ")
        assert await talk.is_closed()


async def test_nobody_is_asked_for_more_once_the_server_closes(harbour: Harbour, gate: RecordingGate) -> None:
    gate.doors = doors = SlowDoors()
    doors.taken = frozenset({Mechanism.SCRAM_SHA_256})
    listener = await harbour.open(submission_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        await talk.send(f"AUTH SCRAM-SHA-256 {base64(f'n,,n={LOGIN},r=abc')}\r\n".encode())
        await doors.asked.wait()
        closing = asyncio.create_task(listener.close(grace=5))
        await asyncio.sleep(0)
        doors.may_answer.set()
        assert (await talk.answer()).startswith("421 4.3.2 ")
        await closing


@pytest.mark.parametrize("lines", [["AUTH PLAIN", "*"], ["AUTH LOGIN", "*"], ["AUTH LOGIN", "eA==", "*"]])
async def test_a_sign_in_may_be_cancelled(signing_talk: Talk, lines: list[str], gate: RecordingGate) -> None:
    for line in lines:
        reply = await signing_talk.say(line)
    assert reply.startswith("501 5.7.0 ")
    assert (await signing_talk.say(f"AUTH PLAIN {PLAIN}")).startswith("235 ")
    assert len(gate.logins) == 1


@pytest.mark.parametrize(
    "response",
    [
        "not base64!",
        "====",
        "=",
        "AAA",
        base64("no separators"),
        base64("\0a\0b\0c"),
        base64("\0\0"),
        base64(f"\0{LOGIN}\0"),
        base64(b"\0\xff\xfe\0secret"),
        base64("\0" + "x" * 321 + "\0y"),
        base64("\0x\0" + "y" * 1025),
    ],
)
async def test_a_malformed_response_asks_nobody(
    signing_talk: Talk, gate: RecordingGate, response: str
) -> None:
    await signing_talk.say("AUTH PLAIN")
    assert (await signing_talk.say(response)).startswith("501 5.5.2 ")
    assert gate.logins == []


async def test_a_response_of_100_kb_closes(signing_talk: Talk, gate: RecordingGate) -> None:
    await signing_talk.say("AUTH PLAIN")
    assert (await signing_talk.say("A" * 100_000)).startswith("500 5.5.2 ")
    assert await signing_talk.is_closed()
    assert gate.logins == []


async def test_a_long_token_fits_on_the_command_line(signing_talk: Talk) -> None:
    assert (await signing_talk.say("AUTH PLAIN " + "A" * 8000)).startswith("501 5.5.2 ")


async def test_wrong_passwords_end_the_conversation(signing_talk: Talk, gate: RecordingGate) -> None:
    wrong = "AUTH PLAIN " + base64(f"\0{LOGIN}\0guess")
    for _ in range(2):
        assert (await signing_talk.say(wrong)).startswith("535 5.7.8 MSS-102 ")
    assert (await signing_talk.say(wrong)).startswith("535 ")
    assert (await signing_talk.answer()).startswith("421 4.7.0 ")
    assert await signing_talk.is_closed()
    assert len(gate.logins) == 3


async def test_one_signs_in_once_and_between_messages(signing_talk: Talk) -> None:
    assert (await signing_talk.say("AUTH CRAM-MD5")).startswith("504 5.5.4 ")
    assert (await signing_talk.say("AUTH")).startswith("501 5.5.4 ")
    assert (await signing_talk.say("AUTH PLAIN a b")).startswith("501 5.5.4 ")
    assert (await signing_talk.say(f"AUTH PLAIN {PLAIN}")).startswith("235 ")
    assert (await signing_talk.say(f"AUTH PLAIN {PLAIN}")).startswith("503 5.5.1 ")
    assert (await signing_talk.say(f"MAIL FROM:<{LOGIN}>")).startswith("250 ")


async def test_helo_does_not_sign_in(harbour: Harbour) -> None:
    listener = await harbour.open(submission_plain(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.answer()
        await talk.say("HELO x")
        assert (await talk.say(f"AUTH PLAIN {PLAIN}")).startswith("503 5.5.1 ")


async def test_submission_asks_to_sign_in_before_mail(signing_talk: Talk, gate: RecordingGate) -> None:
    assert (await signing_talk.say(f"MAIL FROM:<{LOGIN}>")).startswith("530 5.7.0 MSS-101 ")
    await signing_talk.say(f"AUTH PLAIN {PLAIN}")
    for line in (f"MAIL FROM:<{LOGIN}>", "RCPT TO:<c@b.fr>", "DATA"):
        await signing_talk.say(line)
    assert (await signing_talk.say("x\r\n.")).startswith("250 ")
    principal = gate.delivered[0].principal
    assert principal is not None
    assert (principal.address, gate.delivered[0].protocol) == (LOGIN, "ESMTPA")


async def test_no_password_is_taken_before_tls(harbour: Harbour, gate: RecordingGate) -> None:
    listener = await harbour.open_starttls(submission(HOSTNAME))
    async with await Talk.open(listener.port) as talk:
        await talk.answer()
        offered = await talk.say("EHLO x")
        assert "AUTH" not in offered
        assert "STARTTLS" in offered
        assert (await talk.say(f"AUTH PLAIN {PLAIN}")).startswith("538 5.7.11 ")
        assert (await talk.say(f"MAIL FROM:<{LOGIN}>")).startswith("530 5.7.0 MSS-105 ")
    assert gate.logins == []


# ref: ECO.1.0.1
async def test_smtplib_submits_with_starttls(
    harbour: Harbour, gate: RecordingGate, client_context: ssl.SSLContext
) -> None:
    port = (await harbour.open_starttls(submission(HOSTNAME))).port

    def send() -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.starttls(context=client_context)
            client.login(LOGIN, PASSWORD)
            client.sendmail(LOGIN, ["c@b.fr"], b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n")

    await asyncio.to_thread(send)
    assert gate.logins == [(LOGIN, PASSWORD)]
    assert gate.delivered[0].protocol == "ESMTPSA"


async def test_smtplib_submits_over_implicit_tls(
    harbour: Harbour, gate: RecordingGate, client_context: ssl.SSLContext
) -> None:
    port = (await harbour.open_tls(submission(HOSTNAME))).port

    def send() -> None:
        with smtplib.SMTP_SSL("localhost", port, context=client_context) as client:
            client.login(LOGIN, PASSWORD)
            client.sendmail(LOGIN, ["c@b.fr"], b"Subject: x\r\n\r\n" + b"x" * 2_000_000)

    with pytest.raises(smtplib.SMTPDataError):  # one line of 2 MB
        await asyncio.to_thread(send)
    assert gate.logins == [(LOGIN, PASSWORD)]


async def test_the_limit_of_failures_is_the_listener_s(harbour: Harbour) -> None:
    listener = await harbour.open(submission_plain(HOSTNAME, Limits(sign_in_failures=1)))
    async with await Talk.open(listener.port) as talk:
        await talk.begin()
        assert (await talk.say("AUTH PLAIN " + base64("\0x\0y"))).startswith("535 ")
        assert (await talk.answer()).startswith("421 ")
