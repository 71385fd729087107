"""Finding a record, declaring an authorisation, entering in an emergency, and who may not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from directory.psc.claims import Exercise, Professional
from directory.psc.relying_party import SignedIn
from dmp_bridge.dossier.consents import ConsentKind
from dmp_bridge.rights.vocabulary import Action, Mode
from foundation.identifiers import ins_key
from tests.portal.house import SOMEBODY_ELSE
from tests.portal.professional.people import box, enrol, enter, enter_by_psc, enter_strongly
from tests.portal.webps.ward import HOSPITAL, LUC, MARIE, OLGA, PAUL, post, said

if TYPE_CHECKING:
    from tests.portal.webps.ward import Ward

HOME = "/pro/dossier"


async def test_a_password_alone_opens_no_record(ward: Ward) -> None:
    ward.publish(MARIE)
    bal = await ward.box(MARIE)
    browser = await enter(ward.house, bal)
    for path in (HOME, f"{HOME}/patients", f"{HOME}/whatever/documents"):
        answer = await browser.get(path)
        assert answer.status_code == 403
        assert "deux facteurs" in said(answer.text)


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(ward: Ward) -> None:
    answer = await ward.house.browser().get(HOME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    patient = await ward.house.signed_in(ward.patient)
    assert (await patient.get(HOME)).headers["location"] == "/patient/conversations"


@pytest.mark.parametrize(("kind", "idnat"), [("ORG", HOSPITAL), ("CAB", MARIE)])
async def test_the_box_of_a_structure_does_not_say_who_is_there(ward: Ward, kind: str, idnat: str) -> None:
    ward.publish(MARIE)
    service = await box(ward.house, "service", type=kind, idnat=idnat)
    browser = await enter_strongly(ward.house, service, await enrol(ward.house, service))
    answer = await browser.get(HOME)
    assert answer.status_code == 403
    assert "identification personnelle" in said(answer.text)


async def test_nobody_without_a_known_profession_stands_before_a_record(ward: Ward) -> None:
    browser = await ward.enter(MARIE, is_published=False)
    answer = await browser.get(HOME)
    assert answer.status_code == 403
    assert "votre profession" in said(answer.text)


async def test_the_profession_may_come_from_pro_sante_connect(ward: Ward) -> None:
    await ward.box(MARIE)
    exercise = Exercise(profession="10", category="C", skill="SM32", activities=())
    professional = Professional(idnat=MARIE, given_name="Marie", family_name="MARTIN", exercises=(exercise,))
    ward.provider.answer = SignedIn(professional, "the.id.token")
    browser = await enter_by_psc(ward.house)
    await ward.open(browser)
    (trace,) = ward.traces(Action.TEST_EXISTENCE)[-1:]
    assert (trace.caller_id, trace.profession, trace.skill) == (MARIE, "10", "SM32")
    assert trace.caller_name == "Marie MARTIN"


async def test_what_the_directory_knows_outweighs_pro_sante_connect(ward: Ward) -> None:
    ward.publish(LUC)
    ward.practise(LUC)
    await ward.box(LUC)
    exercise = Exercise(profession="10", category="C", skill="SM32", activities=())
    ward.provider.answer = SignedIn(Professional(idnat=LUC, exercises=(exercise,)), "the.id.token")
    browser = await enter_by_psc(ward.house)
    await ward.open(browser)
    (trace,) = ward.traces(Action.TEST_EXISTENCE)[-1:]
    assert (trace.profession, trace.skill) == ("60", "")
    assert (trace.structure_id, trace.structure_name) == (HOSPITAL, "CH de Démo")
    assert trace.channel == "portal"


@pytest.mark.parametrize(
    ("ins", "status", "words"),
    [
        ("", 422, "quinze caractères"),
        ("Dominique PAT-TROIS", 422, "quinze caractères"),
        ("279035121518900", 422, "La clé de cet INS"),
        (SOMEBODY_ELSE + ins_key(SOMEBODY_ELSE), 404, "Aucun dossier n'est ouvert"),
    ],
)
async def test_a_record_is_found_by_a_right_ins_alone(ward: Ward, ins: str, status: int, words: str) -> None:
    browser = await ward.enter(MARIE)
    answer = await post(browser, HOME, HOME, ins=ins)
    assert answer.status_code == status
    assert words in said(answer.text)


async def test_an_ins_may_be_typed_in_groups(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    ins = ward.patient.ins
    answer = await post(browser, HOME, HOME, ins=f" {ins[:1]} {ins[1:3]} {ins[3:13]} {ins[13:]} ")
    assert answer.status_code == 303
    page = said((await browser.get(answer.headers["location"])).text)
    assert "Votre autorisation Aucune" in page
    assert "né le 28 mars 1979" in page or "née le 28 mars 1979" in page
    assert "Documents du dossier" not in page


async def test_no_address_of_a_page_bears_the_ins(ward: Ward) -> None:
    browser, path = await ward.authorised()
    for page in ("", "/documents", "/depot", "/acces"):
        assert ward.patient.ins not in str((await browser.get(path + page)).url)


# ref: DMP-F34
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (PatientState.OPPOSED, "Aucun dossier n'est ouvert"),
        (PatientState.CLOSED, "Le titulaire a fermé ce dossier"),
    ],
)
async def test_a_closed_record_is_told_and_an_opposed_one_is_none(
    ward: Ward, state: PatientState, words: str
) -> None:
    other = await ward.house.patient(SOMEBODY_ELSE, state)
    browser = await ward.enter(MARIE)
    answer = await post(browser, HOME, HOME, ins=other.ins)
    assert answer.status_code == 404
    assert words in said(answer.text)
    assert other.birth_name not in answer.text


async def test_without_an_authorisation_nothing_is_read_and_the_page_says_what_to_do(ward: Ward) -> None:
    filed = await ward.file()
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    for page in ("/documents", f"/documents/{filed.document_id}", f"/documents/{filed.document_id}/contenu"):
        answer = await browser.get(path + page)
        assert answer.status_code == 403
        assert "Recueillez le consentement du patient" in said(answer.text)
        assert "examens biologiques" not in answer.text
    assert ward.traces(Action.SEARCH)[0].outcome == "not-authorised"


async def test_the_consent_is_ticked_by_the_professional_and_never_beforehand(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    page = (await browser.get(path)).text
    assert " checked" not in page
    answer = await post(browser, f"{path}/autorisation", path)
    assert answer.status_code == 422
    assert "rien n’est coché à votre place" in said(answer.text)
    assert ward.traces(Action.DECLARE_AUTHORISED) == []
    answer = await post(browser, f"{path}/autorisation", path, ground="consent")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/documents")
    page = said((await browser.get(f"{path}/documents")).text)
    assert "Votre autorisation est enregistrée." in page
    (trace,) = ward.traces(Action.DECLARE_AUTHORISED)
    assert trace.outcome == "ok"
    assert " checked" not in (await browser.get(path)).text


async def test_an_authorisation_ends_on_its_day(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/autorisation", path, ground="team", until="2026-03-01")
    assert answer.status_code == 422
    await post(browser, f"{path}/autorisation", path, ground="team", until="2026-03-13")
    assert (await browser.get(f"{path}/documents")).status_code == 200
    for _ in range(24):
        ward.house.clock.advance(timedelta(minutes=25))
        assert (await browser.get("/pro/")).status_code == 200
    assert (await browser.get(f"{path}/documents")).status_code == 403


async def test_an_authorisation_is_withdrawn_by_who_has_it(ward: Ward) -> None:
    browser, path = await ward.authorised()
    answer = await post(browser, f"{path}/retrait", path)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "Votre autorisation est retirée." in said((await browser.get(path)).text)
    assert (await browser.get(f"{path}/documents")).status_code == 403


async def test_a_doctor_whom_the_patient_chose_becomes_the_attending_one(ward: Ward) -> None:
    await ward.make_attending(PAUL)
    filed = await ward.file(visibilities=frozenset({"MASQUE_PS"}))
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/medecin-traitant", path)
    assert answer.status_code == 422
    assert "Votre autorisation Aucune" in said((await browser.get(path)).text)
    answer = await post(browser, f"{path}/medecin-traitant", path, chosen="1")
    assert answer.status_code == 303
    assert "Votre autorisation Médecin traitant" in said((await browser.get(path)).text)
    assert (await browser.get(f"{path}/documents/{filed.document_id}")).status_code == 200
    former = await ward.enter(PAUL)
    there = await ward.open(former)
    assert "Votre autorisation Aucune" in said((await former.get(there)).text)
    assert "Médecin traitant déclaré" in said((await browser.get(f"{path}/acces")).text)


async def test_only_a_doctor_is_an_attending_one(ward: Ward) -> None:
    browser = await ward.enter(LUC)
    path = await ward.open(browser)
    assert "medecin-traitant" not in (await browser.get(path)).text
    answer = await post(browser, f"{path}/medecin-traitant", path, chosen="1")
    assert answer.status_code == 403
    olga = await ward.enter(OLGA)
    there = await ward.open(olga)
    assert (await post(olga, f"{there}/medecin-traitant", there, chosen="1")).status_code == 403


async def test_the_attending_doctor_ceases_to_be_it(ward: Ward) -> None:
    await ward.make_attending(PAUL)
    browser = await ward.enter(PAUL)
    path = await ward.open(browser)
    assert "Votre autorisation Médecin traitant" in said((await browser.get(path)).text)
    assert (await browser.get(f"{path}/documents")).status_code == 200
    answer = await post(browser, f"{path}/fin-du-suivi", path)
    assert answer.status_code == 303
    assert (await browser.get(f"{path}/documents")).status_code == 403


# ref: DMP-F26
async def test_a_blocked_professional_never_enters(ward: Ward) -> None:
    await ward.block(MARIE)
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/autorisation", path, ground="consent")
    assert answer.status_code == 403
    assert "bloqué" in said(answer.text)
    answer = await post(browser, f"{path}/urgence", path, mode="bris_de_glace", motive="Coma")
    assert answer.status_code == 403
    assert (await browser.get(f"{path}/documents")).status_code == 403


# ref: DMP-F25
@pytest.mark.parametrize(("mode", "words"), [("bris_de_glace", "Bris de glace"), ("centre_15", "Centre 15")])
async def test_an_emergency_is_shown_on_every_page_until_it_ends(ward: Ward, mode: str, words: str) -> None:
    filed = await ward.file()
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/urgence", path, mode=mode, motive="Crise d’épilepsie")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/documents")
    pages = [
        "",
        "/documents",
        f"/documents/{filed.document_id}",
        "/depot",
        "/vaccinations",
        "/enfance",
        "/acces",
    ]
    for page in pages:
        answer = await browser.get(path + page)
        assert answer.status_code == 200, page
        shown = said(answer.text)
        assert f"{words} : vous êtes dans ce dossier en urgence." in shown, page
        assert "Motif : Crise d’épilepsie" in shown, page
    refused = await browser.get(f"{path}/professionnels")
    assert refused.status_code == 403
    assert f"{words} : vous êtes" in said(refused.text)
    trace = ward.traces(Action.SEARCH)[0]
    assert (trace.mode, trace.motive) == (Mode(mode), "Crise d’épilepsie")
    answer = await post(browser, f"{path}/fin", path)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    assert (await browser.get(f"{path}/documents")).headers["location"] == HOME
    again = await ward.open(browser)
    assert (await browser.get(f"{again}/documents")).status_code == 403


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"mode": "bris_de_glace", "motive": "  "}, 403, "demande un motif"),
        ({"mode": "normal", "motive": "Coma"}, 422, "Choisissez le mode"),
        ({"mode": "", "motive": "Coma"}, 422, "Choisissez le mode"),
    ],
)
async def test_an_emergency_needs_its_mode_and_its_motive(
    ward: Ward, fields: dict[str, str], status: int, words: str
) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/urgence", path, **fields)
    assert answer.status_code == status
    assert words in said(answer.text)
    assert (await browser.get(f"{path}/documents")).status_code == 403


async def test_an_emergency_that_the_patient_opposed_is_refused_and_the_other_is_not(ward: Ward) -> None:
    await ward.oppose(ConsentKind.BRIS_DE_GLACE)
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/urgence", path, mode="bris_de_glace", motive="Coma")
    assert answer.status_code == 403
    assert "s'est opposé à l'accès à son dossier en urgence" in said(answer.text)
    assert "vous êtes dans ce dossier en urgence" not in said((await browser.get(path)).text)
    answer = await post(browser, f"{path}/urgence", path, mode="centre_15", motive="Coma")
    assert answer.status_code == 303


async def test_an_occupational_doctor_reads_nothing(ward: Ward) -> None:
    filed = await ward.file()
    browser = await ward.enter(OLGA)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/autorisation", path, ground="consent")
    assert answer.status_code == 403
    assert (await browser.get(f"{path}/documents/{filed.document_id}/contenu")).status_code == 403


# ref: DMP-F25
async def test_a_regulator_without_an_ins_finds_the_record_by_the_traits(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    page = f"{HOME}/centre-15"
    traits = {
        "birth_name": ward.patient.birth_name,
        "first_name": ward.patient.first_names.split()[0].split(",")[0],
        "birth_date": ward.patient.birth_date,
    }
    missing = await post(browser, page, page, **(traits | {"birth_date": ""}), motive="Appel")
    assert missing.status_code == 422
    without = await post(browser, page, page, **traits)
    assert without.status_code == 403
    assert "demande un motif" in said(without.text)
    found = await post(browser, page, page, **traits, motive="Appel au 15")
    assert found.status_code == 200
    assert "1 dossier" in said(found.text)
    path = await ward.open(browser, mode="centre_15", motive="Appel au 15")
    assert "Centre 15 : vous êtes dans ce dossier en urgence." in said((await browser.get(path)).text)
    assert (await browser.get(f"{path}/documents")).status_code == 200
    nobody = await post(browser, page, page, **(traits | {"birth_name": "Personne"}), motive="Appel")
    assert "Aucun dossier" in said(nobody.text)


async def test_the_records_one_is_authorised_on_are_listed(ward: Ward) -> None:
    browser, _ = await ward.authorised()
    page = said((await browser.get(f"{HOME}/patients")).text)
    assert "PAT-TROIS" in page
    assert "Autorisé depuis le 13 mars 2026" in page
    other = await ward.enter(PAUL)
    assert "Aucun dossier" in said((await other.get(f"{HOME}/patients")).text)


async def test_nobody_uses_the_access_of_another_session(ward: Ward) -> None:
    _, path = await ward.authorised()
    other = await ward.enter(PAUL)
    for page in ("", "/documents", "/depot"):
        answer = await other.get(path + page)
        assert (answer.status_code, answer.headers["location"]) == (303, HOME)


async def test_two_records_open_at_a_time_stay_apart(ward: Ward) -> None:
    filed = await ward.file()
    other = await ward.house.patient(SOMEBODY_ELSE)
    browser, path = await ward.authorised()
    answer = await post(browser, HOME, HOME, ins=other.ins)
    second = answer.headers["location"]
    await post(browser, f"{second}/urgence", second, mode="bris_de_glace", motive="Coma")
    for tail in ("", "/contenu", "/apercu", "/acte/masquer"):
        wrong = await browser.get(f"{second}/documents/{filed.document_id}{tail}")
        assert wrong.status_code == 404, tail
    assert "en urgence" not in said((await browser.get(f"{path}/documents")).text)
    assert (await browser.get(f"{path}/documents/{filed.document_id}")).status_code == 200


async def test_no_more_records_stay_open_than_a_session_keeps(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    paths = [await ward.open(browser) for _ in range(11)]
    assert (await browser.get(paths[0])).headers["location"] == HOME
    assert (await browser.get(paths[1])).status_code == 200


@pytest.mark.parametrize(
    "act", ["", "/autorisation", "/retrait", "/fin-du-suivi", "/urgence", "/fin", "/volonte"]
)
async def test_every_form_needs_its_token(ward: Ward, act: str) -> None:
    browser, path = await ward.authorised()
    target = HOME if not act else path + act
    answer = await browser.post(target, data={"csrf": "0" * 64, "ground": "consent", "ins": ward.patient.ins})
    assert answer.status_code == 403
    assert "Formulaire périmé" in answer.text
