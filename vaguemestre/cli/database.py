"""`vaguemestre database …`: encrypts the file of an operator's database, or decrypts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from foundation import trail
from foundation.cipher import derive_key
from foundation.database import Database
from foundation.database_file import convert, is_plain, make_ready, path_of
from foundation.settings import load
from foundation.vault import read_master_key
from vaguemestre.cli.output import Failed, Home, Json, show_one
from vaguemestre.home import alone_in

if TYPE_CHECKING:
    from foundation.cipher import DatabaseKey
    from foundation.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="The database file: encrypt it, or decrypt it, while nobody serves it."
)


@app.command(epilog="Example: vaguemestre database encrypt --home /var/lib/vaguemestre")
def encrypt(home: Home, as_json: Json = False) -> None:
    """Encrypts a database that was made without `database.cipher`; refuses while a service runs.

    A copy is written beside the file and takes its place when it is complete and on disk.
    """
    settings = load(home)
    if not settings.database.cipher:
        raise Failed("database.cipher is false: set it to true first, or nobody opens the encrypted file")
    _convert(settings, "encrypted", as_json=as_json)


@app.command(epilog="Example: vaguemestre database decrypt --home /var/lib/vaguemestre")
def decrypt(home: Home, as_json: Json = False) -> None:
    """Decrypts the database, after `database.cipher = false` was set; refuses while a service runs."""
    settings = load(home)
    if settings.database.cipher:
        raise Failed("database.cipher is true: set it to false first, or nobody opens the decrypted file")
    _convert(settings, "plain", as_json=as_json)


def _convert(settings: Settings, wanted: str, *, as_json: bool) -> None:
    path = path_of(settings.database_url)
    key = derive_key(read_master_key(settings.path(settings.vault.master_key_file)))
    with alone_in(settings.home):
        if not path.exists():
            raise Failed(f"{path} does not exist")
        found = "plain" if is_plain(path) else "encrypted"
        old, new = (None, key) if wanted == "encrypted" else (key, None)
        if found != wanted:
            with Bar(console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task(path.name, total=1.0)
                convert(path, old, new, lambda done: bar.update(task, completed=done))
        make_ready(settings.database_url, new)
        if found != wanted:
            asyncio.run(_trace(settings.database_url, new, wanted))
    show_one({"file": str(path), "before": found, "after": wanted}, as_json=as_json)


async def _trace(url: str, key: DatabaseKey | None, wanted: str) -> None:
    """Who looks later sees when the file was readable without a key."""
    database = await Database.open(url, key=key)
    try:
        await database.write(
            lambda uow: trail.append(
                uow, "database.converted", actor="operator", subject="database", outcome=wanted
            )
        )
    finally:
        await database.close()
