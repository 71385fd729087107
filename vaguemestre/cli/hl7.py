"""`vaguemestre hl7 …`: the messages for hospitals' own systems, looked at and hastened beside a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmp_bridge.hl7.outbox import MessageState, hasten, listed
from foundation.clock import from_millis, to_paris
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

if TYPE_CHECKING:
    from dmp_bridge.hl7.outbox import Outgoing

app = typer.Typer(no_args_is_help=True, help="The HL7 messages for hospitals' own systems.")

_COLUMNS = ("number", "box", "event", "state", "code", "attempts", "made", "next_try")


@app.command("list", epilog="Example: vaguemestre hl7 list --home op --state refused")
def list_messages(
    home: Home,
    state: Annotated[MessageState, typer.Option(help="Where the messages stand.")] = MessageState.WAITING,
    first: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many rows, the oldest.")] = 1000,
    as_json: Json = False,
) -> None:
    """Lists the messages in a state, the oldest first; `number` is MSH-10, times in Paris."""

    async def work(opened: Opened) -> list[Outgoing]:
        return await opened.database.read(lambda connection: listed(connection, state, limit=first))

    show([_row(each) for each in run(home, work)], _COLUMNS, as_json=as_json)


@app.command("retry", epilog="Example: vaguemestre hl7 retry dpi@hopital-demo.mssante.fr --home op")
def retry(
    box: Annotated[str, typer.Argument(help="Address of the mailbox APP.", show_default=False)],
    home: Home,
    as_json: Json = False,
) -> None:
    """Lets a running service send at once what waits for the system of a mailbox."""

    async def work(opened: Opened) -> int:
        return await opened.database.write(lambda uow: hasten(uow, box.lower()))

    waiting = run(home, work)
    if not waiting:
        raise Failed(f"nothing waits for the system of {box}")
    show_one({"box": box.lower(), "waiting": waiting}, as_json=as_json)


def _row(message: Outgoing) -> dict[str, Any]:
    is_waiting = message.state is MessageState.WAITING
    return {
        "number": message.control_id,
        "box": message.box,
        "event": message.event,
        "state": message.state.value,
        "code": message.code,
        "attempts": message.attempts,
        "made": _moment(message.made_at),
        "next_try": _moment(message.next_at) if is_waiting and message.next_at else None,
    }


def _moment(millis: int) -> str:
    return to_paris(from_millis(millis)).isoformat(timespec="seconds")
