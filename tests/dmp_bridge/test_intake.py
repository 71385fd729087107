from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.bals import add_bal
from directory.patients import PatientState
from dmp_bridge import record
from dmp_bridge.dossier import consents
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.findings import Kind
from dmp_bridge.record import Filing, Reader, State, Status
from foundation import trail
from foundation.jobs import Job
from tests.dmp_bridge.builders import OTHER_INS, PDF, PNG, cda, mail, n3_body, xdm, zipped
from tests.dmp_bridge.conftest import PATIENT_INS
from tests.shared_data import shared

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from tests.dmp_bridge.conftest import Desk, MakeDesk


def document(**options: object) -> bytes:
    return cda(**({"ins": PATIENT_INS} | options))  # type: ignore[arg-type]


def packed(*documents: bytes, unique_id: str | None = None, **options: object) -> bytes:
    return mail(
        ("IHE_XDM.zip", "application/zip", xdm(*documents, unique_id=unique_id, ins=PATIENT_INS, **options)),
        recipient=f"{PATIENT_INS}@patient.mssante.fr",
    )


def told(filings: list[Filing]) -> list[tuple[State, str | None]]:
    return [(each.state, each.code) for each in filings]


# ref: DMP-F8
async def test_a_document_is_filed_with_its_metadata_and_both_its_files(desk: Desk) -> None:
    data = document()
    (row,) = await desk.deliver(packed(data))
    assert (row.state, row.code, row.part, row.sentence) == (
        State.FILED,
        None,
        "2",
        "Document ajouté à votre dossier.",
    )
    (filed,) = await desk.documents()
    assert filed.id == row.document_id
    assert (filed.unique_id, filed.set_id, filed.version_number) == (
        "1.2.250.1.999.1.1",
        "1.2.250.1.999.1",
        1,
    )
    assert (filed.category, filed.class_code, filed.type_code) == ("BIOLOGIE", "10", "11502-2")
    assert (filed.author_name, filed.institution) == ("Dr Marcel CAMPARINI", "Laboratoire des charmes")
    assert (filed.media_type, filed.size, filed.service_start_at) == (
        "application/pdf",
        len(data),
        1773302400000,
    )
    assert await desk.vault.read(desk.owner_id, filed.blob_id) == data
    assert filed.display_blob_id is not None
    assert await desk.vault.read(desk.owner_id, filed.display_blob_id) == PDF


async def test_the_filing_of_a_clinical_document_bears_its_title_and_category(desk: Desk) -> None:
    rows = await desk.deliver(
        mail(("d.xml", "text/xml", document(confidentiality="R")), ("photo.png", "image/png", PNG))
    )
    assert [(each.title, each.category, each.hidden) for each in rows] == [
        ("Compte rendu d'examens biologiques", "BIOLOGIE", False),
        (None, None, False),
    ]


async def test_a_structured_document_is_filed_without_a_copy_to_show(desk: Desk) -> None:
    await desk.deliver(packed(document(body=n3_body())))
    (filed,) = await desk.documents()
    assert (filed.media_type, filed.display_blob_id) == ("text/xml", None)


# ref: DMP-F14
async def test_the_copy_beside_a_document_points_to_it(desk: Desk) -> None:
    message = mail(
        ("copie.pdf", "application/pdf", PDF),
        ("IHE_XDM.zip", "application/zip", xdm(document(), ins=PATIENT_INS)),
    )
    rows = await desk.deliver(message)
    assert told(rows) == [(State.COPY, None), (State.FILED, None)]
    assert rows[0].document_id == rows[1].document_id


async def test_other_files_are_offered_or_kept(desk: Desk) -> None:
    message = mail(
        ("photo.png", "image/png", PNG),
        ("photos.zip", "application/zip", zipped({"a": b"a"})),
        ("lettre.pdf", "application/pdf", b"MZ\x90\x00"),
    )
    assert told(await desk.deliver(message)) == [
        (State.OFFERED, None),
        (State.KEPT, None),
        (State.KEPT, None),
    ]
    assert await desk.documents(None) == []


