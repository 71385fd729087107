"""`vaguemestre requirements`: each requirement, what is true of it, and where code and tests name it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vaguemestre.cli.output import Failed, Json
from vaguemestre.requirements import Requirement, Status, load

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLE = "Example: vaguemestre requirements --status partly"


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command(epilog=_EXAMPLE)(requirements)


def requirements(
    status: Annotated[Status | None, typer.Option("--status", help="Only those of this status.")] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="Only this one, by any of its ids.", metavar="ID")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prints the requirements of Référentiel #2, of the operator and of the record, with the code and tests of each.

    A line has the id, the status and the sentence; below it stand what is missing or how a client's duty is allowed
    or checked, and the places that name the requirement.
    """
    known = load()
    if id is not None:
        known = tuple(each for each in known if id in each.ids)
        if not known:
            raise Failed(f"there is no requirement {id}")
    chosen = [each for each in known if status in (None, each.status)]
    if as_json:
        print(json.dumps([asdict(each) for each in chosen], ensure_ascii=False, indent=2))
        return
    for each in chosen:
        print("\n".join(_lines(each)))
    counts = Counter(each.status for each in chosen)
    print(", ".join(f"{counts[one]} {one}" for one in Status if counts[one]) or "(none)")


def _lines(each: Requirement) -> Iterator[str]:
    names = f"{each.id} ({', '.join(each.also)})" if each.also else each.id
    yield f"{names}  {each.status}  {each.sentence}"
    if each.note:
        yield f"    note   {each.note}"
    for what, places in (("code", each.code), ("tests", each.tests)):
        if places:
            yield f"    {what:<6} {', '.join(places)}"
