"""Opening an operator's home for one command, beside a service that may be running on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from directory.annuaire.annuaire import Annuaire
from directory.bearers import check_bearer
from foundation.cipher import key_of
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.settings import load
from foundation.vault import Vault
from vaguemestre import migrate
from vaguemestre.cli.output import Failed
from vaguemestre.fetching import folder_of
from vaguemestre.home import use_imported_lists

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from directory.bals import BalType
    from foundation.clock import Clock
    from foundation.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock


@asynccontextmanager
async def directory_of(opened: Opened) -> AsyncIterator[Annuaire]:
    """The directory of the home, whole. Raises Failed where it is damaged."""
    annuaire = await Annuaire.open(folder_of(opened.settings), opened.database, opened.clock)
    try:
        if annuaire.damage is not None:
            raise Failed(annuaire.damage)
        yield annuaire
    finally:
        await annuaire.close()


async def check_bearer_of(opened: Opened, type: BalType, name: str, idnat: str | None) -> None:
    """As `directory.bearers.check_bearer`, in the directory of the home."""
    if idnat is not None:
        async with directory_of(opened) as annuaire:
            check_bearer(annuaire.view(), type, name, idnat)


def run(home: Path, work: Callable[[Opened], Awaitable[T]]) -> T:
    """Opens `home` (migrating it where needed), awaits `work`, closes; raises the errors `main` turns into a sentence."""
    settings = load(home)
    use_imported_lists(settings)
    key = key_of(settings)
    migrate.upgrade(settings.database_url, key)

    async def session() -> T:
        database = await Database.open(settings.database_url, key=key)
        try:
            vault = Vault.open(database, settings.vault_url, settings.path(settings.vault.master_key_file))
            return await work(Opened(settings, database, vault, SystemClock()))
        finally:
            await database.close()

    return asyncio.run(session())
