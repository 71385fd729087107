"""`vaguemestre bridge FILE…`: what the bridge makes of a message, an XDM package or a CDA."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory.patients import find_patient
from dmp_bridge.files import FileTooLarge, examine_path
from dmp_bridge.findings import Kind
from dmp_bridge.intake import Bridge
from dmp_bridge.record import State
from dmp_bridge.rights.mandatory import duty_of
from dmp_bridge.sections import section_of
from foundation.settings import BridgeSettings
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Json, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from directory.patients import Patient
    from dmp_bridge.findings import Finding

_COLUMNS = ("title", "type", "category", "ins", "patient", "code", "sentence")
_FOR_A_RECORD = frozenset({Kind.XDM_DOCUMENT, Kind.CDA, Kind.PLAIN, Kind.COPY})
_IN_A_RECORD = frozenset({State.FILED, State.DUPLICATE, State.DELETED, State.COPY})


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

    Without --home nothing is stored: what the bridge would make of each attachment is printed, and everything that
    is wrong with what it would refuse.

    Exits with 0 when every file gave something that is in a record now (without --home: that could be filed or
    offered) and nothing was refused. Exits with 1 when a document is refused, or a file gives nothing for a record:
    an archive that was not opened, a picture that names nobody.
    """
    found = asyncio.run(_examined(files)) if home is None else run(home, partial(_filed, files))
    outcome = "state" if home is not None else "kind"
    rows = [row for _, of_file in found for row in of_file]
    if not as_json:
        rows = [row | {"sentence": " ".join((row["sentence"], *row["also"]))} for row in rows]
    show(rows, ("file", "name", outcome, *_COLUMNS), as_json=as_json)
    if any(row["code"] for row in rows):
        raise Failed("at least one document is refused")
    taken = _IN_A_RECORD if home is not None else _FOR_A_RECORD
    empty = [str(file) for file, of_file in found if not any(row[outcome] in taken for row in of_file)]
    if empty:
        raise Failed(f"nothing for a record in {', '.join(empty)}")


async def _examined(files: Sequence[Path]) -> list[tuple[Path, list[dict[str, Any]]]]:
    return [
        (file, [_row(file, finding) for finding in await _examine(file, BridgeSettings())]) for file in files
    ]


async def _filed(files: Sequence[Path], opened: Opened) -> list[tuple[Path, list[dict[str, Any]]]]:
    bridge = Bridge(opened.database, opened.vault, opened.clock, opened.settings)
    found: list[tuple[Path, list[dict[str, Any]]]] = []
    try:
        for file in files:
            findings = await _examine(file, opened.settings.bridge)
            outcomes = await bridge.deposit(findings)
            rows = [
                _row(file, finding)
                | {
                    "patient": patient.name if (patient := await _patient(opened, finding)) else None,
                    "state": outcome.state.value,
                    "code": outcome.code.value if outcome.code is not None else None,
                    "sentence": outcome.sentence,
                    "document": outcome.document_id,
                }
                for finding, outcome in zip(findings, outcomes, strict=True)
            ]
            found.append((file, rows))
    finally:
        await bridge.close()
    return found


async def _patient(opened: Opened, finding: Finding) -> Patient | None:
    """Whose record it is: as the record names them, not the document."""
    ins = finding.ins
    return await opened.database.read(lambda connection: find_patient(connection, ins)) if ins else None


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
        "also": list(finding.also),
        # Who asks is the operator, on their own terminal: `patient show` tells the same.
        "ins": finding.ins,
    }
    if clinical is not None:
        named = clinical.patient
        row |= {
            "title": clinical.title,
            "patient": f"{named.first_given or named.first_names} {named.birth_name}",
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
