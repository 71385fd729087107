"""The messages of a patient: list, conversation, answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest

from mailserver.conversations import conversation_item
from mailserver.delivery.notify import Action, Notice, Reported, Reporter
from mailserver.refusals import REPLY_NOT_ALLOWED, UNREACHABLE
from portal.reading import split_quoted
from portal.threads import preset_category
from tests.dmp_bridge.builders import PDF, PNG
from tests.mailserver.place import patient_address
from tests.portal.house import ORIGIN, SOMEBODY_ELSE, House, form_token

if TYPE_CHECKING:
    import httpx2

    from directory.patients import Patient


async def open_only(house: House, browser: httpx2.AsyncClient, patient: Patient) -> httpx2.Response:
    return await browser.get(f"/patient/conversations/{house.conversation(patient).id}")


async def answer(
    house: House, browser: httpx2.AsyncClient, patient: Patient, text: str, *files: tuple[str, bytes, str]
) -> httpx2.Response:
    path = f"/patient/conversations/{house.conversation(patient).id}"
    return await browser.post(
        f"{path}/messages",
        data={"csrf": await form_token(browser), "text": text},
        files=[("files", file) for file in files] or [("files", ("", b"", "application/octet-stream"))],
        headers={"origin": ORIGIN},
    )


async def test_an_empty_box_says_how_it_fills(house: House) -> None:
    page = await (await house.signed_in(await house.patient())).get("/patient/conversations")
    assert page.status_code == 200
    assert "Un professionnel de santé doit vous écrire en premier" in page.text
    assert "Bac à sable" in page.text
    assert "Dominique PAT-TROIS" in page.text


async def test_the_list_shows_who_wrote_and_what_is_unread(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient, subject="XDM/1.0/DDM+Votre compte rendu")
    page = await (await house.signed_in(patient)).get("/patient/conversations")
    assert "Dr Marie MARTIN" in page.text
    assert "Médecin · Neurologie · CH de Démo" in page.text
    assert "Votre compte rendu" in page.text
    assert "XDM/1.0" not in page.text
    assert '<span class="badge new">1 non lu</span>' in page.text
    assert ">15:54</time>" in page.text  # 14:54 UTC in winter Paris


@pytest.mark.parametrize(
    ("later", "shown"),
    [
        (timedelta(hours=2), "15:54"),
        (timedelta(hours=9), "Hier 15:54"),
        (timedelta(days=2), "13 mars"),
        (timedelta(days=365), "13 mars 2026"),
    ],
)
async def test_times_are_said_as_people_say_them(house: House, later: timedelta, shown: str) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient)
    house.clock.advance(later)
    page = await (await house.signed_in(patient)).get("/patient/conversations")
    assert f">{shown}</time>" in page.text


async def test_opening_a_conversation_shows_the_message_and_marks_it_read(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient, subject="Résultats", body="Tout va bien.\r\n")
    browser = await house.signed_in(patient)
    page = await open_only(house, browser, patient)
    assert page.status_code == 200
    assert "<ol" in page.text
    assert "<article" in page.text
    assert "Tout va bien." in page.text
    assert 'datetime="2026-03-13T15:54:10+01:00"' in page.text
    assert "Répondre à Dr Marie MARTIN" in page.text
    assert house.conversation(patient).unread == 0
    assert "non lu" not in (await browser.get("/patient/conversations")).text


async def test_hostile_subjects_texts_and_names_are_only_words(house: House) -> None:
    patient = await house.patient()
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    stranger = f'"{attack}" <x@ailleurs.mssante.fr>'
    content = (
        f"From: {stranger}\r\nTo: {patient_address(patient)}\r\nSubject: {attack}\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>{attack}</p><a href='javascript:x'>lien</a>\r\n"
    ).encode()
    doctor = await house.doctor()
    content = content.replace(b"x@ailleurs.mssante.fr", doctor.address.encode())
    await house.deliver(doctor, patient, content)
    browser = await house.signed_in(patient)
    for page in (await browser.get("/patient/conversations"), await open_only(house, browser, patient)):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "javascript:x" not in page.text


async def test_links_in_a_text_are_not_links(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient, body="Voir https://hameconnage.example/ici\r\n")
    page = await open_only(house, await house.signed_in(patient), patient)
    assert "https://hameconnage.example/ici" in page.text
    assert 'href="https://' not in page.text


async def test_a_conversation_of_somebody_else_does_not_exist(house: House) -> None:
    patient, other = await house.patient(), await house.patient(SOMEBODY_ELSE)
    await house.write(await house.doctor(), patient)
    known = house.conversation(patient).id
    browser = await house.signed_in(other)
    token = await form_token(browser)
    missing = await browser.get("/patient/conversations/999")
    for path in (f"/{known}", f"/{known}/fragment", f"/{known}/events"):
        answered = await browser.get(f"/patient/conversations{path}")
        assert (answered.status_code, answered.text) == (404, missing.text)
    posted = await browser.post(
        f"/patient/conversations/{known}/messages", data={"csrf": token, "text": "Bonjour"}
    )
    assert posted.status_code == 404
    assert house.conversation(patient).unread == 1


@pytest.mark.parametrize("wrong", ["abc", "-1", "1e3", "9" * 15, "9" * 30, "9" * 5000, "%00", "١"])
async def test_an_id_that_can_be_none_is_not_found(house: House, wrong: str) -> None:
    browser = await house.signed_in(await house.patient())
    for path in (f"conversations/{wrong}", f"documents/{wrong}", f"messages/{wrong}/parts/2"):
        assert (await browser.get(f"/patient/{path}")).status_code == 404


async def test_a_patient_answers_and_the_doctor_gets_it(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient, subject="Votre traitement")
    browser = await house.signed_in(patient)
    sent = await answer(
        house, browser, patient, "Merci docteur.\r\nÀ bientôt <3", ("ordonnance.pdf", PDF, "x/y")
    )
    conversation = house.conversation(patient)
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"] == f"/patient/conversations/{conversation.id}?envoi=fait"
    page = await browser.get(sent.headers["location"])
    assert "Votre message est envoyé." in page.text
    assert "Vous" in page.text
    assert "À bientôt &lt;3" in page.text
    assert "ordonnance.pdf" in page.text
    (received,) = await house.place.kept(doctor.owner_id)
    assert received.subject == "Re: Votre traitement"
    assert b"X-MSS" not in received.content


async def test_an_answer_that_could_not_be_brought_is_told_by_the_mail_system_and_not_by_the_doctor(
    house: House,
) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient, subject="Votre traitement")
    browser = await house.signed_in(patient)
    await answer(house, browser, patient, "Merci docteur.")
    [sent] = await house.place.kept(patient.owner_id, "Sent")
    reporter = Reporter(house.place.vault, house.clock, house.place.settings)
    prepared = await reporter.prepare(
        Notice(
            patient_address(patient),
            Action.FAILED,
            (Reported(doctor.address, UNREACHABLE),),
            "Q1",
            house.clock.millis(),
            sent.content,
        )
    )
    await house.place.database.write(lambda uow: reporter.put(uow, prepared))
    page = await open_only(house, browser, patient)
    assert '<span class="name">Messagerie</span>' in page.text
    assert "Message non distribué : le serveur du destinataire ne répond pas." in unescape(page.text)
    assert "delivery-status" not in page.text
    assert "Examen en cours" not in page.text


async def test_an_answer_without_the_token_is_not_sent(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    path = f"/patient/conversations/{house.conversation(patient).id}/messages"
    token = await form_token(browser)
    for data, headers in (
        ({"text": "Bonjour"}, {}),
        ({"text": "Bonjour", "csrf": "0" * 64}, {}),
        ({"text": "Bonjour", "csrf": token}, {"origin": "https://ailleurs.test"}),
        ({"text": "Bonjour", "csrf": token}, {"origin": "null"}),
        ({"text": "Bonjour", "csrf": token}, {"sec-fetch-site": "same-site"}),
    ):
        refused = await browser.post(path, data=data, headers=headers)
        assert refused.status_code == 403
        assert "Formulaire périmé" in refused.text
    assert await house.place.kept(doctor.owner_id) == []


@pytest.mark.parametrize(
    ("text", "files", "word"),
    [
        ("  \n ", [], "vide"),
        ("", [("vide.pdf", b"", "application/pdf")], "vide"),
        ("Voici", [("virus.exe", b"MZ", "application/pdf")], "pas accepté"),
        ("Voici", [("photo.png", PDF, "image/png")], "pas accepté"),
    ],
)
async def test_what_the_desk_refuses_is_said_and_the_draft_is_kept(
    house: House, text: str, files: list[tuple[str, bytes, str]], word: str
) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    refused = await answer(house, await house.signed_in(patient), patient, text, *files)
    assert refused.status_code == 422
    assert word in refused.text
    assert f">{text}</textarea>" in refused.text
    assert await house.place.kept(doctor.owner_id) == []


async def test_an_answer_has_at_most_ten_files(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    page = await open_only(house, browser, patient)
    assert "18 Mo au total, 10 documents au plus" in page.text
    ten = [(f"{number}.png", PNG, "image/png") for number in range(10)]
    assert (await answer(house, browser, patient, "Voici", *ten)).status_code == 303
    eleven = [*ten, ("11.png", PNG, "image/png")]
    refused = await answer(house, browser, patient, "Voici mes photos", *eleven)
    assert refused.status_code == 422
    assert "au plus 10 documents" in refused.text
    assert ">Voici mes photos</textarea>" in refused.text
    assert "Vos documents n’ont pas été gardés" in refused.text


async def test_a_file_name_without_end_loses_no_words(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    name = "n" * 5000 + ".pdf"
    refused = await answer(house, await house.signed_in(patient), patient, "Voici", (name, PDF, "x/y"))
    assert refused.status_code == 422
    assert "n’a pas pu être lu" in refused.text
    assert ">Voici</textarea>" in refused.text
    assert await house.place.kept(doctor.owner_id) == []


async def test_files_in_disorder_never_pass_without_the_token(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient)
    browser = await house.signed_in(patient)
    path = f"/patient/conversations/{house.conversation(patient).id}/messages"
    files = [("files", (f"{number}.png", PNG, "image/png")) for number in range(11)]
    assert (await browser.post(path, data={"text": "Voici"}, files=files)).status_code == 403


@pytest.mark.parametrize(("length", "status"), [(50_000, 303), (50_001, 422), (400_000, 422)])
async def test_a_text_that_is_too_long_is_refused_and_never_cut(
    house: House, length: int, status: int
) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    text = "é" * (length - 1) + "!"
    sent = await answer(house, await house.signed_in(patient), patient, text)
    assert sent.status_code == status
    if status == 422:
        assert f">{text}</textarea>" in sent.text
        assert f"{length} caractères" in sent.text
    assert len(await house.place.kept(doctor.owner_id)) == (1 if status == 303 else 0)


async def test_a_form_that_is_sent_twice_makes_one_message(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    page = await open_only(house, browser, patient)
    nonce = page.text.split('name="nonce" value="')[1].split('"')[0]
    path = f"/patient/conversations/{house.conversation(patient).id}"
    form = {"csrf": await form_token(browser), "nonce": nonce, "text": "Merci"}
    both = await asyncio.gather(*(browser.post(f"{path}/messages", data=form) for _ in range(2)))
    both.append(await browser.post(f"{path}/messages", data=form))
    assert [each.headers.get("location") for each in both] == [f"{path}?envoi=fait"] * 3
    assert len(await house.place.kept(doctor.owner_id)) == 1
    assert (await open_only(house, browser, patient)).text.count("Vous</span>") == 1
    # Somebody who goes back and writes other words means another message.
    form["text"] = "Merci encore"
    assert (await browser.post(f"{path}/messages", data=form)).status_code == 303
    assert len(await house.place.kept(doctor.owner_id)) == 2


async def test_each_page_carries_another_nonce_and_none_is_asked_of_a_script(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    pages = [(await open_only(house, browser, patient)).text for _ in range(2)]
    assert len({page.split('name="nonce" value="')[1].split('"')[0] for page in pages}) == 2
    path = f"/patient/conversations/{house.conversation(patient).id}/messages"
    form = {"csrf": await form_token(browser), "text": "Merci"}
    assert [(await browser.post(path, data=form)).status_code for _ in range(2)] == [303, 303]
    assert len(await house.place.kept(doctor.owner_id)) == 2


async def test_too_large_documents_are_refused_with_the_sentence_of_the_limit(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient)
    browser = await house.signed_in(patient)
    large = [("a.pdf", PDF.ljust(10_000_000, b"0"), "application/pdf")] * 2
    refused = await answer(house, browser, patient, "Voici", *large)
    assert refused.status_code == 422
    assert "dépasse la limite autorisée" in refused.text
    whole = [("a.pdf", PDF.ljust(9_000_000, b"0"), "application/pdf")] * 2
    assert (await answer(house, browser, patient, "Voici", *whole)).status_code == 303
    over = [("a.pdf", PDF.ljust(27_000_000, b"0"), "application/pdf")]
    refused = await answer(house, browser, patient, "Voici", *over)
    assert refused.status_code == 413
    assert "dépasse la taille autorisée" in refused.text


async def test_after_the_end_there_is_a_sentence_and_no_form(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    await house.write(doctor, patient, message_id="<m1@example.fr>")
    await house.write(doctor, patient, subject="[FIN]", message_id="<m2@example.fr>")
    browser = await house.signed_in(patient)
    page = await open_only(house, browser, patient)
    assert "Dr Marie MARTIN a mis fin à vos échanges." in page.text
    assert "<textarea" not in page.text
    refused = await answer(house, browser, patient, "Encore un mot")
    assert refused.status_code == 422
    assert await house.place.kept(doctor.owner_id) == []


async def test_a_message_may_forbid_the_answer(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient, headers=("X-MSS-MES: FIN",))
    page = await open_only(house, await house.signed_in(patient), patient)
    assert REPLY_NOT_ALLOWED.sentence in unescape(page.text)
    assert "<textarea" not in page.text


async def test_fifty_conversations_are_a_page(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    for number in range(53):
        house.clock.advance(timedelta(seconds=1))
        await house.write(doctor, patient, subject=f"Sujet-{number:02}", message_id=f"<{number}@example.fr>")
    browser = await house.signed_in(patient)
    first = (await browser.get("/patient/conversations")).text
    assert first.count("Sujet-") == 50
    assert "Sujet-52" in first
    assert "Sujet-02" not in first
    link = first.split('href="/patient/conversations?avant=')[1].split('"')[0]
    second = (await browser.get(f"/patient/conversations?avant={link}")).text
    assert [f"Sujet-0{number}" in second for number in range(4)] == [True, True, True, False]
    assert "data-events" not in second
    for nonsense in ("abc", "9" * 40, ""):
        assert (await browser.get(f"/patient/conversations?avant={nonsense}")).status_code == 200


async def test_a_long_conversation_is_read_page_by_page(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    for number in range(53):
        house.clock.advance(timedelta(seconds=1))
        await house.write(
            doctor, patient, message_id=f"<{number}@example.fr>", body=f"Corps-{number:02}.\r\n"
        )
    browser = await house.signed_in(patient)
    first = await open_only(house, browser, patient)
    assert first.text.count("Corps-") == 50
    assert "Corps-52" in first.text
    older = first.text.split("?avant=")[1].split('"')[0]
    second = await browser.get(f"/patient/conversations/{house.conversation(patient).id}?avant={older}")
    assert [f"Corps-0{number}." in second.text for number in range(4)] == [True, True, True, False]
    assert "Messages les plus récents" in second.text


async def test_the_fragment_holds_the_last_messages_and_nothing_around_them(house: House) -> None:
    patient, doctor = await house.patient(), await house.doctor()
    for number in range(12):
        await house.write(
            doctor, patient, message_id=f"<{number}@example.fr>", body=f"Corps-{number:02}.\r\n"
        )
    browser = await house.signed_in(patient)
    fragment = await browser.get(f"/patient/conversations/{house.conversation(patient).id}/fragment")
    assert fragment.text.count("<article") == 10
    assert "<html" not in fragment.text
    assert house.conversation(patient).unread == 0


async def test_a_message_whose_body_is_gone_is_said_to_be_unreadable(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient)
    (item,) = house.conversation(patient).items
    vault = house.context.vault
    await house.place.database.write(lambda uow: vault.release(uow, patient.owner_id, item.blob_id))
    page = await open_only(house, await house.signed_in(patient), patient)
    assert page.status_code == 200
    assert "Ce message ne peut pas être affiché." in page.text
    assert house.place.count(conversation_item) == 1


@pytest.mark.parametrize(
    ("text", "written", "quoted"),
    [
        ("Bonjour", "Bonjour", ""),
        (
            "Oui.\n\nLe 3 mars, Dr X a écrit :\n> Venez\n> demain\n",
            "Oui.",
            "Le 3 mars, Dr X a écrit :\n> Venez\n> demain",
        ),
        ("Oui.\n> Venez", "Oui.", "> Venez"),
        ("> seul", "> seul", ""),
        ("> avant\nréponse", "> avant\nréponse", ""),
        ("Oui\n-----Message d'origine-----\nDe : X", "Oui", "-----Message d'origine-----\nDe : X"),
        ("", "", ""),
    ],
)
def test_the_quoted_message_is_folded_away(text: str, written: str, quoted: str) -> None:
    assert split_quoted(text) == (written, quoted)


@pytest.mark.parametrize(
    ("name", "category"),
    [("Ordonnance_2026.pdf", "ORD_SOIN"), ("Échographie.png", "RADIO_SC"), ("x.pdf", "AUTR_DOC")],
)
def test_a_file_name_suggests_a_category(name: str, category: str) -> None:
    assert preset_category(name) == category
