"""What people write lies encrypted on disk and stays out of the log."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import browser, eventually, letter, new_id, received
from tests.interop.records import package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Service

pytestmark = pytest.mark.interop


def spellings(marker: str) -> Iterator[bytes]:
    """The bytes that would give the marker away: as text, and inside base64 at each of its three positions."""
    raw = marker.encode()
    yield raw
    yield marker.encode("utf-16-le")
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        # What the neighbours before and after change is left out.
        yield encoded[4 : 4 + (len(raw) // 3 - 1) * 4]


def places(service: Service, marker: str) -> list[str]:
    """Files under the home, the write-ahead log included, that hold the marker."""
    wanted = list(spellings(marker))
    found = []
    for file in service.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found += [file.name for spelling in wanted if spelling in content]
    return found


def test_no_file_holds_what_a_message_or_a_document_says(service: Service) -> None:
    sender, colleague, patient = service.bal(0), service.bal(1), service.patients()[0]
    markers = {
        kind: f"sentence {kind} {uuid.uuid4().hex} tue"
        for kind in ("body", "text", "binary", "document", "subject", "person", "file")
    }
    title = f"Bilan {uuid.uuid4().hex[:8]}"
    to_colleague, to_patient = new_id(), new_id()
    large = markers["binary"].encode() + b"\n" + b"ligne sans secret\n" * 20_000
    attachments = [
        (f"{markers['file']}.txt", "text/plain", markers["text"].encode()),
        ("mesures.bin", "application/octet-stream", large),
    ]
    service.send(
        sender,
        colleague.address,
        letter(
            sender.address,
            f"{markers['person']} <{colleague.address}>",
            *attachments,
            message_id=to_colleague,
            subject=markers["subject"],
            text=markers["body"] + "\n",
        ),
    )
    service.send(
        sender,
        patient.address,
        letter(
            sender.address,
            patient.address,
            ("IHE_XDM.zip", "application/zip", package(patient, title=title, text=markers["document"])),
            *attachments,
            message_id=to_patient,
            text=markers["body"] + "\n",
            subject=f"XDM/1.0/DDM+{title}",
        ),
    )
    # The marker is there for those it was written to …
    (copy,) = received(service, colleague, to_colleague)
    assert markers["body"].encode() in copy
    assert markers["subject"].encode() in copy
    reader = browser(service, patient)
    eventually(lambda: title in reader.page("/patient/documents"), "the document is in the record")
    assert markers["body"] in reader.conversation_with(sender, title)
    # … and for nobody who reads the disk.
    assert list(service.home.rglob("*.db*"))
    for marker in (*markers.values(), title, to_colleague, to_patient):
        assert places(service, marker) == []


def test_the_database_names_nobody(service: Service) -> None:
    sender, colleague = service.bal(0), service.bal(1)
    message_id = new_id()
    service.send(
        sender,
        colleague.address,
        letter(sender.address, colleague.address, message_id=message_id, text="Bonjour.\n"),
    )
    received(service, colleague, message_id)
    # Other files name people on purpose: sandbox.json, the extracts of the directory.
    files = list(service.home.glob("vaguemestre.db*"))
    assert {"vaguemestre.db", "vaguemestre.db-wal"} <= {file.name for file in files}
    people = [
        spelling
        for person in (*service.described["bals"], *service.described["patients"])
        for known in (person["address"], person["name"])
        for spelling in spellings(known)
    ]
    assert len(people) > 100
    for file in files:
        content = file.read_bytes()
        assert not [known for known in people if known in content]


def test_the_search_would_find_a_marker(service: Service) -> None:
    marker = f"phrase témoin {uuid.uuid4().hex}"
    planted = service.home / "planted.eml"
    planted.write_bytes(
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"xy" + marker.encode())
    )
    try:
        assert places(service, marker) == ["planted.eml"]
    finally:
        planted.unlink()


# ref: F42
def test_the_log_names_nobody_and_quotes_nothing(service: Service) -> None:
    sender, patient = service.bal(0), service.patients()[0]
    token = uuid.uuid4().hex
    message = letter(
        sender.address,
        patient.address,
        (f"fichier {token}.txt", "text/plain", f"contenu {token}".encode()),
        message_id=new_id(),
        subject=f"sujet {token}",
        text=f"texte {token}\n",
    )
    service.send(sender, patient.address, message)
    reader = browser(service, patient)
    assert f"sujet {token}" in reader.conversation_with(sender, token)

    log = service.log.read_text(errors="replace")
    assert "serving" in log
    assert token not in log
    for person in service.described["patients"]:
        assert person["ins"] not in log
        assert person["name"].lower() not in log.lower()
        assert person["password"] not in log
    for bal in service.described["bals"]:
        assert bal["name"].lower() not in log.lower()
        assert bal["password"] not in log
