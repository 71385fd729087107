"""Messages that the tests send, and how they are found again by IMAP and on the portal."""

from __future__ import annotations

import html
import http.cookiejar
import imaplib
import re
import smtplib
import time
import urllib.parse
import urllib.request
import uuid
from contextlib import contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interop.service import Bal, Person, Service


def new_id() -> str:
    """A Message-ID nobody used before."""
    return f"<{uuid.uuid4().hex}@interop.example>"


def letter(
    sender: str,
    recipient: str,
    *attachments: tuple[str, str, bytes],
    message_id: str,
    subject: str = "Résultats de Zoé",
    text: str = "Bonjour,\n\nVeuillez trouver ci-joint le compte rendu.\n.\n..deux points\n",
) -> bytes:
    """A message as a mail program writes it, with attachments given as (name, media type, bytes)."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Message-ID"] = message_id
    message["Date"] = "Fri, 13 Mar 2026 14:54:10 +0100"
    message.set_content(text, cte="quoted-printable")
    for name, media_type, data in attachments:
        main, _, sub = media_type.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return crlf(message.as_bytes())


def crlf(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def body(message: bytes) -> bytes:
    """What follows the header; the header itself gains trace fields on the way."""
    return message.partition(b"\r\n\r\n")[2]


@contextmanager
def signed_in(service: Service, bal: Bal) -> Iterator[imaplib.IMAP4_SSL]:
    """A signed-in IMAP connection over TLS."""
    client = imaplib.IMAP4_SSL(service.host, service.port("imaps"), ssl_context=service.tls(), timeout=60)
    try:
        client.login(bal.address, bal.password)
        yield client
    finally:
        client.logout()


def find(client: imaplib.IMAP4, message_id: str, folder: str = "INBOX") -> list[str]:
    """UIDs of the messages with this Message-ID; the folder stays selected."""
    assert client.select(f'"{folder}"')[0] == "OK"
    answer, data = client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')
    assert answer == "OK"
    return (data[0] or b"").decode().split()


def fetch(client: imaplib.IMAP4, uid: str) -> bytes:
    """The whole message."""
    answer, data = client.uid("FETCH", uid, "(BODY.PEEK[])")
    assert answer == "OK"
    assert isinstance(data[0], tuple)
    return data[0][1]


def received(service: Service, bal: Bal, message_id: str) -> list[bytes]:
    """Every copy of a message in the inbox of a box."""
    with signed_in(service, bal) as client:
        return [fetch(client, uid) for uid in find(client, message_id)]


class Browser:
    """A patient's browser without pictures: cookies, forms, pages as text."""

    def __init__(self, service: Service) -> None:
        self._url = service.url
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=service.tls()),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def sign_in(self, person: Person) -> None:
        form = urllib.parse.urlencode({"username": person.ins, "password": person.password}).encode()
        with self._opener.open(f"{self._url}/session", data=form, timeout=30) as answer:
            # Followed to the first page behind the door: the form itself would stand at "/".
            assert urllib.parse.urlsplit(answer.url).path.startswith("/patient/"), answer.url

    def page(self, path: str) -> str:
        """The source of a page; an error page raises urllib's HTTPError."""
        with self.open(path) as answer:
            return str(answer.read().decode())

    def open(self, path: str) -> Any:
        return self._opener.open(self._url + path, timeout=30)

    def conversation_with(self, bal: Bal, subject: str) -> str:
        """The page of the conversation with `bal` that shows the subject; AssertionError when there is none."""
        listed = self.page("/patient/conversations")
        for path in dict.fromkeys(re.findall(r'href="(/patient/conversations/\d+)', listed)):
            shown = self.page(path)
            if subject in html.unescape(shown):
                return shown
        raise AssertionError(f"no conversation shows {subject!r}")


def browser(service: Service, person: Person) -> Browser:
    opened = Browser(service)
    opened.sign_in(person)
    return opened


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Waits for what the service does after it has answered; fails with `what` when it does not happen."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        time.sleep(0.1)


def still_answers(service: Service) -> None:
    """The service takes and shows mail, and says that it is well."""
    with smtplib.SMTP(service.host, service.port("submission"), timeout=20) as smtp:
        assert smtp.ehlo()[0] == 250
    with signed_in(service, service.bal(0)) as client:
        assert client.noop()[0] == "OK"
    with urllib.request.urlopen(f"{service.url}/health", context=service.tls(), timeout=20) as answer:
        assert answer.status == 200
