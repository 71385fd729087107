"""`vaguemestre track` and `vaguemestre indicators` on a home that nobody serves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from directory.bals import add_bal
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.settings import load
from foundation.vault import Vault
from mailserver.delivery.router import Router
from mailserver.envelope import Accepted
from mailserver.store.append import create_folders
from tests.mailserver.place import envelope, letter

TABLES = ("BAL", "Connexions", "Messages", "Dossiers", "Documents")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from directory.bals import Bal
    from foundation.database import UnitOfWork
    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

ANNE = "anne@hopital-demo.mssante.fr"


@pytest.fixture
def sent(empty_home: Path) -> str:
    """The queue id of a message that a box of the home sent to itself."""

    async def put() -> str:
        settings, clock = load(empty_home), SystemClock()
        database = await Database.open(settings.database_url, key=key_of(settings))
        vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))

        def unit(uow: UnitOfWork) -> Bal:
            now = clock.millis()
            made = add_bal(
                uow, vault, address=ANNE, type="PER", name="Anne", idnat=None, password_hash=None, now=now
            )
            create_folders(uow, made.owner_id, now)
            return made

        anne = await database.write(unit)
        router = Router(database, vault, clock, settings)
        content = letter(ANNE, ANNE, subject="secret", message_id="<m1@example.fr>")
        answer = await router.deliver(envelope(anne, ANNE, content=content))
        assert isinstance(answer, Accepted)
        await router.close()
        await database.close()
        return answer.queue_id

    return asyncio.run(put())


def test_a_message_is_followed_by_either_name(vaguemestre: Command, empty_home: Path, sent: str) -> None:
    for name in (sent, "<m1@example.fr>", "m1@example.fr"):
        said = vaguemestre("track", name, "--home", str(empty_home), "--json")
        assert said.code == 0
        [message] = said.json["messages"]
        assert (message["id"], message["from"]) == (sent, ANNE)
        assert message["recipients"][0]["state"] == "delivered"
    said = vaguemestre("track", sent, "--home", str(empty_home))
    assert "secret" not in said.out
    assert said.out.splitlines()[0].split() == ["id", sent]
    assert f"{ANNE}  delivered" in said.out


def test_an_unknown_message_is_refused(vaguemestre: Command, empty_home: Path) -> None:
    vaguemestre("track", "nothing", "--home", str(empty_home)).is_refused("no message nothing is tracked")


def test_the_figures_are_printed_or_written(
    vaguemestre: Command, empty_home: Path, sent: str, tmp_path: Path
) -> None:
    month = f"{SystemClock().now():%Y-%m}"
    said = vaguemestre("indicators", month, "--home", str(empty_home), "--json")
    assert said.code == 0
    assert said.json["month"] == month
    assert [row["adresse"] for row in said.json["BAL"]] == [ANNE]
    assert [row["sens"] for row in said.json["Messages"]] == ["envoi", "reception"]
    assert [row["habitants"] for row in said.json["Dossiers"]] == [0]
    assert said.json["Documents"] == []
    assert "Connexions\n" in vaguemestre("indicators", month, "--home", str(empty_home)).out
    folder = tmp_path / "figures"
    said = vaguemestre("indicators", month, "--home", str(empty_home), "--out", str(folder))
    assert said.code == 0
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {f"{name}_{month}.csv" for name in TABLES}
    assert (
        files[f"Connexions_{month}.csv"].read_bytes()
        == f"adresse,type,date\r\n{ANNE},PER,inconnue\r\n".encode()
    )
    assert files[f"BAL_{month}.csv"].stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_refused(
    vaguemestre: Command, empty_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    said = vaguemestre(
        "indicators", "2026-03", "--home", str(empty_home), "--out", str(tmp_path / "file" / "x")
    )
    said.is_refused("cannot be written to")


def test_a_month_to_come_has_no_figures(vaguemestre: Command, empty_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    words = ("indicators", "9000-01", "--home", str(empty_home))
    vaguemestre(*words).is_refused("9000-01 has not begun")
    vaguemestre(*words, "--out", str(folder)).is_refused("9000-01 has not begun")
    assert not folder.exists()


@pytest.mark.parametrize("month", ["2026-13", "mars", "2026"])
def test_what_is_no_month_is_wrong_usage(vaguemestre: Command, empty_home: Path, month: str) -> None:
    said = vaguemestre("indicators", month, "--home", str(empty_home))
    assert said.code == 2
    assert "is no month" in said.err
