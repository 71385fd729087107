from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from mailserver.delivery.receipts import delivery_receipt
from mailserver.envelope import Accepted, DsnRequest, RecipientDsn
from mailserver.refusals import UNKNOWN_MAILBOX
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, envelope, letter, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

THERE = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


def asked(**notify: str) -> DsnRequest:
    """NOTIFY for each `name@` of the hospital."""
    wanted = {
        f"{name}@{DOMAIN}": RecipientDsn(frozenset(words.split(",")), f"rfc822;{name}+40ailleurs.fr")
        for name, words in notify.items()
    }
    return DsnRequest("HDRS", "QQ314", wanted)


def status_of(content: bytes) -> Any:
    return message_from_bytes(content, policy=policy.default).get_payload()[1]


# ref: F14
async def test_success_is_told_in_the_transaction_of_the_delivery_once_for_all(place: Place) -> None:
    marie, paul, lea = [await place.add(name) for name in ("marie", "paul", "lea")]
    request = asked(paul="SUCCESS,FAILURE", lea="SUCCESS")
    answer = await place.send(marie, paul.address, lea.address, marie.address, dsn=request)
    assert isinstance(answer, Accepted)
    copy, report = await place.kept(marie.owner_id)
    assert (copy.subject, report.subject) == ("Bonjour", "Message remis")
    of_message, *recipients = status_of(report.content).get_payload()
    assert of_message["Original-Envelope-Id"] == "QQ314"
    assert of_message["Reporting-MTA"] == f"dns; mail.{DOMAIN}"
    assert [(one["Final-Recipient"], one["Action"], one["Status"]) for one in recipients] == [
        (f"rfc822; {paul.address}", "delivered", "2.0.0"),
        (f"rfc822; {lea.address}", "delivered", "2.0.0"),
    ]
    assert recipients[0]["Original-Recipient"] == "rfc822; paul@ailleurs.fr"
    assert place.count(delivery_receipt) == 1


async def test_who_asks_for_nothing_is_told_of_failures_alone(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.send(marie, paul.address, f"nobody@{DOMAIN}", dsn=DsnRequest("FULL", "x", {}))
    [report] = await place.kept(marie.owner_id)
    assert report.subject == "Message non distribué"
    assert len(status_of(report.content).get_payload()) == 2


@pytest.mark.parametrize("words", ["NEVER", "SUCCESS", "DELAY"])
async def test_a_failure_that_nobody_wants_to_hear_of_stays_in_the_trail(place: Place, words: str) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    answer = await place.send(marie, paul.address, f"nobody@{DOMAIN}", dsn=asked(nobody=words))
    assert isinstance(answer, Accepted)
    assert await place.kept(marie.owner_id) == []
    dropped = place.trail()[-1]
    assert (dropped.action, dropped.subject, dropped.outcome) == (
        "message.dropped",
        f"queue:{answer.queue_id}",
        UNKNOWN_MAILBOX.code,
    )


async def test_success_and_failure_are_two_reports(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    request = asked(paul="SUCCESS", nobody="FAILURE")
    await place.send(marie, paul.address, f"nobody@{DOMAIN}", dsn=request)
    found = await place.kept(marie.owner_id)
    assert [one.subject for one in found] == ["Message non distribué", "Message remis"]
    assert f"Final-Recipient: rfc822; {paul.address}".encode() not in found[0].content


async def test_a_sender_elsewhere_is_told_of_success_through_the_queue(place: Place) -> None:
    paul = await place.add("paul")
    await place.receive(THERE, paul.address, dsn=asked(paul="SUCCESS"))
    [queued] = await place.queued()
    assert (queued.sender, queued.origin, queued.to) == ("", "report", {THERE: ("", None)})
    parsed = message_from_bytes(queued.content, policy=policy.default)
    assert parsed["Subject"] == "Message remis"
    assert parsed["From"].addresses[0].addr_spec == f"MAILER-DAEMON@{DOMAIN}"


async def test_a_sender_that_cannot_be_reached_gets_its_message_delivered_and_no_report(place: Place) -> None:
    paul = await place.add("paul")
    answer = await place.receive("a@ailleurs.mssante.fr", paul.address, dsn=asked(paul="SUCCESS"))
    assert isinstance(answer, Accepted)
    assert len(await place.kept(paul.owner_id)) == 1
    assert await place.queued() == []
    assert [row.action for row in place.trail()] == ["message.delivered", "report.dropped"]


async def test_the_null_sender_is_never_told_of_success(place: Place) -> None:
    paul = await place.add("paul")
    await place.receive("", paul.address, author="MAILER-DAEMON@pair.mssante.fr", dsn=asked(paul="SUCCESS"))
    assert len(await place.kept(paul.owner_id)) == 1
    assert await place.queued() == []


async def test_a_success_is_not_told_twice_when_the_message_comes_again(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    content = letter(marie.address, paul.address)
    sent = envelope(marie, paul.address, content=content, dsn=asked(paul="SUCCESS"))
    await place.router.deliver(sent)
    await place.restarted().deliver(sent)
    assert len(await place.kept(marie.owner_id)) == 1
    assert len(await place.kept(paul.owner_id)) == 1


async def test_a_delivery_to_a_patient_is_told_from_the_patients_domain(place: Place) -> None:
    marie, patient = await place.add("marie"), await place.add_patient()
    to = patient_address(patient)
    request = DsnRequest(by_recipient={to: RecipientDsn(frozenset({"SUCCESS"}))})
    await place.send(marie, to, dsn=request)
    [report] = await place.kept(marie.owner_id)
    assert f"<MAILER-DAEMON@{PATIENTS}>".encode() in report.content


async def test_relayed_recipients_are_not_told_here_as_delivered(place: Place) -> None:
    marie = await place.add("marie")
    request = DsnRequest(by_recipient={THERE: RecipientDsn(frozenset({"SUCCESS"}))})
    await place.send(marie, THERE, dsn=request)
    assert await place.kept(marie.owner_id) == []
    [queued] = await place.queued()
    assert queued.to == {THERE: ("SUCCESS", None)}
