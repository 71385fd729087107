"""From a mail to a structure's software to the record of whom it names, to its own system, and back to the sender."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from directory.integration import set_deposits, set_forwarding
from directory.patients import PatientState
from dmp_bridge import record
from dmp_bridge.deposit import Deposits
from dmp_bridge.dossier.forms import SubmissionQuery
from dmp_bridge.dossier.registry import document_by_id, submissions_of
from dmp_bridge.dossier.tables import record_access
from dmp_bridge.examiner import Examiner
from dmp_bridge.hl7.destinations import System
from dmp_bridge.hl7.mllp import Endpoint
from dmp_bridge.record import Reader, Status
from dmp_bridge.tables import document
from foundation.jobs import Worker, job
from mailserver.envelope import Accepted
from mailserver.tracking import view
from tests.dmp_bridge.builders import OTHER_INS, PDF, cda, mail, xdm
from tests.dmp_bridge.hl7.system import HospitalSystem, accept, answer
from tests.mailserver.place import Place, Space, patient_address
from vaguemestre.bridging import deposit_handlers, told_of_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import Message
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from dmp_bridge.record import Document
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

REMOTE = "labo@ailleurs.mssante.fr"
FINESS = "1990700012"
PROCESSED = "automatic-action/MDN-sent-automatically; processed"
SUBJECT = "XDM/1.0/DDM+Résultats"
DELETION = b' status="urn:asip:ci-sis:2010:StatusType:Deleted"'


class Hospital:
    """A structure with its software's box, and the worker that does what its mails ask for."""

    def __init__(self, place: Place, events: Events, app: Bal, examiner: Examiner) -> None:
        self.place, self.app, self._events, self._examiner = place, app, events, examiner
        self.system: HospitalSystem | None = None
        self._sent = 0

    def worker(self) -> Worker:
        place = self.place
        destinations = {}
        if self.system is not None:
            destinations[self.app.address] = System(Endpoint("127.0.0.1", self.system.port))
        deposits = Deposits(
            place.database,
            place.vault,
            place.clock,
            place.settings,
            self._examiner.examine_message,
            destinations=destinations,
            tell=told_of_record(place.clock),
        )
        work = deposit_handlers(deposits, place.restarted(), place.settings, place.clock)
        return Worker(place.database, self._events, place.clock, work)

    async def get(
        self,
        *attachments: tuple[str, str, bytes],
        sender: str = REMOTE,
        asks: str | None = "",
        subject: str = SUBJECT,
        fields: str = "",
        to: str | None = None,
    ) -> str:
        """A mail to the software's box, and all that follows; `asks` is Disposition-Notification-To, "" the sender."""
        address = to or self.app.address
        content = letter(*attachments, sender=sender, to=address, asks=asks, subject=subject, fields=fields)
        return await self.take(content, sender=sender, to=address)

    async def take(self, content: bytes, *, sender: str = REMOTE, to: str | None = None) -> str:
        address = to or self.app.address
        accepted = await self.place.receive(sender, address, content=content)
        assert isinstance(accepted, Accepted)
        await self.worker().drain()
        return accepted.queue_id

    async def answers(self) -> list[Message]:
        """What has been sent to other operators since the last look."""
        queued = await self.place.queued()
        fresh, self._sent = queued[self._sent :], len(queued)
        return [message_from_bytes(each.content) for each in fresh]

    async def fate(self) -> str:
        """What the one notification since the last look says."""
        [told] = await self.answers()
        assert told.get_content_type() == "multipart/report"
        [fields] = _parts(_parts(told)[1])
        return str(fields["Disposition"]).removeprefix(PROCESSED)

    def documents(self, patient: Patient, status: Status | None = Status.APPROVED) -> list[Document]:
        return self.place.database.read_now(
            lambda connection: [
                each
                for row in connection.execute(select(document.c.id))
                if (each := _document(connection, patient, row.id)) is not None
                and (status is None or each.status is status)
            ]
        )

    def traces(self) -> list[tuple[str, str, str, str]]:
        wanted = select(
            record_access.c.action, record_access.c.outcome, record_access.c.role, record_access.c.caller_id
        )
        return self.place.database.read_now(
            lambda connection: [tuple(row) for row in connection.execute(wanted)]
        )


def _document(connection: Any, patient: Patient, number: int) -> Document | None:
    found = document_by_id(connection, number)
    return found if found is not None and found.owner_id == patient.owner_id else None


def _parts(message: Message) -> list[Message]:
    children = message.get_payload()
    assert isinstance(children, list)
    return children  # type: ignore[return-value]


