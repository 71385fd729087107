"""`vaguemestre check FILE…`: whether a message, an archive, a document or a transcript conforms, rule by rule."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory.bals import BalType
from dmp_bridge.check.checker import Checker, CheckRefused
from dmp_bridge.check.folders import FolderRefused, pack
from dmp_bridge.check.kit import Kit, KitUnusable
from dmp_bridge.check.report import Verdict
from dmp_bridge.check.telling import CHECKED, failures_first, line, summary, values
from dmp_bridge.files import MAX_FILE_BYTES
from foundation.settings import BridgeSettings, LimitSettings, Settings
from vaguemestre.cli.output import Failed, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.check.report import Report

_EXAMPLE = "Example: vaguemestre check message.eml IHE_XDM.zip lettre.xml --kit TestContenuCDA"
_BoxType = Annotated[
    BalType | None, typer.Option("--box-type", help="Type of the box that sends: a message does not tell it.")
]
_KIT_SECONDS = 120
_SECONDS = 30


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command(epilog=_EXAMPLE)(check)


def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Messages (.eml), IHE_XDM.zip or the folder it was unpacked to, CDA, PDF, SMTP or IMAP transcripts.",
            show_default=False,
        ),
    ],
    as_json: Json = False,
    kit: Annotated[
        Path | None, typer.Option("--kit", help="Folder of the official validation kit (XSD, schematrons).")
    ] = None,
    box_type: _BoxType = None,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="Take the files for transcripts (lines C: and S:).")
    ] = False,
    failures: Annotated[bool, typer.Option("--failures", help="Show what fails, and nothing else.")] = False,
) -> None:
    """Checks files against the client requirements of Référentiel #2 and the rules of XDM and CDA, in French.

    One line for each rule and place: id, tient / échoue / sans objet, where, what was found and what to do; what fails
    stands first. Fails when a mandatory rule fails or a file cannot be checked. Nothing is stored.
    """
    if kit is not None:
        try:
            Kit.open(kit).close()
        except KitUnusable as error:
            raise Failed(str(error)) from error
        kit = kit.absolute()
    reports = asyncio.run(
        _checked(files, kit, box_type.value if box_type is not None else "", transcript=transcript)
    )
    if failures:
        reports = [(file, found if isinstance(found, str) else _failing(found)) for file, found in reports]
    if as_json:
        rows = [{"file": str(file), **_values(found)} for file, found in reports]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _print(reports)
    wrong = sum(isinstance(found, str) or not found.conforms for _, found in reports)
    if wrong:
        raise Failed(f"{wrong} fichier(s) sur {len(reports)} : non conforme(s) ou illisible(s)")


def _failing(report: Report) -> Report:
    kept = tuple(finding for finding in report.findings if finding.verdict is Verdict.FAILS)
    return replace(report, findings=kept)


def _values(found: Report | str) -> dict[str, Any]:
    return {"refused": found} if isinstance(found, str) else values(found)


def _print(reports: Sequence[tuple[Path, Report | str]]) -> None:
    for file, found in reports:
        if isinstance(found, str):
            print(f"{file} : {found}\n")
            continue
        print(f"{file} : {CHECKED[found.checked]}, {summary(found)} ({found.rules_source})")
        for finding in failures_first(found.findings):
            print(f"  {line(finding)}")
        print()
    fine = sum(not isinstance(found, str) and found.conforms for _, found in reports)
    print(
        f"{len(reports)} fichier(s) : {fine} conforme(s), {len(reports) - fine} non conforme(s) ou illisible(s)."
    )


async def _checked(
    files: Sequence[Path], kit: Path | None, box_type: str, *, transcript: bool
) -> list[tuple[Path, Report | str]]:
    settings = BridgeSettings(timeout_seconds=_SECONDS if kit is None else _KIT_SECONDS)
    checker = Checker(
        settings,
        patient_domain=Settings.model_fields["patient_domain"].default,
        largest=LimitSettings().message_bytes,
        kit=kit,
    )
    try:
        return [(file, await _one(checker, file, box_type, transcript=transcript)) for file in files]
    finally:
        await checker.close()


async def _one(checker: Checker, file: Path, box_type: str, *, transcript: bool) -> Report | str:
    """The report on one file, or the sentence that says why there is none."""
    try:
        data = await asyncio.to_thread(_read, file)
        if transcript:
            return await checker.check_transcript(data)
        return await checker.check(file.name, data, box_type=box_type)
    except (CheckRefused, FolderRefused) as error:
        return str(error)
    except OSError as error:
        return f"Ce fichier ne peut pas être lu ({error.strerror})."


def _read(file: Path) -> bytes:
    if file.is_dir():
        return pack(file)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise CheckRefused("Ce fichier est plus gros que tout message.")
    return file.read_bytes()
