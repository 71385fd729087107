"""A patient tells a professional that a message was displayed, or chooses not to: the reader decides (RFC 8098 §2.1).

A receipt is no answer: it begins no exchange, continues none, and may be sent after the professional ended one.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, bindparam, insert, select

from directory.patients import patient_of
from foundation import jobs, trail
from foundation.clock import from_millis, to_paris
from foundation.database import metadata
from foundation.mime.notifications import Action, Fate, Notification, notified, return_path, subject_of
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.conversations import Direction, conversation_item
from mailserver.delivery.house import deliver_once
from mailserver.store.tables import mail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from directory.patients import Patient
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.settings import Settings
    from foundation.vault import Vault
    from mailserver.delivery.router import Router

reading_receipt = Table(
    "reading_receipt",
    metadata,
    Column("mail_id", ForeignKey("mail.id", ondelete="CASCADE"), primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    Column("choice", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""What the patient chose about the receipt that a message asks for; one row at most, never changed."""

RECEIPT_JOB = "reading-receipt"
"""Payload: `owner_id`, `mail_id`, `blob_id` and `at`, epoch ms."""

_r = reading_receipt.c
_CHOICES = select(_r.mail_id, _r.choice).where(
    _r.owner_id == bindparam("owner"), _r.mail_id.in_(bindparam("mails", expanding=True))
)
_RECEIVED = (
    select(mail.c.blob_id)
    .join(conversation_item, conversation_item.c.mail_id == mail.c.id)
    .where(
        mail.c.id == bindparam("mail"),
        mail.c.owner_id == bindparam("owner"),
        conversation_item.c.direction == Direction.IN,
    )
    .limit(1)
)
_INSERT = insert(reading_receipt)


class Choice(StrEnum):
    """What the reader decided."""

    SENT = "sent"
    WITHHELD = "withheld"


def choices(connection: Connection, owner_id: int, mail_ids: Iterable[int]) -> dict[int, Choice]:
    """What a patient chose for some of these messages, by message."""
    rows = connection.execute(_CHOICES, {"owner": owner_id, "mails": list(mail_ids)})
    return {row.mail_id: Choice(row.choice) for row in rows}


def receipt_address(message: bytes) -> str | None:
    """Where the receipt goes that a stored message asks for; None where it asks for none that may be sent."""
    return notified(message, return_path(message))


# ref: F15
class ReceiptDesk:
    """Where patients decide on receipts, and what sends them."""

    def __init__(
        self, router: Router, database: Database, vault: Vault, clock: Clock, settings: Settings
    ) -> None:
        self._router = router
        self._database = database
        self._vault = vault
        self._clock = clock
        self._settings = settings

    async def decide(self, patient: Patient, mail_id: int, choice: Choice) -> Choice | None:
        """Notes the choice, and the receipt to send with it; returns the choice that stands, the first one made.

        None where the patient received no such message, or it asks for no receipt that may be sent.
        """
        names = {"mail": mail_id, "owner": patient.owner_id}
        blob_id: int | None = await self._database.read(
            lambda connection: connection.execute(_RECEIVED, names).scalar()
        )
        message = await self._read(patient.owner_id, blob_id) if blob_id is not None else None
        if message is None or receipt_address(message) is None:
            return None

        def unit(uow: UnitOfWork) -> Choice | None:
            made = choices(uow.connection, patient.owner_id, (mail_id,)).get(mail_id)
            if made is not None:
                return made
            current = patient_of(uow.connection, patient.owner_id)
            gone = uow.connection.execute(_RECEIVED, names).scalar() != blob_id
            if gone or current is None or not current.box_is_open:
                return None
            self._note(uow, patient.owner_id, mail_id, choice)
            if choice is Choice.SENT:
                payload = {"owner_id": patient.owner_id, "mail_id": mail_id, "blob_id": blob_id}
                # The time makes a repeated receipt the same message, byte for byte.
                jobs.enqueue(uow, RECEIPT_JOB, payload | {"at": self._clock.millis()})
            return choice

        return await self._database.write(unit)

    def _note(self, uow: UnitOfWork, owner_id: int, mail_id: int, choice: Choice) -> None:
        values = {
            "mail_id": mail_id,
            "owner_id": owner_id,
            "choice": choice.value,
            "at": self._clock.millis(),
        }
        uow.execute(_INSERT, values)
        trail.append(
            uow,
            "message.receipt",
            actor=f"patient:{owner_id}",
            subject=f"mail:{mail_id}",
            outcome=choice.value,
            detail={},
            clock=self._clock,
        )
        uow.publish(f"owner:{owner_id}")

    async def send(self, job: Job) -> Callable[[UnitOfWork], None]:
        """The handler of RECEIPT_JOB: delivers the receipt; done again after a crash, it delivers no second one."""
        owner_id, mail_id = job.payload["owner_id"], job.payload["mail_id"]
        message = await self._read(owner_id, job.payload["blob_id"])
        patient = self._database.read_now(lambda connection: patient_of(connection, owner_id))
        to = receipt_address(message) if message is not None else None
        if message is None or to is None or patient is None:
            return _nothing  # the message or the person is gone
        at = from_millis(job.payload["at"])
        notification = Notification(
            author=f"{patient.ins}@{self._settings.patient_domain}".lower(),
            to=to,
            subject=f"Lu : {subject_of(message)}".rstrip(),
            text=f"Le message a été affiché le {to_paris(at):%d/%m/%Y %H:%M}.\n",
            action=Action.MANUAL,
            fate=Fate.DISPLAYED,
            original=message,
        )
        content = await asyncio.to_thread(
            notification.render,
            hostname=self._settings.hostname,
            identifier=f"lu.{owner_id}.{mail_id}",
            at=at,
            largest=self._settings.limits.message_bytes,
        )
        return await deliver_once(self._router, job, to, content, protocol="HTTPS")

    async def _read(self, owner_id: int, blob_id: int) -> bytes | None:
        try:
            return await self._vault.read(owner_id, blob_id)
        except (BlobNotFound, BlobDamaged):
            return None


def _nothing(_uow: UnitOfWork) -> None:
    return None
