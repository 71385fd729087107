from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, set_patient_state
from dmp_bridge.offer import OfferAccepted, OfferRefused
from dmp_bridge.record import Origin, State, Status
from tests.dmp_bridge.builders import PDF, PNG, cda, mail
from tests.dmp_bridge.conftest import PATIENT_INS

if TYPE_CHECKING:
    from dmp_bridge.record import Filing
    from tests.dmp_bridge.conftest import Desk, MakeDesk

WISH = {"title": "Ma radio", "category": "RADIO_SC", "date": "2026-03-12"}


async def offer(desk: Desk, *attachments: tuple[str, str, bytes]) -> Filing:
    return (await desk.deliver(mail(*(attachments or (("photo.png", "image/png", PNG),)))))[0]


# ref: DMP-F29
async def test_a_patient_files_an_offered_file_under_his_own_words(desk: Desk) -> None:
    row = await offer(desk)
    accepted = await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH)
    (filed,) = await desk.documents()
    assert accepted == OfferAccepted(filed.id)
    assert (filed.title, filed.category, filed.type_code, filed.class_code) == (
        "Ma radio",
        "RADIO_SC",
        "DOCPAT04",
        "31",
    )
    assert (filed.origin, filed.media_type, filed.service_start_at) == (
        Origin.PATIENT,
        "image/png",
        1773270000000,
    )
    assert await desk.vault.read(desk.owner_id, filed.blob_id) == PNG
    assert [(each.state, each.document_id) for each in await desk.filings()] == [(State.FILED, filed.id)]


async def test_a_second_acceptance_gives_the_same_document(desk: Desk) -> None:
    row = await offer(desk)
    first = await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH)
    assert await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH) == first
    assert len(await desk.documents()) == 1


async def test_an_offered_clinical_document_keeps_what_it_shows(desk: Desk) -> None:
    row = await offer(desk, ("d.xml", "text/xml", cda(ins=PATIENT_INS, confidentiality="R")))
    assert row.state is State.OFFERED
    accepted = await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH)
    assert isinstance(accepted, OfferAccepted)
    (filed,) = await desk.documents()
    assert (filed.unique_id, filed.media_type, filed.confidentiality) == (
        "1.2.250.1.999.1.1",
        "application/pdf",
        "R",
    )
    assert filed.display_blob_id is not None
    assert await desk.vault.read(desk.owner_id, filed.display_blob_id) == PDF


@pytest.mark.parametrize(
    "change",
    [
        {"title": "  "},
        {"title": "x" * 129},
        {"title": "a\u202eb"},
        {"category": "NONE"},
        {"category": "REMB"},
        {"date": "2026-03-14"},
        {"date": "12/03/2026"},
        {"date": ""},
    ],
)
async def test_a_wish_that_cannot_be_met_is_explained(desk: Desk, change: dict[str, str]) -> None:
    row = await offer(desk)
    answer = await desk.bridge.accept_offer(desk.owner_id, row.id, **(WISH | change))
    assert isinstance(answer, OfferRefused)
    assert answer.sentence.endswith(".")
    assert await desk.documents() == []


async def test_only_what_was_offered_to_this_patient_can_be_filed(desk: Desk) -> None:
    kept = await offer(desk, ("x.exe", "application/octet-stream", b"MZ\x90\x00"))
    for owner_id, filing_id in ((desk.owner_id, kept.id), (desk.owner_id, 999), (desk.owner_id + 1, kept.id)):
        assert isinstance(await desk.bridge.accept_offer(owner_id, filing_id, **WISH), OfferRefused)


async def test_a_file_of_a_deleted_mail_is_gone(desk: Desk) -> None:
    row = await offer(desk)
    await desk.database.write(lambda uow: desk.vault.release(uow, desk.owner_id, row.mail_blob_id))
    answer = await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH)
    assert answer == OfferRefused("Ce fichier n'est plus disponible : le message a été supprimé.")


async def test_a_closed_record_takes_no_file(desk: Desk) -> None:
    row = await offer(desk)
    await desk.database.write(lambda uow: set_patient_state(uow, PATIENT_INS, PatientState.CLOSED, 1))
    assert isinstance(await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH), OfferRefused)


OWN = {"title": "", "category": "", "date": ""}


