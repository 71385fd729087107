"""Mails with an IHE_XDM archive, from the first octet by SMTP until every document stands in a record."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from benchmarks.load import Failed
from benchmarks.run import Meter, NotOffered, Run, Scenario, settle, share
from benchmarks.target import HOST
from dmp_bridge.tables import document
from dmp_bridge.writing.document import Author, Draft, Patient, write_n1
from dmp_bridge.writing.package import write_package
from foundation.cipher import key_of
from foundation.database import Database
from foundation.identifiers import OID_TEST
from foundation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from benchmarks.target import Target

_SENDER = "labo@expediteur.mssante.fr"
_AUTHOR = Author(
    "899900000012", "CAMPARINI", "Marcel", "SM03", "Biologie médicale", "1990700012", "Laboratoire du banc"
)
_PDF_BYTES = 88_000
"""A PDF in a CDA in an archive in Base64, and the same PDF beside it: a mail of about 250 KB."""
_AT = datetime(2025, 3, 13, 14, 54, tzinfo=UTC)
_WAIT_SECONDS = 180
_LOOK_SECONDS = 0.05
_COUNT = select(func.count()).select_from(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(Scenario):
    """1 000 mails to patients, each with one document of its own; memory is that of all processes of the service."""

    messages: int = 1000
    connections: int = 4

    def prepare(self, target: Target) -> None:
        """Raises NotOffered where nobody has a record."""
        if target.home is None:
            raise NotOffered("records of patients")
        self.run(target, 0.02)

    def run(self, target: Target, effort: float) -> Run:
        assert target.home is not None
        with _written(_patients(target.home), share(self.messages, effort)) as letters:
            found = asyncio.run(self._run(target, target.home, letters))
        settle(target)
        return found

    async def _run(self, target: Target, home: Path, letters: Sequence[tuple[str, Path]]) -> Run:
        settings = load(home)
        database = await Database.open(settings.database_url, key=key_of(settings))
        try:
            before = await database.read(_documents)
            meter = Meter(target)
            await _send(target.smtp_port, letters, self.connections)
            await _arrived(database, before + len(letters))
            return meter.stop(len(letters))
        finally:
            await database.close()


def _patients(home: Path) -> list[Patient]:
    described: dict[str, Any] = json.loads((home / "sandbox.json").read_text())
    found = []
    for each in described["patients"]:
        if each["state"] != "activated":
            continue
        family, _, given = each["name"].partition(" ")
        found.append(_traits(each, family, given))
    if not found:
        raise NotOffered("records of patients")
    return found


def _traits(described: dict[str, Any], family: str, given: str) -> Patient:
    sex = "M" if described["ins"][0] in "137" else "F"
    return Patient(described["ins"], OID_TEST, family, given, described["birth_date"].replace("-", ""), sex)


@contextmanager
def _written(patients: Sequence[Patient], count: int) -> Iterator[list[tuple[str, Path]]]:
    """That many mails on disk, each with its recipient."""
    folder = Path(tempfile.mkdtemp(prefix="bench-xdm-"))
    try:
        root = f"1.2.250.1.999.{time.time_ns()}"
        letters = []
        for number in range(count):
            patient = patients[number % len(patients)]
            recipient = f"{patient.ins}@patient.mssante.fr"
            path = folder / str(number)
            path.write_bytes(_mail(patient, recipient, f"{root}.{number}"))
            letters.append((recipient, path))
        yield letters
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mail(patient: Patient, recipient: str, oid: str) -> bytes:
    pdf = b"%PDF-1.4\n" + random.Random(oid).randbytes(_PDF_BYTES) + b"\n%%EOF\n"
    draft = Draft(
        unique_id=f"{oid}.1",
        set_id=f"{oid}.2",
        version_number=1,
        type_code="11502-2",
        title="Compte rendu d'examens biologiques",
        created_at=_AT,
        service_at=_AT,
        patient=patient,
        author=_AUTHOR,
    )
    package = write_package(
        [write_n1(draft, pdf)], submission_id=f"{oid}.3", source_id="1.2.250.1.999.1", at=_AT
    )
    message = EmailMessage()
    message["From"], message["To"] = _SENDER, recipient
    message["Subject"] = f"XDM/1.0/DDM+CR d'examens biologiques {patient.birth_name} {patient.first_names}"
    message["Message-ID"] = f"<{oid}@expediteur.mssante.fr>"
    message["Date"] = "Thu, 13 Mar 2025 14:54:10 +0100"
    message.set_content("Bonjour,\n\nVeuillez trouver ci-joint le compte rendu.\n")
    message.add_attachment(package, maintype="application", subtype="zip", filename="IHE_XDM.zip")
    message.add_attachment(
        pdf, maintype="application", subtype="pdf", filename="20250313_CR d'examens biologiques.pdf"
    )
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def _send(port: int, letters: Sequence[tuple[str, Path]], connections: int) -> None:
    """Sends the letters over so many connections at once (RFC 5321). Raises Failed."""
    waiting = iter(letters)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)

        async def answer(*codes: bytes) -> None:
            line = await reader.readline()
            while line[3:4] == b"-":
                line = await reader.readline()
            if line[:3] not in codes:
                raise Failed(f"SMTP: {line.decode(errors='replace').strip()}")

        await answer(b"220")
        writer.write(b"EHLO banc.mssante.fr\r\n")
        await answer(b"250")
        for recipient, path in waiting:
            content = path.read_bytes().replace(b"\r\n.", b"\r\n..")
            for line, code in (
                (f"MAIL FROM:<{_SENDER}>", b"250"),
                (f"RCPT TO:<{recipient}>", b"250"),
                ("DATA", b"354"),
            ):
                writer.write(f"{line}\r\n".encode())
                await answer(code)
            writer.write(content + b".\r\n")
            await answer(b"250")
        writer.write(b"QUIT\r\n")
        await answer(b"221")
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one())


def _documents(connection: Connection) -> int:
    return connection.execute(_COUNT).scalar_one()


async def _arrived(database: Database, wanted: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while (seen := await database.read(_documents)) < wanted:
        if time.monotonic() > deadline:
            raise Failed(f"{wanted - seen} documents are not in their record after {_WAIT_SECONDS} s")
        await asyncio.sleep(_LOOK_SECONDS)
