"""curl reads a patient's pages and a professional's box, with the certificates verified."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import eventually, letter, new_id
from tests.interop.records import package
from tests.interop.service import program, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.service import Service

pytestmark = pytest.mark.interop


class Curl:
    """curl with one cookie jar."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._jar = str(folder / "cookies")

    def __call__(self, path: str, *options: str) -> tuple[int, str]:
        """The status and the page."""
        done = run(
            program("curl"),
            *("--silent", "--show-error", "--max-time", "30", "--cacert", self._service.ca_file),
            *("--cookie", self._jar, "--cookie-jar", self._jar, "--write-out", "\n%{http_code}"),
            *options,
            self._service.url + path,
        )
        assert done.returncode == 0, done.stderr
        page, _, status = done.stdout.rpartition("\n")
        return int(status), html.unescape(page)

    def sign_in(self, username: str, password: str, *options: str) -> int:
        status, _ = self(
            "/session",
            *("--data-urlencode", f"username={username}", "--data-urlencode", f"password={password}"),
            *options,
        )
        return status


@pytest.fixture
def curl(service: Service, tmp_path: Path) -> Curl:
    return Curl(service, tmp_path)


def test_a_patient_signs_in_and_reads_a_conversation_and_its_document(service: Service, curl: Curl) -> None:
    sender, patient = service.bal(0), service.patients()[0]
    token = new_id()[1:13]
    title = f"Compte rendu {token}"
    message = letter(
        sender.address,
        patient.address,
        ("IHE_XDM.zip", "application/zip", package(patient, title=title)),
        message_id=new_id(),
        subject=f"XDM/1.0/DDM+Analyses {token}",
        text=f"Bonjour, voici vos analyses {token}.\n",
    )
    service.send(sender, patient.address, message)

    assert curl.sign_in(patient.ins, patient.password) == 303
    status, listed = curl("/patient/conversations")
    assert status == 200
    assert f"Analyses {token}" in listed
    assert "XDM/1.0/DDM" not in listed
    pages = [
        curl(path)[1] for path in dict.fromkeys(re.findall(r'href="(/patient/conversations/\d+)', listed))
    ]
    assert any(f"voici vos analyses {token}" in page for page in pages)
    eventually(lambda: title in curl("/patient/documents")[1], "the document is in the record")


def test_the_pages_are_closed_without_a_session(curl: Curl) -> None:
    for path in ("/patient/conversations", "/patient/documents"):
        status, page = curl(path)
        assert status in (302, 303, 401, 403)
        assert 'href="/patient/conversations/' not in page


def test_a_wrong_password_opens_nothing(service: Service, curl: Curl) -> None:
    patient = service.patients()[-1]
    assert curl.sign_in(patient.ins, "faux", "--interface", "127.0.0.23") == 401
    status, _ = curl("/patient/conversations")
    assert status in (302, 303, 401, 403)


def test_it_lists_and_reads_a_box_by_imaps(service: Service) -> None:
    sender, recipient, message_id = service.bal(0), service.bal(5), new_id()
    service.send(sender, recipient.address, letter(sender.address, recipient.address, message_id=message_id))

    def imaps(path: str, *options: str) -> str:
        done = run(
            program("curl"),
            *("--silent", "--show-error", "--max-time", "30", "--cacert", service.ca_file),
            *("--user", f"{recipient.address}:{recipient.password}"),
            *options,
            f"imaps://{service.host}:{service.port('imaps')}/{path}",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "INBOX" in imaps("")
    (uid,) = imaps("INBOX", "--request", f"UID SEARCH HEADER Message-ID {message_id}").split()[2:]
    assert message_id in imaps(f"INBOX;UID={uid}")


def test_it_submits_a_message_by_smtps(service: Service, tmp_path: Path) -> None:
    sender, recipient, message_id = service.bal(0), service.bal(5), new_id()
    (tmp_path / "message.eml").write_bytes(letter(sender.address, recipient.address, message_id=message_id))
    done = run(
        program("curl"),
        *("--silent", "--show-error", "--max-time", "30", "--cacert", service.ca_file),
        *("--user", f"{sender.address}:{sender.password}"),
        *("--mail-from", sender.address, "--mail-rcpt", recipient.address),
        *("--upload-file", str(tmp_path / "message.eml")),
        f"smtps://{service.host}:{service.port('submissions')}",
    )
    assert done.returncode == 0, done.stderr
