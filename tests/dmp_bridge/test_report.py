from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.codes import ErrorCode
from dmp_bridge.intake import OfferAccepted
from dmp_bridge.record import State
from dmp_bridge.report import Report, in_ascii
from foundation.jobs import Job
from foundation.mime.notifications import Action, Fate, Notification
from tests.dmp_bridge.builders import INS, PDF, PNG, cda, mail, xdm
from tests.dmp_bridge.conftest import PATIENT_INS, SENDER
from tests.shared_data import shared

if TYPE_CHECKING:
    from email.message import Message

    from tests.dmp_bridge.conftest import Desk, MakeDesk

FOREIGN = ("IHE_XDM.zip", "application/zip", xdm(cda(family="SECRET")))


async def told_by(desk: Desk, message: bytes, sender: str = SENDER) -> Report | Notification | None:
    job = await desk.store(message, sender=sender)
    await desk.handle(job)
    return await desk.bridge.report(Job(2, "bridge-report", job.payload, 1))


async def report_on(desk: Desk, message: bytes, sender: str = SENDER) -> Report | None:
    told = await told_by(desk, message, sender)
    assert not isinstance(told, Notification)
    return told


async def notification_on(desk: Desk, message: bytes) -> Notification:
    told = await told_by(desk, message)
    assert isinstance(told, Notification)
    return told


def asking(message: bytes, to: str = SENDER) -> bytes:
    """The same message with a request for an MDN."""
    return b"Disposition-Notification-To: " + to.encode() + b"\r\n" + message


def rendered(told: Notification) -> bytes:
    at = datetime(2025, 3, 13, 14, tzinfo=UTC)
    return told.render(hostname="hopital-a", identifier="mdn.1.1", at=at, largest=25 * 1024 * 1024)


def parts(message: Message) -> list[Message]:
    children = message.get_payload()
    assert isinstance(children, list)
    return children  # type: ignore[return-value]


def machine(data: bytes) -> Message:
    """The fields of the machine-readable part."""
    return parts(parts(message_from_bytes(data))[1])[0]


GOOD = ("IHE_XDM.zip", "application/zip", xdm(cda(ins=PATIENT_INS), ins=PATIENT_INS))


# ref: F17
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


# ref: DMP-F13
async def test_a_filed_document_is_told_by_the_mdn_that_was_asked_for(desk: Desk) -> None:
    message = asking(mail(GOOD))
    told = await notification_on(desk, message)
    assert told.to == SENDER
    assert told.author == f"{PATIENT_INS}@patient.mssante.fr"
    assert told.subject == "XDM/1.0/DDM+Résultats"
    assert told.text == "Le document a été intégré.\n"
    assert told.attached == ()
    data = rendered(told)
    assert machine(data)["Disposition"] == "automatic-action/MDN-sent-automatically; processed"
    assert machine(data)["Original-Message-ID"] == "<m1@medecin.mssante.fr>"
    assert message in data
    assert await desk.waiting() == 1


async def test_a_refused_document_is_told_by_the_mdn_that_was_asked_for(desk: Desk) -> None:
    message = asking(mail(FOREIGN, ("photo.png", "image/png", PNG)))
    told = await notification_on(desk, message)
    assert told.subject == "[KO Intégration système !][904] XDM/1.0/DDM+Résultats"
    assert "904 L'INS transmis ne correspond pas" in told.text
    assert "Pièce jointe : IHE_XDM.zip" in told.text
    data = rendered(told)
    error = "904^L'INS transmis ne correspond pas exactement a celui du destinataire"
    assert machine(data)["Disposition"].endswith(f"; processed/Error: {error}")
    assert machine(data)["Error"] == error
    assert message in data
    again = parts(message_from_bytes(data))[3:]
    assert [part.get_filename() for part in again] == ["IHE_XDM.zip", "photo.png"]
    assert again[0].get_payload(decode=True) == FOREIGN[2]


async def test_an_mdn_tells_nothing_of_either_patient(desk: Desk) -> None:
    told = await notification_on(desk, asking(mail(FOREIGN, subject="Bonjour")))
    for word in (INS, PATIENT_INS, "SECRET", "PAT", "DOMINIQUE", "1979"):
        assert word not in told.text + told.subject + (told.error or "")


