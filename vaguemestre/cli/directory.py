"""`vaguemestre directory …`: the professionals and mailboxes of the official extracts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from directory.importer import Importer, ImportPolicy, NotUsedYet, Refused, Switched
from directory.search import Entry, search
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show

if TYPE_CHECKING:
    from directory.importer import Outcome, Progress

app = typer.Typer(no_args_is_help=True, help="The professional directory: official extracts, search.")


@app.command(
    "import",
    epilog="Example: vaguemestre directory import Extraction_Correspondance_MSSante_202611230600.zip --home sandbox",
)
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Extracts as published, text or zip.", show_default=False)
    ],
    home: Home,
    force: Annotated[bool, typer.Option("--force", help="Also when far fewer rows than last time.")] = False,
    as_json: Json = False,
) -> None:
    """Replaces the directory by the rows of the files, each in one step; a bad file changes nothing."""
    policy = ImportPolicy(smallest_share=0.0) if force else ImportPolicy()

    async def work(opened: Opened) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with Bar(console=Console(stderr=True), transient=True) as bars:
            for file in files:
                task = bars.add_task(file.name, total=None)

                def advance(progress: Progress, task: Any = task) -> None:
                    bars.update(task, total=progress.size, completed=progress.bytes_read)

                outcomes += await Importer(opened.database, opened.clock, policy).load(file, advance)
        return outcomes

    outcomes = run(home, work)
    show(
        [_row(outcome) for outcome in outcomes],
        ("source", "result", "rows", "added", "changed", "removed", "bad_lines"),
        as_json=as_json,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    if refused:
        raise Failed(f"{refused[0].source}: {refused[0].reason}")


def _row(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Switched():
            row = asdict(outcome)
            row.pop("bad")
            return {**row, "result": "imported"}
        case NotUsedYet():
            return {**asdict(outcome), "result": "recognised, not used yet"}
        case Refused():
            return {"source": outcome.source, "result": f"refused: {outcome.reason}"}


@app.command("search", epilog="Example: vaguemestre directory search neurologie --home sandbox")
def search_words(
    words: Annotated[
        list[str], typer.Argument(help="Names, professions, structures, places.", show_default=False)
    ],
    home: Home,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most results.")] = 50,
    as_json: Json = False,
) -> None:
    """Finds published mailboxes; accents and case do not count."""

    async def work(opened: Opened) -> list[Entry]:
        return await opened.database.read(lambda connection: search(connection, " ".join(words), limit=limit))

    rows = [{"name": entry.name, **asdict(entry), "type": entry.type.value} for entry in run(home, work)]
    show(rows, ("address", "type", "name", "profession", "specialty", "structure"), as_json=as_json)
