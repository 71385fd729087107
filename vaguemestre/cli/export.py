"""`vaguemestre directory export`: the directory as a file that other programs load."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directory.extract_export import extract_lines, of_domains
from directory.json_export import json_lines
from directory.ldap import ldif
from directory.ldap.schema import slapd_schema
from foundation.files import PUBLIC, write_pieces_atomically
from vaguemestre.cli.opened import Opened, directory_of, run
from vaguemestre.cli.output import Failed, Home

if TYPE_CHECKING:
    from collections.abc import Iterator


def register(app: typer.Typer) -> None:
    """Adds the command to `vaguemestre directory`."""
    app.command(
        "export",
        epilog="Example: vaguemestre directory export --extract --home sandbox --out Extraction_Correspondance_MSSante.txt",
    )(export)


def export(
    home: Home,
    extract: Annotated[
        bool, typer.Option("--extract", help="As Extraction_Correspondance_MSSante, for `directory import`.")
    ] = False,
    as_ldif: Annotated[
        bool, typer.Option("--ldif", help="As LDIF, for `slapadd` and the schema of --schema.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON: an array with what anybody may read of each mailbox.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="The LDAP schema of the LDIF, for slapd.conf; no entries.")
    ] = False,
    own: Annotated[
        bool, typer.Option("--own", help="Only the mailboxes of the domains hosted here.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
) -> None:
    """Writes the directory as it is now; nothing of the red list is in it."""
    if extract + as_ldif + as_json + schema != 1:
        raise typer.BadParameter("give one of --extract, --ldif, --json and --schema")
    if schema:
        _write(iter((slapd_schema(),)), out)
        return
    lines = ldif.export if as_ldif else json_lines if as_json else extract_lines

    async def work(opened: Opened) -> None:
        async with directory_of(opened) as annuaire:
            condition = of_domains(opened.settings.domains) if own else None
            await asyncio.to_thread(_write, lines(annuaire.view(), condition), out)

    run(home, work)


def _write(lines: Iterator[str], out: Path | None) -> None:
    if out is not None:
        try:
            write_pieces_atomically(out, map(str.encode, lines), PUBLIC)
        except OSError as error:
            raise Failed(f"{out} cannot be written ({error.strerror})") from error
        return
    for line in lines:
        sys.stdout.write(line)
