from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, set_patient_state
from dmp_bridge.offer import OfferAccepted, OfferRefused
from dmp_bridge.record import Origin, State
from tests.dmp_bridge.builders import PDF, PNG, cda, mail
from tests.dmp_bridge.conftest import PATIENT_INS

if TYPE_CHECKING:
    from dmp_bridge.record import Filing
    from tests.dmp_bridge.conftest import Desk

WISH = {"title": "Ma radio", "category": "RADIO_SC", "date": "2026-03-12"}


async def offer(desk: Desk, *attachments: tuple[str, str, bytes]) -> Filing:
    return (await desk.deliver(mail(*(attachments or (("photo.png", "image/png", PNG),)))))[0]


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