def letter(
    *attachments: tuple[str, str, bytes],
    sender: str = REMOTE,
    to: str = "x@y.mssante.fr",
    asks: str | None = "",
    subject: str = SUBJECT,
    fields: str = "",
) -> bytes:
    head = "Date: Thu, 13 Mar 2025 14:54:10 +0100\r\n" + fields
    if asks is not None:
        head += f"Disposition-Notification-To: {asks or sender}\r\n"
    return head.encode() + mail(*attachments, sender=sender, recipient=to, subject=subject)


def package(*documents: bytes, **options: object) -> tuple[str, str, bytes]:
    return ("IHE_XDM.zip", "application/zip", xdm(*documents, **({"unique_id": None} | options)))


def deletion(document: bytes) -> tuple[str, str, bytes]:
    """The document sent once more for it to be deleted."""
    tidy = package(document)[2]
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(tidy)) as read, zipfile.ZipFile(made, "w") as written:
        for name in read.namelist():
            data = read.read(name)
            if name.endswith("METADATA.XML"):
                assert b" mimeType=" in data
                data = data.replace(b" mimeType=", DELETION + b" mimeType=")
            written.writestr(name, data)
    return ("IHE_XDM.zip", "application/zip", made.getvalue())


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("ailleurs.mssante.fr"))


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


@pytest.fixture
async def hospital(place: Place, events: Events) -> AsyncIterator[Hospital]:
    app = await place.add("dpi", type="APP", idnat=FINESS)
    await place.database.write(lambda uow: set_deposits(uow, app, deposits=True))
    examiner = Examiner(place.settings.bridge)
    yield Hospital(place, events, app, examiner)
    await examiner.close()


# ref: DMP-F13, F16
async def test_a_document_is_deposited_in_the_record_of_whom_it_names(
    hospital: Hospital, patient: Patient
) -> None:
    await hospital.get(package(cda()))
    assert await hospital.fate() == ""
    [filed] = hospital.documents(patient)
    assert (filed.unique_id, filed.origin, filed.depositor_structure) == (
        "1.2.250.1.999.1.1",
        record.Origin.STRUCTURE,
        FINESS,
    )
    assert hospital.traces() == [("TD2.1", "ok", "structure", FINESS)]
    assert hospital.place.count(job) == 0


async def test_a_deposited_package_is_a_lot_of_the_record(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda(), lot="1.2.250.1.999.70"))
    await hospital.get(package(cda(), lot="1.2.250.1.999.70"))
    [filed] = hospital.documents(patient)
    [lot] = hospital.place.database.read_now(
        lambda connection: submissions_of(connection, patient.owner_id, SubmissionQuery())
    )
    assert (lot.unique_id, lot.id) == ("1.2.250.1.999.70", filed.submission_id)


async def test_the_professional_who_sent_it_from_here_deposits_it(
    hospital: Hospital, patient: Patient
) -> None:
    marie = await hospital.place.add("marie", idnat="899900000012")
    content = letter(package(cda()), sender=marie.address, to=hospital.app.address)
    sent = await hospital.place.send(marie, hospital.app.address, content=content)
    assert isinstance(sent, Accepted)
    await hospital.worker().drain()
    [filed] = hospital.documents(patient)
    assert (filed.depositor_id, filed.depositor_structure) == ("899900000012", FINESS)
    [told] = await hospital.place.kept(marie.owner_id)
    assert message_from_bytes(told.content)["From"] == hospital.app.address
    [history] = hospital.place.database.read_now(lambda connection: view.find(connection, sent.queue_id))
    [line] = history.recipients
    assert line.stage is view.Stage.FILED


# ref: DMP-F10, F16
@pytest.mark.parametrize(
    ("attachment", "code"),
    [
        (package(cda(ins=None), ins=None), "903"),
        (package(cda(family="")), "905"),
        (package(cda(ins=OTHER_INS), ins=OTHER_INS), "902"),
        (package(cda(), ins=OTHER_INS), "904"),
        (package(cda(family="AUTRE")), "904"),
        (package(cda(birth="19790329")), "904"),
        (package(cda(code="99999-9")), "906"),
        (package(cda(), sha1="0" * 40), "906"),
        (package(cda(), size=3), "906"),
        (("IHE_XDM.zip", "application/zip", b"PK\x03\x04 nothing"), "906"),
        (("lettre.pdf", "application/pdf", PDF), "906"),
    ],
)
async def test_each_reason_has_its_code(
    hospital: Hospital, patient: Patient, attachment: tuple[str, str, bytes], code: str
) -> None:
    await hospital.get(attachment)
    assert (await hospital.fate()).startswith(f"/Error: {code}^")
    assert hospital.documents(patient, None) == []


