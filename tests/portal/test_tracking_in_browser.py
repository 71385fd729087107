"""The pages that follow messages, in Chromium: accessible, and without anything that a strict policy refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailserver.envelope import Accepted
from mailserver.tracking.sweeper import Sweeper
from tests.mailserver.place import DOMAIN
from tests.mailserver.tracking.reported import mdn
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House
from tests.portal.professional.people import box

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


async def test_every_page_passes_axe(house: House, url: str, chromium: Browser) -> None:
    marie, paul = await box(house), await box(house, "paul", idnat="810000000002")
    patient = await house.patient()
    asks = (f"Disposition-Notification-To: {marie.address}",)
    names = []
    for number, subject in enumerate(("Résultats", "", "Rendez-vous")):
        answer = await house.place.send(
            marie,
            paul.address,
            f"{patient.ins}@patient.mssante.fr",
            f"personne@{DOMAIN}",
            subject=subject,
            message_id=f"<{number}@example.fr>",
            headers=asks,
        )
        assert isinstance(answer, Accepted)
        names.append(answer.queue_id)
    refused = mdn(
        paul.address, marie.address, about="<0@example.fr>", disposition="a/b; processed/Error: 902^x"
    )
    await house.place.send(paul, marie.address, content=refused)
    house.clock.advance(timedelta(days=2))
    await Sweeper(house.place.database, house.clock, house.place.settings).sweep()
    page = await (await window(chromium, url)).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto("/")
    await page.get_by_label("adresse de messagerie").fill(marie.address)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Se connecter", exact=True).click()
    await page.wait_for_url("**/pro/")
    await page.get_by_role("link", name="Suivi", exact=True).click()
    assert await page.get_by_text("Sans nouvelle").count() == 3
    assert await violations(page) == []
    await page.get_by_role("link", name="À regarder").click()
    assert await violations(page) == []
    for name in names:
        await page.goto(f"/pro/suivi/{name}")
        assert await violations(page) == [], name
    await page.goto(f"/pro/suivi/{names[0]}")
    assert await page.get_by_text("Erreur 902").count() == 1
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
    await page.goto("/pro/suivi?etat=lus")
    assert await page.get_by_text("Aucun message à montrer").count() == 1
    assert await violations(page) == []
    assert complaints == []
