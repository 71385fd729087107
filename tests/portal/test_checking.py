from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from foundation.database import metadata
from tests.dmp_bridge.builders import INS, PDF, cda, xdm
from tests.dmp_bridge.check.letters import files, letter, note
from tests.portal.house import ORIGIN, PASSWORD, House, form_token
from tests.portal.professional.people import box, enter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import httpx2
    from sqlalchemy import Connection

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

    Build = Callable[..., House]

HTML = {"accept": "text/html"}


@pytest.fixture
async def build(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[Build]:
    made: list[House] = []

    def house(**values: object) -> House:
        made.append(House.build(database, vault, events, clock, tmp_path, **values))
        return made[-1]

    yield house
    for each in made:
        await each.app.state.checker.close()
        await each.bridge.close()
        await each.place.router.close()


def posted(data: bytes, name: str = "message.eml") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, data, "application/octet-stream")}


async def send(browser: httpx2.AsyncClient, data: bytes, **options: str) -> httpx2.Response:
    return await browser.post("/check", content=data, headers={"content-type": "message/rfc822", **options})


@pytest.mark.parametrize(
    ("data", "kind", "checked", "conforms"),
    [
        (note(), "message/rfc822", "message", True),
        (note(X_MSS_NIL=None), "message/rfc822", "message", False),
        (xdm(cda()), "application/zip", "archive", False),
        (cda(), "text/xml", "cda", False),
    ],
)
async def test_a_sandbox_checks_what_anybody_sends(
    build: Build, data: bytes, kind: str, checked: str, conforms: bool
) -> None:
    answer = await build().browser().post("/check", content=data, headers={"content-type": kind})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["checked"], said["conforms"], said["rules"]) == (checked, conforms, "règles internes")
    assert {"rule", "title", "source", "verdict", "weight", "place", "says", "advice"} == set(
        said["findings"][0]
    )


async def test_a_form_is_answered_with_a_page_or_json_by_what_is_accepted(build: Build) -> None:
    browser = build().browser()
    page = await browser.post("/check", files=posted(note(X_MSS_NIL=None)), headers=HTML)
    assert page.status_code == 200
    assert "Échoue (1)" in page.text
    assert "ECO.2.4.3" in page.text
    assert "non conforme" in page.text.lower()
    assert (await browser.post("/check", files=posted(note()))).json()["conforms"]


async def test_the_type_of_the_box_can_be_told(build: Build) -> None:
    browser = build().browser()
    for answer in (
        await browser.post("/check", files=posted(note()), data={"box_type": "APP"}),
        await browser.post("/check?box_type=APP", content=note()),
    ):
        assert [each["rule"] for each in answer.json()["findings"] if each["verdict"] == "fails"] == [
            "ECO.2.2.5"
        ]
    assert (await browser.post("/check?box_type=", content=note())).json()["conforms"]


async def test_a_type_of_box_that_does_not_exist_is_refused(build: Build) -> None:
    browser = build().browser()
    for answer in (
        await browser.post("/check?box_type=ZZZ", content=note()),
        await browser.post("/check", files=posted(note()), data={"box_type": "per"}),
    ):
        assert answer.status_code == 422
        assert "APP, CAB, ORG, PER" in answer.json()["refused"]
    page = await browser.post("/check", files=posted(note()), data={"box_type": "ZZZ"}, headers=HTML)
    assert page.status_code == 422
    assert "Ce type de boîte" in page.text


async def test_what_is_nothing_that_is_checked_is_refused_in_a_sentence(build: Build) -> None:
    browser = build().browser()
    answer = await send(browser, b"bonjour")
    assert (answer.status_code, list(answer.json())) == (422, ["refused"])
    page = await browser.post("/check", files=posted(b"bonjour"), headers=HTML)
    assert page.status_code == 422
    assert answer.json()["refused"].split(",")[0].replace("'", "&#39;") in page.text
    empty = await send(browser, b"")
    assert (empty.status_code, empty.json()) == (422, {"refused": "Le fichier est vide."})
    assert (await browser.post("/check", data={"a": "b"}, files={"x": ("", b"")})).status_code == 400


async def test_a_page_that_quotes_a_message_escapes_it(build: Build) -> None:
    name = "<script>alert(1)</script>.pdf"
    data = note(Content_Type="text/plain; charset=<b>x</b>")
    page = await build().browser().post("/check", files=posted(data, name), headers=HTML)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.pdf" in page.text
    assert "&lt;b&gt;x&lt;/b&gt;" in page.text
    assert "<script>alert" not in page.text
    assert "<b>x" not in page.text


async def test_a_real_operator_checks_for_who_has_a_box(build: Build) -> None:
    house = build(sandbox=False)
    bal = await box(house)
    assert (await send(house.browser(), note())).status_code == 401
    page = await house.browser().post("/check", files=posted(note()), headers=HTML)
    assert page.status_code == 303
    assert (await house.browser().get("/verification")).status_code == 303
    known = base64.b64encode(f"{bal.address}:{PASSWORD}".encode()).decode()
    assert (await send(house.browser(), note(), authorization=f"Basic {known}")).json()["conforms"]
    wrong = base64.b64encode(f"{bal.address}:faux".encode()).decode()
    assert (await send(house.browser(), note(), authorization=f"Basic {wrong}")).status_code == 401


