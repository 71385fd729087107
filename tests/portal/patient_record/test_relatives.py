"""Acting for a child or a protected adult: what representatives see, and what a minor keeps to oneself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, remove_representative
from dmp_bridge.dossier import minority
from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.notices import Addressee, notices_for
from dmp_bridge.dossier.preferences import preferences_of
from tests.dmp_bridge.builders import PDF
from tests.portal.house import SOMEBODY_ELSE
from tests.portal.patient_record.home import NURSE, Home, post, said, upload

if TYPE_CHECKING:
    from directory.patients import Patient

SECRET = frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX"})
PAGES = (
    "documents",
    "documents/ajout",
    "vaccinations",
    "enfance",
    "professionnels",
    "activite",
    "choix",
    "avis",
    "dossier",
)


def base(patient: Patient) -> str:
    return f"/patient/proches/{patient.owner_id}"


def told(home: Home, patient: Patient, addressee: Addressee, owner_id: int) -> list[str]:
    """What somebody was told of a record."""
    return home.house.place.database.read_now(
        lambda connection: [
            each.event.value for each in notices_for(connection, patient.owner_id, addressee, str(owner_id))
        ]
    )


# ref: F48, DMP-F20
async def test_a_parent_reads_and_acts_in_the_record_of_the_child(home: Home) -> None:
    child = await home.child()
    filed = await home.file(child, title="Carnet de Thomas")
    assert "Dossier de Thomas MERCIER" in await home.page("/patient/proches")
    opened = await home.browser.get(base(child))
    assert opened.headers["location"] == f"{base(child)}/documents"
    page = await home.page(opened.headers["location"])
    assert "Vous agissez pour Thomas MERCIER" in page
    assert "Carnet de Thomas" in page
    assert "Carnet de Thomas" not in await home.page("/patient/documents")
    one = f"{base(child)}/documents/{filed.document_id}"
    assert (await home.browser.get(f"{one}/content")).content == PDF
    assert (await home.browser.get(f"/patient/documents/{filed.document_id}")).status_code == 404
    for path in PAGES:
        assert "Vous agissez pour Thomas MERCIER" in await home.page(f"{base(child)}/{path}")
    answer = await post(home.browser, f"{one}/acte/masquer", f"{one}/acte/masquer", version="1")
    assert (answer.status_code, answer.headers["location"]) == (303, one)
    added = await upload(home.browser, path=f"{base(child)}/documents/ajout")
    assert "Ajouté par vous" in await home.page(added.headers["location"])
    done = [each for each in home.traces(child) if each.outcome == "ok" and each.role != "professional"]
    traced = {(each.role, each.caller_id) for each in done}
    assert traced == {("representative", f"patient:{home.patient.owner_id}")}


# ref: DMP-F20
async def test_a_parent_does_not_see_what_the_child_keeps_secret(home: Home) -> None:
    child = await home.child()
    filed = await home.file(child, title="Contraception", visibilities=SECRET)
    for path in ("documents", "documents?etat=tous", "enfance", "activite?qui=tous", "activite.json", "avis"):
        assert "Contraception" not in (await home.browser.get(f"{base(child)}/{path}")).text
    one = f"{base(child)}/documents/{filed.document_id}"
    for tail in ("", "/content", "/preview", "/acte/montrer-aux-representants"):
        assert (await home.browser.get(one + tail)).status_code == 404, tail
    assert f"/documents/{filed.document_id}" not in (await home.browser.get(f"{base(child)}/activite")).text
    own = await home.house.signed_in(child)
    assert "Contraception" in said((await own.get("/patient/documents")).text)


# ref: DMP-F20
async def test_a_minor_reveals_a_secret_document_for_good(home: Home) -> None:
    child = await home.child()
    filed = await home.file(child, title="Vaccin", visibilities=SECRET)
    own = await home.house.signed_in(child)
    path = f"/patient/documents/{filed.document_id}/acte/montrer-aux-representants"
    page = await own.get(path)
    assert "C’est définitif : il ne pourra plus leur être caché." in said(page.text)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    unticked = await post(own, path, path, version=version)
    assert unticked.status_code == 422
    assert (await home.browser.get(f"{base(child)}/documents/{filed.document_id}")).status_code == 404
    assert (await post(own, path, path, version=version, confirm="1")).status_code == 303
    assert (await home.browser.get(f"{base(child)}/documents/{filed.document_id}")).status_code == 200
    shown = said((await own.get(f"/patient/documents/{filed.document_id}")).text)
    assert "représentants légaux" not in shown.replace("visible par vos représentants légaux", "")


# ref: DMP-F20
async def test_a_secret_connection_tells_the_parents_nothing(home: Home) -> None:
    child = await home.child()
    own = await home.house.signed_in(child)
    assert "Ouvrir une connexion secrète" in said((await own.get("/patient/documents")).text)
    begun = await post(own, "/patient/connexion-secrete", "/patient/documents", secret="1")
    assert (begun.status_code, begun.headers["location"]) == (303, "/patient/documents")
    assert "Connexion secrète : vos représentants légaux ne sont avertis de rien" in said(
        (await own.get("/patient/documents")).text
    )
    added = await upload(own, title="Mon secret")
    assert added.status_code == 303
    page = said((await own.get(added.headers["location"])).text)
    assert "Non visible par les représentants légaux" in page
    assert told(home, child, Addressee.REPRESENTATIVE, home.patient.owner_id) == []
    for path in ("documents", "activite?qui=tous", "avis"):
        shown = await home.page(f"{base(child)}/{path}")
        assert "Mon secret" not in shown
        assert "secrète" not in shown
        assert "THOMAS" not in shown.replace("Thomas MERCIER", "").upper() or path == "documents"
    ended = await post(own, "/patient/connexion-secrete", "/patient/documents", secret="0")
    assert ended.status_code == 303
    added = await upload(own, PDF + b"1", "b.pdf", title="Mon cahier")
    assert "Mon cahier" in await home.page(f"{base(child)}/documents")
    assert told(home, child, Addressee.REPRESENTATIVE, home.patient.owner_id) == ["document-added"]


# ref: DMP-F20
async def test_an_adult_has_no_secret_connection(home: Home) -> None:
    assert "connexion secrète" not in await home.page("/patient/documents")
    await home.post("/patient/connexion-secrete", "/patient/dossier", secret="1")
    assert (await upload(home.browser)).status_code == 303
    assert not any(each.is_secret for each in home.traces())


# ref: DMP-F20
async def test_nobody_acts_for_somebody_they_do_not_represent(home: Home) -> None:
    child, other = await home.child(), await home.house.patient(SOMEBODY_ELSE)
    filed = await home.file(child)
    stranger = await home.house.signed_in(other)
    for path in ("", *(f"/{each}" for each in PAGES), f"/documents/{filed.document_id}/content"):
        assert (await stranger.get(base(child) + path)).status_code == 404, path
    assert (await home.browser.get(f"/patient/proches/{home.patient.owner_id}/documents")).status_code == 404
    assert (await home.browser.get("/patient/proches/x/documents")).status_code == 404
    token_page = "/patient/dossier"
    for act in ("dossier/fermeture", "dossier/export", "choix/urgence", "ouverture"):
        answer = await post(stranger, f"{base(child)}/{act}", token_page, confirm="1")
        assert answer.status_code == 404, act
    assert home.house.again(child).state is PatientState.ACTIVATED


async def test_two_children_are_not_taken_for_each_other(home: Home) -> None:
    child = await home.child()
    other = await home.house.patient(SOMEBODY_ELSE)
    await home.house.place.database.write(
        lambda uow: minority.represent(
            uow, other.owner_id, home.patient.owner_id, GuardianshipKind.TUTELLE, "operator", 0
        )
    )
    filed = await home.file(child)
    assert (await home.browser.get(f"{base(child)}/documents/{filed.document_id}")).status_code == 200
    assert (await home.browser.get(f"{base(other)}/documents/{filed.document_id}")).status_code == 404


# ref: DMP-F20
async def test_a_guardian_acts_for_a_protected_adult_and_a_curator_does_not(home: Home) -> None:
    adult = await home.house.patient(SOMEBODY_ELSE)
    await home.file(adult, title="Bilan")

    async def stand(kind: GuardianshipKind) -> None:
        await home.house.place.database.write(
            lambda uow: minority.represent(
                uow, adult.owner_id, home.patient.owner_id, kind, "operator", home.house.clock.millis()
            )
        )

    await stand(GuardianshipKind.CURATELLE)
    assert (await home.browser.get(f"{base(adult)}/documents")).status_code == 404
    await stand(GuardianshipKind.TUTELLE)
    assert "Bilan" in await home.page(f"{base(adult)}/documents")
    await home.house.place.database.write(
        lambda uow: remove_representative(uow, adult.owner_id, home.patient.owner_id)
    )
    assert (await home.browser.get(f"{base(adult)}/documents")).status_code == 404


# ref: DMP-F20
async def test_who_comes_of_age_is_represented_by_nobody(home: Home) -> None:
    child = await home.child(born="2008-03-14")
    assert (await home.browser.get(f"{base(child)}/documents")).status_code == 200
    for _ in range(24):
        home.house.clock.advance(timedelta(minutes=29))
        await home.browser.get("/patient/documents")
    answer = await home.browser.get(f"{base(child)}/documents")
    assert answer.status_code == 404
    assert "vous ne le représentez plus" in said(answer.text)


# ref: DMP-F20
async def test_who_came_of_age_today_is_told_of_to_no_parent_before_the_calendar_is_kept(home: Home) -> None:
    grown = await home.child(born="2008-03-13")
    await home.file(grown)
    assert told(home, grown, Addressee.HOLDER, grown.owner_id) == ["document-added"]
    assert told(home, grown, Addressee.REPRESENTATIVE, home.patient.owner_id) == []
    assert "Dossier de" not in await home.page("/patient/proches")


# ref: DMP-F20
async def test_a_parent_hides_no_document_from_the_other_parent(home: Home) -> None:
    child = await home.child()
    answer = await upload(home.browser, path=f"{base(child)}/documents/ajout", secret="1")
    assert answer.status_code == 422
    assert "Seul le titulaire" in said(answer.text)
    assert not [each for each in home.traces(child, "feed") if each.outcome == "ok"]


async def test_a_parent_activates_the_space_of_a_child_who_never_signed_in(home: Home) -> None:
    child = await home.child(state=PatientState.NOT_ACTIVATED)
    await home.file(child, title="Carnet")
    refused = await home.browser.get(f"{base(child)}/documents")
    assert refused.status_code == 404
    assert "Carnet" not in refused.text
    assert "n’a encore jamais servi" in await home.page(base(child))
    answer = await post(home.browser, f"{base(child)}/ouverture", base(child))
    assert answer.status_code == 303
    assert home.house.again(child).state is PatientState.ACTIVATED
    assert "Carnet" in await home.page(f"{base(child)}/documents")


async def test_the_wishes_of_a_parent_are_not_those_of_the_child(home: Home) -> None:
    child = await home.child()
    path = f"{base(child)}/choix"
    assert (await post(home.browser, f"{path}/masquage", path, answer="yes")).status_code == 303
    path = f"{base(child)}/avis"
    assert (await post(home.browser, path, path, email="parent@exemple.fr")).status_code == 303

    def kept(patient: Patient) -> tuple[str, bool]:
        found = home.house.place.database.read_now(
            lambda connection: preferences_of(connection, patient.owner_id)
        )
        return found.email, found.masks_new_documents

    assert kept(home.patient) == ("parent@exemple.fr", False)
    assert kept(child) == ("", True)


@pytest.mark.parametrize("act", ["bloquer", "debloquer", "retirer"])
async def test_a_parent_decides_who_reads_the_record_of_the_child(home: Home, act: str) -> None:
    child = await home.child()
    await home.authorise(NURSE, patient=child)
    page = f"{base(child)}/professionnels"
    first = await post(home.browser, f"{page}/bloquer", page, id=NURSE.id) if act == "debloquer" else None
    assert first is None or first.status_code == 303
    answer = await post(home.browser, f"{page}/{act}", page, id=NURSE.id, kind="authorised")
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert home.relations() == {}
