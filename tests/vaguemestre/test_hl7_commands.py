"""`vaguemestre hl7 …` and the deposits of a mailbox, on a home that nobody serves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.hl7.mdm import Event
from dmp_bridge.hl7.outbox import Outbox, Told
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.settings import load
from foundation.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.database import UnitOfWork
    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

BOX = "dpi@hopital-demo.mssante.fr"


@pytest.fixture
def home(empty_home: Path) -> str:
    """A home with one message for a hospital's system."""

    async def put() -> None:
        settings = load(empty_home)
        database = await Database.open(settings.database_url, key=key_of(settings))
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        outbox = Outbox(database, vault, SystemClock(), {}, lambda _uow, _found: None)
        sealed = await vault.seal(b"MSH|")

        def unit(uow: UnitOfWork) -> None:
            owner_id = vault.create_owner(uow)
            outbox.put(uow, BOX, Told("ABC", Event.NEW, owner_id, 1, "2", 0, {}), sealed)

        await database.write(unit)
        await database.close()

    asyncio.run(put())
    return str(empty_home)


# ref: DMP-F40
def test_what_waits_is_listed(vaguemestre: Command, home: str) -> None:
    [row] = vaguemestre("hl7", "list", "--home", home, "--json").json
    assert (row["number"], row["box"], row["event"], row["state"], row["attempts"]) == (
        "ABC",
        BOX,
        "T02",
        "waiting",
        0,
    )
    assert vaguemestre("hl7", "list", "--home", home, "--state", "refused", "--json").json == []


def test_what_waits_is_hastened(vaguemestre: Command, home: str) -> None:
    assert vaguemestre("hl7", "retry", BOX.upper(), "--home", home, "--json").json == {
        "box": BOX,
        "waiting": 1,
    }
    vaguemestre("hl7", "retry", "autre@hopital-demo.mssante.fr", "--home", home).is_refused("nothing waits")


# ref: DMP-F13
def test_a_mailbox_is_told_to_deposit_and_another_to_pass_its_mails_on(
    vaguemestre: Command, empty_home: Path
) -> None:
    home = ("--home", str(empty_home))
    service = "neurologie@hopital-demo.mssante.fr"
    for address, type_ in ((BOX, "APP"), (service, "ORG")):
        vaguemestre(
            "bal", "add", address, *home, "--type", type_, "--name", "Service", "--idnat", "1990700012",
            "--password-stdin", stdin="Un-mot-de-passe-assez-long-1\n",
        )  # fmt: skip
    vaguemestre("bal", "edit", service, *home, "--forward", BOX).is_refused("deposits in the record")
    assert vaguemestre("bal", "edit", BOX, *home, "--deposit", "--json").json["deposits"] is True
    said = vaguemestre("bal", "edit", service, *home, "--forward", BOX, "--json")
    assert said.json["forwards_to"] == BOX
    vaguemestre("bal", "edit", service, *home, "--deposit").is_refused("Only a mailbox APP")
    shown = vaguemestre("bal", "show", BOX, *home, "--json").json
    assert (shown["deposits"], shown["forwards_to"]) == (True, None)
    assert vaguemestre("bal", "edit", service, *home, "--forward", "", "--json").json["forwards_to"] is None
