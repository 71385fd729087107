"""The mail program people use in the demonstration: SMTP to send, IMAP to read and to be told."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vaguemestre.demo.sandbox import Box, Sandbox

_SECONDS = 30.0
_IDLE_SECONDS = 15.0
_TAG = b"VEILLE"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an SMTP server answered."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class MailProgram:
    """A mail program set up for one box, on the submission port with STARTTLS or on the TLS one."""

    def __init__(self, sandbox: Sandbox, box: Box) -> None:
        self._sandbox = sandbox
        self.box = box

    @contextmanager
    def starttls(self) -> Iterator[smtplib.SMTP]:
        """Signed in by STARTTLS (RFC 3207)."""
        with smtplib.SMTP(self._sandbox.host, self._sandbox.port("submission"), timeout=_SECONDS) as smtp:
            smtp.starttls(context=self._sandbox.tls())
            smtp.login(self.box.address, self.box.password)
            yield smtp

    @contextmanager
    def implicit_tls(self) -> Iterator[smtplib.SMTP]:
        """Signed in over TLS from the first octet (RFC 8314)."""
        with smtplib.SMTP_SSL(
            self._sandbox.host,
            self._sandbox.port("submissions"),
            timeout=_SECONDS,
            context=self._sandbox.tls(),
        ) as smtp:
            smtp.login(self.box.address, self.box.password)
            yield smtp

    @contextmanager
    def inbox(self) -> Iterator[Inbox]:
        """The INBOX, by IMAP over TLS."""
        client = imaplib.IMAP4_SSL(
            self._sandbox.host,
            self._sandbox.port("imaps"),
            ssl_context=self._sandbox.tls(),
            timeout=_SECONDS,
        )
        try:
            client.login(self.box.address, self.box.password)
            yield Inbox(client)
        finally:
            client.shutdown()


def submit(smtp: smtplib.SMTP, sender: str, recipients: Sequence[str], message: bytes) -> Reply:
    """MAIL, RCPT for each, DATA. The answer to the message, or the first one that refused."""
    answer = mail_from(smtp, sender)
    for recipient in recipients:
        if answer.code != 250:
            return answer
        answer = rcpt_to(smtp, recipient)
    return _reply(smtp.data(message)) if answer.code in {250, 251} else answer


def mail_from(smtp: smtplib.SMTP, sender: str) -> Reply:
    """The answer to MAIL FROM."""
    return _reply(smtp.mail(sender))


def rcpt_to(smtp: smtplib.SMTP, recipient: str) -> Reply:
    """The answer to RCPT TO."""
    return _reply(smtp.rcpt(recipient))


def cipher_of(smtp: smtplib.SMTP) -> str:
    """Version and cipher of the connection, in words."""
    cipher = smtp.sock.cipher() if isinstance(smtp.sock, ssl.SSLSocket) else None
    return f"{cipher[1]} {cipher[0]}" if cipher else "sans TLS"


def _reply(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], " ".join(answer[1].decode("utf-8", "replace").split()))


class Inbox:
    """An open INBOX."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client
        must(client.select("INBOX")[0] == "OK", "la boîte de réception ne s'ouvre pas par IMAP.")

    def find(self, header: str, value: str) -> list[str]:
        """UIDs of the messages with this header field."""
        self._client.noop()
        answer, data = self._client.uid("SEARCH", "HEADER", header, f'"{value}"')
        must(answer == "OK", f"la recherche IMAP sur {header} échoue.")
        return (data[0] or b"").decode("ascii").split()

    def fetch(self, uid: str) -> bytes:
        """The whole message, without marking it seen."""
        answer, data = self._client.uid("FETCH", uid, "(BODY.PEEK[])")
        must(
            answer == "OK" and data and isinstance(data[0], tuple),
            f"le message {uid} ne se lit pas par IMAP.",
        )
        return bytes(data[0][1])

    def flag(self, uid: str, flags: str) -> None:
        """Adds flags."""
        must(
            self._client.uid("STORE", uid, "+FLAGS.SILENT", flags)[0] == "OK",
            f"le drapeau {flags} n'est pas posé.",
        )

    @contextmanager
    def idling(self) -> Iterator[Idle]:
        """IDLE (RFC 2177) around what happens elsewhere; imaplib has no word for it before Python 3.14."""
        self._client.send(_TAG + b" IDLE\r\n")
        must(self._client.readline().startswith(b"+"), "le serveur n'accepte pas IDLE.")
        idle = Idle(self._client)
        yield idle
        self._client.send(b"DONE\r\n")
        while not idle.line().startswith(_TAG.decode() + " OK"):
            pass


class Idle:
    """A connection that waits for the server to speak."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client
        client.socket().settimeout(_IDLE_SECONDS)

    def until(self, word: str) -> str:
        """The first line the server pushes that has this word. Raises NotProved."""
        line = self.line()
        while word not in line:
            line = self.line()
        return line

    def line(self) -> str:
        """The next line."""
        try:
            raw = self._client.readline()
        except TimeoutError:
            raw = b""
        if not raw:
            raise NotProved(f"IDLE n'a rien dit pendant {_IDLE_SECONDS:.0f} secondes.")
        return raw.decode("utf-8", "replace").strip()
