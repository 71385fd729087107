"""The programs people use in the demonstration: a mail program (SMTP, IMAP) and a patient's browser."""

from __future__ import annotations

import imaplib
import re
import smtplib
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx2

from vaguemestre.demo_telling import NotProved, must

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vaguemestre.demo_sandbox import Box, Person, Sandbox

_SECONDS = 30.0
_IDLE_SECONDS = 15.0
_TAG = b"VEILLE"
_UNSHOWN = frozenset({"script", "style", "title", "template"})


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


@dataclass(slots=True)
class Link:
    """A link of a page."""

    path: str
    words: str = ""


@dataclass(slots=True)
class Form:
    """A form of a page with the values it would send."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page as a person sees it: words, links, forms."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.forms: list[Form] = []
        self._pieces: list[str] = []
        self._unshown = 0
        self._link: Link | None = None
        self._select = ""
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return _spaced("".join(self._pieces))

    def link(self, words: str) -> Link | None:
        """The first link with these words in it."""
        return next((link for link in self.links if words in _spaced(link.words)), None)

    def form(self, ending: str) -> Form | None:
        """The last form whose action ends so."""
        return next((form for form in reversed(self.forms) if form.action.endswith(ending)), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _UNSHOWN:
            self._unshown += 1
        elif tag == "a":
            self._link = Link(values.get("href", ""))
            self.links.append(self._link)
        elif tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "select":
            self._select = values.get("name", "")
        elif self.forms and tag == "input" and values.get("type") == "hidden":
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif self.forms and tag == "option" and self._select:
            chosen = self.forms[-1].fields
            if "selected" in values or self._select not in chosen:
                chosen[self._select] = values.get("value", "")
        if tag in {"p", "li", "dd", "dt", "h1", "h2", "div", "option", "time"}:
            self._pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSHOWN and self._unshown:
            self._unshown -= 1
        elif tag == "a":
            self._link = None
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if not self._unshown:
            self._pieces.append(data)
            if self._link is not None:
                self._link.words += data


class Browser:
    """A browser without pictures: cookies, pages, forms."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._client = httpx2.Client(base_url=sandbox.url, verify=sandbox.tls(), timeout=_SECONDS)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def sign_in(self, person: Person) -> httpx2.Response:
        """Posts the sign-in form."""
        return self._client.post("/session", data={"username": person.address, "password": person.password})

    def page(self, path: str) -> Page:
        """A page behind the door. Raises NotProved when it is not shown."""
        answer = self._client.get(path)
        must(answer.status_code == 200, f"la page {_place(path)} répond {answer.status_code}.")
        return Page(answer.text)

    def download(self, path: str) -> bytes:
        """The bytes behind a download link. Raises NotProved."""
        answer = self._client.get(path)
        must(answer.status_code == 200, f"le téléchargement {_place(path)} répond {answer.status_code}.")
        return answer.content

    def send(
        self,
        form: Form,
        fields: dict[str, str],
        files: Sequence[tuple[str, bytes, str]] = (),
    ) -> httpx2.Response:
        """Sends a form with its own hidden values, the fields filled in and files (name, bytes, media type)."""
        uploads = [("files", each) for each in files]
        return self._client.post(form.action, data={**form.fields, **fields}, files=uploads or None)


def _place(path: str) -> str:
    return re.sub(r"\d+", "…", path)


def _spaced(text: str) -> str:
    return " ".join(text.split())
