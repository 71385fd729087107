"""`vaguemestre bal absence`: what a mailbox answers while its bearer is away."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory.bals import find_bal
from foundation.clock import PARIS, from_millis, to_millis, to_paris
from mailserver.delivery import absence
from mailserver.delivery.absence import LARGEST_TEXT, Period
from vaguemestre import accounts
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, read_stdin, show_one

if TYPE_CHECKING:
    from mailserver.delivery.absence import Absence

AddressArgument = Annotated[str, typer.Argument(help="Address of the mailbox.", show_default=False)]


def register(bal: typer.Typer) -> None:
    """Adds the command to `vaguemestre bal`."""
    bal.command(
        "absence",
        epilog="Example: echo 'De retour le 16 mars.' | vaguemestre bal absence a.b@liberal-demo.mssante.fr --from 2026-03-02 --until 2026-03-15 --text-stdin --home sandbox",
    )(bal_absence)


def bal_absence(
    address: AddressArgument,
    home: Home,
    first: Annotated[
        str | None, typer.Option("--from", help="First day away, YYYY-MM-DD; today where none is given.")
    ] = None,
    last: Annotated[str | None, typer.Option("--until", help="Last day away, YYYY-MM-DD.")] = None,
    text_stdin: Annotated[
        bool, typer.Option("--text-stdin", help="Read the answer from standard input.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="End the absence.")] = False,
    as_json: Json = False,
) -> None:
    """Shows the absence of a mailbox's bearer, its first and last day; sets one with --until and --text-stdin, ends it with --off."""
    sets = last is not None or text_stdin
    if off and (sets or first is not None):
        raise typer.BadParameter("--off takes neither dates nor a text")
    if (first is not None or sets) and not (last is not None and text_stdin):
        raise typer.BadParameter("an absence needs --until and --text-stdin")
    period = _period(first, last) if last is not None else None
    text = read_stdin(lambda: sys.stdin.read(LARGEST_TEXT + 1)) if text_stdin else ""

    async def work(opened: Opened) -> Absence | None:
        if period is not None:
            await opened.database.write(
                lambda uow: accounts.announce_absence(uow, opened.clock, address, period, text)
            )
        elif off:
            await opened.database.write(lambda uow: accounts.end_absence(uow, opened.clock, address))
        box = await opened.database.read(lambda connection: find_bal(connection, address))
        if box is None:
            raise Failed(f"there is no mailbox {address}")
        return await opened.database.read(lambda connection: absence.find(connection, box.owner_id))

    found = run(home, work)
    if found is None and not as_json:
        print(f"{address.lower()}: no absence")
    else:
        show_one({"address": address.lower(), **_row(found)}, as_json=as_json)


def _period(first: str | None, last: str) -> Period:
    """From the first day's midnight to the last day's end, in Paris; from now on where no first day is given."""
    until = _day(last, "--until") + timedelta(days=1)
    begins = _midnight(_day(first, "--from")) if first is not None else datetime.now(PARIS)
    if begins >= _midnight(until):
        raise typer.BadParameter("the last day is over before the absence begins", param_hint="--until")
    return Period(to_millis(begins), to_millis(_midnight(until)))


def _day(text: str, option: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise typer.BadParameter(f"{text} is no day: YYYY-MM-DD", param_hint=option) from None
    if not 1970 < day.year < 9999:
        raise typer.BadParameter(f"{text} is out of range", param_hint=option)
    return day


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=PARIS)


def _row(found: Absence | None) -> dict[str, Any]:
    if found is None:
        return {"from": None, "until": None, "text": None}
    first, last = (
        found.period.starts_at,
        found.period.ends_at - 1,
    )  # the period ends before its second instant
    days = (to_paris(from_millis(at)).date().isoformat() for at in (first, last))
    return {**dict(zip(("from", "until"), days, strict=True)), "text": found.text}
