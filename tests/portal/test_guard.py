"""Headers, bounds and errors around every page."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from portal import signin
from portal.app import application
from portal.guard import Guard
from portal.pages import SENTENCES
from tests.portal.house import ORIGIN, PASSWORD, House, form_token, sign_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.mark.parametrize(
    "path", ["/", "/patient/conversations", "/nulle-part", "/static/portal.css", "/health"]
)
async def test_every_answer_carries_the_security_headers(house: House, path: str) -> None:
    browser = await house.signed_in(await house.patient())
    headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["strict-transport-security"].startswith("max-age=63072000")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


async def test_no_page_has_inline_scripts_styles_or_foreign_addresses(house: House) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient)
    browser = await house.signed_in(patient)
    identity = house.conversation(patient).id
    paths = ("/patient/conversations", f"/patient/conversations/{identity}", "/patient/documents", "/x")
    pages = [(await house.browser().get("/")).text] + [(await browser.get(path)).text for path in paths]
    for page in pages:
        assert "<style" not in page
        assert " style=" not in page
        assert "onclick" not in page
        assert "http://" not in page
        assert "https://" not in page
        assert page.count("<script") == page.count('<script src="/static/')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nulle-part", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/session", 405),
        ("DELETE", "/", 405),
        ("POST", "/patient/conversations", 405),
    ],
)
async def test_errors_are_one_french_sentence(house: House, method: str, path: str, status: int) -> None:
    answer = await house.browser().request(method, path)
    assert answer.status_code == status
    assert SENTENCES[status][1].split(",")[0] in answer.text
    assert '<html lang="fr">' in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("length", ["65537", "99999999999", "9" * 18])
async def test_an_announced_body_beyond_the_limit_is_refused(house: House, length: str) -> None:
    answer = await house.browser().post("/session", content=b"x=1", headers={"content-length": length})
    assert answer.status_code == 413
    assert SENTENCES[413][0] in answer.text


@pytest.mark.parametrize("path", ["/xds/repository", "/fhir/dmp/DocumentReference"])
async def test_programs_that_send_too_much_are_refused_by_their_own_interface(
    house: House, path: str
) -> None:
    async def refuse(request: Request) -> PlainTextResponse:
        return PlainTextResponse("its own words", 413)

    app = application(house.context, [Route(path, refuse, methods=["POST"])])
    length = str(house.context.settings.limits.message_bytes * 3 // 2)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as client:
        answer = await client.post(path, content=b"x", headers={"Content-Length": length})
    assert (answer.status_code, answer.text) == (413, "its own words")


async def test_a_body_that_does_not_say_its_length_is_bounded_too(house: House) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 10_000

    answer = await house.browser().post(
        "/session", content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413
    assert sent < 10


@pytest.mark.parametrize("octets", [0, 1])
async def test_a_body_that_stops_coming_or_trickles_is_given_up(octets: int) -> None:
    said: list[Message] = []
    pieces = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def slow() -> Message:
        nonlocal pieces
        pieces += 1
        assert pieces < 100
        event = asyncio.Event()
        if octets:  # one comes in time, again and again
            asyncio.get_running_loop().call_later(0.005, event.set)
        await event.wait()
        return {"type": "http.request", "body": b"x" * octets, "more_body": True}

    async def send(message: Message) -> None:
        said.append(message)

    wrapped = ExceptionMiddleware(
        app, {HTTPException: lambda _, error: PlainTextResponse("", error.status_code)}
    )
    for headers, status in (([], 408), ([(b"content-length", b"100")], 413)):
        said.clear()
        guard = Guard(
            wrapped, limit=lambda _: 99, failure=lambda code: PlainTextResponse("", code), patience=0.02
        )
        pieces = 0
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        await guard(scope, slow, send)
        assert said[0]["status"] == status


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"username=x"),
        ("", b"username=x"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--"),
        ("application/json", b"{}"),
    ],
)
async def test_what_is_no_form_is_refused(house: House, kind: str, body: bytes) -> None:
    answer = await house.browser().post("/session", content=body, headers={"content-type": kind})
    assert answer.status_code == 400


async def test_a_form_has_few_fields(house: House) -> None:
    many = {f"f{number}": "x" for number in range(50)}
    assert (await house.browser().post("/session", data=many)).status_code == 413


async def test_an_unforeseen_error_tells_nothing_of_the_inside(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = await house.patient()

    def fails(*_: object) -> None:
        raise RuntimeError(f"secret {patient.ins}")

    monkeypatch.setattr(signin, "find_patient", fails)
    answer = await sign_in(house.browser(), patient.ins)
    assert answer.status_code == 500
    assert "Un incident nous empêche" in answer.text
    assert "secret" not in answer.text
    printed = capsys.readouterr()
    written = printed.out + printed.err
    assert "page.failed" in written
    assert "RuntimeError" in written
    assert "secret" not in written
    assert patient.ins not in written


async def test_nothing_personal_is_written_to_the_log_or_kept_in_a_repr(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = await house.patient()
    await house.write(await house.doctor(), patient, subject="Sujet intime")
    browser = await house.signed_in(patient)
    await sign_in(house.browser(), patient.ins, "faux")
    identity = house.conversation(patient).id
    await browser.post(
        f"/patient/conversations/{identity}/messages",
        data={"csrf": await form_token(browser), "text": "Texte intime"},
    )
    await browser.get(f"/patient/conversations/{identity}")
    printed = capsys.readouterr()
    written = printed.out + printed.err + repr(house.context.visit(browser.cookies["__Host-vaguemestre"]))
    for personal in (patient.ins, "PAT-TROIS", "intime", PASSWORD, browser.cookies["__Host-vaguemestre"]):
        assert personal not in written


async def test_health_is_json(house: House) -> None:
    answer = await house.browser().get("/health")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text) == {"status": "ok", "alarms": []}


async def test_outside_the_sandbox_there_is_no_banner(
    house: House, database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> None:
    assert "Bac à sable" in (await house.browser().get("/")).text
    real = House.build(database, vault, events, clock, tmp_path, sandbox=False)
    assert "Bac à sable" not in (await real.browser().get("/")).text
    await real.bridge.close()
    await real.place.router.close()
