"""What became of a message, as a sender's pages and as JSON."""

from __future__ import annotations

import threading
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from mailserver.envelope import Accepted
from mailserver.tracking import view
from portal.pages import Pages
from tests.mailserver.place import DOMAIN, envelope, letter
from tests.mailserver.tracking.reported import mdn
from tests.portal.house import PASSWORD, House
from tests.portal.professional.people import box, delegate, enter, post

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from directory.bals import Bal


async def sent(house: House, sender: Bal, *to: str, **values: Any) -> str:
    answer = await house.place.send(sender, *to, **values)
    assert isinstance(answer, Accepted), answer
    return answer.queue_id


async def status(house: House, bal: Bal, name: str) -> httpx2.Response:
    """As software asks, with the box's password."""
    credentials = b64encode(f"{bal.address}:{PASSWORD}".encode()).decode()
    browser = house.browser()
    return await browser.get(
        f"/messages/{quote(name, safe='')}/status", headers={"Authorization": f"Basic {credentials}"}
    )


@pytest.fixture
async def marie(house: House) -> Bal:
    return await box(house)


@pytest.fixture
async def paul(house: House) -> Bal:
    return await box(house, "paul", idnat="810000000002")


# ref: SC.MSS/UX.37
@pytest.mark.parametrize("message_id", ["<m1@example.fr>", "<a/b+c%d?e@example.fr>"])
async def test_software_reads_the_history_by_either_name(
    house: House, marie: Bal, paul: Bal, message_id: str
) -> None:
    name = await sent(house, marie, paul.address, message_id=message_id)
    await house.place.send(paul, marie.address, content=mdn(paul.address, marie.address, about=message_id))
    for asked in (name, message_id, message_id.strip("<>")):
        answer = await status(house, marie, asked)
        assert answer.status_code == 200, asked
        told = answer.json()
        assert (told["id"], told["message_id"], told["from"]) == (name, message_id, marie.address)
        assert told["alert"] is None
        assert [each["event"] for each in told["events"]] == ["received", "checked"]
        [recipient] = told["recipients"]
        assert (recipient["address"], recipient["state"]) == (paul.address, "read")
        assert [each["event"] for each in recipient["events"]] == ["delivered", "read"]
        assert recipient["events"][0]["at"] == "2026-03-13T15:54:10.000+01:00"


async def test_the_message_of_somebody_else_is_as_unknown_as_any(house: House, marie: Bal, paul: Bal) -> None:
    name = await sent(house, marie, paul.address)
    answers = [await status(house, paul, asked) for asked in (name, "<m1@example.fr>", "nothing")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert (await house.browser().get(f"/messages/{name}/status")).status_code == 401


async def test_pages_show_the_list_and_one_message(house: House, marie: Bal, paul: Bal) -> None:
    name = await sent(house, marie, paul.address, f"personne@{DOMAIN}", subject="<b>Résultats")
    await sent(house, marie, paul.address, message_id="<m2@x>", subject="Rendez-vous")
    browser = await enter(house, marie)
    page = (await browser.get("/pro/suivi")).text
    assert "&lt;b&gt;Résultats" in page
    assert "Rendez-vous" in page
    assert "Remis dans la boîte : 1 · Non distribué : 1" in page
    page = (await browser.get("/pro/suivi?etat=problemes")).text
    assert "Résultats" in page
    assert "Rendez-vous" not in page
    page = (await browser.get(f"/pro/suivi/{name}")).text
    assert paul.address in page
    assert "(MSS-110)" in page
    assert "13 mars 2026 à 15:54" in page


async def test_long_histories_are_written_off_the_event_loop(
    house: House, marie: Bal, paul: Bal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message to a thousand recipients makes half a megabyte: nobody else is to wait for it."""
    name = await sent(house, marie, paul.address)
    browser = await enter(house, marie)
    threads: list[int] = []

    def watched(write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(*arguments: Any) -> Any:
            threads.append(threading.get_ident())
            return write(*arguments)

        return writing

    monkeypatch.setattr(view, "as_json", watched(view.as_json))
    monkeypatch.setattr(Pages, "render", watched(Pages.render))
    assert (await status(house, marie, name)).status_code == 200
    assert (await browser.get(f"/pro/suivi/{name}")).status_code == 200
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_strange_queries_show_the_whole_list(house: House, marie: Bal, paul: Bal) -> None:
    await sent(house, marie, paul.address)
    browser = await enter(house, marie)
    for query in ("?etat=rien", "?avant=x", "?avant=" + "9" * 50, "?avant=-1", "?etat=tous&avant="):
        answer = await browser.get(f"/pro/suivi{query}")
        assert answer.status_code == 200
        assert "Bonjour" in answer.text
    assert (await browser.get("/pro/suivi?avant=1")).text.count("Aucun message à montrer") == 1


async def test_a_long_list_goes_on(
    house: House, marie: Bal, paul: Bal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.tracking.PAGE", 2)
    monkeypatch.setattr(view, "PAGE", 2)
    for number in range(3):
        await sent(house, marie, paul.address, message_id=f"<{number}@x>", subject=f"Lettre {number}")
    browser = await enter(house, marie)
    page = (await browser.get("/pro/suivi")).text
    assert "Lettre 2" in page
    assert "Lettre 0" not in page
    assert "/pro/suivi?etat=tous&amp;avant=2" in page
    assert "Lettre 0" in (await browser.get("/pro/suivi?etat=tous&avant=2")).text


async def test_pages_of_somebody_else_are_not_there(house: House, marie: Bal, paul: Bal) -> None:
    name = await sent(house, marie, paul.address)
    browser = await enter(house, paul)
    assert (await browser.get(f"/pro/suivi/{name}")).status_code == 404
    assert "Aucun message à montrer" in (await browser.get("/pro/suivi")).text
    assert (await house.browser().get("/pro/suivi")).status_code == 303


async def test_a_delegate_sees_what_the_structures_box_sent(house: House, marie: Bal, paul: Bal) -> None:
    ward = await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, ward, marie)
    name = await sent(house, ward, paul.address, subject="Du service")
    browser = await enter(house, marie)
    assert (await browser.get(f"/pro/suivi/{name}")).status_code == 404
    await post(browser, "/pro/boites", address=ward.address)
    assert "Du service" in (await browser.get("/pro/suivi")).text
    assert (await browser.get(f"/messages/{name}/status")).status_code == 200


async def test_what_a_member_sends_in_a_box_s_name_is_seen_by_both(
    house: House, marie: Bal, paul: Bal
) -> None:
    ward = await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, ward, marie)
    content = letter(ward.address, paul.address, subject="Du service")
    answer = await house.place.router.deliver(
        replace(envelope(marie, paul.address, content=content), sender=ward.address)
    )
    assert isinstance(answer, Accepted)
    told = await status(house, marie, answer.queue_id)
    assert (told.json()["from"], told.json()["sent_by"]) == (ward.address, marie.address)
    assert (await status(house, ward, answer.queue_id)).json() == told.json()
    assert (await status(house, paul, answer.queue_id)).status_code == 404
    browser = await enter(house, marie)
    for _ in range(2):
        page = (await browser.get("/pro/suivi")).text
        assert "Du service" in page
        assert f"Envoyé par {marie.address}, au nom de {ward.address}" in page
        assert f"<dd>{marie.address}</dd>" in (await browser.get(f"/pro/suivi/{answer.queue_id}")).text
        await post(browser, "/pro/boites", address=ward.address)
