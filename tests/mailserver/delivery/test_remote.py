from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from foundation import trail
from foundation.vault import blob
from mailserver.delivery import local
from mailserver.delivery.receipts import delivery_receipt
from mailserver.envelope import Accepted, DsnRequest, Origin, RecipientDsn, Refused
from mailserver.outbound.tables import outbound_message
from mailserver.refusals import (
    AUTHOR_NOT_OF_PEER,
    DOMAIN_NOT_REACHABLE,
    FROM_NOT_OWNED,
    RELAY_DENIED,
    TRUST_UNAVAILABLE,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
    Refusal,
)
from mailserver.store.tables import mail
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, envelope, letter, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

PAIR = "pair.mssante.fr"
THERE = f"lea@{PAIR}"


@pytest.fixture
def space() -> Space:
    return Space.of(PAIR, "autre.mssante.fr", "xn--hpital-ixa.mssante.fr")


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, space: Space) -> Place:
    return Place(database, vault, clock, tmp_path, trust=space)


def accepted(answer: Accepted | Refused) -> Accepted:
    assert isinstance(answer, Accepted), answer
    return answer


def refused(answer: Accepted | Refused) -> Refusal:
    assert isinstance(answer, Refused), answer
    return answer.refusal


async def test_what_is_for_others_is_queued_and_lies_in_no_box(place: Place, events: Events) -> None:
    marie = await place.add("marie")
    with events.subscribe("outbound") as woken:
        answer = accepted(await place.send(marie, THERE))
        assert await woken.wait(5) == {"outbound"}
    assert answer.owners == ()
    assert place.count(mail) == 0
    [queued] = await place.queued()
    assert (queued.queue_id, queued.sender, queued.origin) == (answer.queue_id, marie.address, "mail")
    assert queued.to == {THERE: ("", None)}
    [row] = place.trail()
    assert (row.action, row.actor, row.subject) == (
        "message.queued",
        f"bal:{marie.owner_id}",
        f"queue:{answer.queue_id}",
    )
    assert "@" not in row.detail


