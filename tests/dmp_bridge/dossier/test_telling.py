from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import SMTP

from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.telling import FolderCarrier, RefusedForGood, SmtpCarrier, carrier_of, render_notice
from foundation.settings import from_values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Relay:
    """Answers RCPT with `answer`, and keeps what it takes."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer = answer
        self.taken: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, to: str, _options: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return self.answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 OK"


@asynccontextmanager
async def serving(relay: Relay) -> AsyncIterator[SmtpCarrier]:
    """The way to a relay of the loop that runs."""
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(relay), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield SmtpCarrier(f"127.0.0.1:{port}", "avis@ici.fr", "ici.fr")
    finally:
        server.close()
        await server.wait_closed()


def mail(events: set[NoticeEvent], *, is_own: bool = True) -> bytes:
    return render_notice(
        "a@exemple.fr",
        events,
        sender="avis@ici.fr",
        hostname="ici.fr",
        name="7",
        at=datetime(2026, 3, 13, 14, 54, tzinfo=UTC),
        is_own=is_own,
    )


async def test_a_relay_takes_the_mail_for_the_one_address() -> None:
    relay = Relay()
    async with serving(relay) as carrier:
        await asyncio.to_thread(carrier.carry, "a@exemple.fr", mail({NoticeEvent.ACCESS}), "7")
    ((sender, to, content),) = relay.taken
    assert (sender, to) == ("avis@ici.fr", ["a@exemple.fr"])
    message = message_from_bytes(content, policy=policy.default)
    assert "Un professionnel a consulté le dossier." in message.get_content()


@pytest.mark.parametrize(("answer", "error"), [("550 no such user", RefusedForGood), ("451 later", OSError)])
async def test_what_a_relay_refuses_for_good_is_told_from_what_it_puts_off(
    answer: str, error: type[Exception]
) -> None:
    async with serving(Relay(answer)) as carrier:
        with pytest.raises(error):
            await asyncio.to_thread(carrier.carry, "a@exemple.fr", mail({NoticeEvent.ACCESS}), "7")


# ref: DMP-F28
@pytest.mark.parametrize("event", list(NoticeEvent))
def test_every_event_has_a_sentence_and_the_mail_is_plain_ascii_lines(event: NoticeEvent) -> None:
    content = mail({event}, is_own=False)
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 100
    message = message_from_bytes(content, policy=policy.default)
    assert message["Subject"] == "Du nouveau dans un espace santé"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "avis@ici.fr"
    assert message.get_content().count("\n- ") == 1


def test_mails_leave_by_the_relay_or_the_folder_or_not_at_all(tmp_path: Path) -> None:
    def carried(**record: str) -> object:
        return carrier_of(from_values(tmp_path, {"record": record}))

    assert carried() is None
    assert isinstance(carried(notice_folder="avis"), FolderCarrier)
    assert isinstance(carried(notice_folder="avis", notice_smtp="127.0.0.1:25"), SmtpCarrier)
