"""`vaguemestre directory …`: the professionals and mailboxes of the official extracts."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import asdict
from rich.console import Console
from rich.progress import Progress as Bar

from certs.sources import SourceUnreachable
from directory.annuaire.build import Importer, ImportPolicy, told
from directory.annuaire.conditions import Words
from directory.annuaire.generations import PointerDamaged, read_pointer
from directory.annuaire.report import changes
from directory.annuaire.view import TooSlow
from directory.correspondents import person_name
from directory.extracts import ExtractKind
from foundation.clock import SystemClock, from_millis, to_paris
from foundation.settings import load
from vaguemestre.cli.opened import Opened, directory_of, run
from vaguemestre.cli.output import Failed, Home, Json, show
from vaguemestre.fetching import (
    UNCHANGED,
    believed,
    discard,
    ended,
    fetch,
    folder_of,
    read_seen,
    remember,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from directory.annuaire.build import Outcome, Progress
    from directory.annuaire.generations import Pointer
    from directory.annuaire.model import Mailbox
    from foundation.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The professional directory: official extracts, search.")

Force = Annotated[
    bool, typer.Option("--force", help="Also when it is unchanged, older, or lacks too many rows.")
]
_REFUSED = "refused: "
_IMPORTED = ("source", "result", "rows", "added", "changed", "removed", "bad_lines")


class Extract(StrEnum):
    """The extracts, by a word one can type."""

    MAILBOXES = "mailboxes"
    ACTIVITIES = "activities"
    SKILLS = "skills"
    DIPLOMAS = "diplomas"

    @property
    def kind(self) -> ExtractKind:
        return ExtractKind[self.name]


@app.command(
    "import",
    epilog="Example: vaguemestre directory import Extraction_Correspondance_MSSante_202611230600.zip --home sandbox",
)
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Extracts as published, text or zip.", show_default=False)
    ],
    home: Home,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Replaces what the directory has of each extract, in one step; a bad file changes nothing, searches go on."""
    settings = load(home)
    outcomes: list[Outcome] = []
    with _bar() as start:
        for file in files:
            outcomes += _importer(settings, force).load(file, _telling(start(file.name)))
    _show_outcomes(outcomes, as_json)


