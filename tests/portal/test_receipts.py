"""The page asks before it tells a professional that a message was displayed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from foundation.jobs import job
from mailserver.reading_receipt import reading_receipt
from portal.conversations import PAGE
from tests.dmp_bridge.builders import PNG, cda, mail, xdm
from tests.portal.house import DOMINIQUE, ORIGIN, SOMEBODY_ELSE, House, form_token

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal
    from directory.patients import Patient

ASKED = "Ce professionnel demande un accusé de lecture."
SENT = "Accusé de lecture envoyé."
WITHHELD = "Vous n’avez pas envoyé d’accusé de lecture."


async def ask(house: House, doctor: Bal, patient: Patient, **values: object) -> None:
    await house.write(
        doctor, patient, **{"headers": (f"Disposition-Notification-To: {doctor.address}",), **values}
    )


def path_of(house: House, patient: Patient) -> str:
    return f"/patient/conversations/{house.conversation(patient).id}"


def form_of(house: House, patient: Patient, position: int = 0) -> str:
    items = house.conversation(patient).items
    return f"{path_of(house, patient)}/messages/{items[position].mail_id}/receipt"


async def click(house: House, browser: httpx2.AsyncClient, patient: Patient, choice: str) -> httpx2.Response:
    form = {"csrf": await form_token(browser), "choice": choice}
    return await browser.post(form_of(house, patient), data=form, headers={"origin": ORIGIN})


async def test_opening_a_message_sends_nothing_and_asks(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    browser = await house.signed_in(patient)
    page = (await browser.get(path_of(house, patient))).text
    assert ASKED in page
    assert 'name="choice" value="sent">Envoyer<' in page
    assert 'name="choice" value="withheld">Ne pas envoyer<' in page
    await house.worker.drain()
    assert await house.place.kept(doctor.owner_id) == []


async def test_a_message_that_asks_for_nothing_shows_no_form(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    assert "accusé de lecture" not in (await browser.get(path_of(house, patient))).text
    assert (await click(house, browser, patient, "sent")).status_code == 404


async def test_the_patient_sends_the_receipt(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient, subject="Votre traitement")
    browser = await house.signed_in(patient)
    sent = await click(house, browser, patient, "sent")
    assert sent.status_code == 303
    mail_id = house.conversation(patient).items[0].mail_id
    assert sent.headers["location"] == f"{path_of(house, patient)}?accuse=sent#message-{mail_id}"
    page = (await browser.get(sent.headers["location"])).text
    assert "L’accusé de lecture est envoyé." in page
    assert SENT in page
    assert ASKED not in page
    await house.worker.drain()
    [received] = await house.place.kept(doctor.owner_id)
    assert b"Disposition: manual-action/MDN-sent-manually; displayed\r\n" in received.content
    assert received.subject == "Lu : Votre traitement"
    assert len(house.conversation(patient).items) == 1


async def test_the_patient_keeps_it(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    browser = await house.signed_in(patient)
    kept = await click(house, browser, patient, "withheld")
    page = (await browser.get(kept.headers["location"])).text
    assert "Aucun accusé de lecture n’est envoyé." in page
    assert WITHHELD in page
    again = await click(house, browser, patient, "sent")
    assert "accuse=withheld" in again.headers["location"]
    await house.worker.drain()
    assert await house.place.kept(doctor.owner_id) == []


async def test_two_clicks_at_once_make_one_receipt(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    browser = await house.signed_in(patient)
    form = {"csrf": await form_token(browser), "choice": "sent"}
    both = await asyncio.gather(*(browser.post(form_of(house, patient), data=form) for _ in range(2)))
    assert [each.status_code for each in both] == [303, 303]
    await house.worker.drain()
    assert len(await house.place.kept(doctor.owner_id)) == 1


@pytest.mark.parametrize("choice", ["", "oui", "SENT", "sent,withheld"])
async def test_a_form_that_chooses_nothing_decides_nothing(house: House, choice: str) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    assert (await click(house, await house.signed_in(patient), patient, choice)).status_code == 404
    assert house.place.count(reading_receipt) == 0


async def test_a_receipt_needs_the_token_of_the_page(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    browser = await house.signed_in(patient)
    path, token = form_of(house, patient), await form_token(browser)
    for form, headers in (
        ({"choice": "sent"}, {}),
        ({"choice": "sent", "csrf": "0" * 64}, {}),
        ({"choice": "sent", "csrf": token}, {"origin": "https://ailleurs.test"}),
    ):
        assert (await browser.post(path, data=form, headers=headers)).status_code == 403
    assert (await browser.get(path)).status_code == 405
    assert house.place.count(reading_receipt) == 0


async def test_somebody_elses_message_does_not_exist(house: House) -> None:
    patient, other = await house.patient(), await house.patient(SOMEBODY_ELSE)
    doctor = await house.doctor()
    await ask(house, doctor, patient)
    await ask(house, doctor, other)
    browser = await house.signed_in(other)
    form = {"csrf": await form_token(browser), "choice": "sent"}
    mine, theirs = path_of(house, other), form_of(house, patient)
    foreign = theirs.rpartition("/messages/")[2]
    for path in (
        theirs,
        f"{mine}/messages/{foreign}",
        f"{mine}/messages/999/receipt",
        f"{mine}/messages/x/receipt",
    ):
        assert (await browser.post(path, data=form)).status_code == 404
    assert house.place.count(reading_receipt) == 0


@pytest.mark.parametrize(
    "field",
    [
        "Disposition-Notification-To: autre@hopital-demo.mssante.fr",
        "Disposition-Notification-To: <script>alert(1)</script>",
        "Disposition-Notification-To: marie.martin@hopital-demo.mssante.fr, x@y.fr",
        "Disposition-Notification-To: marie.martin@hopital-demo.mssante.fr\r\nAuto-Submitted: auto-replied",
        "Disposition-Notification-To:\r\n" + "\r\n".join(" " + "x" * 900 for _ in range(56)),
    ],
)
async def test_a_request_that_is_not_plainly_the_senders_is_not_shown(house: House, field: str) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient, headers=(field,))
    browser = await house.signed_in(patient)
    page = await browser.get(path_of(house, patient))
    assert page.status_code == 200
    assert "accusé de lecture" not in page.text
    assert (await click(house, browser, patient, "sent")).status_code == 404


async def test_the_end_of_the_exchange_leaves_the_receipt_open(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    house.clock.advance(timedelta(seconds=1))
    await house.write(
        doctor, patient, subject="[FIN]", message_id="<m2@x>", headers=("In-Reply-To: <m1@example.fr>",)
    )
    browser = await house.signed_in(patient)
    page = (await browser.get(path_of(house, patient))).text
    assert ASKED in page
    assert "a mis fin à vos échanges" in page
    assert (await click(house, browser, patient, "sent")).status_code == 303
    await house.worker.drain()
    assert len(await house.place.kept(doctor.owner_id)) == 1


async def test_the_live_page_asks_too(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    browser = await house.signed_in(patient)
    path = path_of(house, patient)
    assert ASKED in (await browser.get(f"{path}/fragment")).text
    await click(house, browser, patient, "withheld")
    assert WITHHELD in (await browser.get(f"{path}/fragment")).text


async def test_a_choice_on_an_older_page_leads_back_to_it(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await ask(house, doctor, patient)
    for number in range(PAGE):
        house.clock.advance(timedelta(seconds=1))
        await house.write(doctor, patient, message_id=f"<n{number}@x>")
    browser = await house.signed_in(patient)
    path = path_of(house, patient)
    before = house.conversation(patient).items[1].mail_id
    older = (await browser.get(f"{path}?avant={before}")).text
    assert f'action="{form_of(house, patient)}?avant={before}"' in older
    form = {"csrf": await form_token(browser), "choice": "sent"}
    sent = await browser.post(f"{form_of(house, patient)}?avant={before}", data=form)
    assert SENT in (await browser.get(sent.headers["location"])).text


def document(doctor: Bal, patient: Patient, *attachments: tuple[str, str, bytes]) -> bytes:
    content = mail(
        *attachments,
        sender=doctor.address,
        recipient=f"{patient.ins}@patient.mssante.fr",
        subject="Résultats",
    )
    return f"Disposition-Notification-To: {doctor.address}\r\n".encode() + content


async def test_what_the_bridge_answered_is_not_asked_again(house: House) -> None:
    """One message gets one notification (RFC 8098 §2.1)."""
    patient, doctor = await house.patient(DOMINIQUE), await house.doctor()
    await house.deliver(
        doctor, patient, document(doctor, patient, ("IHE_XDM.zip", "application/zip", xdm(cda())))
    )
    [told] = await house.place.kept(doctor.owner_id)
    assert b"automatic-action/MDN-sent-automatically; processed\r\n" in told.content
    browser = await house.signed_in(patient)
    assert "accusé de lecture" not in (await browser.get(path_of(house, patient))).text
    assert (await click(house, browser, patient, "sent")).status_code == 404
    await house.worker.drain()
    assert len(await house.place.kept(doctor.owner_id)) == 1


async def test_what_the_bridge_only_offers_is_asked_once_it_was_examined(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    content = document(doctor, patient, ("photo.png", "image/png", PNG))
    await house.write(doctor, patient)  # its conversation
    await house.place.send(doctor, f"{patient.ins}@patient.mssante.fr", content=content)
    browser = await house.signed_in(patient)
    [_, conversation] = sorted(house.place.conversations(patient.owner_id), key=lambda each: each.id)
    path = f"/patient/conversations/{conversation.id}"
    assert ASKED not in (await browser.get(path)).text
    await house.worker.drain()
    assert ASKED in (await browser.get(path)).text
    assert await house.place.kept(doctor.owner_id) == []
    assert house.place.count(job) == 0


async def test_a_refused_document_is_told_and_not_asked(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    foreign = xdm(cda(ins="160012345678990"), ins="160012345678990")
    await house.deliver(
        doctor, patient, document(doctor, patient, ("IHE_XDM.zip", "application/zip", foreign))
    )
    [told] = await house.place.kept(doctor.owner_id)
    assert told.subject == "[KO Intégration système !][904] Résultats"
    assert message_from_bytes(told.content)["From"] == f"{patient.ins}@patient.mssante.fr"
    page = (await (await house.signed_in(patient)).get(path_of(house, patient))).text
    assert "accusé de lecture" not in page
