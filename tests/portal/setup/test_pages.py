from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from directory.bals import BalType
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House
from tests.portal.professional.people import box, delegate, enter, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

SHEET = "/pro/reglages"


@pytest.fixture
async def house(
    database: Database,
    vault: Vault,
    events: Events,
    clock: FixedClock,
    tmp_path: Path,
    identity: dict[str, Path],
) -> AsyncIterator[House]:
    made = House.build(database, vault, events, clock, tmp_path, tls=dict(identity))
    yield made
    await made.bridge.close()
    await made.place.router.close()


@pytest.mark.parametrize("path", [SHEET, f"{SHEET}/autorites.pem", f"{SHEET}/a@b.fr.mobileconfig"])
async def test_only_professionals_who_signed_in_see_it(path: str, house: House) -> None:
    answer = await house.browser().get(path)
    assert answer.status_code == 303
    patient = await house.signed_in(await house.patient())
    assert (await patient.get(path)).status_code == 303


async def test_the_sheet_shows_the_settings_of_the_box(house: House) -> None:
    bal = await box(house)
    page = await (await enter(house, bal)).get(SHEET)
    assert page.status_code == 200
    for told in (bal.address, "mail.hopital-demo.mssante.fr", "1993, TLS", "1465, TLS", "25 Mo", "SHA-256"):
        assert told in page.text
    assert 'href="/pro/reglages" aria-current="true"' in page.text


async def test_the_profile_is_for_the_own_box_alone(house: House) -> None:
    bal, other = await box(house), await box(house, "jean.petit", idnat="810000000002")
    browser = await enter(house, bal)
    answer = await browser.get(f"{SHEET}/{bal.address}.mobileconfig")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    assert answer.headers["content-disposition"] == 'attachment; filename="mssante.mobileconfig"'
    start, end = answer.content.index(b"<?xml"), answer.content.index(b"</plist>")
    profile = plistlib.loads(answer.content[start:end] + b"</plist>")
    assert profile["PayloadContent"][0]["EmailAddress"] == bal.address
    for address in (other.address, "nobody@hopital-demo.mssante.fr", "x"):
        assert (await browser.get(f"{SHEET}/{address}.mobileconfig")).status_code == 404


# ref: ECO.1.1.4
async def test_the_authorities_are_there_to_import(house: House, identity: dict[str, Path]) -> None:
    answer = await (await enter(house, await box(house))).get(f"{SHEET}/autorites.pem")
    assert answer.headers["content-type"] == "application/x-pem-file"
    given = x509.load_pem_x509_certificates(answer.content)
    assert set(given) == set(x509.load_pem_x509_certificates(identity["ca_file"].read_bytes()))


async def test_a_delegate_is_told_how_to_open_the_box(house: House) -> None:
    person = await box(house)
    shared = await box(house, "secretariat", type=BalType.ORG, idnat=None)
    await delegate(house, shared, person)
    browser = await enter(house, person)
    await post(browser, "/pro/boites", address=shared.address)
    page = (await browser.get(SHEET)).text
    assert shared.address in page
    assert "Partages" in page
    assert f"indiquez la vôtre, {person.address}" in page
    assert ".mobileconfig" not in page
    assert (await browser.get(f"{SHEET}/{shared.address}.mobileconfig")).status_code == 404


async def test_the_portal_answers_mail_clients(house: House) -> None:
    config = await house.browser().get(
        "/mail/config-v1.1.xml", params={"emailaddress": "a@hopital-demo.mssante.fr"}
    )
    assert config.headers["content-type"] == "text/xml; charset=utf-8"
    unknown = await house.browser().get("/mail/config-v1.1.xml", params={"emailaddress": "a@b.fr"})
    assert unknown.status_code == 404
    assert "Page introuvable" in unknown.text
    assert (await house.browser().get("/autodiscover/autodiscover.xml")).status_code == 200


@pytest.mark.interop
@pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed")
async def test_the_sheet_passes_axe_and_can_be_printed(house: House, url: str, chromium: Browser) -> None:
    bal = await box(house)
    page = await (await window(chromium, url)).new_page()
    await page.goto("/")
    await page.locator("input[name=username]").fill(bal.address)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/pro/")
    await page.goto(SHEET)
    assert await violations(page) == []
    await page.emulate_media(media="print")
    assert await page.locator("nav").is_hidden()
    assert await page.get_by_text("1993, TLS").is_visible()
