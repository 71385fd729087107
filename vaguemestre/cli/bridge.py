"""`vaguemestre bridge FILE…`: what the bridge makes of a message, an XDM package or a CDA."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmp_bridge.files import FileTooLarge, examine_path
from dmp_bridge.intake import Bridge
from dmp_bridge.rights.mandatory import duty_of
from dmp_bridge.sections import section_of
from foundation.settings import BridgeSettings
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Json, show

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        typer.Option(
            "--home", help="Files the documents into this operator's records; only examined without it."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Files each document into the record of the patient it names and prints the outcome.

    Without --home nothing is stored: what the bridge would make of each attachment is printed. Fails when a
    document is refused.
    """
    rows = asyncio.run(_examined(files)) if home is None else run(home, partial(_filed, files))
    columns = (
        "file",
        "name",
        "state" if home is not None else "kind",
        "title",
        "type",
        "category",
        "code",
        "sentence",
    )
    show(rows, columns, as_json=as_json)
    if any(row["code"] for row in rows):
        raise Failed("at least one document is refused")


async def _examined(files: Sequence[Path]) -> list[dict[str, Any]]:
    return [_row(file, finding) for file in files for finding in await _examine(file, BridgeSettings())]


async def _filed(files: Sequence[Path], opened: Opened) -> list[dict[str, Any]]:
    bridge = Bridge(opened.database, opened.vault, opened.clock, opened.settings)
    rows: list[dict[str, Any]] = []
    try:
        for file in files:
            findings = await _examine(file, opened.settings.bridge)
            outcomes = await bridge.deposit(findings)
            rows += [
                _row(file, finding)
                | {
                    "state": outcome.state.value,
                    "code": outcome.code.value if outcome.code is not None else None,
                    "sentence": outcome.sentence,
                    "document": outcome.document_id,
                }
                for finding, outcome in zip(findings, outcomes, strict=True)
            ]
    finally:
        await bridge.close()
    return rows


async def _examine(file: Path, settings: BridgeSettings) -> tuple[Finding, ...]:
    try:
        return await examine_path(file, settings)
    except FileTooLarge as error:
        raise Failed(f"{file} is larger than any message") from error
    except OSError as error:
        raise Failed(f"{file} cannot be read ({error.strerror})") from error


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
            "section": section_of(clinical.type_code, clinical.class_code, clinical.format_code).value,
            "recipients": list(duty.recipients) if (duty := duty_of(clinical.type_code)) is not None else [],
        }
    return row