# ref: F16, DMP-F35
@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_fits_into_the_fields_of_a_notification(code: ErrorCode) -> None:
    told = Notification(
        "a@b.fr", "c@d.fr", "", "", Action.AUTOMATIC, Fate.PROCESSED, b"", error=in_ascii(code)
    )
    disposition = machine(rendered(told))["Disposition"]
    assert disposition.isascii()
    assert "?" not in disposition
    assert f"; processed/Error: {code.value}^" in disposition


# ref: F17
async def test_without_a_request_all_is_as_it_was(desk: Desk) -> None:
    assert await told_by(desk, mail(GOOD)) is None
    assert await desk.waiting() == 0
    assert isinstance(await told_by(desk, mail(FOREIGN)), Report)


# ref: DMP-F13
@pytest.mark.parametrize(
    "to",
    [
        "autre@medecin.mssante.fr",
        f"{SENDER}, autre@medecin.mssante.fr",
        f"groupe: {SENDER};",
        "<>",
        f"{SENDER}\r\nDisposition-Notification-To: {SENDER}",
        "x" * 50_000,
    ],
)
async def test_a_request_that_is_not_plainly_the_senders_makes_no_mdn(desk: Desk, to: str) -> None:
    assert await told_by(desk, asking(mail(GOOD), to)) is None
    assert await desk.waiting() == 0
    assert isinstance(await told_by(desk, asking(mail(FOREIGN), to)), Report)


@pytest.mark.parametrize("message", [GOOD, FOREIGN])
async def test_the_null_sender_gets_no_mdn(desk: Desk, message: tuple[str, str, bytes]) -> None:
    assert await told_by(desk, asking(mail(message)), sender="") is None
    assert await desk.waiting() == 0


@pytest.mark.parametrize("message", [GOOD, FOREIGN])
async def test_a_program_gets_no_mdn(desk: Desk, message: tuple[str, str, bytes]) -> None:
    field = b"Auto-Submitted: auto-replied\r\n"
    assert await told_by(desk, field + asking(mail(message))) is None


# ref: DMP-F13
async def test_a_report_is_not_bridged_at_all(desk: Desk) -> None:
    first = await notification_on(desk, asking(mail(FOREIGN)))
    assert await desk.deliver(rendered(first), mail_id=7) == []
    assert await desk.waiting() == 1


async def test_several_documents_make_one_mdn(desk: Desk) -> None:
    second = cda(ins=PATIENT_INS, unique_id="1.2.250.1.999.5.1", set_id="1.2.250.1.999.5")
    told = await notification_on(desk, asking(mail(GOOD, ("b.xml", "text/xml", second))))
    assert told.text == "Les 2 documents ont été intégrés.\n"
    assert await desk.waiting() == 1


async def test_one_refused_document_of_several_makes_the_mdn_a_refusal_that_lists_all(desk: Desk) -> None:
    second = cda(ins=PATIENT_INS, unique_id="1.2.250.1.999.5.1", set_id="1.2.250.1.999.5", code="inconnu")
    told = await notification_on(
        desk, asking(mail(GOOD, ("b.xml", "text/xml", second), ("c.xml", "text/xml", second)))
    )
    assert told.subject.startswith("[KO Intégration système !][906] ")
    assert "Pièce jointe : IHE_XDM.zip : intégrée." in told.text
    assert "Pièce jointe : b.xml\nErreur 906" in told.text
    assert "Pièce jointe : c.xml\nErreur 906" in told.text
    again = parts(message_from_bytes(rendered(told)))[3:]
    assert [part.get_filename() for part in again] == ["b.xml", "c.xml"]


async def test_a_document_that_was_there_already_is_processed(desk: Desk) -> None:
    await desk.deliver(mail(GOOD), mail_id=9)
    assert (await notification_on(desk, asking(mail(GOOD)))).text == "Le document a été intégré.\n"


async def test_what_is_only_offered_is_not_processed(desk: Desk) -> None:
    assert await told_by(desk, asking(mail(("photo.png", "image/png", PNG)))) is None
    restricted = cda(ins=PATIENT_INS, confidentiality="R")
    assert await told_by(desk, asking(mail(("d.xml", "text/xml", restricted)))) is None
    assert await desk.waiting() == 0


