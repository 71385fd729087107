from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.codes import ErrorCode
from foundation.jobs import Job
from tests.dmp_bridge.builders import INS, cda, mail, xdm
from tests.dmp_bridge.conftest import PATIENT_INS, SENDER

if TYPE_CHECKING:
    from dmp_bridge.report import Report
    from tests.dmp_bridge.conftest import Desk

FOREIGN = ("IHE_XDM.zip", "application/zip", xdm(cda(family="SECRET")))


async def report_on(desk: Desk, message: bytes, sender: str = SENDER) -> Report | None:
    job = await desk.store(message, sender=sender)
    await desk.handle(job)
    return await desk.bridge.report(Job(2, "bridge-report", job.payload, 1))


async def test_the_sender_is_told_the_code_and_the_file(desk: Desk) -> None:
    report = await report_on(desk, mail(("IHE_XDM.zip", "application/zip", xdm(cda(ins=None), ins=None))))
    assert report is not None
    assert report.to == SENDER
    assert report.subject == "[KO Intégration système !][903] XDM/1.0/DDM+Résultats"
    assert "Pièce jointe : IHE_XDM.zip" in report.text
    assert "Erreur 903 : INS non présent dans le document" in report.text
    assert await desk.waiting() == 1


async def test_a_report_tells_nothing_of_either_patient(desk: Desk) -> None:
    report = await report_on(desk, mail(FOREIGN, subject="Bonjour"))
    assert report is not None
    assert report.subject == "[KO Intégration système !][904] Bonjour"
    told = report.text.replace(f"Destinataire : {PATIENT_INS}@patient.mssante.fr\n", "")
    for word in (INS, PATIENT_INS, "SECRET", "PAT", "DOMINIQUE", "1979"):
        assert word not in told


async def test_the_report_names_the_recipient_and_says_what_to_do(desk: Desk) -> None:
    report = await report_on(desk, mail(FOREIGN))
    assert report is not None
    assert f"Destinataire : {PATIENT_INS}@patient.mssante.fr" in report.text
    assert f"Que faire : {ErrorCode.OTHER_PATIENT.advice}" in report.text


async def test_the_sender_of_an_unseen_document_is_told_why_it_cannot_be_sent(desk: Desk) -> None:
    package = xdm(cda(ins=PATIENT_INS), ins=PATIENT_INS, flags=("INVISIBLE_PATIENT",))
    report = await report_on(desk, mail(("IHE_XDM.zip", "application/zip", package)))
    assert report is not None
    assert "Erreur 906 : Document non intégrable" in report.text
    assert "Motif : Un document non visible par le patient" in report.text


async def test_a_good_document_needs_no_report(desk: Desk) -> None:
    message = mail(("d.xml", "text/xml", cda(ins=PATIENT_INS)))
    assert await report_on(desk, message) is None
    assert await desk.waiting() == 0


async def test_nobody_answers_the_null_sender(desk: Desk) -> None:
    assert await report_on(desk, mail(FOREIGN), sender="") is None
    assert await desk.waiting() == 0


@pytest.mark.parametrize(
    "field", [b"Auto-Submitted: auto-replied\r\n", b"auto-submitted: auto-generated (x)\r\n"]
)
async def test_a_program_gets_no_answer(desk: Desk, field: bytes) -> None:
    assert await report_on(desk, field + mail(FOREIGN)) is None


async def test_the_report_is_a_message_that_asks_for_no_answer(desk: Desk) -> None:
    report = await report_on(desk, mail(FOREIGN))
    assert report is not None
    data = report.render(
        author="MAILER-DAEMON@patient.mssante.fr",
        hostname="mail.example",
        identifier="abc",
        at=datetime(2026, 3, 13, 13, 54, tzinfo=UTC),
    )
    message = message_from_bytes(data)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<m1@medecin.mssante.fr>"
    assert str(make_header(decode_header(message["Subject"]))) == report.subject
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert "Erreur 904" in body.decode()
    assert b"\n" not in data.replace(b"\r\n", b"")


async def test_a_subject_cannot_add_a_field(desk: Desk) -> None:
    hostile = mail(FOREIGN, subject="x").replace(b"Subject: x", b"Subject: =?utf-8?q?a=0D=0ABcc:_x@y.fr?=")
    report = await report_on(desk, hostile)
    assert report is not None
    data = report.render(author="a@b.fr", hostname="h", identifier="i", at=datetime(2026, 3, 13, tzinfo=UTC))
    assert message_from_bytes(data)["Bcc"] is None
