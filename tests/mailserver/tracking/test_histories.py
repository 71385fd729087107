"""What a sender sees of a message, from its submission to the answers of others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mailserver.envelope import Accepted, DsnRequest, RecipientDsn
from mailserver.refusals import UNKNOWN_MAILBOX
from mailserver.tracking import view
from mailserver.tracking.tables import tracked_message
from mailserver.tracking.view import Filter, Message, Stage
from tests.mailserver.place import DOMAIN, Place, Space, letter, patient_address
from tests.mailserver.tracking.reported import dsn, mdn

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PAIR = "pair.mssante.fr"
LEA = f"lea@{PAIR}"
ASKS = ("Disposition-Notification-To: marie@hopital-demo.mssante.fr",)


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of(PAIR, "autre.mssante.fr"))


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def paul(place: Place) -> Bal:
    return await place.add("paul")


async def sent(place: Place, sender: Bal, *to: str, **values: Any) -> Message:
    """The history of a message that was just submitted."""
    answer = await place.send(sender, *to, **values)
    assert isinstance(answer, Accepted), answer
    return history(place, sender, answer.queue_id)


def found_by(place: Place, name: str, box: Bal | None = None) -> list[Message]:
    owner_id = box.owner_id if box is not None else None
    return place.database.read_now(lambda connection: view.find(connection, name, owner_id))


def history(place: Place, sender: Bal, name: str) -> Message:
    [found] = found_by(place, name, sender)
    return found


def stages(message: Message) -> dict[str, Stage]:
    return {each.address: each.stage for each in message.recipients}


async def told(place: Place, sender: str, to: Bal, content: bytes, **values: Any) -> None:
    """A report that another operator brings."""
    answer = await place.receive(sender, to.address, content=content, **values)
    assert isinstance(answer, Accepted), answer


# ref: SC.MSS/UX.37
async def test_a_message_is_delivered_here_and_queued_for_others(place: Place, marie: Bal, paul: Bal) -> None:
    patient = await place.add_patient()
    found = await sent(place, marie, paul.address, LEA, patient_address(patient), subject="Résultats")
    assert stages(found) == {
        paul.address: Stage.DELIVERED,
        LEA: Stage.QUEUED,
        patient_address(patient): Stage.DELIVERED,
    }
    assert (found.subject, found.sender, found.message_id) == ("Résultats", marie.address, "<m1@example.fr>")
    assert found.received_at == found.checked_at == place.clock.millis()
    assert not any(each.is_awaited for each in found.recipients)


async def test_who_does_not_get_it_is_told_with_the_code(place: Place, marie: Bal, paul: Bal) -> None:
    found = await sent(place, marie, paul.address, f"personne@{DOMAIN}")
    [unknown] = [each for each in found.recipients if each.stage is Stage.FAILED]
    assert (unknown.address, unknown.code) == (f"personne@{DOMAIN}", UNKNOWN_MAILBOX.code)


async def test_mail_of_others_and_receipts_have_no_history(place: Place, marie: Bal, paul: Bal) -> None:
    await place.receive(LEA, marie.address)
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address))
    assert place.count(tracked_message) == 0


async def test_nobody_finds_the_message_of_another_box(place: Place, marie: Bal, paul: Bal) -> None:
    found = await sent(place, marie, paul.address)
    for name in (found.queue_id, "<m1@example.fr>", "m1@example.fr"):
        assert history(place, marie, name).id == found.id
        assert found_by(place, name, paul) == []


async def test_a_reading_by_the_recipient_here_is_seen(
    place: Place, marie: Bal, paul: Bal, clock: FixedClock
) -> None:
    found = await sent(place, marie, paul.address, headers=ASKS)
    assert found.recipients[0].is_awaited
    clock.advance(timedelta(minutes=3))
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address))
    [recipient] = history(place, marie, found.queue_id).recipients
    assert recipient.stage is Stage.READ
    assert not recipient.is_awaited
    assert [(each.stage, each.at) for each in recipient.events] == [
        (Stage.DELIVERED, found.received_at),
        (Stage.READ, clock.millis()),
    ]


async def test_another_box_cannot_say_what_the_recipient_did(place: Place, marie: Bal, paul: Bal) -> None:
    eve = await place.add("eve")
    patient = await place.add_patient()
    found = await sent(place, marie, paul.address, LEA, patient_address(patient), headers=ASKS)
    for victim in (paul.address, LEA, patient_address(patient)):
        forged = mdn(eve.address, marie.address, final=victim, disposition="a/b; processed/error: 902")
        assert isinstance(await place.send(eve, marie.address, content=forged), Accepted)
        report = dsn(eve.address, marie.address, (victim, "failed"))
        assert isinstance(await place.send(eve, marie.address, content=report), Accepted)
    assert history(place, marie, found.queue_id) == found


async def test_another_operator_speaks_for_its_own_domains_alone(place: Place, marie: Bal, paul: Bal) -> None:
    found = await sent(place, marie, paul.address, LEA)
    other = {"speaks_for": frozenset({"autre.mssante.fr"})}
    daemon = "mailer-daemon@autre.mssante.fr"
    await told(
        place, "", marie, dsn(daemon, marie.address, (LEA, "failed"), (paul.address, "failed")), **other
    )
    await told(place, "", marie, mdn("x@autre.mssante.fr", marie.address, final=LEA), **other)
    assert history(place, marie, found.queue_id) == found
    its = {"speaks_for": frozenset({PAIR})}
    await told(
        place,
        "",
        marie,
        dsn(f"mailer-daemon@{PAIR}", marie.address, (LEA, "failed"), (paul.address, "failed")),
        **its,
    )
    assert stages(history(place, marie, found.queue_id)) == {paul.address: Stage.DELIVERED, LEA: Stage.FAILED}


async def test_where_no_certificate_was_asked_for_the_author_decides(place: Place, marie: Bal) -> None:
    found = await sent(place, marie, LEA)
    await told(place, "", marie, dsn("mailer-daemon@autre.mssante.fr", marie.address, (LEA, "failed")))
    assert history(place, marie, found.queue_id) == found
    await told(place, "", marie, dsn(f"mailer-daemon@{PAIR}", marie.address, (LEA, "delivered")))
    assert stages(history(place, marie, found.queue_id)) == {LEA: Stage.DELIVERED}


async def test_a_report_is_matched_by_what_the_sender_named_the_envelope(place: Place, marie: Bal) -> None:
    request = DsnRequest(None, "QQ+2B314", {LEA: RecipientDsn(frozenset({"SUCCESS"}))})
    found = await sent(place, marie, LEA, dsn=request)
    assert found.recipients[0].is_awaited
    report = dsn(f"mailer-daemon@{PAIR}", marie.address, (LEA, "delivered"), about=None, envid="QQ+314")
    await told(place, "", marie, report)
    [recipient] = history(place, marie, found.queue_id).recipients
    assert (recipient.stage, recipient.is_awaited) == (Stage.DELIVERED, False)


async def test_a_report_about_the_message_of_another_box_changes_nothing(
    place: Place, marie: Bal, paul: Bal
) -> None:
    found = await sent(place, marie, LEA)
    await told(place, "", paul, mdn(LEA, paul.address))
    assert history(place, marie, found.queue_id) == found


@pytest.mark.parametrize(
    ("disposition", "stage", "code"),
    [
        ("a/b; processed", Stage.FILED, None),
        ("a/b; processed/Error: 902^Identifiant", Stage.REFUSED, "902"),
        ("a/b; displayed", Stage.READ, None),
    ],
)
async def test_the_record_of_another_structure_answers(
    place: Place, marie: Bal, disposition: str, stage: Stage, code: str | None
) -> None:
    found = await sent(place, marie, LEA, headers=ASKS)
    await told(place, LEA, marie, mdn(LEA, marie.address, disposition=disposition))
    [recipient] = history(place, marie, found.queue_id).recipients
    assert (recipient.stage, recipient.record_code, recipient.is_awaited) == (stage, code, False)


async def test_of_two_messages_with_one_id_the_newer_is_answered(place: Place, marie: Bal) -> None:
    older = await sent(place, marie, LEA)
    await place.send(marie, LEA, content=letter(marie.address, LEA, body="Encore.\r\n"))
    await told(place, "", marie, mdn(LEA, marie.address))
    by_id = found_by(place, "m1@example.fr", marie)
    assert [stages(each)[LEA] for each in by_id] == [Stage.READ, Stage.QUEUED]
    assert by_id[1].id == older.id


async def test_a_list_shows_what_is_asked_for(place: Place, marie: Bal, paul: Bal) -> None:
    waiting = await sent(place, marie, LEA, message_id="<a@x>")
    failed = await sent(place, marie, paul.address, f"personne@{DOMAIN}", message_id="<b@x>")
    read = await sent(place, marie, paul.address, message_id="<c@x>")
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address, about="<c@x>"))

    def listed(shown: Filter, before: int | None = None) -> list[int]:
        found = place.database.read_now(
            lambda connection: view.list_sent(connection, marie.owner_id, shown, before=before)
        )
        return [each.id for each in found]

    assert listed(Filter.ALL) == [read.id, failed.id, waiting.id]
    assert listed(Filter.ALL, before=read.id) == [failed.id, waiting.id]
    assert listed(Filter.WAITING) == [waiting.id]
    assert listed(Filter.PROBLEM) == [failed.id]
    assert listed(Filter.READ) == [read.id]


async def test_an_awaited_receipt_is_waited_for(place: Place, marie: Bal, paul: Bal) -> None:
    def waiting() -> list[Message]:
        return place.database.read_now(
            lambda connection: view.list_sent(connection, marie.owner_id, Filter.WAITING)
        )

    found = await sent(place, marie, paul.address, headers=ASKS)
    assert found.recipients[0].stage is Stage.DELIVERED
    assert waiting() == [found]
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address))
    assert waiting() == []


async def test_an_absurd_id_is_found_nowhere(place: Place, marie: Bal) -> None:
    for name in ("", "x" * 10_000, "%", "<>", "\0"):
        assert found_by(place, name) == []


def test_json_names_no_subject() -> None:
    message = Message(1, 2, "Q", "<m@x>", "Secret", 3, 0, 5, None, "a@b.fr", None, ())
    told = view.as_json(message)
    assert "Secret" not in str(told)
    assert told["events"] == [
        {"event": "received", "at": "1970-01-01T01:00:00.000+01:00"},
        {"event": "checked", "at": "1970-01-01T01:00:00.005+01:00"},
    ]
