"""The service is killed while mail comes in over several connections; nothing acknowledged is lost or doubled."""

from __future__ import annotations

import base64
import os
import random
import smtplib
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import body, eventually, letter, signed_in
from tests.interop.service import Service

if TYPE_CHECKING:
    import imaplib
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

MESSAGES, CONNECTIONS, KILLS = 2000, 6, 8
# A body of this size lies in a file of its own, the others in the database.
EVERY_LARGE, LARGE_BYTES = 40, 150_000
SECONDS = 150


@dataclass(slots=True)
class Sending:
    """The messages still to send, and what the service said of those that were sent."""

    service: Service
    recipients: list[str]
    messages: dict[str, bytes]
    waiting: list[str]
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    running: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """One connection at a time: sends until nothing waits, and again the same bytes when no 250 came."""
        while (message_id := self._next()) is not None and not self.abandoned.is_set():
            try:
                with smtplib.SMTP(self.service.host, self.service.port("mx_plain"), timeout=20) as smtp:
                    while message_id is not None:
                        self._send(smtp, message_id)
                        message_id = self._next()
            except (OSError, smtplib.SMTPException):
                # Killed under our hands: the message was not acknowledged and waits for the next start.
                if message_id is not None:
                    with self.changed:
                        self.waiting.append(message_id)
                self.running.wait(timeout=20)

    def _next(self) -> str | None:
        with self.changed:
            return self.waiting.pop() if self.waiting else None

    def _send(self, smtp: smtplib.SMTP, message_id: str) -> None:
        try:
            smtp.sendmail("envoi@expediteur.mssante.fr", self.recipients, self.messages[message_id])
        except (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as refusal:
            if "(4" in str(refusal.args) or "421" in str(refusal.args) or "451" in str(refusal.args):
                raise
            with self.changed:
                self.refused.append(str(refusal.args))
            return
        with self.changed:
            self.acknowledged.add(message_id)
            self.changed.notify_all()

    def wait_for(self, count: int, deadline: float) -> None:
        """Returns when so many messages are acknowledged."""
        with self.changed:
            enough = self.changed.wait_for(
                lambda: len(self.acknowledged) + len(self.refused) >= count,
                timeout=deadline - time.monotonic(),
            )
        assert enough, f"{len(self.acknowledged)} of {count} messages acknowledged in {SECONDS} s"


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    started = Service(tmp_path / "home")
    started.start()
    yield started
    started.end()


def messages(recipient: str) -> dict[str, bytes]:
    chance = random.Random(20260313)
    made: dict[str, bytes] = {}
    for number in range(MESSAGES):
        message_id = f"<crash.{number}@expediteur.mssante.fr>"
        attached = chance.randbytes(LARGE_BYTES if number % EVERY_LARGE == 0 else 1500)
        made[message_id] = letter(
            "envoi@expediteur.mssante.fr",
            recipient,
            ("mesure.bin", "application/octet-stream", attached),
            message_id=message_id,
            text=base64.b64encode(chance.randbytes(60)).decode() + "\n",
        )
    return made


def test_every_acknowledged_message_is_there_exactly_once_after_kills(own_service: Service) -> None:
    boxes = own_service.bals()[:2]
    made = messages(boxes[0].address)
    sending = Sending(own_service, [box.address for box in boxes], made, list(made))
    sending.running.set()
    deadline = time.monotonic() + SECONDS
    threads = [threading.Thread(target=sending.work, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    groups: list[int] = []
    try:
        chance = random.Random()
        for moment in sorted(chance.sample(range(1, MESSAGES - 50), KILLS)):
            sending.wait_for(moment, deadline)
            # Some part of a delivery later, wherever the service is then.
            sending.abandoned.wait(chance.uniform(0, 0.02))
            sending.running.clear()
            groups.append(own_service.kill())
            own_service.start()
            sending.running.set()
        sending.wait_for(MESSAGES, deadline)
    finally:
        sending.abandoned.set()
        sending.running.set()
        for thread in threads:
            thread.join(timeout=30)
    assert sending.refused == []
    assert sending.acknowledged == set(made)

    # What a start found broken must be whole on disk, not only in the memory of the last one.
    assert own_service.stop() == 0
    own_service.start()
    for box in boxes:
        with signed_in(own_service, box) as client:
            stored = stored_ids(client)
            assert Counter(stored.values()) == Counter(dict.fromkeys(made, 1))
            check_bodies(client, stored, made)
    eventually(lambda: not any(map(alive, groups)), "no process of a killed service is left")
    check_trail(own_service)


def stored_ids(client: imaplib.IMAP4) -> dict[str, str]:
    """UID → Message-ID of the inbox."""
    client.select("INBOX", readonly=True)
    _, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    pairs = [each for each in data if isinstance(each, tuple)]
    uids = [each[0].partition(b"UID ")[2].split()[0].decode() for each in pairs]
    named = [each[1].decode().partition(":")[2].strip() for each in pairs]
    found = dict(zip(uids, named, strict=True))
    return {uid: name for uid, name in found.items() if name.startswith("<crash.")}


def check_bodies(client: imaplib.IMAP4, stored: dict[str, str], made: dict[str, bytes]) -> None:
    """Every body is what was sent, those in files of their own and those in the database alike."""
    uids = list(stored)
    for start in range(0, len(uids), 100):
        _, data = client.uid("FETCH", ",".join(uids[start : start + 100]), "(BODY.PEEK[TEXT])")
        pairs = [each for each in data if isinstance(each, tuple)]
        assert len(pairs) == len(uids[start : start + 100])
        for head, text in pairs:
            uid = head.partition(b"UID ")[2].split()[0].decode()
            assert text == body(made[stored[uid]]), stored[uid]


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def check_trail(service: Service) -> None:
    """The audit trail's chain has no gap where the service was killed."""
    program = Path(sys.executable).with_name("vaguemestre")
    done = subprocess.run(
        [program, "trail", "verify", "--home", service.home],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
