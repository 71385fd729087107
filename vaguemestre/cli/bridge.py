"""`vaguemestre bridge FILE…`: what the bridge makes of a message, an XDM package or a CDA."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmp_bridge.files import FileTooLarge, examine_path
from foundation.settings import BridgeSettings, load
from vaguemestre.cli.output import Failed, Json, show

if TYPE_CHECKING:
    from dmp_bridge.findings import Finding


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command(epilog="Example: vaguemestre bridge IHE_XDM.zip lettre.xml message.eml")(bridge)


def bridge(
    files: Annotated[
        list[Path],
        typer.Argument(help="Messages (.eml), IHE_XDM.zip packages, CDA files.", show_default=False),
    ],
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Operator whose settings (limits) count; the defaults without it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prints what the bridge makes of each attachment or document, and why; fails when one is refused."""
    settings = load(home).bridge if home is not None else BridgeSettings()

    async def work() -> list[tuple[Path, Finding]]:
        found: list[tuple[Path, Finding]] = []
        for file in files:
            try:
                found += [(file, finding) for finding in await examine_path(file, settings)]
            except FileTooLarge as error:
                raise Failed(f"{file} is larger than any message") from error
            except OSError as error:
                raise Failed(f"{file} cannot be read ({error.strerror})") from error
        return found

    found = asyncio.run(work())
    show(
        [_row(file, finding) for file, finding in found],
        ("file", "name", "kind", "title", "type", "category", "code", "sentence"),
        as_json=as_json,
    )
    if any(finding.code is not None for _, finding in found):
        raise Failed("at least one document is refused")


def _row(file: Path, finding: Finding) -> dict[str, Any]:
    clinical = finding.clinical
    row: dict[str, Any] = {
        "file": file.name,
        "name": finding.filename,
        "kind": finding.kind.value,
        "media_type": finding.media_type,
        "size": finding.size,
        "code": finding.code.value if finding.code is not None else None,
        "sentence": finding.sentence,
    }
    if clinical is not None:
        row |= {
            "title": clinical.title,
            "type": clinical.type_code,
            "class": clinical.class_code,
            "category": clinical.category,
            "unique_id": clinical.unique_id,
            "set_id": clinical.set_id,
            "version": clinical.version_number,
            "author": clinical.author_name,
            "institution": clinical.institution,
            "confidentiality": clinical.confidentiality,
        }
    return row
