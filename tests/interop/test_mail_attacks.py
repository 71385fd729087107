"""Messages made to cost much: kept octet for octet, read and searched as quickly as others, and in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.service import Service
from tests.interop.victim import Victim

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop

SECONDS = 2.0
"""For each command about one hostile message; Dovecot takes 0.07 s on a quiet machine."""

NEEDS = {"THREAD": "THREAD=REFERENCES", "SORT": "SORT"}

HOSTILE = {
    "10 000 nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (each, each) for each in range(10_000)
    ),
    "10 000 nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 10_000,
    "10 000 nested multiparts with one boundary": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 10_000,
    "100 000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000 + b"--b--\r\n",
    "100 000 delimiters": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 100_000,
    "100 000 digests": b"Content-Type: multipart/digest; boundary=b\r\n\r\n" + b"--b\r\n\r\nS: x\r\n\r\n" * 100_000,
    "5 MB of header fields": b"X-Field: " + b"y" * 60 + b"\r\n" + b"X-Field: 1\r\n" * 400_000 + b"\r\nbody\r\n",
    "one field of 2 MB": b"Subject: " + b"x" * 76 + (b"\r\n " + b"x" * 76) * 27_000 + b"\r\n\r\nbody\r\n",
    "one line of 2 MB": b"Subject: " + b"x" * 2_000_000 + b"\r\n\r\nbody\r\n",
    "50 000 addresses": b"To: " + b",\r\n ".join([b"Nom <u@d.example>"] * 50_000) + b"\r\n\r\nbody\r\n",
    "50 000 groups": b"To: " + b"g:;,\r\n " * 50_000 + b"x@y.example\r\n\r\nbody\r\n",
    "100 000 open comments": b"To: " + b"(\r\n " * 100_000 + b"\r\n\r\nbody\r\n",
    "100 000 quotes": b'From: "' + b'\\"' * 100_000 + b'" <u@d.example>\r\n\r\nbody\r\n',
    "20 000 parameters of RFC 2231": b"Content-Type: text/plain;\r\n"
    + b";\r\n".join(b" name*%d*=%%41" % each for each in range(20_000))
    + b"\r\n\r\nbody\r\n",
    "RFC 2231 from the end": b"Content-Type: text/plain;\r\n"
    + b";\r\n".join(b" name*%d=a" % each for each in reversed(range(20_000)))
    + b"\r\n\r\nbody\r\n",
    "50 000 references": b"Message-ID: <a@x.example>\r\nReferences: "
    + b"\r\n ".join(b"<%d@x.example>" % each for each in range(50_000))
    + b"\r\n\r\nbody\r\n",
    "50 000 encoded words": b"Subject: " + b"=?utf-8?q?a?=\r\n " * 50_000 + b"\r\n\r\nbody\r\n",
    "open encoded words": b"Subject: " + b"=?utf-8?q?" * 50_000 + b"\r\n\r\nbody\r\n",
    "base64 of nothing": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=\r\n" * 500_000,
    "quoted-printable of equal signs": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 1_000_000 + b"\r\n",
    "html that never closes": b"Content-Type: text/html\r\n\r\n" + b"<a " * 300_000 + b"\r\n",
    "a charset that is none": b"Content-Type: text/plain; charset=" + b"x" * 500 + b"\r\n\r\nbody\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with Service(tmp_path_factory.mktemp("mailed") / "home") as service:
        victim = Victim(service)
        with victim.signed_in() as client:  # the first body, search and structure load what they need
            client.command("APPEND INBOX ", b"Subject: x\r\n\r\nbody\r\n")
            client.command("SELECT INBOX")
            client.command("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
            client.command('SEARCH TEXT "body"')
        yield victim


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_hostile_message_costs_no_more_than_its_octets(victim: Victim, what: str) -> None:
    message = HOSTILE[what]
    with victim.signed_in() as client:
        assert client.command("CREATE hostile").status in ("OK", "NO")
        with victim.bears(megabytes=32 + 12 * len(message) / (1 << 20)):
            assert client.command("APPEND hostile ", message).status == "OK"
            client.command("SELECT hostile")
            number = "*"
            for command in (
                f"FETCH {number} (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE)",
                f"FETCH {number} (BODY.PEEK[HEADER] BODY.PEEK[1] BODY.PEEK[1.1.1.1] BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
                f"FETCH {number} (BODY.PEEK[1.MIME] BODY.PEEK[TEXT] BODY.PEEK[9999])",
                f'SEARCH {number} OR TEXT "introuvable" HEADER X-Absent ""',
                f'SEARCH {number} OR SUBJECT "introuvable" TO "introuvable"',
                f"THREAD REFERENCES UTF-8 {number}",
                f"SORT (SUBJECT FROM TO) UTF-8 {number}",
            ):
                began = victim.processor_seconds()
                if (need := NEEDS.get(command.split()[0])) is not None and need not in client.capabilities:
                    continue
                assert client.command(command).status == "OK", command
                assert victim.processor_seconds() - began < SECONDS, command
            (read,) = client.command(f"FETCH {number} BODY.PEEK[]").of("FETCH")
            assert read.data["BODY[]"] == message


def test_threads_are_made_in_linear_time(victim: Victim) -> None:
    """Chains, stars and circles of references, one subject for all (CVE-2026-40014, CVE-2026-40017)."""
    count = 600
    with victim.signed_in(1) as client:
        assert "THREAD=REFERENCES" in client.capabilities
        assert client.command("CREATE threads").status == "OK"
        tags = []
        for number in range(count):
            ids = b" ".join(b"<%d@x.example>" % (each * 7919 % count) for each in range(number % 200))
            message = (
                b"Message-ID: <%d@x.example>\r\nIn-Reply-To: <%d@x.example>\r\nReferences: %b <absent%d@x.example>"
                b"\r\nSubject: Re: Re: meme sujet\r\n\r\nx\r\n"
            ) % (number % (count - 50), (number + 1) % count, ids, number % 3)
            tags.append(client.start("APPEND threads ", message))
        for tag in tags:
            assert client.finish(tag).status == "OK"
        client.command("SELECT threads")
        with victim.bears(megabytes=32):
            for way in ("REFERENCES", "ORDEREDSUBJECT"):
                began = victim.processor_seconds()
                answer = client.command(f"THREAD {way} UTF-8 ALL")
                assert answer.status == "OK"
                assert victim.processor_seconds() - began < SECONDS
                found = sorted(_numbers(answer.one("THREAD").data))
                assert found == list(range(1, count + 1))


def _numbers(threads: list[object]) -> Iterator[int]:
    waiting: list[object] = [threads]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        else:
            assert isinstance(each, int)
            yield each
