"""Commands in any order and any packets: one reply each, no error of ours, nothing delivered by accident."""

from __future__ import annotations

import asyncio
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.listener import listen
from mailserver.smtp.policy import submission_plain
from tests.mailserver.smtp.conftest import HOSTNAME, RecordingGate, Talk
from tests.mailserver.smtp.test_sign_in import PLAIN

COMMANDS = (
    b"EHLO client.example",
    b"HELO client.example",
    b"MAIL FROM:<a@b.fr>",
    b"MAIL FROM:<>",
    b"MAIL FROM:<a@b.fr> SIZE=99999999999",
    b"RCPT TO:<c@b.fr>",
    b"RCPT TO:<nobody@b.fr>",
    b"BDAT 4\r\nab\r\n",
    b"BDAT 4 LAST\r\nab\r\n",
    b"RSET",
    b"NOOP",
    b"AUTH PLAIN " + PLAIN.encode(),
    b"AUTH PLAIN",
    b"AUTH LOGIN",
    b"STARTTLS",
    b"VRFY x",
    b"\xff\xfe",
)
USUAL = (
    b"EHLO client.example",
    b"AUTH PLAIN " + PLAIN.encode(),
    b"MAIL FROM:<a@b.fr>",
    b"RCPT TO:<c@b.fr>",
    b"BDAT 4 LAST\r\nab\r\n",
)
REPLY = re.compile(r"(220 |250-|250 |334 |([245])\d\d \2\.\d\.\d+ )")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(USUAL)),
    st.lists(st.one_of(st.sampled_from(COMMANDS), st.binary(max_size=20)), max_size=15),
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
)
def test_any_order_of_commands_is_answered(usual: int, commands: list[bytes], steps: list[int]) -> None:
    commands = [*USUAL[:usual], *commands]

    async def story() -> tuple[str, RecordingGate]:
        gate = RecordingGate()
        listener = await listen(submission_plain(HOSTNAME), gate, MemoryBudget(), host="127.0.0.1", port=0)
        async with await Talk.open(listener.port) as talk:
            wire = b"".join(
                command if command.endswith(b"ab\r\n") else command + b"\r\n" for command in commands
            )
            position, turn = 0, 0
            while position < len(wire):
                step = steps[turn % len(steps)]
                talk.writer.write(wire[position : position + step])
                await asyncio.sleep(0)
                position, turn = position + step, turn + 1
            try:
                talk.writer.write_eof()
                said = await asyncio.wait_for(talk.reader.read(), 10)
            except OSError:
                said = b""  # closed by the server with our octets unread
        await listener.close()
        return said.decode("ascii"), gate

    said, gate = asyncio.run(story())
    for line in said.split("\r\n")[:-1]:
        assert REPLY.match(line), line
    assert "451" not in said
    if said:
        assert said.count("queued as") == len(gate.delivered)
    for envelope in gate.delivered:
        assert envelope.principal is not None
        assert set(envelope.recipients) == {"c@b.fr"}
        assert set(envelope.content.split(b"\r\n")) <= {b"ab", b""}