@pytest.mark.parametrize("state", [PatientState.OPPOSED, PatientState.CLOSED])
async def test_a_record_that_is_not_open_is_an_unknown_patient(
    hospital: Hospital, state: PatientState
) -> None:
    await hospital.place.add_patient(state=state)
    await hospital.get(package(cda()))
    assert (await hospital.fate()).startswith("/Error: 902^")
    assert [each[:3] for each in hospital.traces()] == [("TD2.1", "no-record", "structure")]


async def test_a_document_that_the_patient_is_not_to_see_is_deposited_unseen(
    hospital: Hospital, patient: Patient
) -> None:
    await hospital.get(package(cda(), flags=("INVISIBLE_PATIENT",)))
    assert await hospital.fate() == ""
    [filed] = hospital.documents(patient)
    assert filed.invisible_to_patient
    assert (
        hospital.place.database.read_now(
            lambda connection: record.list_documents(connection, patient.owner_id, reader=Reader.PATIENT)
        )
        == []
    )


# ref: F17
async def test_without_a_request_only_a_refusal_is_told_by_an_ordinary_mail(
    hospital: Hospital, patient: Patient
) -> None:
    await hospital.get(package(cda()), asks=None)
    assert await hospital.answers() == []
    refused = package(cda(ins=OTHER_INS, unique_id="1.2.3"), ins=OTHER_INS)
    await hospital.get(refused, asks=None)
    [told] = await hospital.answers()
    assert told["From"] == hospital.app.address
    assert told["Auto-Submitted"] == "auto-replied"
    subject = str(make_header(decode_header(str(told["Subject"]))))
    assert subject == "[KO Intégration système !][902] XDM/1.0/DDM+Résultats"
    text, original, package_again = _parts(told)
    assert "902" in text.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert original.get_filename() == "message_original.eml"
    assert _parts(original)[0]["Message-ID"] == "<m1@medecin.mssante.fr>"
    assert package_again.get_filename() == "IHE_XDM.zip"
    assert package_again.get_payload(decode=True) == refused[2]


async def test_a_notification_is_asked_by_nobody_but_the_sender(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda()), asks="autre@ailleurs.mssante.fr")
    assert await hospital.answers() == []
    assert len(hospital.documents(patient)) == 1


# ref: DMP-F13
@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ("Auto-Submitted: auto-replied\r\n", SUBJECT),
        ("", "[KO Intégration système !][902] XDM/1.0/DDM+Résultats"),
        ("", "[Erreur d’intégration !][902] XDM/1.0/DDM+Résultats"),
    ],
)
async def test_what_another_system_answers_is_neither_deposited_nor_answered(
    hospital: Hospital, patient: Patient, fields: str, subject: str
) -> None:
    await hospital.get(package(cda()), fields=fields, subject=subject)
    assert await hospital.answers() == []
    assert hospital.documents(patient, None) == []


async def test_two_boxes_that_deposit_never_answer_each_other(hospital: Hospital, patient: Patient) -> None:
    other = await hospital.place.add("ris", type="APP", idnat=FINESS)
    await hospital.place.database.write(lambda uow: set_deposits(uow, other, deposits=True))
    content = letter(package(cda(ins=OTHER_INS), ins=OTHER_INS), sender=other.address, asks=None)
    await hospital.place.send(other, hospital.app.address, content=content)
    await hospital.worker().drain()
    assert len(await hospital.place.kept(other.owner_id)) == 1
    assert len(await hospital.place.kept(hospital.app.owner_id)) == 1


async def test_a_patient_deposits_nothing_by_this_way(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda()), sender=patient_address(patient), asks=None)
    assert hospital.documents(patient, None) == []


# ref: DMP-F11
async def test_a_hundred_times_the_same_mail_is_one_document(hospital: Hospital, patient: Patient) -> None:
    content = letter(package(cda()), to=hospital.app.address)
    for number in range(100):
        await hospital.place.receive(
            REMOTE, hospital.app.address, content=content.replace(b"<m1@", f"<m{number}@".encode())
        )
    await hospital.worker().drain()
    assert len(hospital.documents(patient, None)) == 1
    told = [str(each) for each in await hospital.answers()]
    assert len(told) == 100
    assert not any("Error:" in each for each in told)


