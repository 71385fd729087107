"""`vaguemestre dns` and `vaguemestre bal sheet`: what makes clients find the server, and what a person has to know."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from directory.bals import find_bal
from foundation.settings import load
from portal.setup.sheet import Sheet
from portal.setup.zone import doubts, hosted_domains, records
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

if TYPE_CHECKING:
    from directory.bals import Bal


def register(app: typer.Typer, bal: typer.Typer) -> None:
    """Adds the commands of this module to the program and to its group of mailbox commands."""
    app.command(epilog="Example: vaguemestre dns --home sandbox")(dns)
    bal.command(
        "sheet",
        epilog="Example: vaguemestre bal sheet secretariat@ime-les-tilleuls.mssante.fr --home sandbox",
    )(sheet)


def dns(home: Home, as_json: Json = False) -> None:
    """Prints the zone lines of each hosted domain: MX, SRV for mail clients, autoconfig and autodiscover."""
    settings = load(home)
    domains = hosted_domains(settings)
    if not domains:
        raise Failed("no domain is hosted here: domains is empty")
    if as_json:
        rows = [
            {"domain": domain, "name": record.name, "type": record.type, "data": record.data}
            for domain in domains
            for record in records(settings, domain)
        ]
        show(rows, (), as_json=True)
    else:
        for domain in domains:
            print(f"; {domain}")
            print("\n".join(map(str, records(settings, domain))))
    for doubt in doubts(settings):
        print(f"warning: {doubt}", file=sys.stderr)


def sheet(
    address: Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)],
    home: Home,
    as_json: Json = False,
) -> None:
    """Prints the settings a client of this mailbox needs, in French: servers, ports, passwords, authorities."""

    async def work(opened: Opened) -> tuple[Opened, Bal | None]:
        return opened, await opened.database.read(lambda connection: find_bal(connection, address))

    opened, found = run(home, work)
    if found is None:
        raise Failed(f"there is no mailbox {address}")
    made = Sheet.of(opened.settings, found)
    if as_json:
        show_one(made.values(), as_json=True)
    else:
        print(made.text())
