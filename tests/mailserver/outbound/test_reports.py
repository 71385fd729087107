"""What a sender finds in the INBOX, written by the reporter of the house."""

from __future__ import annotations

import asyncio
import email
import email.policy
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from foundation import trail
from foundation.clock import to_paris
from foundation.vault import blob
from mailserver.delivery.notify import Reporter
from mailserver.outbound.operate import mark_dropped
from mailserver.outbound.tables import outbound_delivery
from mailserver.refusals import PEER_REFUSED, PEER_WITHOUT_TLS, QUEUE_EXPIRED
from tests.mailserver.outbound.house import LETTER, OURSELVES, PEER, House, recipient
from tests.mailserver.place import Place

if TYPE_CHECKING:
    from email.message import EmailMessage

    from directory.bals import Bal

BOB = f"bob@{PEER}"


@pytest.fixture
async def anne(house: House) -> tuple[Place, Bal]:
    """The sender's box; the house reports for real from now on."""
    place = Place(
        house.database,
        house.vault,
        house.clock,
        house.settings.home,
        hostname=house.settings.hostname,
        domains=[OURSELVES, "hopital-demo.mssante.fr"],
    )
    reporter: Any = Reporter(house.vault, house.clock, place.settings, house.trust)
    house.notes = reporter
    return place, await place.add("anne")


async def report(anne: tuple[Place, Bal]) -> EmailMessage:
    place, box = anne
    (kept,) = await place.kept(box.owner_id)
    parsed: Any = email.message_from_bytes(kept.content, policy=email.policy.default)
    return parsed  # type: ignore[no-any-return]


async def test_a_refusal_is_returned_with_what_the_server_said(house: House, anne: tuple[Place, Bal]) -> None:
    said = "550 5.7.26 Not\x1b[2Jtoday, caf\xe9"
    async with house.peer(MAIL=said), house.dispatching():
        await house.queue(recipient(BOB, orcpt="rfc822;Bob@x"), sender=anne[1].address, envid="E42")
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
    found = await report(anne)
    text, status, header = found.iter_parts()
    assert "550 5.7.26 Not [2Jtoday, cafe" in text.get_content()
    assert PEER_REFUSED.advice in text.get_content()
    fields = status.as_string()
    for field in (
        "Original-Envelope-Id: E42",
        "Original-Recipient: rfc822; Bob@x",
        f"Final-Recipient: rfc822; {BOB}",
        "Action: failed",
        "Status: 5.7.26",
        "Remote-MTA: dns; [127.0.0.1]",
        "Diagnostic-Code: smtp; 550 5.7.26 Not [2Jtoday, cafe",
    ):
        assert field in fields
    assert b"Subject: Bonjour" in header.as_bytes()
    assert found["Return-Path"] == "<>"


# ref: F12
async def test_a_server_without_tls_is_named_as_the_cause(house: House, anne: tuple[Place, Bal]) -> None:
    async with house.peer(EHLO="250 mail.example"), house.dispatching():
        await house.queue(BOB, sender=anne[1].address)
        await house.tally.reaches("bounced", 1, PEER_WITHOUT_TLS.code)
    text = next((await report(anne)).iter_parts()).get_content()
    assert PEER_WITHOUT_TLS.advice in text
    fields = (await report(anne)).as_string()
    assert "Status: 5.7.10" in fields
    assert "Diagnostic-Code: x-vaguemestre; 5.7.10 MSS-162 " in fields
    assert "Remote-MTA" not in fields


async def test_what_is_given_up_names_the_last_cause(house: House, anne: tuple[Place, Bal]) -> None:
    async with house.peer(MAIL="451 4.3.0 disk full"), house.dispatching():
        await house.queue(recipient(BOB, "FAILURE"), sender=anne[1].address)
        await house.tally.reaches("deferred", 1, "MSS-164")
        house.later(hours=49)
        await house.tally.reaches("bounced", 1, QUEUE_EXPIRED.code)
    text = next((await report(anne)).iter_parts()).get_content()
    assert "451 4.3.0 disk full" in text
    assert "Dernier motif : le serveur du destinataire ne prend pas" in text


async def test_the_whole_message_comes_back_where_that_was_asked(
    house: House, anne: tuple[Place, Bal]
) -> None:
    async with house.peer(MAIL="550 5.7.1 no"), house.dispatching():
        await house.queue(BOB, sender=anne[1].address, ret="FULL")
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
    assert b"\r\n.Bonjour\r\n..\r\n" in LETTER
    assert ".Bonjour" in (await report(anne)).as_string()


async def test_a_report_is_never_answered_by_a_report(house: House, anne: tuple[Place, Bal]) -> None:
    async with house.peer(MAIL="550 5.7.1 no"), house.dispatching():
        await house.queue(BOB, sender="", origin="report")
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
    assert not await anne[0].kept(anne[1].owner_id)
    assert not await house.rows(blob)
    actions = {
        row.action for row in await house.database.read(lambda connection: trail.last_rows(connection, 100))
    }
    assert {"message.bounced", "message.dropped"} <= actions


async def test_the_sender_hears_of_a_delay_in_french(house: House, anne: tuple[Place, Bal]) -> None:
    async with house.peer(MAIL="451 4.3.0 later"):
        dispatcher = house.dispatcher()
        running = asyncio.create_task(dispatcher.run())
        await house.queue(BOB, sender=anne[1].address)
        await house.tally.reaches("deferred", 1, "MSS-164")
        await dispatcher.close(grace=0)
        await running
        (row,) = await house.deliveries()
        await house.database.write(
            lambda uow: uow.execute(outbound_delivery.update().values(next_at=row["next_at"] + 7_200_000))
        )
        tried = format_datetime(to_paris(house.clock.now()))
        house.clock.advance(timedelta(minutes=61))
        assert await dispatcher._sweeper.sweep()
    found = await report(anne)
    assert found["Subject"] == "Message retardé"
    assert "Action: delayed" in found.as_string()
    assert f"Last-Attempt-Date: {tried}\n" in found.as_string()


async def test_what_was_never_tried_names_no_attempt_when_the_operator_drops_it(
    house: House, anne: tuple[Place, Bal]
) -> None:
    dispatcher = house.dispatcher()
    await house.queue(BOB, sender=anne[1].address)
    keys = await house.database.write(lambda uow: mark_dropped(uow, "Q1", house.clock))
    assert await dispatcher._sweeper.drop(keys) == 1
    fields = (await report(anne)).as_string()
    assert "Diagnostic-Code: x-vaguemestre; 5.7.0 MSS-167 " in fields
    assert "Last-Attempt-Date" not in fields
    assert "Remote-MTA" not in fields
