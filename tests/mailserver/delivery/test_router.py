from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from foundation import trail
from foundation.jobs import job
from foundation.trail import Verified
from foundation.vault import blob
from mailserver.delivery.prepare import prepare
from mailserver.delivery.receipts import delivery_receipt
from mailserver.envelope import Accepted, Refused
from mailserver.refusals import (
    ACCOUNT_SUSPENDED,
    DOMAIN_NOT_REACHABLE,
    FROM_NOT_OWNED,
    INVALID_ADDRESS,
    MAILBOX_CLOSED,
    MAILBOX_SUSPENDED,
    MALFORMED_MESSAGE,
    NO_RECIPIENT,
    TOO_BIG,
    TOO_MANY_RECIPIENTS,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
    Refusal,
)
from mailserver.store.tables import mail, message
from tests.mailserver.place import DOMAIN, PATIENTS, Place, envelope, letter, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


def accepted(answer: Accepted | Refused) -> Accepted:
    assert isinstance(answer, Accepted), answer
    return answer


def refused(answer: Accepted | Refused) -> Refusal:
    assert isinstance(answer, Refused), answer
    return answer.refusal


async def test_a_message_lies_in_every_inbox_and_its_body_once(place: Place) -> None:
    marie, paul, lea = [await place.add(name) for name in ("marie", "paul", "lea")]
    answer = accepted(await place.send(marie, paul.address, lea.address, subject="Réunion"))
    assert set(answer.owners) == {paul.owner_id, lea.owner_id}
    for owner in (paul, lea):
        [found] = await place.kept(owner.owner_id)
        assert (found.subject, found.flags, found.uid) == ("Réunion", 0, 1)
        assert found.content.startswith(f"Return-Path: <{marie.address}>\r\n".encode())
        assert found.content.endswith("Bien à vous.\r\n".encode())
    assert place.count(blob) == 1


