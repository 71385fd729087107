"""Taking the record along, closing it, and what is left to who closed it."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, set_patient_state
from dmp_bridge.dossier.closing import closing_of
from dmp_bridge.rights.vocabulary import OwnAct
from portal.sessions import COOKIE
from tests.dmp_bridge.builders import PDF, cda
from tests.portal.house import PASSWORD, SOMEBODY_ELSE, form_token, sign_in
from tests.portal.patient_record.home import Home, post, said, upload

if TYPE_CHECKING:
    import httpx2

    from dmp_bridge.dossier.closing import Closing

PAGE = "/patient/dossier"
CLOSED = "/patient/espace-ferme"


def opened(answer: httpx2.Response) -> zipfile.ZipFile:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(answer.content))


def rows(package: zipfile.ZipFile, table: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in package.read("RECORD/ROWS.JSL").splitlines()]
    return [line for line in lines if line.get("table") == table]


def archive(home: Home) -> Closing | None:
    return home.house.place.database.read_now(
        lambda connection: closing_of(connection, home.patient.owner_id)
    )


async def close(home: Home) -> httpx2.Response:
    return await home.post(f"{PAGE}/fermeture", PAGE, confirm="1")


# ref: DMP-F41
async def test_the_whole_record_is_taken_along(home: Home) -> None:
    await home.file(data=cda(), media_type="text/xml", title="", type_code="")
    await home.file(title="Annonce", data=PDF + b"2", visibilities=frozenset({"INVISIBLE_PATIENT"}))
    await upload(home.browser, title="Mon carnet", data=PDF + b"3")
    package = opened(await home.post(f"{PAGE}/export", PAGE))
    assert package.testzip() is None
    assert {"INDEX.HTM", "README.TXT"} <= set(package.namelist())
    assert {row["title"] for row in rows(package, "document")} == {
        "Compte rendu d'examens biologiques",
        "Mon carnet",
    }
    contents = [package.read(str(row["file"])) for row in rows(package, "document")]
    assert sorted(contents) == sorted([cda(), PDF + b"3"])
    assert [each.outcome for each in home.traces(action=OwnAct.EXPORT)] == ["ok"]
    again = opened(await home.post(f"{PAGE}/export", PAGE))
    assert len(again.namelist()) == len(package.namelist())


# ref: DMP-F20, DMP-F41
async def test_a_parent_takes_along_nothing_that_the_child_keeps_secret(home: Home) -> None:
    child = await home.child()
    await home.file(child, title="Contraception", visibilities=frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX"}))
    await home.file(child, title="Vaccin", data=PDF + b"1")
    path = f"/patient/proches/{child.owner_id}/dossier"
    package = opened(await post(home.browser, f"{path}/export", path))
    assert [row["title"] for row in rows(package, "document")] == ["Vaccin"]
    assert b"Contraception" not in b"".join(package.read(name) for name in package.namelist())
    own = await home.house.signed_in(child)
    package = opened(await post(own, f"{PAGE}/export", PAGE))
    assert {row["title"] for row in rows(package, "document")} == {"Vaccin", "Contraception"}


async def test_an_export_needs_the_token_of_its_form(home: Home) -> None:
    assert (await home.browser.post(f"{PAGE}/export", data={"csrf": "0" * 64})).status_code == 403
    assert (await home.browser.get(f"{PAGE}/export")).status_code == 405
    assert home.traces(action=OwnAct.EXPORT) == []


# ref: DMP-F21
async def test_closing_says_what_happens_and_wants_a_tick(home: Home) -> None:
    page = await home.page(PAGE)
    assert "archivé 10 ans, puis supprimé" in page
    assert "au plus tard dans les trois mois" in page
    answer = await home.post(f"{PAGE}/fermeture", PAGE)
    assert answer.status_code == 422
    assert "Cochez la case" in said(answer.text)
    assert home.house.again(home.patient).state is PatientState.ACTIVATED
    assert (
        await home.browser.post(f"{PAGE}/fermeture", data={"csrf": "0" * 64, "confirm": "1"})
    ).status_code == 403


# ref: DMP-F21
async def test_a_closed_record_is_read_by_nobody_and_can_be_reopened(home: Home) -> None:
    filed = await home.file()
    answer = await close(home)
    assert (answer.status_code, answer.headers["location"]) == (303, CLOSED)
    page = await home.page(CLOSED)
    assert "fermé depuis le 13 mars 2026" in page
    assert "gardée jusqu’au 13 mars 2036" in page
    token = await form_token(home.browser, CLOSED)
    reopened = await home.browser.post(f"{CLOSED}/reouverture", data={"csrf": token})
    assert (reopened.status_code, reopened.headers["location"]) == (303, "/patient/conversations")
    assert archive(home) is None
    assert (await home.browser.get(f"/patient/documents/{filed.document_id}/content")).content == PDF


# ref: DMP-F21
async def test_nothing_else_is_open_to_who_closed_the_record(home: Home) -> None:
    await home.file()
    await close(home)
    cookie = home.browser.cookies[COOKIE]
    for path in ("/patient/documents", "/patient/conversations", PAGE, "/patient/activite.json"):
        answer = await home.house.browser().get(path, headers={"cookie": f"{COOKIE}={cookie}"})
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/?"), path


# ref: DMP-F21
async def test_the_archive_is_deleted_on_request_and_reopening_takes_the_request_back(home: Home) -> None:
    await close(home)
    asked = await home.post(f"{CLOSED}/suppression", CLOSED)
    assert (asked.status_code, asked.headers["location"]) == (303, CLOSED)
    found = archive(home)
    assert found is not None
    assert found.deletion_asked_at == home.house.clock.millis()
    page = await home.page(CLOSED)
    assert "demandée le 13 mars 2026 ; elle aura lieu le 12 avril 2026" in page
    assert "Demander la suppression" not in page
    await home.post(f"{CLOSED}/reouverture", CLOSED)
    assert archive(home) is None
    assert (await home.browser.get(CLOSED)).headers["location"] == "/patient/conversations"


# ref: DMP-F21
async def test_who_closed_the_record_long_ago_signs_in_to_what_is_left_of_it(home: Home) -> None:
    await home.file()
    await close(home)
    home.house.clock.advance(timedelta(days=400))
    browser = home.house.browser()
    refused = await sign_in(browser, home.patient.ins)
    assert refused.status_code == 403
    assert f'href="{CLOSED}"' in refused.text
    wrong = await browser.post(f"{CLOSED}/session", data={"username": home.patient.ins, "password": "faux"})
    assert wrong.status_code == 401
    assert COOKIE not in browser.cookies
    right = await browser.post(f"{CLOSED}/session", data={"username": home.patient.ins, "password": PASSWORD})
    assert (right.status_code, right.headers["location"]) == (303, CLOSED)
    package = opened(await post(browser, f"{CLOSED}/export", CLOSED))
    assert len(rows(package, "document")) == 1
    left = await post(browser, f"{CLOSED}/sortie", CLOSED)
    assert left.status_code == 303
    assert "identifiez-vous" in said((await browser.get(CLOSED)).text)


async def test_the_door_of_closed_spaces_opens_no_other(home: Home) -> None:
    browser = home.house.browser()
    answer = await browser.post(
        f"{CLOSED}/session", data={"username": home.patient.ins, "password": PASSWORD}
    )
    assert answer.status_code == 403
    assert "Votre espace est ouvert" in said(answer.text)
    assert COOKIE not in browser.cookies
    assert (await home.browser.get(CLOSED)).headers["location"] == "/patient/conversations"
    elsewhere = await browser.post(
        f"{CLOSED}/session",
        data={"username": home.patient.ins, "password": PASSWORD},
        headers={"origin": "https://elsewhere.test"},
    )
    assert elsewhere.status_code == 403


async def test_who_opposed_the_opening_may_open_the_space_after_all(home: Home) -> None:
    other = await home.house.patient(SOMEBODY_ELSE, PatientState.OPPOSED)
    browser = home.house.browser()
    await browser.post(f"{CLOSED}/session", data={"username": other.ins, "password": PASSWORD})
    page = said((await browser.get(CLOSED)).text)
    assert "Une opposition à l’ouverture de cet espace est enregistrée" in page
    assert "Télécharger" not in page
    assert (await post(browser, f"{CLOSED}/export", CLOSED)).status_code == 404
    assert (await post(browser, f"{CLOSED}/suppression", CLOSED)).status_code == 404
    assert (await post(browser, f"{CLOSED}/reouverture", CLOSED)).status_code == 303
    assert home.house.again(other).state is PatientState.ACTIVATED


@pytest.mark.parametrize("act", ["reouverture", "suppression", "export", "sortie"])
async def test_each_act_on_a_closed_record_needs_the_token_of_its_form(home: Home, act: str) -> None:
    await close(home)
    assert (await home.browser.post(f"{CLOSED}/{act}", data={"csrf": "0" * 64})).status_code == 403
    assert home.house.again(home.patient).state is PatientState.CLOSED


# ref: DMP-F20, DMP-F21
async def test_a_parent_closes_and_reopens_the_record_of_the_child(home: Home) -> None:
    child = await home.child()
    base = f"/patient/proches/{child.owner_id}"
    answer = await post(home.browser, f"{base}/dossier/fermeture", f"{base}/dossier", confirm="1")
    assert (answer.status_code, answer.headers["location"]) == (303, base)
    assert home.house.again(child).state is PatientState.CLOSED
    assert "gardée jusqu’au 13 mars 2036" in await home.page(base)
    assert (await home.browser.get(f"{base}/documents")).status_code == 404
    assert (await post(home.browser, f"{base}/suppression", base)).status_code == 303
    assert "La demande de suppression est enregistrée." in await home.page(base)
    assert (await post(home.browser, f"{base}/reouverture", base)).status_code == 303
    assert (await home.browser.get(f"{base}/documents")).status_code == 200


async def test_a_record_that_an_operator_closed_ends_the_pages(home: Home) -> None:
    now = home.house.clock.millis()
    await home.house.place.database.write(
        lambda uow: set_patient_state(uow, home.patient.ins, PatientState.CLOSED, now)
    )
    assert (await home.browser.get("/patient/documents")).status_code == 303
