"""swaks submits mail as a script on a hospital's machine does, over STARTTLS and over TLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.letters import body, crlf, letter, new_id, received
from tests.interop.service import program, run
from tests.shared_data import shared

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.interop.service import Bal, Service

pytestmark = pytest.mark.interop

REFUSED_MAIL, REFUSED_RECIPIENT, REFUSED_MESSAGE, REFUSED_SIGN_IN = 23, 24, 26, 28
WAYS = pytest.mark.parametrize("way", ["submission", "submissions"])


def swaks(
    service: Service, way: str, sender: Bal, recipient: str, *options: str, password: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Signs in and sends; the exit code says at which step it was refused (swaks(1), EXIT CODES)."""
    return run(
        program("swaks"),
        *("--server", service.host, "--port", str(service.port(way))),
        "--tls" if way == "submission" else "--tls-on-connect",
        *("--tls-verify", "--tls-ca-path", service.ca_file),
        *("--auth", "PLAIN", "--auth-user", sender.address),
        *("--auth-password", sender.password if password is None else password),
        *("--to", recipient, "--timeout", "45", "--suppress-data", "--auth-hide-password"),
        *(options if "--from" in options else ("--from", sender.address, *options)),
    )


@WAYS
def test_it_delivers_a_message_with_an_attachment(service: Service, tmp_path: Path, way: str) -> None:
    sender, recipient = service.bal(0), service.bal(1)
    message_id = new_id()
    written = letter(
        sender.address,
        recipient.address,
        ("compte rendu é.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 900),
        message_id=message_id,
    )
    (tmp_path / "message.eml").write_bytes(written)
    said = swaks(service, way, sender, recipient.address, "--data", f"@{tmp_path / 'message.eml'}")
    assert said.returncode == 0, said.stdout + said.stderr
    (copy,) = received(service, recipient, message_id)
    assert body(copy).rstrip() == body(written).rstrip()


def test_it_delivers_the_shared_messages(service: Service, tmp_path: Path) -> None:
    sender, recipient, patient = service.bal(0), service.bal(1), service.patients()[0]
    seen = 0
    for file in sorted(shared("mails").glob("*.eml")):
        header, blank, rest = crlf(file.read_bytes()).partition(b"\r\n\r\n")
        if b"@patient.mssante.fr" in _field(header, b"From"):
            continue  # patients have no submission: their answers leave from the portal
        message_id = new_id()
        target = patient.address if b"@patient.mssante.fr" in _field(header, b"To") else recipient.address
        header = _with(header, b"From", sender.address)
        header = _with(header, b"To", target)
        header = _with(header, b"Message-ID", message_id)
        (tmp_path / "message.eml").write_bytes(header + blank + rest)
        said = swaks(service, "submission", sender, target, "--data", f"@{tmp_path / 'message.eml'}")
        assert said.returncode == 0, f"{file.name}: {said.stdout}{said.stderr}"
        if target == recipient.address:
            (copy,) = received(service, recipient, message_id)
            assert body(copy).rstrip() == rest.rstrip(), file.name
        seen += 1
    assert seen >= 5


def _field(header: bytes, name: bytes) -> bytes:
    found = re.search(rb"(?im)^" + name + rb":(.*(?:\r\n[ \t].*)*)", header)
    return found.group(1) if found else b""


def _with(header: bytes, name: bytes, value: str) -> bytes:
    rest = re.sub(rb"(?im)^" + name + rb":.*(?:\r\n[ \t].*)*\r\n", b"", header + b"\r\n").removesuffix(
        b"\r\n"
    )
    return name + b": " + value.encode() + b"\r\n" + rest


@WAYS
def test_it_refuses_a_wrong_password(service: Service, way: str) -> None:
    sender = service.bal(2)
    # From another address than the other tests: what is wrong here must not count against them.
    said = swaks(
        service, way, sender, service.bal(1).address, "--local-interface", "127.0.0.21", password="faux"
    )
    assert said.returncode == REFUSED_SIGN_IN
    assert "535 5.7.8 MSS-102" in said.stdout
    assert service.bal(2).password not in said.stdout


def test_it_refuses_a_sender_who_is_somebody_else(service: Service) -> None:
    sender, other = service.bal(0), service.bal(1)
    said = swaks(service, "submission", sender, other.address, "--from", other.address)
    assert said.returncode == REFUSED_MAIL, said.stdout
    assert "550 5.7.1 MSS-120" in said.stdout


def test_it_refuses_an_unknown_patient(service: Service) -> None:
    domain = service.described["patient_domain"]
    # A right key (97 - number mod 97) that is nobody's.
    number = 1_99_12_99_999_999
    stranger = f"{number}{97 - number % 97:02}@{domain}"
    assert stranger not in {person.address for person in service.patients()}
    said = swaks(service, "submission", service.bal(0), stranger)
    assert said.returncode == REFUSED_RECIPIENT, said.stdout
    assert "550 5.1.1 MSS-113" in said.stdout


def test_it_refuses_a_message_of_26_megabytes(service: Service, tmp_path: Path) -> None:
    sender, recipient = service.bal(0), service.bal(1)
    message_id = new_id()
    small = letter(sender.address, recipient.address, message_id=message_id)
    (tmp_path / "big.eml").write_bytes(small + (b"x" * 70 + b"\r\n") * (26 * (1 << 20) // 72))
    said = swaks(service, "submission", sender, recipient.address, "--data", f"@{tmp_path / 'big.eml'}")
    assert said.returncode == REFUSED_MESSAGE, said.stdout[-2000:] + said.stderr[-2000:]
    assert "552 5.3.4 MSS-130" in said.stdout
    assert received(service, recipient, message_id) == []
