"""The program `vaguemestre` as a user has it: run to its end, or serving until it is told to stop."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaguemestre.sandbox_process import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = str(Path(sys.executable).with_name("vaguemestre"))


@dataclass(slots=True)
class Serving:
    """A sandbox that answers."""

    home: Path
    process: subprocess.Popen[bytes]
    told: dict[str, Any]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.told["ca_file"])

    def bal(self, local: str) -> dict[str, Any]:
        """The box of the description whose address begins so."""
        return next(each for each in self.told["bals"] if each["address"].startswith(f"{local}@"))

    def signs_in(self, address: str, password: str) -> bool:
        """Whether IMAP lets the box in."""
        client = imaplib.IMAP4_SSL(
            self.told["host"], self.told["ports"]["imaps"], ssl_context=self.tls(), timeout=30
        )
        try:
            client.login(address, password)
        except imaplib.IMAP4.error:
            return False
        else:
            return True
        finally:
            client.logout()

    def subjects(self, address: str, password: str) -> list[str]:
        """The subjects in an INBOX."""
        client = imaplib.IMAP4_SSL(
            self.told["host"], self.told["ports"]["imaps"], ssl_context=self.tls(), timeout=30
        )
        try:
            client.login(address, password)
            client.select("INBOX")
            _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return [part[1].decode().partition(":")[2].strip() for part in data if isinstance(part, tuple)]
        finally:
            client.logout()

    @contextmanager
    def submission(self, sender: dict[str, Any]) -> Iterator[smtplib.SMTP]:
        """A signed-in submission session."""
        with smtplib.SMTP(self.told["host"], self.told["ports"]["submission"], timeout=30) as smtp:
            smtp.starttls(context=self.tls())
            smtp.login(sender["address"], sender["password"])
            yield smtp

    def send(self, sender: dict[str, Any], recipient: str, subject: str) -> None:
        """Submits a short message; raises what smtplib raises when it is refused."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender["address"], recipient, subject
        message["Message-ID"] = f"<{abs(hash(subject))}@essai.example>"
        message.set_content("Bonjour.\n")
        with self.submission(sender) as smtp:
            smtp.send_message(message)

    def rcpt(self, sender: dict[str, Any], recipient: str) -> str:
        """What RCPT answers."""
        with self.submission(sender) as smtp:
            smtp.mail(sender["address"])
            code, text = smtp.rcpt(recipient)
        return f"{code} {text.decode()}"


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Serving]:
    """`vaguemestre sandbox --home HOME …` until the end of the block."""
    with SandboxProcess(home, *options) as sandbox:
        yield Serving(home, sandbox.process, sandbox.described)


def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [PROGRAM, *words], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