async def test_the_same_recipient_twice_gets_it_once(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    accepted(await place.send(marie, paul.address, paul.address.upper(), paul.address))
    assert len(await place.kept(paul.owner_id)) == 1


async def test_a_blind_recipient_is_named_to_nobody(place: Place) -> None:
    marie, paul, lea = [await place.add(name) for name in ("marie", "paul", "lea")]
    content = letter(marie.address, paul.address, headers=(f"Bcc: {lea.address}",))
    accepted(await place.send(marie, paul.address, lea.address, content=content))
    for owner in (paul, lea):
        [found] = await place.kept(owner.owner_id)
        assert lea.address.encode() not in found.content


async def test_what_is_delivered_wakes_those_who_wait(place: Place, events: Events) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    with events.subscribe(f"owner:{paul.owner_id}") as woken:
        accepted(await place.send(marie, paul.address))
        assert await woken.wait(5) == {f"owner:{paul.owner_id}"}


async def test_concurrent_deliveries_to_one_box_get_distinct_ascending_uids(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    answers = await asyncio.gather(
        *(place.send(marie, paul.address, message_id=f"<{n}@x>", subject=str(n)) for n in range(40))
    )
    assert all(isinstance(answer, Accepted) for answer in answers)
    found = await place.kept(paul.owner_id)
    assert [one.uid for one in found] == list(range(1, 41))
    assert {one.subject for one in found} == {str(n) for n in range(40)}


async def test_a_unit_that_fails_stores_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")

    def broken(*_: object, **__: object) -> None:
        raise OSError("the trail is full")

    monkeypatch.setattr(trail, "append", broken)
    with pytest.raises(OSError, match="the trail is full"):
        await place.send(marie, paul.address)
    monkeypatch.undo()
    assert [place.count(table) for table in (mail, message, blob, delivery_receipt)] == [0, 0, 0, 0]
    accepted(await place.send(marie, paul.address))
    assert len(await place.kept(paul.owner_id)) == 1


async def test_a_failed_delivery_leaves_no_file_behind(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import secrets

    marie = await place.add("marie")
    big = letter(marie.address, body=secrets.token_hex(200_000))
    assert refused(await place.send(marie, f"nobody@{DOMAIN}", content=big)) is UNKNOWN_MAILBOX
    assert list((tmp_path / "vault").glob("*/*")) == []


# ref: ECO.4.1.1
async def test_each_delivery_leaves_a_trace_without_addresses(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    accepted(await place.send(marie, paul.address))
    [found] = await place.kept(paul.owner_id)
    [row] = place.database.read_now(lambda connection: list(trail.rows(connection)))
    assert (row.action, row.actor, row.subject, row.outcome) == (
        "message.delivered",
        f"bal:{marie.owner_id}",
        f"mail:{found.mail_id}",
        "delivered",
    )
    assert "@" not in row.detail
    assert isinstance(place.database.read_now(trail.verify), Verified)


@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        (f"nobody@{DOMAIN}", UNKNOWN_MAILBOX),
        (f"suspended@{DOMAIN}", MAILBOX_SUSPENDED),
        (f"closed@{DOMAIN}", MAILBOX_CLOSED),
        ("someone@ailleurs.mssante.fr", DOMAIN_NOT_REACHABLE),
        (f"279035121518989@{PATIENTS}", UNKNOWN_PATIENT),
        ("not an address", INVALID_ADDRESS),
        (f'"a\r\nb"@{DOMAIN}', INVALID_ADDRESS),
    ],
)
async def test_a_message_to_nobody_reachable_is_refused(place: Place, to: str, refusal: Refusal) -> None:
    marie = await place.add("marie")
    await place.suspend(await place.add("suspended"))
    await place.shut(await place.add("closed"))
    assert refused(await place.send(marie, to, content=letter(marie.address))) is refusal
    assert place.count(mail) == 0


async def test_when_one_of_two_is_gone_the_other_gets_it_and_the_sender_is_told(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    answer = accepted(await place.send(marie, paul.address, f"nobody@{DOMAIN}"))
    assert answer.owners == (paul.owner_id,)
    assert len(await place.kept(paul.owner_id)) == 1
    [report] = await place.kept(marie.owner_id)
    assert report.subject == "Message non distribué"
    assert f"Final-Recipient: rfc822; nobody@{DOMAIN}".encode() in report.content


async def test_an_outside_sender_cannot_be_told_so_the_whole_is_refused(place: Place) -> None:
    paul = await place.add("paul")
    outside = "a@ailleurs.mssante.fr"
    answer = await place.router.deliver(
        envelope(outside, paul.address, f"nobody@{DOMAIN}", content=letter(outside))
    )
    assert refused(answer) is UNKNOWN_MAILBOX
    assert await place.kept(paul.owner_id) == []


async def test_limits_are_checked_before_anything_is_read(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    limits = {"message_bytes": 65_536, "recipients": 100}
    place = Place(database, vault, clock, tmp_path, limits=limits)
    marie = await place.add("marie")
    assert refused(await place.send(marie, content=b"x")) is NO_RECIPIENT
    many = [f"a{n}@{DOMAIN}" for n in range(101)]
    assert refused(await place.send(marie, *many, content=b"x")) is TOO_MANY_RECIPIENTS
    assert refused(await place.send(marie, marie.address, content=b"x" * 65_537)) is TOO_BIG
    assert refused(await place.send(marie, marie.address, content=b"no header")) is MALFORMED_MESSAGE


async def test_from_must_be_a_box_of_who_signed_in(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    forged = letter(paul.address, paul.address)
    assert refused(await place.send(marie, paul.address, content=forged)) is FROM_NOT_OWNED
    assert place.count(mail) == 0


async def test_a_person_may_write_as_any_of_her_own_personal_boxes(place: Place) -> None:
    idnat = "899999999999"
    marie = await place.add("marie", idnat=idnat)
    cabinet = await place.add("marie.cabinet", idnat=idnat)
    accepted(await place.send(marie, marie.address, content=letter(cabinet.address, marie.address)))


async def test_boxes_of_one_structure_do_not_write_as_each_other(place: Place) -> None:
    structure = "1990700001"
    urgences = await place.add("urgences", idnat=structure, type="ORG")
    direction = await place.add("direction", idnat=structure, type="ORG")
    answer = await place.send(urgences, urgences.address, content=letter(direction.address))
    assert refused(answer) is FROM_NOT_OWNED


async def test_a_box_suspended_after_sign_in_sends_no_more(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.suspend(marie)
    assert refused(await place.send(marie, paul.address)) is ACCOUNT_SUSPENDED
    assert place.count(mail) == 0


async def test_a_large_message_is_read_off_the_event_loop_and_delivered(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    body = "é" * 300_000
    accepted(await place.send(marie, paul.address, body=body))
    [found] = await place.kept(paul.owner_id)
    assert found.content.endswith(body.encode())


async def test_mail_of_another_operator_is_delivered(place: Place) -> None:
    paul = await place.add("paul")
    outside = "a@ailleurs.mssante.fr"
    accepted(await place.router.deliver(envelope(outside, paul.address, content=letter(outside))))
    [found] = await place.kept(paul.owner_id)
    assert b"with ESMTPS id" in found.content


async def test_a_professional_gets_no_bridge_job_and_no_conversation(place: Place) -> None:
    # N02: X-MSS-MES means nothing between professionals.
    marie, paul = await place.add("marie"), await place.add("paul")
    accepted(await place.send(marie, paul.address, headers=("X-MSS-MES: FIN",)))
    assert place.count(job) == 0
    assert place.conversations(paul.owner_id) == []
    accepted(await place.send(paul, marie.address))


async def test_a_patient_that_has_no_account_here_is_outside_when_no_patients_are_served(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path, serves_patients=False)
    marie, patient = await place.add("marie"), await place.add_patient()
    assert refused(await place.send(marie, patient_address(patient))) is DOMAIN_NOT_REACHABLE


async def test_nobody_writes_in_the_name_of_a_patient(place: Place) -> None:
    paul, patient = await place.add("paul"), await place.add_patient()
    outside = "a@ailleurs.mssante.fr"
    forged = letter(patient_address(patient), paul.address)
    for sender in (outside, ""):
        answer = await place.router.deliver(envelope(sender, paul.address, content=forged))
        assert refused(answer) is FROM_NOT_OWNED
    assert refused(await place.send(paul, paul.address, content=forged)) is FROM_NOT_OWNED
    assert place.count(mail) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@b.fr\r\n\r\n" + b"x" * 40_000,
        b"From: " + b"a@b.fr, " * 2000 + b"\r\n\r\nx",
        b"From: a@b.fr\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100,
        b"From: a@b.fr",
    ],
    ids=["long", "many addresses", "many parts", "no body"],
)
async def test_a_message_that_may_be_heavy_is_read_in_a_thread(
    place: Place, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    left: list[object] = []
    to_thread = asyncio.to_thread

    async def noted(function: object, *arguments: object) -> object:
        left.append(function)
        return await to_thread(function, *arguments)  # type: ignore[arg-type]

    marie = await place.add("marie")
    monkeypatch.setattr(asyncio, "to_thread", noted)
    await place.send(marie, marie.address, content=letter(marie.address))
    assert prepare not in left
    await place.send(marie, marie.address, content=content)
    assert prepare in left
