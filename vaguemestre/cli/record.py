"""`vaguemestre record …`: a whole record out as a package, and back in, beside a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directory.patients import find_patient
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.writing.export import Exporter
from dmp_bridge.writing.reimport import Importer, ImportRefused
from foundation.files import PRIVATE, open_atomically
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show_one

if TYPE_CHECKING:
    from dmp_bridge.writing.export import Exported
    from dmp_bridge.writing.reimport import Imported

app = typer.Typer(
    no_args_is_help=True, help="Whole records: exported with their history, and imported again."
)

_OPERATOR = Caller(role=Role.OPERATOR, id="operator", channel="cli")


@app.command(
    "export", epilog="Example: vaguemestre record export 279035121518989 --home sandbox --out record.zip"
)
def export(
    ins: Annotated[str, typer.Argument(help="INS (15 characters).", show_default=False)],
    home: Home,
    out: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Writes every version of every document, the associations, visibility and consents of a record.

    The file is an IHE_XDM package: other software reads its documents. The export is traced.
    """

    async def work(opened: Opened) -> Exported:
        patient = await opened.database.read(lambda c: find_patient(c, ins.strip()))
        if patient is None:
            raise Failed("nobody here has this INS")
        exporter = Exporter(opened.database, opened.vault, opened.clock)
        try:
            with open_atomically(out, PRIVATE) as file:
                return await exporter.export(_OPERATOR, patient, file)
        except OSError as error:
            raise Failed(f"{out} cannot be written ({error.strerror})") from error

    made = run(home, work)
    show_one({"file": str(out), "documents": made.documents, "bytes": made.size}, as_json=as_json)


@app.command("import", epilog="Example: vaguemestre record import record.zip --home sandbox")
def import_(
    file: Annotated[Path, typer.Argument(help="What `record export` wrote.", show_default=False)],
    home: Home,
    as_json: Json = False,
) -> None:
    """Brings an exported record in, adding the patient where unknown here.

    All of the file is looked at before anything is written; one that was interrupted is run again.
    """

    async def work(opened: Opened) -> Imported:
        return await Importer(opened.database, opened.vault, opened.clock).bring_in(_OPERATOR, file)

    try:
        made = run(home, work)
    except ImportRefused as error:
        raise Failed(f"{file}: {error}") from error
    show_one({"file": str(file), "documents": made.documents, "already_there": made.known}, as_json=as_json)