async def test_a_professional_checks_on_a_page_of_their_own(build: Build) -> None:
    house = build(sandbox=False)
    browser = await enter(house, await box(house))
    assert 'href="/verification"' in (await browser.get("/pro/")).text
    token = await form_token(browser, "/verification")
    page = await browser.post("/check", files=posted(note()), data={"csrf": token}, headers=HTML)
    assert page.status_code == 200
    assert "Conforme" in page.text
    assert 'aria-current="true">Vérification' in page.text
    assert (await browser.post("/check", files=posted(note()), data={"csrf": "0" * 64})).status_code == 403
    assert (await send(browser, note(), origin="https://ailleurs.test")).status_code == 403
    assert (await send(browser, note(), origin=ORIGIN)).status_code == 200


async def test_a_form_of_another_site_is_not_taken(build: Build) -> None:
    answer = (
        await build()
        .browser()
        .post("/check", files=posted(note()), headers={"origin": "https://ailleurs.test"})
    )
    assert answer.status_code == 403


async def test_a_body_past_the_largest_message_is_refused(build: Build) -> None:
    house = build(limits={"message_bytes": 65_536})
    browser = house.browser()
    assert (await send(browser, note() + b"x\r\n" * 20_000)).status_code == 200
    larger = (await send(browser, note() + b"x\r\n" * 50_000)).json()
    assert [each["rule"] for each in larger["findings"] if each["verdict"] == "fails"] == ["MSS/va1.13"]
    assert (await send(browser, b"x" * (65_536 + 16 * 1024 * 1024))).status_code == 413


# ref: MSS/va1.13
async def test_a_message_over_25_mo_is_told_so_by_its_report(build: Build) -> None:
    scan = ("scan.pdf", "application/pdf", PDF + bytes(22 * 1024 * 1024))
    data = letter([*files(), scan])
    assert len(data) > 29 * 1024 * 1024
    (told,) = [
        each
        for each in (await send(build().browser(), data)).json()["findings"]
        if each["rule"] == "MSS/va1.13"
    ]
    assert (told["verdict"], told["weight"]) == ("fails", "mandatory")
    assert told["says"].startswith("30,1 Mo : plus de 25 Mo")


async def test_what_comes_to_no_report_is_a_sentence_in_json_for_a_program_and_a_page_for_a_person(
    build: Build,
) -> None:
    house = build(limits={"message_bytes": 65_536})
    browser = house.browser()
    large = b"x" * (65_536 + 16 * 1024 * 1024)
    broken = {"content-type": "multipart/form-data; boundary=a"}
    for answer, status in (
        (await browser.put("/check", content=note()), 405),
        (await browser.get("/check"), 405),
        (await send(browser, large), 413),
        (await browser.post("/check", content=_pieces(large)), 413),
        (await browser.post("/check", content=b"--b\r\n", headers=broken), 400),
        (await send(browser, note(), **{"content-type": "multipart/form-data; boundary=a"}), 400),
        (
            await browser.post("/check", files=posted(note()), headers={"origin": "https://ailleurs.test"}),
            403,
        ),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["refused"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["refused"].startswith("Cette demande vient d'un autre site")
    assert (await browser.put("/check")).headers["allow"] == "POST"
    page = await send(browser, large, **HTML)
    assert (page.status_code, page.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert "Ce fichier est plus gros que tout message" in page.text
    assert "documents" not in page.text
    # Elsewhere the pages of the portal stay as they are.
    assert "text/html" in (await browser.get("/rien", headers={"accept": "*/*"})).headers["content-type"]


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


async def test_the_page_says_the_limit_as_the_report_does(build: Build) -> None:
    page = (await build().browser().get("/verification")).text
    assert "25 Mo au plus" in page
    assert "26,2" not in page


async def test_slow_files_of_one_caller_keep_nobody_else_out(build: Build) -> None:
    house = build()
    began, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        began.release()
        await go_on.wait()
        yield note()

    async def slowly() -> int:
        length = {"content-length": str(len(note()))}
        return (await house.browser().post("/check", content=slow(), headers=length)).status_code

    sending = [asyncio.create_task(slowly()) for _ in range(4)]
    for _ in sending:
        await began.acquire()
    turned_away = await send(house.browser(), note())
    assert (turned_away.status_code, turned_away.headers["retry-after"]) == (429, "5")
    assert turned_away.json()["refused"].startswith("4 de vos fichiers")
    bal = await box(house)
    known = base64.b64encode(f"{bal.address}:{PASSWORD}".encode()).decode()
    assert (await send(house.browser(), note(), authorization=f"Basic {known}")).status_code == 200
    go_on.set()
    assert await asyncio.gather(*sending) == [200] * 4
    assert (await send(house.browser(), note())).status_code == 200


async def test_nothing_of_what_is_checked_is_logged_or_stored(build: Build) -> None:
    house = build()
    before = house.place.database.read_now(_rows)
    with capture_logs() as logs:
        await send(house.browser(), letter())
        await send(house.browser(), b"\0" + letter())
    assert house.place.database.read_now(_rows) == before
    assert INS not in str(logs)
    assert "DOMINIQUE" not in str(logs)


def _rows(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }
