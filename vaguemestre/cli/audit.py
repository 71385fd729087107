"""`vaguemestre trail …`: the audit trail, shown and verified."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dmp_bridge.dossier import traces
from foundation import trail
from foundation.clock import from_millis, to_paris
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

app = typer.Typer(no_args_is_help=True, help="The audit trail: who did what, to what, and how it ended.")


@app.command("show", epilog="Example: vaguemestre trail show --home sandbox --last 20")
def show_rows(
    home: Home,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """Prints the newest rows, oldest first, times in Paris."""

    async def work(opened: Opened) -> list[trail.TrailRow]:
        return await opened.database.read(lambda connection: trail.last_rows(connection, last))

    rows = [
        {**asdict(row), "at": to_paris(from_millis(row.at)).isoformat(timespec="milliseconds")}
        for row in run(home, work)
    ]
    show(rows, ("seq", "at", "action", "actor", "subject", "outcome", "detail"), as_json=as_json)


@app.command(epilog="Example: vaguemestre trail verify --home sandbox")
def verify(home: Home, as_json: Json = False) -> None:
    """Recomputes the hash of every row, then the digest of every trace of a record; fails at the first that differs."""

    async def work(
        opened: Opened,
    ) -> tuple[trail.Verified | trail.Broken, traces.Proven | traces.Disproven]:
        return await opened.database.read(
            lambda connection: (trail.verify(connection), traces.verify(connection))
        )

    chain, proof = run(home, work)
    if isinstance(chain, trail.Broken):
        raise Failed(f"the trail is broken: {chain.reason}")
    if isinstance(proof, traces.Disproven):
        raise Failed(f"the traces of the records are not those of the trail: {proof.reason}")
    show_one(
        {"rows": chain.rows, "last_hash": chain.last_hash, "record_traces": proof.traces}, as_json=as_json
    )
