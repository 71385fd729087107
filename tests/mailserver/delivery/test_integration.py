"""Mail with structured documents: passed on from a service's box to its software's, and left to be deposited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from directory.bals import BalRefused
from directory.integration import set_deposits, set_forwarding
from foundation.jobs import job
from mailserver.delivery.integration import DEPOSIT_JOB
from mailserver.envelope import Accepted
from tests.dmp_bridge.builders import mail
from tests.mailserver.place import Place

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

FINESS = "1990700012"
ZIP = ("IHE_XDM.zip", "application/zip", b"PK\x05\x06" + bytes(18))
DATE = b"Date: Thu, 13 Mar 2025 14:54:10 +0100\r\n"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
async def app(place: Place) -> Bal:
    made = await place.add("dpi", type="APP", idnat=FINESS)
    await place.database.write(lambda uow: set_deposits(uow, made, deposits=True))
    return made


@pytest.fixture
async def service(place: Place, app: Bal) -> Bal:
    made = await place.add("cardiologie", type="ORG", idnat=FINESS)
    await place.database.write(lambda uow: set_forwarding(uow, made, app.address))
    return made


def letter(sender: Bal, *attachments: tuple[str, str, bytes], subject: str = "Un courrier") -> bytes:
    return DATE + mail(*attachments, sender=sender.address, recipient="x@y.mssante.fr", subject=subject)


async def work(place: Place) -> list[dict[str, Any]]:
    wanted = select(job.c.payload).where(job.c.kind == DEPOSIT_JOB).order_by(job.c.id)
    rows = await place.database.read(lambda connection: connection.execute(wanted).scalars().all())
    return [json.loads(row) for row in rows]


# ref: DMP-F13
async def test_a_mail_for_a_box_that_deposits_leaves_its_job(place: Place, app: Bal) -> None:
    marie = await place.add("marie")
    await place.send(marie, app.address, content=letter(marie, ZIP))
    [kept] = await place.kept(app.owner_id)
    [left] = await work(place)
    assert (left["owner_id"], left["mail_id"], left["box"]) == (app.owner_id, kept.mail_id, app.owner_id)
    assert (left["sender"], left["message_id"]) == (marie.address, "<m1@medecin.mssante.fr>")


async def test_a_box_that_does_not_deposit_leaves_none(place: Place) -> None:
    marie, other = await place.add("marie"), await place.add("autre", type="APP", idnat=FINESS)
    await place.send(marie, other.address, content=letter(marie, ZIP))
    assert await work(place) == []


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("IHE_XDM.zip", "Un courrier"),
        ("ihe_xdm-2.ZIP", "Un courrier"),
        ("autre.zip", "XDM/1.0/DDM+CR PAT-TROIS DOMINIQUE"),
    ],
)
async def test_a_mail_with_an_archive_is_passed_on_as_it_came(
    place: Place, app: Bal, service: Bal, name: str, subject: str
) -> None:
    marie = await place.add("marie")
    sent = await place.send(
        marie, service.address, content=letter(marie, (name, "application/zip", ZIP[2]), subject=subject)
    )
    assert isinstance(sent, Accepted)
    [first] = await place.kept(service.owner_id)
    [second] = await place.kept(app.owner_id)
    assert first.content == second.content
    [left] = await work(place)
    assert (left["owner_id"], left["mail_id"], left["box"]) == (
        app.owner_id,
        second.mail_id,
        service.owner_id,
    )
    assert [row.action for row in place.trail()] == ["message.delivered", "message.forwarded"]


@pytest.mark.parametrize(
    ("attachment", "subject", "field"),
    [
        (("lettre.pdf", "application/pdf", b"%PDF-1.4\n"), "Un courrier", b""),
        (ZIP, "Absence", b"Auto-Submitted: auto-replied\r\n"),
    ],
)
async def test_other_mail_stays_where_it_was_sent(
    place: Place,
    app: Bal,
    service: Bal,
    attachment: tuple[str, str, bytes],
    subject: str,
    field: bytes,
) -> None:
    marie = await place.add("marie")
    await place.send(marie, service.address, content=field + letter(marie, attachment, subject=subject))
    assert len(await place.kept(service.owner_id)) == 1
    assert await place.kept(app.owner_id) == []
    assert await work(place) == []


async def test_who_wrote_to_both_boxes_is_deposited_once(place: Place, app: Bal, service: Bal) -> None:
    marie = await place.add("marie")
    await place.send(marie, service.address, app.address, content=letter(marie, ZIP))
    assert len(await place.kept(app.owner_id)) == 1
    assert len(await work(place)) == 1


async def test_a_message_sent_again_because_no_reply_came_is_passed_on_once(
    place: Place, app: Bal, service: Bal
) -> None:
    marie = await place.add("marie")
    content = letter(marie, ZIP)
    for _ in range(3):
        await place.send(marie, service.address, content=content)
    assert len(await place.kept(app.owner_id)) == 1
    assert len(await work(place)) == 1


async def test_nothing_is_passed_to_a_box_that_deposits_no_more(place: Place, app: Bal, service: Bal) -> None:
    await place.database.write(lambda uow: set_deposits(uow, app, deposits=False))
    marie = await place.add("marie")
    await place.send(marie, service.address, content=letter(marie, ZIP))
    assert await place.kept(app.owner_id) == []


async def test_nothing_is_passed_to_a_suspended_box(place: Place, app: Bal, service: Bal) -> None:
    await place.suspend(app)
    marie = await place.add("marie")
    await place.send(marie, service.address, content=letter(marie, ZIP))
    assert len(await place.kept(service.owner_id)) == 1
    assert await place.kept(app.owner_id) == []


@pytest.mark.parametrize(("type_", "idnat"), [("ORG", FINESS), ("PER", "899900000012"), ("APP", None)])
async def test_only_the_software_of_a_structure_deposits(place: Place, type_: str, idnat: str | None) -> None:
    box = await place.add("boite", type=type_, idnat=idnat)
    with pytest.raises(BalRefused):
        await place.database.write(lambda uow: set_deposits(uow, box, deposits=True))


async def test_a_service_passes_its_mail_to_software_of_its_own_structure_only(
    place: Place, app: Bal
) -> None:
    elsewhere = await place.add("ailleurs", type="ORG", idnat="1990700020")
    with pytest.raises(BalRefused, match="another structure"):
        await place.database.write(lambda uow: set_forwarding(uow, elsewhere, app.address))
    person = await place.add("paul", type="PER", idnat="899900000012")
    with pytest.raises(BalRefused, match="Only a mailbox ORG"):
        await place.database.write(lambda uow: set_forwarding(uow, person, app.address))


async def test_what_was_set_is_taken_back(place: Place, app: Bal, service: Bal) -> None:
    await place.database.write(lambda uow: set_forwarding(uow, service, ""))
    marie = await place.add("marie")
    await place.send(marie, service.address, content=letter(marie, ZIP))
    assert await place.kept(app.owner_id) == []