# ref: DMP-F12
async def test_a_replacement_takes_the_place_of_the_former_version(
    hospital: Hospital, patient: Patient
) -> None:
    await hospital.get(package(cda()))
    second = cda(unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1")
    await hospital.get(package(second))
    [current] = hospital.documents(patient)
    assert current.unique_id == "1.2.250.1.999.1.2"
    assert len(hospital.documents(patient, Status.DEPRECATED)) == 1


async def test_a_document_that_stands_twice_in_one_mail_is_one(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda()), package(cda()), ("lettre.xml", "text/xml", cda()))
    assert len(hospital.documents(patient, None)) == 1
    assert await hospital.fate() == ""


# ref: DMP-F12
async def test_versions_in_one_mail_follow_each_other(hospital: Hospital, patient: Patient) -> None:
    second = cda(unique_id="1.2.250.1.999.1.2", version=2)
    await hospital.get(("v1.xml", "text/xml", cda()), ("v2.xml", "text/xml", second))
    [current] = hospital.documents(patient)
    assert current.unique_id == "1.2.250.1.999.1.2"
    assert len(hospital.documents(patient, Status.DEPRECATED)) == 1


@pytest.mark.parametrize(
    ("options", "sender", "code"),
    [
        (
            {"author_id": "801111111111", "institution_id": "1120459999"},
            "autre@ailleurs.mssante.fr",
            "901",
        ),
        ({}, "autre@ailleurs.mssante.fr", "901"),
        ({"version": 1}, REMOTE, "900"),
        ({"unique_id": "1.2.250.1.999.1.1", "version": 2}, REMOTE, "900"),
    ],
)
async def test_who_may_not_replace_is_told_so(
    hospital: Hospital, patient: Patient, options: dict[str, Any], sender: str, code: str
) -> None:
    await hospital.get(package(cda()))
    await hospital.answers()
    values: dict[str, Any] = {
        "unique_id": "1.2.250.1.999.1.2",
        "version": 2,
        "replaces": "1.2.250.1.999.1.1",
    }
    await hospital.get(package(cda(**(values | options))), sender=sender)
    assert (await hospital.fate()).startswith(f"/Error: {code}^")
    [current] = hospital.documents(patient)
    assert current.unique_id == "1.2.250.1.999.1.1"


# ref: DMP-F12, DMP-F36
async def test_a_document_is_deleted_when_its_sender_asks_so(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda()))
    await hospital.answers()
    for _ in range(2):
        await hospital.get(deletion(cda()))
        assert await hospital.fate() == ""
        assert hospital.documents(patient) == []
        assert len(hospital.documents(patient, Status.DELETED)) == 1
    assert [each[0] for each in hospital.traces()] == ["TD2.1", "delete"]