async def test_an_operator_that_offers_everything_tells_of_nothing(make_desk: MakeDesk) -> None:
    desk = await make_desk(structured="offer")
    assert await told_by(desk, asking(mail(GOOD))) is None
    assert await desk.waiting() == 0


async def test_a_filed_document_beside_one_that_is_offered_is_not_processed_as_a_whole(desk: Desk) -> None:
    restricted = cda(
        ins=PATIENT_INS, confidentiality="R", unique_id="1.2.250.1.999.5.1", set_id="1.2.250.1.999.5"
    )
    assert await told_by(desk, asking(mail(GOOD, ("b.xml", "text/xml", restricted)))) is None
    assert await desk.waiting() == 0


async def test_a_plain_file_beside_a_filed_document_changes_nothing(desk: Desk) -> None:
    told = await notification_on(desk, asking(mail(GOOD, ("photo.png", "image/png", PNG))))
    assert told.text == "Le document a été intégré.\n"


async def test_what_the_patient_files_in_the_meantime_changes_no_mdn(desk: Desk) -> None:
    message = asking(mail(FOREIGN, ("photo.png", "image/png", PNG)))
    before = rendered(await notification_on(desk, message))
    offered = next(row for row in await desk.filings() if row.state is State.OFFERED)
    filed = await desk.bridge.accept_offer(
        desk.owner_id, offered.id, title="Photo", category="AUTR_DOC", date="2025-01-01"
    )
    assert isinstance(filed, OfferAccepted)
    job = await desk.store(message)
    again = await desk.bridge.report(Job(3, "bridge-report", job.payload, 1))
    assert isinstance(again, Notification)
    assert rendered(again) == before


def shape(message: Message) -> object:
    """The content types of a message, one list for each level."""
    kind = message.get_content_type()
    if not message.is_multipart() or kind == "message/disposition-notification":
        return kind
    return [kind, [shape(part) for part in parts(message)]]


def sample(name: str) -> bytes:
    return shared("mdn", name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def embedded(data: bytes) -> bytes:
    """The original inside a sample, byte for byte."""
    start = data.index(b"Content-Type: message/rfc822\r\n\r\n") + len(b"Content-Type: message/rfc822\r\n\r\n")
    return data[start : data.index(b"\r\n--RAA14128.773615765", start)]


def compare(ours: bytes, golden: bytes) -> None:
    """What every reader of notifications goes by is alike in both."""
    mine, sample = message_from_bytes(ours), message_from_bytes(golden)
    assert shape(mine) == shape(sample)
    assert mine.get_param("report-type") == sample.get_param("report-type")
    assert {name.lower() for name in sample} <= {name.lower() for name in mine}
    assert [name for name in machine(ours) if name != "Error"] == list(machine(golden))


# ref: F16
async def test_a_refusal_is_built_as_the_national_sample_is(desk: Desk) -> None:
    golden = sample("mdn-ko-902.eml")
    # The sample's document and METADATA.XML name two patients: a 904 by the rules that come before the 902.
    data = rendered(await notification_on(desk, embedded(golden)))
    compare(data, golden)
    mine, theirs = message_from_bytes(data), message_from_bytes(golden)
    for name in ("To", "In-Reply-To"):
        assert mine[name] == theirs[name]
    assert text_of(mine["Subject"]) == text_of(theirs["Subject"]).replace("[902]", "[904]")
    fate = str(machine(golden)["Disposition"]).partition("902^")[0]
    assert machine(data)["Disposition"].startswith(f"{fate}904^")
    assert machine(data)["Original-Message-ID"] == machine(golden)["Original-Message-ID"]
    inside = parts(message_from_bytes(embedded(golden)))[1:]
    assert [part.get_payload(decode=True) for part in parts(mine)[3:]] == [
        part.get_payload(decode=True) for part in inside
    ]
    assert embedded(golden) in data


async def test_a_success_is_built_as_the_national_sample_is(desk: Desk) -> None:
    golden = sample("mdn-ok-processed.eml")
    told = await notification_on(desk, asking(mail(GOOD, ("CR.pdf", "application/pdf", PDF))))
    compare(rendered(told), golden)
    assert machine(rendered(told))["Disposition"] == machine(golden)["Disposition"]
    assert told.text.strip().encode() == parts(message_from_bytes(golden))[0].get_payload(decode=True)


def text_of(value: str) -> str:
    return str(make_header(decode_header(value)))
