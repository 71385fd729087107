"""`vaguemestre queue …` on a home that nobody serves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.settings import load
from foundation.vault import Vault
from mailserver.envelope import RecipientDsn
from mailserver.outbound.queue import OutboundMail, RemoteRecipient, enqueue, queue_owner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.database import UnitOfWork
    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

BOB, CAT = "bob@pair.mssante.fr", "cat@autre.mssante.fr"
SENDER = "anne@hopital-demo.mssante.fr"


@pytest.fixture
def home(empty_home: Path) -> str:
    """A home with one message in its queue, for two domains."""

    async def put() -> None:
        settings = load(empty_home)
        database = await Database.open(settings.database_url, key=key_of(settings))
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
        content = b"From: a@b\r\nSubject: secret\r\n\r\nBonjour\r\n"
        sealed = await vault.seal(content)
        recipients = [RemoteRecipient(each, each.partition("@")[2], RecipientDsn()) for each in (BOB, CAT)]

        def unit(uow: UnitOfWork) -> None:
            blob_id = vault.store(uow, sealed, (queue_owner(uow, vault),))
            arrived = SystemClock().millis() - 3 * 3_600_000
            enqueue(uow, OutboundMail("QA1", SENDER, blob_id, len(content), arrived), recipients)

        await database.write(unit)
        await database.close()

    asyncio.run(put())
    return str(empty_home)


def test_the_list_has_a_line_for_each_domain_and_no_address(vaguemestre: Command, home: str) -> None:
    said = vaguemestre("queue", "list", "--home", home)
    assert said.code == 0
    assert "@" not in said.out
    assert said.out.splitlines()[1].split()[:3] == ["QA1", "autre.mssante.fr", "waiting"]
    rows = vaguemestre("queue", "list", "--home", home, "--json").json
    assert {(row["id"], row["domain"], row["age"], row["attempts"], row["next_try"]) for row in rows} == {
        ("QA1", "autre.mssante.fr", "3 h 0 min", 0, "now"),
        ("QA1", "pair.mssante.fr", "3 h 0 min", 0, "now"),
    }
    only = vaguemestre("queue", "list", "--home", home, "--domain", "Pair.mssante.fr", "--json").json
    assert [row["domain"] for row in only] == ["pair.mssante.fr"]


def test_one_message_is_shown_with_who_waits_for_it_but_not_what_it_says(
    vaguemestre: Command, home: str
) -> None:
    said = vaguemestre("queue", "show", "QA1", "--home", home)
    assert said.code == 0
    assert all(address in said.out for address in (BOB, CAT, SENDER))
    assert "secret" not in said.out
    assert "Bonjour" not in said.out
    shown = vaguemestre("queue", "show", "QA1", "--home", home, "--json").json
    assert [each["address"] for each in shown["recipients"]] == [CAT, BOB]
    vaguemestre("queue", "show", "QX", "--home", home).is_refused("QX")


def test_a_retry_counts_what_it_touched(vaguemestre: Command, home: str) -> None:
    assert vaguemestre("queue", "retry", "QA1", "--home", home, "--json").json == {"retried": 2}
    assert vaguemestre("queue", "retry", "--all", "--home", home, "--json").json == {"retried": 2}
    retried = vaguemestre("queue", "retry", "--domain", "pair.mssante.fr", "--home", home, "--json")
    assert retried.json == {"retried": 1}
    vaguemestre("queue", "retry", "QX", "--home", home).is_refused("QX")
    vaguemestre("queue", "retry", "--domain", "vide.test", "--home", home).is_refused("nothing waits")
    assert vaguemestre("queue", "retry", "--home", home).code == 2
    assert vaguemestre("queue", "retry", "QA1", "--all", "--home", home).code == 2


def test_a_dropped_message_is_gone(vaguemestre: Command, home: str) -> None:
    said = vaguemestre("queue", "drop", "QA1", "--home", home, "--json")
    assert said.json == {"dropped": 2, "being_sent": 0}
    assert vaguemestre("queue", "list", "--home", home, "--json").json == []
    vaguemestre("queue", "drop", "QA1", "--home", home).is_refused("QA1")
    shown = vaguemestre("trail", "show", "--home", home, "--json").json
    assert {"queue.dropped", "message.bounced"} <= {row["action"] for row in shown}
    assert vaguemestre("trail", "verify", "--home", home).code == 0
