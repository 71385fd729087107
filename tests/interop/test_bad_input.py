"""Each kind of bad input gets a clear answer, files nothing wrongly, loses nothing, and the service goes on."""

from __future__ import annotations

import html
import io
import random
import re
import smtplib
import socket
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dmp_bridge import builders
from tests.interop.letters import browser, eventually, letter, new_id, received, signed_in, still_answers
from tests.interop.records import cda, new_oid, package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Bal, Person, Service

pytestmark = pytest.mark.interop

BOMB_BYTES = 300_000_000


@pytest.fixture(autouse=True)
def goes_on(service: Service) -> Iterator[None]:
    yield
    still_answers(service)


class TestAtTheDoor:
    def test_a_wrong_password_is_refused(self, service: Service) -> None:
        with smtplib.SMTP(
            service.host, service.port("submission"), timeout=30, source_address=("127.0.0.24", 0)
        ) as smtp:
            smtp.starttls(context=service.tls())
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                smtp.login(service.bal(2).address, "faux")
        assert refused.value.smtp_code == 535
        assert b"5.7.8 MSS-102" in refused.value.smtp_error

    def test_mail_without_signing_in_is_refused(self, service: Service) -> None:
        with smtplib.SMTP(service.host, service.port("submission"), timeout=30) as smtp:
            smtp.starttls(context=service.tls())
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                smtp.sendmail(service.bal(0).address, [service.bal(1).address], b"Subject: x\r\n\r\nx\r\n")
        assert refused.value.smtp_code == 530

    def test_an_unknown_recipient_is_refused_and_the_known_one_is_served(self, service: Service) -> None:
        sender, recipient, message_id = service.bal(0), service.bal(1), new_id()
        unknown = "personne-de-ce-nom@" + recipient.address.partition("@")[2]
        with service.submission(sender) as smtp:
            refused = smtp.sendmail(
                sender.address,
                [unknown, recipient.address],
                letter(sender.address, recipient.address, message_id=message_id),
            )
        assert refused[unknown][0] == 550
        assert b"5.1.1 MSS-110" in refused[unknown][1]
        assert len(received(service, recipient, message_id)) == 1

    # ref: MSS/va1.13
    def test_26_megabytes_are_refused_before_they_are_sent(self, service: Service) -> None:
        sender = service.bal(0)
        with service.submission(sender) as smtp:
            code, said = smtp.mail(sender.address, [f"SIZE={26 << 20}"])
        assert code == 552
        assert b"5.3.4 MSS-130" in said

    # ref: F13
    def test_26_megabytes_that_were_not_announced_are_refused_after(self, service: Service) -> None:
        recipient, message_id = service.bal(1), new_id()
        big = letter("a@expediteur.mssante.fr", recipient.address, message_id=message_id) + (
            b"x" * 76 + b"\r\n"
        ) * ((26 << 20) // 78)
        with smtplib.SMTP(service.host, service.port("mx_plain"), timeout=60) as smtp:
            smtp.ehlo("envoi.example")
            smtp.mail("a@expediteur.mssante.fr")
            smtp.rcpt(recipient.address)
            code, said = smtp.data(big)
        assert code == 552
        assert b"5.3.4 MSS-130" in said
        assert received(service, recipient, message_id) == []


def half_a_message(service: Service, recipient: Bal, message: bytes) -> None:
    """Sends all but the last third of a message and hangs up without a word."""
    with socket.create_connection((service.host, service.port("mx_plain")), timeout=30) as connection:
        said = connection.makefile("rb")
        said.readline()
        for line, expected in (
            (b"EHLO envoi.example", b"250"),
            (b"MAIL FROM:<a@expediteur.mssante.fr>", b"250"),
            (f"RCPT TO:<{recipient.address}>".encode(), b"250"),
            (b"DATA", b"354"),
        ):
            connection.sendall(line + b"\r\n")
            while (answer := said.readline())[3:4] == b"-":
                pass
            assert answer.startswith(expected), answer
        connection.sendall(message[: len(message) * 2 // 3])
        said.close()


def test_a_message_cut_in_the_middle_leaves_nothing_and_can_be_sent_again(service: Service) -> None:
    recipient, message_id = service.bal(1), new_id()
    message = letter(
        "a@expediteur.mssante.fr", recipient.address, message_id=message_id, text="ligne\n" * 5000
    )
    half_a_message(service, recipient, message)
    assert received(service, recipient, message_id) == []
    with smtplib.SMTP(service.host, service.port("mx_plain"), timeout=30) as smtp:
        smtp.sendmail("a@expediteur.mssante.fr", [recipient.address], message)
    assert len(received(service, recipient, message_id)) == 1


NO_MAIL = {
    "nothing": b"",
    "one byte": b"\xff",
    "a picture": b"\x89PNG\r\n\x1a\r\n" + bytes(random.Random(1).choices(range(128, 256), k=3000)) + b"\r\n",
    "bytes of every kind": random.Random(2).randbytes(20_000),
    "NUL": b"Subject: x\r\n\r\n\x00\x00\r\n",
    "bare line feeds": b"Subject: x\n\nligne\n.\nMAIL FROM:<x@y>\n",
    "a line of 100 KB": b"Subject: " + b"x" * 100_000 + b"\r\n\r\nx\r\n",
    "no header": b"\r\nbonjour\r\n",
    "only a header": b"Subject: seul\r\n",
    "500 000 header fields": b"X: y\r\n" * 500_000 + b"\r\nx\r\n",
    "20 000 nested parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
        for number in range(20_000)
    ),
}


@pytest.mark.parametrize("what", list(NO_MAIL))
def test_bytes_that_are_no_mail_are_refused_clearly_or_kept_as_they_are(service: Service, what: str) -> None:
    recipient = service.bal(6)
    before = inbox_count(service, recipient)
    with socket.create_connection((service.host, service.port("mx_plain")), timeout=30) as connection:
        said = connection.makefile("rb")
        said.readline()
        for line in (
            b"EHLO envoi.example",
            b"MAIL FROM:<a@expediteur.mssante.fr>",
            b"RCPT TO:<" + recipient.address.encode() + b">",
            b"DATA",
        ):
            connection.sendall(line + b"\r\n")
            while (answer := said.readline())[3:4] == b"-":
                pass
        assert answer.startswith(b"354")
        content = re.sub(rb"(?m)^\.", b"..", NO_MAIL[what])
        connection.sendall(content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        answer = said.readline().decode()
        said.close()
    assert re.match(r"250 2\.\d\.\d |5\d\d 5\.\d\.\d+ \S", answer), answer
    assert inbox_count(service, recipient) == before + (1 if answer.startswith("250") else 0)
    if answer.startswith("250"):
        with signed_in(service, recipient) as client:
            client.select("INBOX", readonly=True)
            found = client.fetch(
                str(before + 1), "(UID ENVELOPE BODYSTRUCTURE RFC822.SIZE FLAGS BODY.PEEK[TEXT])"
            )
            assert found[0] == "OK"


def inbox_count(service: Service, bal: Bal) -> int:
    with signed_in(service, bal) as client:
        _, data = client.select("INBOX", readonly=True)
        return int(data[0] or b"0")


class Hostile:
    """A message with one bad attachment to a patient, and what became of it."""

    def __init__(self, service: Service, name: str, media_type: str, data: bytes) -> None:
        self.service = service
        self.sender: Bal = service.bal(0)
        self.patient: Person = service.patients()[0]
        self.message_id = new_id()
        self.token = uuid.uuid4().hex
        self.data = data
        service.send(
            self.sender,
            self.patient.address,
            letter(
                self.sender.address,
                self.patient.address,
                (name, media_type, data),
                message_id=self.message_id,
                subject=f"XDM/1.0/DDM+Envoi {self.token}",
                text=f"Bonjour, {self.token}.\n",
            ),
        )
        self.browser = browser(service, self.patient)

    def item(self) -> str:
        """The message as the patient's page shows it."""
        page = self.browser.conversation_with(self.sender, self.token)
        (found,) = [each for each in page.split('<li id="message-')[1:] if self.token in each]
        return found

    def wait_examined(self) -> str:
        """The message once its attachment bears a sentence on what it is."""

        def examined() -> bool:
            item = self.item()
            return 'class="state"' in item and "Examen en cours" not in item

        eventually(examined, "the attachment was examined", seconds=45)
        return html.unescape(self.item())

    def attachment(self) -> bytes:
        """The attachment as the patient downloads it."""
        found = re.search(r'href="(/patient/messages/\d+/parts/[\d.]+)"', self.item())
        assert found is not None
        with self.browser.open(found.group(1)) as answer:
            return bytes(answer.read())

    def reports(self) -> list[bytes]:
        """What the sender was told about it."""
        with signed_in(self.service, self.sender) as client:
            client.select("INBOX", readonly=True)
            _, data = client.uid("SEARCH", "HEADER", "In-Reply-To", f'"{self.message_id}"')
            uids = (data[0] or b"").decode().split()
            return [client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1] for uid in uids]

    def documents(self) -> str:
        return self.browser.page("/patient/documents")


def test_a_zip_bomb_is_not_opened_and_stays_in_the_message(service: Service) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("IHE_XDM/SUBSET01/METADATA.XML", "w", force_zip64=True) as entry,
    ):
        for _ in range(BOMB_BYTES // 1_000_000):
            entry.write(bytes(1_000_000))
    sent = Hostile(service, "IHE_XDM.zip", "application/zip", packed.getvalue())
    assert re.search(r"anormalement compressée|trop volumineuse", sent.wait_examined())
    assert sent.attachment() == sent.data
    eventually(lambda: len(sent.reports()) == 1, "the sender is told")


# ref: DMP-F2
def test_a_zip_with_a_path_that_climbs_writes_nothing_outside(service: Service) -> None:
    title, escape = f"Bilan {uuid.uuid4().hex[:8]}", f"evasion-{uuid.uuid4().hex}.txt"
    patient = service.patients()[0]
    packed = io.BytesIO(package(patient, title=title))
    with zipfile.ZipFile(packed, "a") as archive:
        for climbing in (f"../../{escape}", f"/tmp/{escape}", f"IHE_XDM/SUBSET01/../../../{escape}"):
            archive.writestr(climbing, "dehors")
    sent = Hostile(service, "IHE_XDM.zip", "application/zip", packed.getvalue())
    sent.wait_examined()
    assert sent.attachment() == sent.data
    assert list(service.home.parent.rglob(escape)) == []
    assert not any(
        folder.joinpath(escape).exists() for folder in (*service.home.parents, Path("/tmp"), Path.cwd())
    )


def test_xml_with_entities_is_not_read(service: Service) -> None:
    title = f"Bilan {uuid.uuid4().hex[:8]}"
    good = cda(service.patients()[0], unique_id=new_oid(), title=title)
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    declared = f'<!DOCTYPE x [<!ENTITY e0 "{title}"><!ENTITY f SYSTEM "file:///etc/passwd">{laughs}]>'
    head, mark, rest = good.partition(b"<ClinicalDocument")
    hostile = head + declared.encode() + mark + rest.replace(b"Tout va bien.", b"&e9;&f;")
    sent = Hostile(service, "document.xml", "text/xml", hostile)
    shown = sent.wait_examined()
    assert "root:" not in shown
    assert title not in sent.documents()
    assert sent.attachment() == sent.data


def test_a_document_of_another_patient_is_refused_and_the_sender_is_told(service: Service) -> None:
    title, unique_id = f"Bilan {uuid.uuid4().hex[:8]}", new_oid()
    patient = service.patients()[0]
    other = next(person for person in service.patients() if person.ins != patient.ins)
    about = cda(other, unique_id=unique_id, title=title)
    packed = builders.xdm(about, ins=other.ins, unique_id=unique_id)
    sent = Hostile(service, "IHE_XDM.zip", "application/zip", packed)
    sent.wait_examined()
    eventually(lambda: len(sent.reports()) == 1, "the sender is told")
    (report,) = sent.reports()
    assert b"Erreur 904" in report
    assert other.ins.encode() not in report
    assert title not in sent.documents()
    assert title not in browser(service, other).page("/patient/documents")


def test_a_good_package_is_filed(service: Service) -> None:
    """The counterpart of the refusals above: they do not refuse everything."""
    title = f"Bilan {uuid.uuid4().hex[:8]}"
    sent = Hostile(service, "IHE_XDM.zip", "application/zip", package(service.patients()[0], title=title))
    eventually(lambda: title in sent.documents(), "the document is in the record")
    assert sent.reports() == []