async def test_nobody_else_deletes_it(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(package(cda()))
    await hospital.answers()
    await hospital.get(deletion(cda()), sender="autre@ailleurs.mssante.fr")
    assert (await hospital.fate()).startswith("/Error: 901^")
    assert len(hospital.documents(patient)) == 1


async def test_only_the_last_version_is_deleted(hospital: Hospital, patient: Patient) -> None:
    await hospital.get(deletion(cda()))
    assert (await hospital.fate()).startswith("/Error: 900^")
    await hospital.get(package(cda()))
    await hospital.get(package(cda(unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1")))
    await hospital.answers()
    await hospital.get(deletion(cda()))
    assert (await hospital.fate()).startswith("/Error: 900^")
    assert [each.unique_id for each in hospital.documents(patient)] == ["1.2.250.1.999.1.2"]


async def test_what_a_service_passes_on_is_deposited_and_answered_once(
    hospital: Hospital, patient: Patient
) -> None:
    service = await hospital.place.add("cardiologie", type="ORG", idnat=FINESS)
    await hospital.place.database.write(lambda uow: set_forwarding(uow, service, hospital.app.address))
    await hospital.get(package(cda()), to=service.address)
    assert len(hospital.documents(patient)) == 1
    [told] = await hospital.answers()
    assert told["From"] == hospital.app.address
    assert len(await hospital.place.kept(service.owner_id)) == 1


async def test_a_box_that_was_closed_meanwhile_deposits_nothing(hospital: Hospital, patient: Patient) -> None:
    place = hospital.place
    await place.receive(REMOTE, hospital.app.address, content=letter(package(cda())))
    await place.shut(hospital.app)
    await hospital.worker().drain()
    assert hospital.documents(patient, None) == []
    assert place.count(job) == 0


# ref: F44
async def test_the_structures_system_gets_the_document_and_its_answer_is_told(
    hospital: Hospital, patient: Patient
) -> None:
    async with HospitalSystem().listening() as system:
        hospital.system = system
        await hospital.get(package(cda()))
        assert await hospital.fate() == ""
        await hospital.get(
            package(cda(unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1"))
        )
        await hospital.get(
            deletion(cda(unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1"))
        )
    events = [(each.header.get(9, 2), each.first("TXA")) for each in system.messages]
    assert [event for event, _ in events] == ["T02", "T10", "T04"]
    assert [txa.get(13) for _, txa in events if txa is not None] == ["", "1.2.250.1.999.1.1", ""]
    assert len(set(system.numbers)) == 3
    assert hospital.documents(patient) == []


# ref: F44
async def test_what_the_structures_system_refuses_is_refused(hospital: Hospital, patient: Patient) -> None:
    error = "ERR||PID^1^3|207^Application error|E|902^Identifiant de patient inconnu^applicationErrorCode"
    async with HospitalSystem().listening() as system:
        system.answers = lambda message: answer(message, "AE", error)
        hospital.system = system
        await hospital.get(package(cda()))
    assert (await hospital.fate()).startswith("/Error: 902^")
    assert len(hospital.documents(patient)) == 1, "the record has it all the same"


async def test_nothing_is_told_before_the_structures_system_has_answered(
    hospital: Hospital, patient: Patient
) -> None:
    async with HospitalSystem().listening() as system:
        system.answers = lambda _message: None
        hospital.system = system
        await hospital.get(
            package(
                cda(),
                cda(unique_id="1.2.250.1.999.2.1", set_id="1.2.250.1.999.2"),
            )
        )
        assert await hospital.answers() == []
        assert len(hospital.documents(patient)) == 2
        [kept] = await hospital.place.kept(hospital.app.owner_id)
        assert kept.content
        system.answers = accept
        hospital.place.clock.advance(timedelta(seconds=3))
        await hospital.worker().drain()
    assert await hospital.fate() == ""


async def test_the_structures_system_is_told_once_of_what_comes_twice(
    hospital: Hospital, patient: Patient
) -> None:
    async with HospitalSystem().listening() as system:
        hospital.system = system
        await hospital.get(package(cda()))
        await hospital.get(package(cda()))
    assert len(system.messages) == 1
    assert len(await hospital.answers()) == 2


async def test_a_refused_document_does_not_reach_the_structures_system(
    hospital: Hospital, patient: Patient
) -> None:
    async with HospitalSystem().listening() as system:
        hospital.system = system
        await hospital.get(package(cda(ins=OTHER_INS), ins=OTHER_INS))
    assert system.messages == []
    assert (await hospital.fate()).startswith("/Error: 902^")


V1, V2, V3 = (f"1.2.250.1.999.1.{number}" for number in (1, 2, 3))
FIRST = ("v1.xml", "text/xml", cda())
SECOND = ("v2.xml", "text/xml", cda(unique_id=V2, version=2))
REPLACING = ("v2.xml", "text/xml", cda(unique_id=V2, set_id=None, version=2, replaces=V1))
THIRD = ("v3.xml", "text/xml", cda(unique_id=V3, version=3))


# ref: DMP-F12, F44
@pytest.mark.parametrize("are_apart", [False, True])
@pytest.mark.parametrize(
    ("attachments", "events"),
    [
        ([FIRST, SECOND], [("T02", V1, ""), ("T10", V2, V1)]),
        ([FIRST, REPLACING], [("T02", V1, ""), ("T10", V2, V1)]),
        ([FIRST, SECOND, THIRD], [("T02", V1, ""), ("T10", V2, V1), ("T10", V3, V2)]),
        ([SECOND, FIRST], [("T02", V2, ""), ("T02", V1, "")]),
        ([FIRST, deletion(cda())], [("T02", V1, ""), ("T04", V1, "")]),
        ([FIRST, SECOND, deletion(cda())], [("T02", V1, ""), ("T10", V2, V1)]),
        ([FIRST, FIRST], [("T02", V1, "")]),
    ],
)
async def test_the_structures_system_is_told_the_same_of_one_mail_as_of_several(
    hospital: Hospital,
    patient: Patient,
    attachments: list[tuple[str, str, bytes]],
    events: list[tuple[str, str, str]],
    are_apart: bool,
) -> None:
    async with HospitalSystem().listening() as system:
        hospital.system = system
        for some in [[each] for each in attachments] if are_apart else [attachments]:
            await hospital.get(*some)
    told = [(each.header.get(9, 2), each.first("TXA")) for each in system.messages]
    assert [(event, txa.get(12), txa.get(13)) for event, txa in told if txa is not None] == events