async def test_an_offered_clinical_document_is_filed_under_its_own_metadata(desk: Desk) -> None:
    row = await offer(desk, ("d.xml", "text/xml", cda(ins=PATIENT_INS, confidentiality="R")))
    assert "diffusion restreinte" in row.sentence
    assert isinstance(await desk.bridge.accept_offer(desk.owner_id, row.id, **OWN), OfferAccepted)
    (filed,) = await desk.documents()
    assert (filed.title, filed.category) == ("Compte rendu d'examens biologiques", "BIOLOGIE")
    assert (filed.type_code, filed.class_code, filed.origin) == ("11502-2", "10", Origin.PROFESSIONAL)
    assert (filed.service_start_at, filed.creation_at) == (1773302400000, 1773410050000)
    assert (filed.author_name, filed.institution) == ("Dr Marcel CAMPARINI", "Laboratoire des charmes")
    assert (filed.set_id, filed.version_number) == ("1.2.250.1.999.1", 1)


async def test_a_patient_may_name_an_offered_clinical_document_and_not_date_it(desk: Desk) -> None:
    row = await offer(desk, ("d.xml", "text/xml", cda(ins=PATIENT_INS, code="PIECE-IDENTITE")))
    assert "n'est pas versé d'office" in row.sentence
    assert isinstance(await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH), OfferAccepted)
    (filed,) = await desk.documents()
    assert (filed.title, filed.category, filed.type_code) == ("Ma radio", "RADIO_SC", "PIECE-IDENTITE")
    assert filed.service_start_at == 1773302400000


@pytest.mark.parametrize("change", [{"title": "x" * 129}, {"title": "a\u202eb"}, {"category": "NONE"}])
async def test_words_no_document_can_bear_are_explained(desk: Desk, change: dict[str, str]) -> None:
    row = await offer(desk, ("d.xml", "text/xml", cda(ins=PATIENT_INS, confidentiality="R")))
    answer = await desk.bridge.accept_offer(desk.owner_id, row.id, **(OWN | change))
    assert isinstance(answer, OfferRefused)
    assert await desk.documents() == []


async def offered_after(desk: Desk, **options: object) -> tuple[int, OfferAccepted | OfferRefused]:
    """Files a document, then accepts the offer of a restricted one; also the id of the first."""
    first = await offer(
        desk, ("a.xml", "text/xml", cda(ins=PATIENT_INS, confidentiality="R", version=1, title="Un"))
    )
    await desk.bridge.accept_offer(desk.owner_id, first.id, **OWN)
    (known,) = await desk.documents()
    second = cda(**({"ins": PATIENT_INS, "confidentiality": "R"} | options))  # type: ignore[arg-type]
    row = (await desk.deliver(mail(("b.xml", "text/xml", second)), mail_id=2))[0]
    return known.id, await desk.bridge.accept_offer(desk.owner_id, row.id, **OWN)


async def test_an_accepted_version_takes_the_place_of_the_former_one(desk: Desk) -> None:
    former, answer = await offered_after(desk, unique_id="1.2.9", version=2)
    (current,) = await desk.documents()
    assert answer == OfferAccepted(current.id)
    assert {each.id: each.status for each in await desk.documents(None)} == {
        former: Status.DEPRECATED,
        current.id: Status.APPROVED,
    }


async def test_an_offer_refused_at_delivery_stays_refused(desk: Desk) -> None:
    _, answer = await offered_after(desk, title="Deux")
    assert isinstance(answer, OfferRefused)
    assert len(await desk.documents(None)) == 1


async def test_the_same_document_offered_twice_is_filed_once_and_other_bytes_are_refused(desk: Desk) -> None:
    same, other = (cda(ins=PATIENT_INS, confidentiality="R", title=title) for title in ("Un", "Autre"))
    rows = [
        (await desk.deliver(mail((f"{number}.xml", "text/xml", data)), mail_id=number))[0]
        for number, data in enumerate((same, same, other), start=1)
    ]
    assert [row.state for row in rows] == [State.OFFERED] * 3
    answers = [await desk.bridge.accept_offer(desk.owner_id, row.id, **OWN) for row in rows]
    (filed,) = await desk.documents(None)
    assert answers[:2] == [OfferAccepted(filed.id), OfferAccepted(filed.id)]
    assert isinstance(answers[2], OfferRefused)


async def test_the_card_says_that_the_operator_leaves_the_choice_to_the_patient(make_desk: MakeDesk) -> None:
    desk = await make_desk(structured="offer")
    row = await offer(desk, ("d.xml", "text/xml", cda(ins=PATIENT_INS)))
    assert row.state is State.OFFERED
    assert row.sentence.startswith("Les documents reçus ne sont pas versés d'office")


async def test_a_click_does_not_wait_for_a_mail_that_is_being_examined(desk: Desk) -> None:
    row = await offer(desk)
    async with desk.bridge._examiner._lock:
        accepted = await desk.bridge.accept_offer(desk.owner_id, row.id, **WISH)
    assert isinstance(accepted, OfferAccepted)
