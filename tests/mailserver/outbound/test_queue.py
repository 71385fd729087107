"""What enqueueing leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from mailserver.envelope import RecipientDsn
from mailserver.outbound.queue import TOPIC, OutboundMail, RemoteRecipient, enqueue, queue_owner
from mailserver.outbound.tables import (
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_recipient,
)

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events
    from foundation.vault import Vault

RECIPIENTS = (
    RemoteRecipient(
        "a@un.mssante.fr", "un.mssante.fr", RecipientDsn(frozenset({"SUCCESS", "DELAY"}), "rfc822;a")
    ),
    RemoteRecipient("b@un.mssante.fr", "un.mssante.fr", RecipientDsn()),
    RemoteRecipient("c@deux.mssante.fr", "deux.mssante.fr", RecipientDsn()),
)


async def put(database: Database, vault: Vault, *recipients: RemoteRecipient, queue_id: str = "Q1") -> None:
    sealed = await vault.seal(b"From: a@ici.mssante.fr\r\n\r\nBonjour\r\n")

    def unit(uow: UnitOfWork) -> None:
        blob_id = vault.store(uow, sealed, (queue_owner(uow, vault),))
        mail = OutboundMail(queue_id, "s@ici.mssante.fr", blob_id, sealed.size, 1000)
        enqueue(uow, mail, recipients)

    await database.write(unit)


async def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    found = await database.read(lambda connection: connection.execute(select(table)).mappings().all())
    return [dict(row) for row in found]


async def test_one_row_for_the_message_one_for_each_domain_one_for_each_recipient(
    database: Database, vault: Vault
) -> None:
    await put(database, vault, *RECIPIENTS)
    assert [row["queue_id"] for row in await rows(database, outbound_message)] == ["Q1"]
    assert {row["domain"] for row in await rows(database, outbound_delivery)} == {
        "un.mssante.fr",
        "deux.mssante.fr",
    }
    assert {row["domain"] for row in await rows(database, outbound_domain)} == {
        "un.mssante.fr",
        "deux.mssante.fr",
    }
    kept = {row["address"]: (row["notify"], row["orcpt"]) for row in await rows(database, outbound_recipient)}
    assert kept == {
        "a@un.mssante.fr": ("DELAY,SUCCESS", "rfc822;a"),
        "b@un.mssante.fr": ("", None),
        "c@deux.mssante.fr": ("", None),
    }


async def test_a_second_message_finds_its_domain_known(database: Database, vault: Vault) -> None:
    await put(database, vault, *RECIPIENTS)
    await put(database, vault, *RECIPIENTS, queue_id="Q2")
    assert len(await rows(database, outbound_domain)) == 2
    assert len(await rows(database, outbound_delivery)) == 4


async def test_the_queue_has_one_owner_for_good(database: Database, vault: Vault) -> None:
    first = await database.write(lambda uow: queue_owner(uow, vault))
    assert await database.write(lambda uow: queue_owner(uow, vault)) == first


async def test_the_dispatcher_is_woken_after_the_commit(
    database: Database, vault: Vault, events: Events
) -> None:
    with events.subscribe(TOPIC) as wake_ups:
        await put(database, vault, *RECIPIENTS)
        assert await wake_ups.wait(5) == {TOPIC}


async def test_a_message_for_nobody_is_a_mistake_of_the_caller(database: Database, vault: Vault) -> None:
    with pytest.raises(ValueError, match="somebody"):
        await put(database, vault)
    assert await rows(database, outbound_message) == []
