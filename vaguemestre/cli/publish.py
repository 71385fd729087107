"""`vaguemestre directory publish`: what the national directory was told of each mailbox, and telling it anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from directory import publication
from directory.bals import list_bals
from directory.listing import listing_of
from foundation import trail
from portal.operators.acts import OPERATOR, box_of
from vaguemestre.cli.life import moment
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Home, Json, show

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import Bal
    from foundation.database import UnitOfWork

_COLUMNS = ("address", "state", "attempts", "tried_at", "published_at", "error")
_BATCH = 200


def register(app: typer.Typer) -> None:
    """Adds the command to `vaguemestre directory`."""
    app.command(
        "publish",
        epilog="Example: vaguemestre directory publish neurologie@hopital-demo.mssante.fr --home sandbox",
    )(publish)


def publish(
    home: Home,
    address: Annotated[str | None, typer.Argument(help="Address of one mailbox.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every mailbox.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only tell where the publication stands.")] = False,
    as_json: Json = False,
) -> None:
    """Has the directory told anew of a mailbox, or of all; a running service does so within seconds."""
    if address is not None and everything:
        raise typer.BadParameter("give an ADDRESS or --all")
    if address is None and not everything and not status:
        raise typer.BadParameter("give an ADDRESS, --all or --status")

    async def work(opened: Opened) -> list[dict[str, Any]]:
        def chosen(connection: Connection) -> list[Bal]:
            return list_bals(connection, limit=1_000_000)

        if address is not None:
            boxes = [await opened.database.write(lambda uow: box_of(uow, address))]
        else:
            boxes = await opened.database.read(chosen)
        if not status:
            for start in range(0, len(boxes), _BATCH):
                some = boxes[start : start + _BATCH]
                await opened.database.write(partial(_ask, opened=opened, boxes=some))
        return await opened.database.read(lambda connection: _rows(connection, boxes))

    show(run(home, work), _COLUMNS, as_json=as_json)


def _ask(uow: UnitOfWork, opened: Opened, boxes: list[Bal]) -> None:
    for box in boxes:
        publication.ask_anew(uow, box, listing_of(uow.connection, box.owner_id))
        trail.append(
            uow,
            "bal.publication",
            actor=OPERATOR,
            subject=f"bal:{box.owner_id}",
            outcome="asked",
            clock=opened.clock,
        )


def _rows(connection: Connection, boxes: list[Bal]) -> list[dict[str, Any]]:
    rows = []
    for start in range(0, len(boxes), _BATCH):
        some = boxes[start : start + _BATCH]
        told = publication.find_many(connection, [box.owner_id for box in some])
        for box in some:
            row = told.get(box.owner_id)
            rows.append(
                {
                    "address": box.address,
                    "state": row.state.value if row is not None else None,
                    "attempts": row.attempts if row is not None else 0,
                    "tried_at": moment(row.tried_at) if row is not None else None,
                    "published_at": moment(row.published_at) if row is not None else None,
                    "error": row.error if row is not None else None,
                }
            )
    return rows
