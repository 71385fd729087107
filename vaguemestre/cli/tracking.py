"""`vaguemestre track` and `vaguemestre indicators`: what became of one message, and the figures of a month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation.files import PRIVATE, write_atomically
from mailserver.tracking import view
from vaguemestre import indicators as figures
from vaguemestre import record_indicators
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

if TYPE_CHECKING:
    from vaguemestre.indicators import Indicators
    from vaguemestre.record_indicators import RecordIndicators

_EVENTS = ("address", "event", "at", "server", "code", "record_code", "reply")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command(epilog="Example: vaguemestre track 19A3B0C4D5E6F7 --home sandbox")(track)
    app.command(epilog="Example: vaguemestre indicators 2025-03 --home sandbox --out figures")(indicators)


def track(
    message: Annotated[str, typer.Argument(metavar="ID", help="Queue id or Message-ID.", show_default=False)],
    home: Home,
    as_json: Json = False,
) -> None:
    """Shows what became of a message that a box or a patient sent, recipient by recipient; times in Paris."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        found = await opened.database.read(lambda connection: view.find(connection, message))
        return [view.as_json(each) for each in found]

    found = run(home, work)
    if not found:
        raise Failed(f"no message {message} is tracked")
    if as_json:
        show_one({"messages": found}, as_json=True)
        return
    for each in found:
        head = {name: each[name] for name in ("id", "message_id", "from", "sent_by", "size", "alert")}
        show_one(head | {event["event"]: event["at"] for event in each["events"]}, as_json=False)
        print()
        lines = [
            {**recipient, **event}
            for recipient in each["recipients"]
            for event in recipient["events"] or ({"event": recipient["state"], "at": ""},)
        ]
        show(lines, _EVENTS, as_json=False)
        print()


def indicators(
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="The month.", show_default=False)],
    home: Home,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the CSV files to.", file_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Gives the figures of a month: boxes, last sign-ins, messages, records and their documents. The columns are our own."""
    wanted = figures.Month.parse(month)
    if wanted is None:
        raise typer.BadParameter(f"{month} is no month such as 2025-03")

    async def work(opened: Opened) -> tuple[Indicators, RecordIndicators]:
        if wanted.start > opened.clock.millis():
            raise Failed(f"{wanted} has not begun: there are no figures of it yet")
        return await opened.database.read(
            lambda connection: (
                figures.collect(connection, wanted, opened.settings.patient_domain),
                record_indicators.collect(connection, wanted),
            )
        )

    found, of_records = run(home, work)
    tables = (
        ("BAL", figures.BAL, found.bal),
        ("Connexions", figures.CONNEXIONS, found.connexions),
        ("Messages", figures.MESSAGES, found.messages),
        ("Dossiers", record_indicators.RECORDS, of_records.records),
        ("Documents", record_indicators.DOCUMENTS, of_records.documents),
    )
    if out is not None:
        written = _write(out, wanted, tables)
        show([{"written": str(path)} for path in written], ("written",), as_json=as_json)
    elif as_json:
        show_one({"month": str(wanted), **{name: rows for name, _, rows in tables}}, as_json=True)
    else:
        for name, columns, rows in tables:
            print(name)
            show(rows, columns, as_json=False)
            print()


def _write(
    folder: Path, month: figures.Month, tables: tuple[tuple[str, tuple[str, ...], list[dict[str, Any]]], ...]
) -> list[Path]:
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, columns, rows in tables:
            path = folder / f"{name}_{month}.csv"
            write_atomically(path, figures.as_csv(columns, rows), PRIVATE)
            paths.append(path)
    except OSError as error:
        raise Failed(f"{folder} cannot be written to ({error.strerror or error})") from error
    return paths