@app.command("fetch", epilog="Example: vaguemestre directory fetch --home operator")
def fetch_sources(
    home: Home,
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            help="Where extracts are published; those of directory.sources without any.", show_default=False
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fetches the extracts that have changed since the last time, and imports them."""
    settings = load(home)
    sources = urls or settings.directory.sources
    if not sources:
        raise Failed("no source is set: give a URL, or directory.sources in vaguemestre.toml")
    folder, clock, tls = folder_of(settings), SystemClock(), believed(settings)
    outcomes: list[dict[str, Any]] = []
    with _bar() as start:
        for url in sources:
            advance, known = start(url), read_seen(folder).get(url)
            try:
                fetched = asyncio.run(
                    fetch(url, folder, tls, clock, _bytes(advance), known=None if force else known)
                )
            except SourceUnreachable as error:
                outcomes.append({"source": url, "result": f"refused: {error}"})
                remember(folder, url, ended(known, str(error), clock.millis()))
                continue
            if fetched is None:
                outcomes.append({"source": url, "result": UNCHANGED})
                remember(folder, url, ended(known, UNCHANGED, clock.millis()))
                continue
            try:
                made = [
                    told(each) for each in _importer(settings, force).load(fetched.path, _telling(advance))
                ]
            finally:
                discard(folder, fetched.path)
            outcomes += made
            refused = [row["result"] for row in made if row["result"].startswith(_REFUSED)]
            remember(folder, url, ended(known, refused[0], clock.millis()) if refused else fetched.seen)
    _show_told(outcomes, as_json)


@app.command("search", epilog="Example: vaguemestre directory search neurologie --home sandbox")
def search_words(
    words: Annotated[
        list[str], typer.Argument(help="Names, professions, structures, places.", show_default=False)
    ],
    home: Home,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most results.")] = 50,
    as_json: Json = False,
) -> None:
    """Finds published mailboxes; accents and case do not count, nor one typing error in a name."""

    async def work(opened: Opened) -> list[Mailbox]:
        async with directory_of(opened) as annuaire:
            try:
                return await asyncio.to_thread(annuaire.view().mailboxes, Words(" ".join(words)), limit)
            except TooSlow as slow:
                raise Failed(str(slow)) from slow

    rows = [_shown(box) for box in run(home, work)]
    show(rows, ("address", "type", "name", "profession", "specialty", "structure", "city"), as_json=as_json)


@app.command("status", epilog="Example: vaguemestre directory status --home sandbox")
def status(home: Home, as_json: Json = False) -> None:
    """Tells which extracts the directory is made of, how old they are, and how the last fetches ended."""
    settings = load(home)
    folder, now = folder_of(settings), SystemClock().now()
    parts = _pointer(folder).current.parts
    rows: list[dict[str, Any]] = [
        {
            "extract": kind.value,
            "source": part.source,
            "generated_at": _moment(part.generated_at),
            "age_hours": round((now - from_millis(part.generated_at)).total_seconds() / 3600),
            "imported_at": _moment(part.imported_at),
            "rows": part.rows,
            "sha256": part.sha256,
        }
        for kind, part in sorted(parts.items())
    ]
    rows += [
        {"extract": "(source)", "source": url, "checked_at": _moment(seen.checked_at), "result": seen.result}
        for url, seen in read_seen(folder).items()
    ]
    show(
        rows,
        ("extract", "source", "generated_at", "age_hours", "rows", "checked_at", "result"),
        as_json=as_json,
    )


@app.command("report", epilog="Example: vaguemestre directory report --extract mailboxes --home sandbox")
def report(
    home: Home,
    extract: Annotated[Extract, typer.Option(help="Which extract.")] = Extract.MAILBOXES,
    as_json: Json = False,
) -> None:
    """Lists what the last import of an extract added, changed and removed, ten thousand of each at most."""
    folder = folder_of(load(home))
    part = _pointer(folder).current.parts.get(extract.kind)
    if part is None:
        raise Failed(f"no {extract.kind} was imported yet")
    try:
        rows = [change._asdict() for change in changes(folder, part)]
    except FileNotFoundError as error:
        raise Failed(f"{part.file} is missing: import the extract again") from error
    if as_json:
        show(rows, (), as_json=True)
        return
    print(f"{part.source}: {part.added} added, {part.changed} changed, {part.removed} removed")
    show(rows, ("what", "key"), as_json=False)


def _importer(settings: Settings, force: bool) -> Importer:
    policy = ImportPolicy(settings.directory.largest_loss_percent, force)
    return Importer(folder_of(settings), SystemClock(), policy)


def _pointer(folder: Path) -> Pointer:
    try:
        return read_pointer(folder)
    except PointerDamaged as damaged:
        raise Failed(str(damaged)) from damaged


@contextmanager
def _bar() -> Iterator[Callable[[str], Callable[[float], None]]]:
    """Starts a bar for each name; the bar is told the part done, 0 to 1."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bars:

        def start(name: str) -> Callable[[float], None]:
            task = bars.add_task(name, total=1.0)
            return lambda done: bars.update(task, completed=done)

        yield start


def _telling(advance: Callable[[float], None]) -> Callable[[Progress], None]:
    return lambda progress: advance(progress.done)


def _bytes(advance: Callable[[float], None]) -> Callable[[int, int], None]:
    return lambda came, expected: advance(came / expected if expected else 0.0)


def _show_outcomes(outcomes: list[Outcome], as_json: bool) -> None:
    _show_told([told(outcome) for outcome in outcomes], as_json)


def _show_told(rows: list[dict[str, Any]], as_json: bool) -> None:
    refused = [row for row in rows if row["result"].startswith(_REFUSED)]
    taken = [row for row in rows if row not in refused]
    if as_json or taken:
        show(rows if as_json else taken, _IMPORTED, as_json=as_json)
    if refused:
        sentences = (f"{row['source']}: {row['result'].removeprefix(_REFUSED)}" for row in refused)
        raise Failed("\n".join(sentences))


def _shown(box: Mailbox) -> dict[str, Any]:
    if box.last_name:
        name = person_name(box.civility, box.first_name, box.last_name)
    else:
        name = box.service or box.structure or box.address
    return {"name": name, **asdict(box), "type": box.type.value, "specialty": box.skill, "city": box.city}


def _moment(millis: int) -> str:
    return to_paris(from_millis(millis)).isoformat(timespec="minutes")