async def test_recipients_here_and_there_share_one_body_and_one_transaction(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    patient = await place.add_patient()
    answer = accepted(
        await place.send(marie, paul.address, THERE, patient_address(patient), "b@autre.mssante.fr")
    )
    assert set(answer.owners) == {paul.owner_id, patient.owner_id}
    [queued] = await place.queued()
    assert set(queued.to) == {THERE, "b@autre.mssante.fr"}
    [kept] = await place.kept(paul.owner_id)
    assert kept.content == queued.content
    assert place.count(blob) == 1
    assert len(place.conversations(patient.owner_id)) == 1


async def test_a_unit_that_fails_queues_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")

    def broken(*_: object, **__: object) -> None:
        raise OSError("the trail is full")

    with monkeypatch.context() as broken_trail:
        broken_trail.setattr(trail, "append", broken)
        with pytest.raises(OSError, match="the trail is full"):
            await place.send(marie, paul.address, THERE)
    assert [place.count(table) for table in (mail, outbound_message, blob, delivery_receipt)] == [0] * 4


async def test_a_retransmission_queues_nothing_twice(place: Place) -> None:
    marie = await place.add("marie")
    content = letter(marie.address, THERE)
    first = accepted(await place.send(marie, THERE, content=content))
    again = accepted(await place.send(marie, THERE, content=content))  # the 250 was lost
    accepted(await place.restarted().deliver(envelope(marie, THERE, content=content)))  # so was the process
    assert [queued.queue_id for queued in await place.queued()] == [first.queue_id]
    await place.router.acknowledged(again)
    accepted(await place.send(marie, THERE, content=content))
    assert len(await place.queued()) == 2


async def test_a_cancelled_delivery_to_others_is_whole_or_absent(place: Place) -> None:
    marie = await place.add("marie")
    content = letter(marie.address, THERE)
    task = asyncio.create_task(place.send(marie, THERE, content=content))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    accepted(await place.send(marie, THERE, content=content))
    assert len(await place.queued()) == 1


@pytest.mark.parametrize(
    ("to", "queued"),
    [
        ("Lea.Martin@PAIR.mssante.FR", "Lea.Martin@pair.mssante.fr"),
        ("lea@hôpital.mssante.fr", "lea@xn--hpital-ixa.mssante.fr"),
        ("lea@XN--HPITAL-IXA.mssante.fr", "lea@xn--hpital-ixa.mssante.fr"),
        ("léa@pair.mssante.fr", "léa@pair.mssante.fr"),
    ],
)
async def test_domains_are_compared_as_the_list_writes_them_and_names_are_left_alone(
    place: Place, to: str, queued: str
) -> None:
    marie = await place.add("marie")
    accepted(await place.send(marie, to, content=letter(marie.address)))
    [found] = await place.queued()
    assert set(found.to) == {queued}


async def test_names_that_differ_in_capitals_are_for_their_own_operator_to_tell_apart(place: Place) -> None:
    marie = await place.add("marie")
    accepted(await place.send(marie, f"lea@{PAIR}", f"LEA@{PAIR}", f"lea@{PAIR.upper()}"))
    [found] = await place.queued()
    assert set(found.to) == {f"lea@{PAIR}", f"LEA@{PAIR}"}


async def test_only_listed_domains_are_written_to_and_the_list_counts_as_it_is_now(
    place: Place, space: Space
) -> None:
    marie = await place.add("marie")
    elsewhere = "a@sub.pair.mssante.fr"
    assert refused(await place.send(marie, elsewhere)) is DOMAIN_NOT_REACHABLE
    space.white_list = frozenset({"sub.pair.mssante.fr"})
    accepted(await place.send(marie, elsewhere))
    assert refused(await place.send(marie, THERE)) is DOMAIN_NOT_REACHABLE
    space.white_list = None
    assert refused(await place.send(marie, THERE)) is TRUST_UNAVAILABLE


async def test_a_hosted_domain_is_here_whatever_the_list_says(place: Place, space: Space) -> None:
    marie = await place.add("marie")
    space.white_list = frozenset({DOMAIN, PATIENTS})
    assert refused(await place.send(marie, f"nobody@{DOMAIN}")) is UNKNOWN_MAILBOX
    assert refused(await place.send(marie, f"279035121518989@{PATIENTS}")) is UNKNOWN_PATIENT
    assert await place.queued() == []


async def test_nothing_that_another_operator_brings_leaves_again(place: Place) -> None:
    paul = await place.add("paul")
    assert refused(await place.receive("a@autre.mssante.fr", THERE)) is RELAY_DENIED
    assert isinstance(await place.receive("a@autre.mssante.fr", paul.address), Accepted)
    assert await place.queued() == []


async def test_a_patient_of_another_operator_is_written_to_there(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    space = Space.of(PATIENTS)
    place = Place(database, vault, clock, tmp_path, trust=space, serves_patients=False)
    marie = await place.add("marie")
    to = f"279035121518989@{PATIENTS}"
    accepted(await place.send(marie, to, message_id="<question@x>"))
    [queued] = await place.queued()
    assert set(queued.to) == {to}
    answer = await place.receive(
        to,
        marie.address,
        subject="Re: Bonjour",
        headers=("In-Reply-To: <question@x>",),
        speaks_for=frozenset({PATIENTS}),
        peer_host="smtps1.ens.example",
    )
    accepted(answer)
    [found] = await place.kept(marie.owner_id)
    assert found.subject == "Re: Bonjour"


async def test_how_much_a_patient_of_another_operator_takes_is_decided_there(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENT_MESSAGE_BYTES", 1000)
    place = Place(database, vault, clock, tmp_path, trust=Space.of(PATIENTS), serves_patients=False)
    marie = await place.add("marie")
    accepted(await place.send(marie, f"279035121518989@{PATIENTS}", body="x" * 2000))
    assert len(await place.queued()) == 1


async def test_a_message_leaves_with_every_field_and_octet_it_came_with(place: Place) -> None:
    marie = await place.add("marie")
    headers = (
        f"Disposition-Notification-To: Dr Marie MARTIN\r\n\t<{marie.address}>",
        "X-MSS-NIL: DEV935997",
        "X-MSS-MES: FIN",
        "X-Odd:no space,\ttab and   blanks  ",
        "Return-Receipt-To: <x@example.fr>",
        "DKIM-Signature: v=1; a=rsa-sha256; bh=abc=;\r\n b=def=",
        "Received: from poste by logiciel; Thu, 13 Mar 2025 14:54:10 +0100",
    )
    content = letter(marie.address, THERE, headers=headers, body="  corps\t\r\n.\r\n..\r\n\r\n--x\r\n \r\n")
    accepted(await place.send(marie, THERE, content=content))
    [queued] = await place.queued()
    return_path, received, rest = queued.content.partition(b"Received: from poste.example")
    assert return_path == f"Return-Path: <{marie.address}>\r\n".encode()
    trace, day, message = rest.partition(b"+0100\r\n")
    assert received
    assert day
    assert b"by mail.hopital-demo.mssante.fr (Vaguemestre) with ESMTPSA" in trace
    assert message == content


async def test_what_was_asked_of_reports_goes_with_the_message(place: Place) -> None:
    marie = await place.add("marie")
    to = f"Lea@{PAIR.upper()}"
    asked = {to: RecipientDsn(frozenset({"SUCCESS", "DELAY"}), "rfc822;Lea+40pair")}
    accepted(await place.send(marie, to, "b@autre.mssante.fr", dsn=DsnRequest("FULL", "QQ+2B1", asked)))
    [queued] = await place.queued()
    assert (queued.ret, queued.envid) == ("FULL", "QQ+2B1")
    assert queued.to == {
        f"Lea@{PAIR}": ("DELAY,SUCCESS", "rfc822;Lea+40pair"),
        "b@autre.mssante.fr": ("", None),
    }


async def test_smtputf8_is_asked_of_a_peer_only_where_the_message_needs_it(place: Place) -> None:
    marie = await place.add("marie")
    accepted(await place.send(marie, THERE, utf8=True))
    accepted(await place.send(marie, THERE, utf8=True, subject="Été"))
    accepted(await place.send(marie, THERE, utf8=False, subject="Raw été"))
    assert [queued.utf8 for queued in await place.queued()] == [False, True, False]


async def test_one_who_is_gone_here_is_reported_while_the_others_are_queued(place: Place) -> None:
    marie = await place.add("marie")
    accepted(await place.send(marie, THERE, f"nobody@{DOMAIN}"))
    [queued] = await place.queued()
    assert set(queued.to) == {THERE}
    [report] = await place.kept(marie.owner_id)
    assert report.subject == "Message non distribué"


async def test_a_listed_sender_is_told_through_the_queue_who_did_not_get_it(place: Place) -> None:
    paul = await place.add("paul")
    accepted(await place.receive(THERE, paul.address, f"nobody@{DOMAIN}"))
    assert len(await place.kept(paul.owner_id)) == 1
    [queued] = await place.queued()
    assert (queued.sender, queued.origin, set(queued.to)) == ("", "report", {THERE})
    assert f"From: Mail Delivery System <MAILER-DAEMON@{DOMAIN}>\r\n".encode() in queued.content
    assert f"Final-Recipient: rfc822; nobody@{DOMAIN}\r\n".encode() in queued.content


async def test_a_sender_that_is_not_listed_cannot_be_told_so_the_whole_is_refused(place: Place) -> None:
    paul = await place.add("paul")
    answer = await place.receive("a@ailleurs.mssante.fr", paul.address, f"nobody@{DOMAIN}")
    assert refused(answer) is UNKNOWN_MAILBOX
    assert await place.kept(paul.owner_id) == []


async def test_where_reports_are_set_a_professional_elsewhere_is_told_that_a_patient_is_unknown(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, space: Space
) -> None:
    patients = {"undeliverable": "report"}
    place = Place(database, vault, clock, tmp_path, trust=space, patients=patients)
    to = f"279035121518989@{PATIENTS}"
    assert await place.rules.recipient(None, THERE, to) is None
    accepted(await place.receive(THERE, to))
    [queued] = await place.queued()
    assert f"From: Mail Delivery System <MAILER-DAEMON@{PATIENTS}>\r\n".encode() in queued.content
    assert place.count(mail) == 0


@pytest.mark.parametrize(
    ("author", "sender", "refusal"),
    [
        (THERE, THERE, None),
        ("Lea@PAIR.mssante.fr", THERE, None),
        ("lea@hôpital.mssante.fr", THERE, None),
        ("b@autre.mssante.fr", THERE, AUTHOR_NOT_OF_PEER),
        (f"lea@sub.{PAIR}", THERE, AUTHOR_NOT_OF_PEER),
        (f"{THERE}>, Paul <b@autre.mssante.fr", THERE, AUTHOR_NOT_OF_PEER),
        (f"paul@{DOMAIN}", THERE, AUTHOR_NOT_OF_PEER),
        (f"279035121518989@{PATIENTS}", THERE, FROM_NOT_OWNED),
        (f"MAILER-DAEMON@{PAIR}", "", None),
        ("MAILER-DAEMON@mail.pair.fr", "", None),
        ("MAILER-DAEMON@mail.pair.fr", THERE, AUTHOR_NOT_OF_PEER),
        ("MAILER-DAEMON@autre.mssante.fr", "", AUTHOR_NOT_OF_PEER),
    ],
)
async def test_a_peer_writes_in_the_name_of_its_own_domains_alone(
    place: Place, author: str, sender: str, refusal: Refusal | None
) -> None:
    paul = await place.add("paul")
    answer = await place.receive(
        sender,
        paul.address,
        author=author,
        speaks_for=frozenset({PAIR, "xn--hpital-ixa.mssante.fr"}),
        peer_host="Mail.pair.fr",
    )
    assert (answer.refusal if isinstance(answer, Refused) else None) is refusal


async def test_what_the_house_writes_may_come_from_its_patient_domain(place: Place) -> None:
    content = letter(f"MAILER-DAEMON@{PATIENTS}", THERE)
    answer = await place.router.deliver(envelope("", THERE, content=content))
    assert refused(answer) is FROM_NOT_OWNED
    house = replace(envelope("", THERE, content=content), origin=Origin.HOUSE)
    accepted(await place.router.deliver(house))
    assert [row.actor for row in place.trail()] == ["system"]
