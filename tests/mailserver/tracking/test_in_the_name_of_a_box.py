"""Mail that a member sends in the name of a box: it is the box's, and the member sees it too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from directory.bals import BalState, set_state
from mailserver.envelope import Accepted, Refused
from mailserver.refusals import SENDER_NOT_OWNED
from mailserver.store import acl
from mailserver.store.rights import ALL_RIGHTS
from mailserver.tracking import view
from mailserver.tracking.months import months
from mailserver.tracking.view import Filter, Message, Stage
from tests.mailserver.place import DOMAIN, Place, Space, envelope, letter
from tests.mailserver.tracking.reported import dsn, mdn

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PAIR = "pair.mssante.fr"
LEA = f"lea@{PAIR}"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of(PAIR))


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def paul(place: Place) -> Bal:
    return await place.add("paul")


@pytest.fixture
async def ward(place: Place, marie: Bal) -> Bal:
    """A box of a service; Marie may post in its name."""
    made = await place.add("cardiologie", type="ORG")
    now = place.clock.millis()
    await place.database.write(lambda uow: acl.grant(uow, made.owner_id, marie.owner_id, ALL_RIGHTS, now=now))
    return made


async def sent(
    place: Place, member: Bal, *to: str, path: str, author: str, message_id: str = "<m1@example.fr>"
) -> str:
    """Sends with this MAIL FROM and From while the member is signed in to their own box; the queue id."""
    content = letter(author, *to, message_id=message_id)
    answer = await place.router.deliver(replace(envelope(member, *to, content=content), sender=path))
    assert isinstance(answer, Accepted), answer
    return answer.queue_id


def listed(place: Place, box: Bal, shown: Filter = Filter.ALL, before: int | None = None) -> list[Message]:
    return place.database.read_now(
        lambda connection: view.list_sent(connection, box.owner_id, shown, before=before)
    )


def found_by(place: Place, box: Bal, name: str) -> Message:
    [found] = place.database.read_now(lambda connection: view.find(connection, name, box.owner_id))
    return found


@pytest.mark.parametrize(
    ("path", "author"),
    [
        ("cardiologie", "cardiologie"),
        ("cardiologie", "marie"),
        ("Cardiologie", "Cardiologie"),
        ("marie", "cardiologie"),
        ("", "cardiologie"),
    ],
)
async def test_it_belongs_to_the_box_and_names_the_member(
    place: Place, marie: Bal, paul: Bal, ward: Bal, path: str, author: str
) -> None:
    name = await sent(
        place, marie, paul.address, LEA, path=f"{path}@{DOMAIN}" if path else "", author=f"{author}@{DOMAIN}"
    )
    for box in (ward, marie):
        found = found_by(place, box, name)
        assert (found.owner_id, found.sender, found.sent_by) == (ward.owner_id, ward.address, marie.address)
        assert [each.id for each in listed(place, box)] == [found.id]
        told = view.as_json(found)
        assert (told["from"], told["sent_by"]) == (ward.address, marie.address)
    assert listed(place, paul) == []
    [row] = place.database.read_now(lambda connection: months(connection, 202603))
    assert (row["domain"], row["type"], row["messages"]) == (DOMAIN, "ORG", 1)
    rows = [row for row in place.trail() if row.action.startswith("message.")]
    assert [row.action for row in rows] == ["message.delivered", "message.queued"]
    assert {row.actor for row in rows} == {f"bal:{marie.owner_id}"}
    assert all(f'"box":{ward.owner_id}' in row.detail for row in rows)


async def test_what_a_member_sends_as_themselves_is_theirs_alone(
    place: Place, marie: Bal, paul: Bal, ward: Bal
) -> None:
    await sent(place, marie, paul.address, path=marie.address, author=marie.address)
    [found] = listed(place, marie)
    assert (found.sender, found.sent_by) == (marie.address, None)
    assert listed(place, ward) == []
    assert "box" not in place.trail()[-1].detail


async def test_a_delegate_in_the_box_itself_is_named(place: Place, marie: Bal, paul: Bal, ward: Bal) -> None:
    mail = envelope(ward, paul.address, content=letter(ward.address, paul.address))
    assert mail.principal is not None
    as_delegate = replace(mail, principal=replace(mail.principal, person_id=marie.owner_id))
    assert isinstance(await place.router.deliver(as_delegate), Accepted)
    for box in (ward, marie):
        [found] = listed(place, box)
        assert (found.sender, found.sent_by) == (ward.address, marie.address)
    row = place.trail()[-1]
    assert row.actor == f"bal:{marie.owner_id}"
    assert f'"box":{ward.owner_id}' in row.detail


async def test_answers_count_whether_they_come_to_the_box_or_to_the_member(
    place: Place, marie: Bal, paul: Bal, ward: Bal
) -> None:
    name = await sent(place, marie, paul.address, LEA, path=ward.address, author=ward.address)
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address))
    report = dsn(f"mailer-daemon@{PAIR}", ward.address, (LEA, "failed"))
    await place.receive("", ward.address, content=report)
    found = found_by(place, ward, name)
    assert {each.address: each.stage for each in found.recipients} == {
        paul.address: Stage.READ,
        LEA: Stage.FAILED,
    }
    rows = place.database.read_now(lambda connection: months(connection, 202603))
    assert {row["type"]: row["bounced"] for row in rows} == {"ORG": 1, "PER": 0}


async def test_one_list_goes_through_both_kinds_in_order(
    place: Place, marie: Bal, paul: Bal, ward: Bal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PAGE", 3)
    for number in range(5):
        name = (marie, ward)[number % 2].address
        await sent(place, marie, paul.address, path=name, author=name, message_id=f"<{number}@x>")
    first = listed(place, marie)
    assert [each.message_id for each in first] == ["<4@x>", "<3@x>", "<2@x>"]
    assert [each.message_id for each in listed(place, marie, before=first[-1].id)] == ["<1@x>", "<0@x>"]
    assert [each.message_id for each in listed(place, ward)] == ["<3@x>", "<1@x>"]
    assert listed(place, marie, Filter.PROBLEM) == []


async def test_a_box_suspended_meanwhile_sends_nothing(
    place: Place, marie: Bal, paul: Bal, ward: Bal
) -> None:
    mail = envelope(marie, paul.address, content=letter(marie.address, paul.address))
    await place.database.write(lambda uow: set_state(uow, ward.address, BalState.SUSPENDED, 0))
    answer = await place.router.deliver(replace(mail, sender=ward.address))
    assert answer == Refused(SENDER_NOT_OWNED)