# ref: DMP-F10
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"ins": OTHER_INS}, "904"),
        ({"family": "AUTRE"}, "904"),
        ({"given": "CLAUDE"}, "904"),
        ({"birth": "19790329"}, "904"),
        ({"sex": "M"}, "904"),
        ({"ins": None}, "903"),
        ({"family": ""}, "905"),
        ({"code": "99999-9"}, "906"),
    ],
)
async def test_a_document_that_is_not_surely_the_patients_is_refused(
    desk: Desk, options: dict[str, object], code: str
) -> None:
    message = mail(("document.xml", "text/xml", document(**options)))
    assert told(await desk.deliver(message)) == [(State.REFUSED, code)]
    assert await desk.documents(None) == []


@pytest.mark.parametrize("family", ["PAT-TROIS", "Pat Trois", "PÂT TROIS", "pat'trois"])
async def test_spellings_of_one_name_are_the_same(desk: Desk, family: str) -> None:
    assert told(await desk.deliver(packed(document(family=family)))) == [(State.FILED, None)]


# ref: DMP-F10
@pytest.mark.parametrize("state", [PatientState.OPPOSED, PatientState.CLOSED])
async def test_a_record_that_is_not_open_takes_nothing(make_desk: MakeDesk, state: PatientState) -> None:
    desk = await make_desk(state=state)
    rows = await desk.deliver(mail(("document.xml", "text/xml", document()), ("photo.png", "image/png", PNG)))
    assert told(rows) == [(State.REFUSED, "902"), (State.KEPT, None)]


# ref: DMP-F21
async def test_a_record_never_activated_is_fed_all_the_same(make_desk: MakeDesk) -> None:
    desk = await make_desk(state=PatientState.NOT_ACTIVATED)
    assert told(await desk.deliver(packed(document()))) == [(State.FILED, None)]


# ref: DMP-F11
# ref: DMP-F22
async def test_who_opposed_the_feeding_of_the_record_gets_no_document_by_mail(desk: Desk) -> None:
    actor, why = f"patient:{desk.owner_id}", "Conflit personnel avec le service."
    await desk.database.write(
        lambda uow: consents.record(
            uow, desk.owner_id, ConsentKind.FEEDING, Consent.OPPOSED, actor, 1, reason=why
        )
    )
    message = mail(("document.xml", "text/xml", document()), ("photo.png", "image/png", PNG))
    rows = await desk.deliver(message)
    assert told(rows) == [(State.REFUSED, "902"), (State.OFFERED, None)]
    assert "opposé" in rows[0].sentence
    assert await desk.documents(None) == []


async def test_the_same_document_again_is_a_duplicate(desk: Desk) -> None:
    first = await desk.deliver(packed(document()), mail_id=1)
    again = await desk.deliver(packed(document()), mail_id=2)
    assert told(again) == [(State.DUPLICATE, None)]
    assert again[0].document_id == first[0].document_id
    assert len(await desk.documents(None)) == 1


