"""`vaguemestre codes …`: the code lists of documents, and newer official ones laid over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dmp_bridge import codes
from dmp_bridge.imported_codes import MAX_BYTES, ListRefused, merged, read_list
from foundation.files import PUBLIC, write_atomically
from foundation.settings import load
from vaguemestre.cli.output import Failed, Home, Json, show
from vaguemestre.home import CODE_LISTS, use_imported_lists

app = typer.Typer(no_args_is_help=True, help="Code lists: types of documents, classes, formats, places.")


@app.command(
    "import", epilog="Example: vaguemestre codes import JDV_J66-TypeCode-DMP.csv ASS_X16.csv --home sandbox"
)
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Official lists in CSV, under their names.", show_default=False)
    ],
    home: Home,
    as_json: Json = False,
) -> None:
    """Lays official lists over those of the program: J04, J07, J57 to J61, J66, ASS_A11, ASS_A12, ASS_X16.

    All files are read before anything is kept. A running service takes them up when it is started again.
    """
    settings = load(home)
    use_imported_lists(settings)
    kept = settings.home / CODE_LISTS
    overlay: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    rows = []
    for file in files:
        try:
            with file.open("rb") as opened:
                name, count, new = read_list(file.name, opened.read(MAX_BYTES + 1))
        except OSError as error:
            raise Failed(f"{file} cannot be read ({error.strerror})") from error
        except ListRefused as error:
            raise Failed(f"{file}: {error}") from error
        overlay = merged(overlay, new)
        rows.append({"file": file.name, "list": name, "rows": count})
    try:
        write_atomically(kept, json.dumps(overlay, ensure_ascii=False, indent=1).encode(), PUBLIC)
    except OSError as error:
        raise Failed(f"{kept} cannot be written ({error.strerror})") from error
    show(rows, ("file", "list", "rows"), as_json=as_json)


@app.command("show", epilog="Example: vaguemestre codes show --home sandbox")
def show_(home: Home, as_json: Json = False) -> None:
    """Prints the types of documents with their class and category, imported ones among them."""
    use_imported_lists(load(home))
    rows = [
        {
            "code": kind.code,
            "label": kind.label,
            "class": kind.class_code,
            "category": codes.category(kind.code, kind.class_code),
        }
        for kind in codes.types().values()
    ]
    show(rows, ("code", "class", "category", "label"), as_json=as_json)
