"""`vaguemestre queue …`: what waits for other operators, looked at and acted on beside a service that may be running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation.clock import from_millis, to_paris
from mailserver.delivery.notify import Reporter
from mailserver.outbound import operate
from mailserver.outbound.schedule import Schedule
from mailserver.outbound.settlement import Settler
from mailserver.outbound.sweeper import Sweeper
from mailserver.refusals import REFUSALS
from vaguemestre.cli.opened import Opened, run
from vaguemestre.cli.output import Failed, Home, Json, show, show_one

if TYPE_CHECKING:
    from mailserver.outbound.operate import Queued, QueuedRecipient

app = typer.Typer(no_args_is_help=True, help="The queue of mail to other operators.")

QueueId = Annotated[str, typer.Argument(metavar="ID", help="Id of the message.", show_default=False)]
_COLUMNS = ("id", "domain", "state", "age", "size", "recipients", "attempts", "next_try", "cause")


@app.command("list", epilog="Example: vaguemestre queue list --home sandbox --domain pair.mssante.fr")
def list_rows(
    home: Home,
    domain: Annotated[str | None, typer.Option(help="Only what waits for this domain.")] = None,
    first: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many rows, the oldest.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Lists what waits, a line for each message and domain, oldest first; times in Paris, no addresses."""

    async def work(opened: Opened) -> list[dict[str, Any]]:
        found = await opened.database.read(
            lambda connection: operate.list_queued(
                connection, domain=domain.lower() if domain is not None else None, limit=first
            )
        )
        return [_row(each, opened.clock.millis()) for each in found]

    rows = run(home, work)
    show(rows, _COLUMNS, as_json=as_json)


@app.command("show", epilog="Example: vaguemestre queue show 19A3B0C4D5E6F7 --home sandbox")
def show_message(queue_id: QueueId, home: Home, as_json: Json = False) -> None:
    """Shows one message: sender, recipients, and what the other servers said."""

    async def work(opened: Opened) -> tuple[list[Queued], list[QueuedRecipient], int]:
        found = await opened.database.read(lambda connection: operate.find_queued(connection, queue_id))
        waiting = await opened.database.read(lambda connection: operate.recipients_of(connection, queue_id))
        return found, waiting, opened.clock.millis()

    found, waiting, now = run(home, work)
    if not found:
        raise Failed(f"there is no message {queue_id} in the queue")
    head = {"id": queue_id, "kind": found[0].origin, "sender": found[0].sender or "<>", "size": found[0].size}
    domains = [{**_row(each, now), "reply": each.reply} for each in found]
    recipients = [
        {
            "address": each.address,
            "cause": _cause(each.code),
            "reply": each.reply,
        }
        for each in waiting
    ]
    if as_json:
        show_one({**head, "domains": domains, "recipients": recipients}, as_json=True)
        return
    show_one(head, as_json=False)
    print()
    show(domains, (*_COLUMNS[1:4], "attempts", "next_try", "cause", "reply"), as_json=False)
    print()
    show(recipients, ("address", "cause", "reply"), as_json=False)


@app.command(epilog="Example: vaguemestre queue retry --domain pair.mssante.fr --home sandbox")
def retry(
    home: Home,
    queue_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of one message.", show_default=False)
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Everything for this domain.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    as_json: Json = False,
) -> None:
    """Lets messages be tried now instead of when their wait is over; a running service does so within seconds."""
    if sum((queue_id is not None, domain is not None, everything)) != 1:
        raise typer.BadParameter("give one of ID, --domain and --all")

    async def work(opened: Opened) -> int:
        clock = opened.clock
        if queue_id is not None:
            return await opened.database.write(lambda uow: operate.retry_message(uow, queue_id, clock))
        if domain is not None:
            return await opened.database.write(lambda uow: operate.retry_domain(uow, domain.lower(), clock))
        return await opened.database.write(lambda uow: operate.retry_all(uow, clock))

    count = run(home, work)
    if queue_id is not None and not count:
        raise Failed(f"there is no message {queue_id} in the queue")
    if domain is not None and not count:
        raise Failed(f"nothing waits for {domain}")
    show_one({"retried": count}, as_json=as_json)


@app.command(epilog="Example: vaguemestre queue drop 19A3B0C4D5E6F7 --home sandbox")
def drop(queue_id: QueueId, home: Home, as_json: Json = False) -> None:
    """Takes a message out of the queue and tells its sender; what is being sent at this moment may still arrive."""

    async def work(opened: Opened) -> tuple[int, int]:
        keys = await opened.database.write(lambda uow: operate.mark_dropped(uow, queue_id, opened.clock))
        if not keys:
            raise Failed(f"there is no message {queue_id} in the queue")
        settings = opened.settings
        schedule = Schedule(settings.outbound)
        reporter = Reporter(opened.vault, opened.clock, settings)
        settler = Settler(opened.database, opened.vault, opened.clock, settings, schedule, reporter)
        dropped = await Sweeper(opened.database, opened.clock, schedule, settler, "main").drop(keys)
        await opened.vault.settle()
        left = await opened.database.read(lambda connection: operate.find_queued(connection, queue_id))
        return dropped, len(left)

    dropped, left = run(home, work)
    show_one({"dropped": dropped, "being_sent": left}, as_json=as_json)


def _row(queued: Queued, now: int) -> dict[str, Any]:
    return {
        "id": queued.queue_id,
        "domain": queued.domain,
        "state": queued.state,
        "arrived_at": _time(queued.arrived_at),
        "age": _age(now - queued.arrived_at),
        "size": queued.size,
        "recipients": queued.recipients,
        "attempts": queued.attempts,
        "next_try": _time(queued.next_at) if queued.next_at > now else "now",
        "code": queued.code,
        "cause": _cause(queued.code),
    }


def _cause(code: str | None) -> str | None:
    refusal = REFUSALS.get(code or "")
    return f"{refusal.code} {refusal.sentence}" if refusal is not None else None


def _time(millis: int) -> str:
    return to_paris(from_millis(millis)).isoformat(timespec="seconds")


def _age(millis: int) -> str:
    minutes = max(0, millis) // 60_000
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
