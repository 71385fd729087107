"""THREAD answers are those of Dovecot, on folders with broken references."""

from __future__ import annotations

import imaplib
import random
from typing import TYPE_CHECKING

import pytest

from foundation.mime.scanner import scan
from mailserver.imap.structure import render
from mailserver.imap.threads import thread_by_references, thread_by_subject
from tests.interop.dovecot import PASSWORD, USER, Dovecot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailserver.imap.threads import ThreadRow

pytestmark = pytest.mark.interop

_MESSAGES = 200
_INTERNAL_DATE = '"01-Jan-2026 00:00:00 +0000"'
_AT = 1_767_225_600_000


@pytest.fixture(scope="module")
def dovecot() -> Iterator[imaplib.IMAP4]:
    with Dovecot() as server:
        client = imaplib.IMAP4("127.0.0.1", server.port)
        client.login(USER, PASSWORD)
        yield client
        client.logout()


def _letter(number: int, draw: random.Random) -> bytes:
    lines = [f"Date: {draw.randint(1, 28)} Mar 2026 10:00:00 {draw.choice(('+0000', '+0100'))}"]
    if draw.random() < 0.9:
        lines.append(f"Message-ID: {_id(draw, number)}")
    if draw.random() < 0.7:
        above = [_id(draw) for _ in range(draw.randint(1, 6))]
        lines.append(f"References: {draw.choice((' ', chr(10) + ' ')).join(above)}")
    elif draw.random() < 0.5:
        lines.append(f"In-Reply-To: your mail {_id(draw)}")
    lines.append(f"Subject: {draw.choice(_MARKS)}{draw.choice(_SUBJECTS)}")
    return ("\n".join(lines) + "\n\ntexte\n").replace("\n", "\r\n").encode()


_MARKS = ("", "", "", "Re: ", "re[2]: ", "Fwd: ", "[liste] ", "[liste] Re: ", "fw : ")
_SUBJECTS = ("", "A", "b", "B", "C (fwd)", "D", "[fwd: D]", "=?utf-8?q?=C3=89t=C3=A9?=", *map(str, range(60)))


def _id(draw: random.Random, number: int | None = None) -> str:
    return (
        f"<{number if number is not None and draw.random() < 0.9 else draw.randrange(_MESSAGES + 40)}@x.fr>"
    )


def _row(message: bytes) -> ThreadRow:
    rendered = render(message, scan(message))
    keys = rendered.thread_keys
    sent = _AT if rendered.sent_at is None else rendered.sent_at
    return sent, keys.message_id, keys.references, rendered.sort_keys.base_subject, int(keys.is_reply)


@pytest.mark.parametrize("seed", range(12))
def test_a_folder_with_broken_references_is_threaded_as_dovecot_threads_it(
    dovecot: imaplib.IMAP4, seed: int
) -> None:
    draw = random.Random(seed)
    folder = f"seed{seed}"
    letters = [_letter(number, draw) for number in range(_MESSAGES)]
    dovecot.create(folder)
    for letter in letters:
        status, said = dovecot.append(folder, "", _INTERNAL_DATE, letter)
        assert status == "OK", said
    dovecot.select(folder)
    rows = [_row(letter) for letter in letters]
    numbers = range(1, _MESSAGES + 1)
    for algorithm, ours in (
        ("ORDEREDSUBJECT", thread_by_subject(rows, numbers)),
        ("REFERENCES", thread_by_references(rows, numbers)),
    ):
        _, (theirs,) = dovecot.thread(algorithm, "UTF-8", "ALL")
        assert ours.strip() == theirs, algorithm
