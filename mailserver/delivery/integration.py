"""Mail with structured documents for a box that deposits them, or that passes them on to one that does.

What is passed on is the message as it came: a second copy in the same transaction, so that it is there exactly once,
and nowhere else from there: a box that deposits passes nothing on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory import integration
from foundation import jobs
from mailserver.delivery.robot import is_automatic_answer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from mailserver.delivery.local import Delivery
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.recipients import Resolution
    from mailserver.store.append import Appended

DEPOSIT_JOB = "deposit"
"""Payload: that of the job "bridge", `box` (owner id to whom the sender wrote) and `at`, epoch ms."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A copy for the box that deposits; `passed_by` is the owner of the box that the sender wrote to."""

    owner_id: int
    address: str
    passed_by: int


def forwards(connection: Connection, prepared: Prepared, resolution: Resolution) -> tuple[Forward, ...]:
    """To which boxes a message goes besides, each once; one that the sender wrote to itself gets no second copy."""
    if not prepared.carries_package or prepared.header.is_report or is_automatic_answer(prepared):
        return ()
    reached = {target.owner_id for target in resolution.targets}
    found: dict[int, Forward] = {}
    for target in resolution.targets:
        box = resolution.boxes.get(target.address)
        if box is None or box.forwards_to is None or box.forwards_to in reached:
            continue
        taker = integration.taker(connection, box.forwards_to)
        if taker is not None:
            found.setdefault(taker[0], Forward(*taker, target.owner_id))
    return tuple(found.values())


def leave_job(
    uow: UnitOfWork, delivery: Delivery, appended: Appended, blob_id: int, owner_id: int, box: int
) -> None:
    """Leaves the job that deposits what a mail brought, in the delivery's transaction."""
    prepared = delivery.prepared
    jobs.enqueue(
        uow,
        DEPOSIT_JOB,
        {
            "owner_id": owner_id,
            "mail_id": appended.mail_id,
            "blob_id": blob_id,
            "sender": delivery.envelope.sender,
            "message_id": prepared.rendering.message_id,
            "queue": prepared.queue_id,
            "box": box,
            "at": prepared.at,
        },
    )
