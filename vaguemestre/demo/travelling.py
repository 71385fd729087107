"""The whole record leaves as a package, enters the house of another operator, and is the same there."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmp_bridge.writing.export import TRACES_FILE
from dmp_bridge.writing.record_rows import ROWS_FILE
from vaguemestre.demo.stage import THOMAS
from vaguemestre.demo.telling import must
from vaguemestre.sandbox_process import SandboxProcess

if TYPE_CHECKING:
    from vaguemestre.demo.stage import Stage

_SETTINGS = {"VAGUEMESTRE_SERVES_PATIENTS": "true"}
_METADATA = "METADATA.XML"
"""It bears the moment of the export."""


def the_record_travels(stage: Stage) -> None:
    """Exported, imported elsewhere, exported there: every document and every row is the same."""
    tell = stage.telling
    tell.step("Le dossier part chez un autre opérateur")
    with tempfile.TemporaryDirectory(prefix="vaguemestre-demo-") as name:
        folder = Path(name)
        first, second = folder / "depart.zip", folder / "arrivee.zip"
        here, there = stage.sandbox, SandboxProcess(folder / "ailleurs")
        exported = _done(here, "record", "export", THOMAS.ins, "--out", str(first))
        made = there.command(
            "init", "--hostname", "mx.ailleurs.mssante.fr", "--domain", "ailleurs.mssante.fr"
        )
        must(made.returncode == 0, f"l'autre opérateur ne se prépare pas : {made.stderr.strip()}")
        imported = _done(there, "record", "import", str(first))
        must(imported["documents"] == exported["documents"], "tous les documents ne sont pas arrivés.")
        _done(there, "record", "export", THOMAS.ins, "--out", str(second))
        files, rows = _content(first)
        files_there, rows_there = _content(second)
    must(files == files_there, "un document a changé en route.")
    must(rows == rows_there, "ce qui entoure les documents a changé en route.")
    tell.proved(
        f"record export, record import, record export : {exported['documents']} documents égaux à l'octet près, et "
        f"{len(rows)} lignes (visibilités, versions, lots, consentements, autorisations) égales"
    )


def _done(place: SandboxProcess, *words: str) -> dict[str, Any]:
    result = place.command(*words, "--json", settings=_SETTINGS)
    must(result.returncode == 0, f"« vaguemestre {' '.join(words[:2])} » refuse : {result.stderr.strip()}")
    told = json.loads(result.stdout)
    return told if isinstance(told, dict) else {}


def _content(file: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files of a package, and the rows behind the first, which says when it was made.

    Each operator's traces are its own: they are read, and never imported.
    """
    with zipfile.ZipFile(file) as package:
        names = [name for name in package.namelist() if name != TRACES_FILE and not name.endswith(_METADATA)]
        files = {name: package.read(name) for name in names}
    return files, files.pop(ROWS_FILE).decode().splitlines()[1:]
