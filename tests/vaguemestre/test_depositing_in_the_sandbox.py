"""A mail to a hospital's software, by real SMTP: the document in the record, the answer in the sender's inbox."""

from __future__ import annotations

import asyncio
import imaplib
import time
from typing import TYPE_CHECKING

from dmp_bridge.tables import document
from foundation.cipher import key_of
from foundation.database import Database
from foundation.settings import load
from tests.dmp_bridge.builders import cda, mail, xdm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vaguemestre.programs import Serving

UNIQUE_ID = "1.2.250.1.999.2026.77"


def depositors(home: Path) -> list[tuple[str, str]]:
    """As whom the document of this test was deposited, and for which structure."""

    async def look() -> list[tuple[str, str]]:
        settings = load(home)
        database = await Database.open(settings.database_url, key=key_of(settings))
        wanted = (
            document.select()
            .with_only_columns(document.c.depositor_id, document.c.depositor_structure)
            .where(document.c.unique_id == UNIQUE_ID)
        )
        try:
            return await database.read(
                lambda connection: [(row[0], row[1]) for row in connection.execute(wanted)]
            )
        finally:
            await database.close()

    return asyncio.run(look())


# ref: DMP-F13
def test_a_document_sent_to_the_hospitals_software_is_in_the_record_and_answered(sandbox: Serving) -> None:
    sender, software = sandbox.bal("camille.roussel"), sandbox.bal("dpi")
    patient = next(each for each in sandbox.told["patients"] if each["state"] == "activated")
    data = cda(
        unique_id=UNIQUE_ID,
        set_id=f"{UNIQUE_ID}.1",
        ins=patient["ins"],
        birth=patient["birth_date"].replace("-", ""),
    )
    content = mail(
        ("IHE_XDM.zip", "application/zip", xdm(data, ins=patient["ins"], unique_id=None)),
        sender=sender["address"],
        recipient=software["address"],
    )
    head = f"Date: Thu, 13 Mar 2025 14:54:10 +0100\r\nDisposition-Notification-To: {sender['address']}\r\n"
    with sandbox.submission(sender) as smtp:
        smtp.sendmail(sender["address"], [software["address"]], head.encode() + content)
    with imaplib.IMAP4_SSL(
        sandbox.told["host"], sandbox.told["ports"]["imaps"], ssl_context=sandbox.tls(), timeout=30
    ) as client:
        client.login(sender["address"], sender["password"])
        client.select("INBOX")
        found, deadline = b"", time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            client.noop()
            _, [found] = client.search(None, "FROM", f'"{software["address"]}"')
        assert found
        _, answer = client.fetch(found.split()[-1].decode(), "(BODY[])")
    assert isinstance(answer[0], tuple)
    assert b"automatic-action/MDN-sent-automatically; processed\r\n" in answer[0][1]
    assert depositors(sandbox.home) == [(sender["idnat"], software["idnat"])]