async def test_another_content_under_the_same_identifier_is_refused(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    rows = await desk.deliver(packed(document(title="Autre")), mail_id=2)
    assert told(rows) == [(State.REFUSED, "900")]


# ref: DMP-F11
async def test_a_job_done_twice_changes_nothing(desk: Desk) -> None:
    job = await desk.store(packed(document()))
    await desk.handle(job)
    before = (await desk.filings(), await desk.documents(None))
    await desk.handle(job)
    after = (await desk.filings(), await desk.documents(None))
    assert [(each.state, each.document_id) for each in after[0]] == [
        (each.state, each.document_id) for each in before[0]
    ]
    assert after[1] == before[1]


async def test_a_job_prepared_twice_files_once(desk: Desk) -> None:
    job = await desk.store(packed(document()))
    first, second = await desk.bridge.handle(job), await desk.bridge.handle(job)
    await desk.database.write(first)
    await desk.database.write(second)
    assert len(await desk.documents(None)) == 1


# ref: DMP-F11, DMP-F17
async def test_a_newer_version_takes_the_place_of_the_older(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    await desk.deliver(
        packed(document(unique_id="1.2.9", version=2, replaces="1.2.250.1.999.1.1")), mail_id=2
    )
    versions = sorted((each.version_number, each.status) for each in await desk.documents(None))
    assert versions == [(1, Status.DEPRECATED), (2, Status.APPROVED)]
    assert [each.version_number for each in await desk.documents()] == [2]


# ref: DMP-F11
async def test_an_older_version_that_arrives_late_never_takes_its_place(desk: Desk) -> None:
    await desk.deliver(packed(document(unique_id="1.2.9", version=3)), mail_id=1)
    rows = await desk.deliver(packed(document(version=2)), mail_id=2)
    assert told(rows) == [(State.FILED, None)]
    assert [each.version_number for each in await desk.documents()] == [3]
    await desk.deliver(packed(document(unique_id="1.2.10", version=4)), mail_id=3)
    statuses = {each.version_number: each.status for each in await desk.documents(None)}
    assert statuses == {2: Status.DEPRECATED, 3: Status.DEPRECATED, 4: Status.APPROVED}


async def test_two_versions_in_one_package_are_filed_in_any_order(desk: Desk) -> None:
    await desk.deliver(packed(document(unique_id="1.2.9", version=2), document()))
    assert {each.version_number: each.status for each in await desk.documents(None)} == {
        1: Status.DEPRECATED,
        2: Status.APPROVED,
    }


# ref: DMP-F12
async def test_the_same_version_with_another_identifier_is_refused(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    rows = await desk.deliver(packed(document(unique_id="1.2.9", version=1)), mail_id=2)
    assert told(rows) == [(State.REFUSED, "900")]


async def test_a_document_without_a_set_replaces_the_one_it_names(desk: Desk) -> None:
    await desk.deliver(packed(document(set_id=None, version=None)), mail_id=1)
    newer = document(unique_id="1.2.9", set_id=None, version=None, replaces="1.2.250.1.999.1.1")
    await desk.deliver(packed(newer), mail_id=2)
    assert [each.unique_id for each in await desk.documents()] == ["1.2.9"]


# ref: DMP-F12
async def test_a_stranger_replaces_nothing(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    strange = {"unique_id": "1.2.9", "version": 2, "author_id": "899999999999", "institution_id": "3999"}
    rows = await desk.deliver(packed(document(**strange)), mail_id=2, sender="autre@hopital.mssante.fr")
    assert told(rows) == [(State.REFUSED, "901")]
    assert [each.version_number for each in await desk.documents()] == [1]


COLLEAGUE = "autre@hopital.mssante.fr"


async def hold(desk: Desk, idnat: str) -> None:
    """Makes a box of the colleague whose holder bears this national identifier."""

    def unit(uow: UnitOfWork) -> None:
        add_bal(
            uow, desk.vault, address=COLLEAGUE, type="PER", name="x", idnat=idnat, password_hash=None, now=1
        )

    await desk.database.write(unit)


# ref: DMP-F12
@pytest.mark.parametrize("idnat", ["801234534765", "1120459876"])
async def test_the_author_or_a_colleague_of_the_structure_may_replace_from_a_box_of_their_own(
    desk: Desk, idnat: str
) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    await hold(desk, idnat)
    rows = await desk.deliver(packed(document(unique_id="1.2.9", version=2)), mail_id=2, sender=COLLEAGUE)
    assert told(rows) == [(State.FILED, None)]


@pytest.mark.parametrize("idnat", [None, "899999999999"])
async def test_who_only_claims_to_be_the_author_replaces_nothing(desk: Desk, idnat: str | None) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    if idnat is not None:
        await hold(desk, idnat)
    rows = await desk.deliver(packed(document(unique_id="1.2.9", version=2)), mail_id=2, sender=COLLEAGUE)
    assert told(rows) == [(State.REFUSED, "901")]


async def test_the_same_number_of_another_authority_is_another_author(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    newer = document(unique_id="1.2.9", version=2)
    strange = newer.replace(b"1.2.250.1.71.4.2.1", b"1.2.3.1").replace(b"1.2.250.1.71.4.2.2", b"1.2.3.2")
    assert strange != newer
    assert told(await desk.deliver(packed(strange), mail_id=2)) == [(State.REFUSED, "901")]


async def test_an_operator_deposits_a_newer_version(desk: Desk) -> None:
    await desk.deliver(packed(document()))
    newer = document(unique_id="1.2.9", version=2)
    findings = await desk.bridge.examine(mail(("document.xml", "text/xml", newer)))
    assert [each.state for each in await desk.bridge.deposit(findings)] == [State.FILED]
    assert [each.version_number for each in await desk.documents()] == [2]


@pytest.mark.parametrize(
    "options", [{"confidentiality": "R"}, {"confidentiality": "V"}, {"code": "PIECE-IDENTITE"}]
)
async def test_what_is_not_for_the_record_by_itself_is_offered(
    desk: Desk, options: dict[str, object]
) -> None:
    assert told(await desk.deliver(packed(document(**options)))) == [(State.OFFERED, None)]
    assert await desk.documents(None) == []


async def test_an_operator_may_have_every_document_offered(make_desk: MakeDesk) -> None:
    desk = await make_desk(structured="offer")
    assert told(await desk.deliver(packed(document()))) == [(State.OFFERED, None)]


UNSEEN = ("INVISIBLE_PATIENT",)


# ref: F45
async def test_a_document_not_visible_to_the_patient_is_not_taken_from_a_mail_to_him(desk: Desk) -> None:
    (row,) = await desk.deliver(packed(document(), flags=UNSEEN))
    assert told([row]) == [(State.REFUSED, "906")]
    assert "non visible par le patient" in row.sentence
    assert (row.hidden, row.title, row.category, row.document_id) == (True, None, None, None)
    known = await desk.database.read(
        lambda c: record.document_by_unique_id(c, desk.owner_id, "1.2.250.1.999.1.1")
    )
    assert known is None
    assert await desk.waiting() == 1


async def test_copies_of_a_hidden_document_are_hidden_and_other_files_are_not(desk: Desk) -> None:
    package = xdm(document(), ins=PATIENT_INS, flags=UNSEEN)
    message = mail(
        ("copie.pdf", "application/pdf", PDF),
        ("IHE_XDM.zip", "application/zip", package),
        ("document.xml", "text/xml", document()),
        ("photo.png", "image/png", PNG),
    )
    rows = await desk.deliver(message)
    assert [(each.state, each.hidden) for each in rows] == [
        (State.COPY, True),
        (State.REFUSED, True),
        (State.REFUSED, True),
        (State.OFFERED, False),
    ]
    assert await desk.documents(None) == []


async def deposit(desk: Desk, data: bytes, **options: object) -> State:
    package = xdm(data, unique_id=None, ins=PATIENT_INS, **options)
    findings = await desk.bridge.examine(mail(("IHE_XDM.zip", "application/zip", package)))
    (outcome,) = await desk.bridge.deposit(findings)
    return outcome.state


async def test_an_operator_files_a_document_to_be_announced_first_unseen(desk: Desk) -> None:
    assert await deposit(desk, document(), flags=UNSEEN) is State.FILED
    assert await desk.documents(None) == []
    hidden = await desk.database.read(
        lambda c: record.document_by_unique_id(c, desk.owner_id, "1.2.250.1.999.1.1")
    )
    assert hidden is not None
    assert hidden.invisible_to_patient
    assert await desk.database.read(lambda c: record.document(c, desk.owner_id, hidden.id)) is None


# ref: DMP-F18
async def test_a_document_filed_unseen_is_not_given_by_a_mail_that_forgot_the_flag(desk: Desk) -> None:
    await deposit(desk, document(), flags=UNSEEN)
    (row,) = await desk.deliver(packed(document()))
    assert (row.state, row.code, row.hidden, row.document_id) == (State.REFUSED, "906", True, None)


async def test_an_unseen_version_takes_nothing_from_the_patient(desk: Desk) -> None:
    await desk.deliver(packed(document()))
    assert await deposit(desk, document(unique_id="1.2.9", version=2), flags=UNSEEN) is State.FILED
    assert [each.version_number for each in await desk.documents()] == [1]


# ref: DMP-F20
async def test_a_representative_does_not_see_a_minors_secret(desk: Desk) -> None:
    (row,) = await desk.deliver(packed(document(), flags=("INVISIBLE_REPRESENTANTS_LEGAUX",)))
    assert len(await desk.documents()) == 1

    def seen(reader: Reader) -> object:
        assert row.document_id is not None
        document_id = row.document_id
        return desk.database.read_now(
            lambda c: (
                record.list_documents(c, desk.owner_id, reader=reader),
                record.document(c, desk.owner_id, document_id, reader=reader),
            )
        )

    assert seen(Reader.REPRESENTATIVE) == ([], None)


async def test_documents_are_listed_by_category(desk: Desk) -> None:
    await desk.deliver(packed(document(), document(unique_id="1.2.9", set_id="1.2", code="18748-4")))
    listed = await desk.database.read(lambda c: record.list_documents(c, desk.owner_id, category="RADIO_SC"))
    assert [each.unique_id for each in listed] == ["1.2.9"]


async def test_another_owner_reads_nothing(desk: Desk) -> None:
    (row,) = await desk.deliver(packed(document()))
    assert row.document_id is not None
    document_id = row.document_id
    assert await desk.database.read(lambda c: record.document(c, desk.owner_id + 1, document_id)) is None
    assert await desk.database.read(lambda c: record.filings_of(c, desk.owner_id + 1, [1])) == {}


async def test_a_mail_deleted_before_its_turn_is_nothing(desk: Desk) -> None:
    await desk.handle(Job(1, "bridge", {"owner_id": desk.owner_id, "mail_id": 1, "blob_id": 999}, 1))
    assert await desk.filings() == []


# ref: DMP-F27, DMP-F43
async def test_every_outcome_leaves_a_trace_without_words(desk: Desk) -> None:
    await desk.deliver(packed(document()), mail_id=1)
    await desk.deliver(mail(("d.xml", "text/xml", document(ins=None))), mail_id=2)
    rows = await desk.database.read(lambda c: list(trail.rows(c)))
    kept = [(row.action, row.subject, row.outcome) for row in rows if row.action.startswith("document.")]
    assert kept == [("document.filed", "mail:1", "ok"), ("document.refused", "mail:2", "903")]
    text = " ".join(row.detail for row in rows)
    assert all(word not in text for word in (PATIENT_INS, "PAT", "xml", "Compte"))


async def test_the_shared_mails_are_seen_to_name_two_patients(desk: Desk) -> None:
    # Their METADATA.XML was made for another person than the ANS document beside it.
    for name in ("01-pro-vers-pro-xdm.eml", "06-annule-et-remplace.eml"):
        found = await desk.bridge.examine(shared("mails", name).read_bytes())
        assert [(each.kind, each.code) for each in found] == [(Kind.REFUSED, "904"), (Kind.PLAIN, None)]


async def test_other_traits_under_the_right_ins_can_be_told_instead_of_refused(make_desk: MakeDesk) -> None:
    desk = await make_desk(traits="tell")
    message = mail(("document.xml", "text/xml", document(family="AUTRE")))
    (row,) = await desk.deliver(message)
    assert (row.state, row.code) == (State.FILED, None)
    assert "diffèrent" in row.sentence
    other = mail(("document.xml", "text/xml", document(ins=OTHER_INS, unique_id="1.2.250.1.999.7")))
    assert told(await desk.deliver(other, mail_id=2)) == [(State.REFUSED, "904")]


async def test_an_operator_deposits_a_document_without_a_mail_and_only_once(desk: Desk) -> None:
    findings = await desk.bridge.examine(
        mail(("document.xml", "text/xml", document()), ("photo.png", "image/png", PNG))
    )
    assert [each.state for each in await desk.bridge.deposit(findings)] == [State.FILED, State.KEPT]
    assert [each.state for each in await desk.bridge.deposit(findings)] == [State.DUPLICATE, State.KEPT]
    assert len(await desk.documents()) == 1


async def test_the_copy_of_what_an_operator_deposits_is_told_as_such(desk: Desk) -> None:
    files = (("document.xml", "text/xml", document()), ("copie.pdf", "application/pdf", PDF))
    findings = await desk.bridge.examine(mail(*files))
    assert [each.state for each in await desk.bridge.deposit(findings)] == [State.FILED, State.COPY]


async def test_a_deposit_for_somebody_who_has_no_record_here_is_refused(desk: Desk) -> None:
    findings = await desk.bridge.examine(mail(("document.xml", "text/xml", document(ins=OTHER_INS))))
    assert [(each.state, each.code) for each in await desk.bridge.deposit(findings)] == [
        (State.REFUSED, "902")
    ]


# Nobody is asked where no mail brings a document: it is in the record afterwards, or it is refused.
async def test_by_hand_a_document_is_filed_or_refused_and_never_offered(desk: Desk) -> None:
    assert await deposit(desk, document(confidentiality="R")) is State.FILED
    (filed,) = await desk.documents()
    assert filed.confidentiality == "R"
    assert (
        await deposit(desk, document(code="PIECE-IDENTITE", unique_id="1.2.9", set_id="1.2.8"))
        is State.REFUSED
    )
    assert len(await desk.documents()) == 1
