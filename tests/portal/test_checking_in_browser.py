"""The conformity check in Chromium: accessible with and without a result, and usable without a pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dmp_bridge.check.letters import letter
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House
from tests.portal.professional.people import box

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


async def check(page: Page, file: Path) -> None:
    await page.get_by_label("Fichier à vérifier").set_input_files(file)
    await page.get_by_role("button", name="Vérifier", exact=True).focus()
    async with page.expect_navigation(url="**/check"):
        await page.keyboard.press("Enter")


async def is_sound(page: Page) -> bool:
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide == 0 and await violations(page) == []


async def test_the_page_passes_axe_with_and_without_a_result(
    house: House, url: str, chromium: Browser, tmp_path: Path
) -> None:
    marie = await box(house)
    file = tmp_path / "message.eml"
    file.write_bytes(letter(X_MSS_INS="OUI"))
    nothing = tmp_path / "rien.txt"
    nothing.write_text("bonjour")
    context = await window(chromium, url, viewport={"width": 320, "height": 640})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        await page.goto("/verification")
        assert await is_sound(page)
        await page.goto("/")
        await page.get_by_label("adresse de messagerie").fill(marie.address)
        await page.get_by_label("Mot de passe").fill(PASSWORD)
        await page.get_by_role("button", name="Se connecter", exact=True).click()
        await page.wait_for_url("**/pro/")
        await (
            page.get_by_role("navigation", name="Rubriques").get_by_role("link", name="Vérification").click()
        )
        assert await is_sound(page)
        await check(page, file)
        assert "Non conforme" in await page.get_by_role("status").inner_text()
        assert await page.locator("strong", has_text="ECO.2.4.2").count() == 1
        assert await is_sound(page)
        assert complaints == []
        await check(page, nothing)
        assert await page.get_by_role("alert").count() == 1
        assert await is_sound(page)
    finally:
        await house.app.state.checker.close()


async def test_the_check_works_without_scripts(
    house: House, url: str, chromium: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(letter())
    page = await (await window(chromium, url, java_script_enabled=False)).new_page()
    try:
        await page.goto("/verification")
        await check(page, file)
        assert await page.get_by_role("status").count() == 1
    finally:
        await house.app.state.checker.close()
