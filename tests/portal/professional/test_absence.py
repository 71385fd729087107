"""An absence by the pages: whole days in Paris, refused with a sentence, and a delegate's only where allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.delivery import absence
from tests.portal.professional.people import box, delegate, enter, post, trail_of

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal
    from tests.portal.house import House

PAGE = "/pro/absence"
HOUR = 3_600_000


def kept(house: House, bal: Bal) -> absence.Absence | None:
    return house.place.database.read_now(lambda connection: absence.find(connection, bal.owner_id))


async def announce(browser: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    wanted = {"first": "2026-03-27", "last": "2026-03-29", "text": "Joignez le Dr Girard.", **fields}
    return await post(browser, PAGE, PAGE, **wanted)


async def test_an_absence_is_whole_days_on_the_clocks_of_paris(house: House) -> None:
    bal = await box(house)
    browser = await enter(house, bal)
    answer = await announce(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    found = kept(house, bal)
    assert found is not None
    # Three days, one of them an hour short: the clocks go forward on 29 March 2026.
    assert found.period.ends_at - found.period.starts_at == 71 * HOUR
    page = (await browser.get(PAGE)).text
    assert "Vous serez absent du 27 mars 2026 au 29 mars 2026 inclus" in page
    assert "L’absence est enregistrée" in page
    assert 'value="2026-03-29"' in page
    assert "Joignez le Dr Girard." in page
    assert (await post(browser, f"{PAGE}/fin", PAGE)).status_code == 303
    assert kept(house, bal) is None
    assert "L’absence est terminée" in (await browser.get(PAGE)).text
    assert [row[0] for row in trail_of(house, "absence.announced", "absence.ended")] == [
        "absence.announced",
        "absence.ended",
    ]


async def test_an_absence_that_begins_today_holds_at_once(house: House) -> None:
    browser = await enter(house, await box(house))
    await announce(browser, first="2026-03-13", last="2026-03-13")
    assert "Vous êtes absent du 13 mars 2026 au 13 mars 2026 inclus" in (await browser.get(PAGE)).text


@pytest.mark.parametrize(
    "fields",
    [
        {"first": ""},
        {"last": "demain"},
        {"last": "9999-12-31"},
        {"last": "2026-03-01"},
        {"first": "2026-03-01", "last": "2026-03-12"},
        {"last": "2028-01-01"},
        {"text": "  "},
        {"text": "x" * 5000},
        {"text": "a\x00b"},
    ],
)
async def test_what_is_no_absence_is_refused_beside_what_was_typed(
    house: House, fields: dict[str, str]
) -> None:
    bal = await box(house)
    answer = await announce(await enter(house, bal), **fields)
    assert answer.status_code == 422
    assert answer.text.count('role="alert"') == 1
    assert kept(house, bal) is None
    if "text" not in fields:
        assert "Joignez le Dr Girard." in answer.text


async def test_a_delegate_announces_one_only_with_the_right_to_administer(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    for rights, status in (("lrswipkxte", 404), ("lrswipkxtea", 303)):
        await delegate(house, service, person, rights)
        browser = await enter(house, person)
        await post(browser, "/pro/boites", address=service.address)
        assert (await announce_from(browser)).status_code == status
        assert (kept(house, service) is not None) == (status == 303)
    assert kept(house, person) is None


async def announce_from(browser: httpx2.AsyncClient) -> httpx2.Response:
    return await post(browser, PAGE, first="2026-03-27", last="2026-03-29", text="Joignez le secrétariat.")


async def test_the_answer_is_shown_as_text(house: House) -> None:
    browser = await enter(house, await box(house))
    await announce(browser, text="</textarea><script>alert(1)</script>")
    assert "<script>alert" not in (await browser.get(PAGE)).text
