"""Puts a message into the queue between operators, inside the transaction that takes responsibility for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import bindparam, exists, func, insert, literal, select

from mailserver.outbound.tables import (
    Stage,
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_owner,
    outbound_recipient,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from foundation.vault import Vault
    from mailserver.envelope import RecipientDsn

TOPIC = "outbound"
_ONLY = 1

_OWNER = select(outbound_owner.c.owner_id).where(outbound_owner.c.id == _ONLY)
_COUNT = select(func.count()).select_from(outbound_delivery)
_INSERT_MESSAGE = insert(outbound_message)
_INSERT_DELIVERY = insert(outbound_delivery)
_INSERT_RECIPIENT = insert(outbound_recipient)
_INSERT_DOMAIN = insert(outbound_domain).from_select(
    ["domain", "failures", "next_at"],
    select(bindparam("name"), literal(0), literal(0)).where(
        ~exists().where(outbound_domain.c.domain == bindparam("known"))
    ),
)


@dataclass(frozen=True, slots=True)
class RemoteRecipient:
    """Somebody at another operator. `domain` is the lower-case A-label form that the list is asked for."""

    address: str
    domain: str
    dsn: RecipientDsn


@dataclass(frozen=True, slots=True)
class OutboundMail:
    """A message to send. The blob is already granted to `queue_owner` for this use, and released when all is done.

    `sender` is "" for the null reverse-path; `size` is that of the blob, `arrived_at` epoch ms.
    """

    queue_id: str
    sender: str
    blob_id: int
    size: int
    arrived_at: int
    ret: str | None = None
    envid: str | None = None
    utf8: bool = False
    origin: Literal["mail", "report"] = "mail"


def queue_owner(uow: UnitOfWork, vault: Vault) -> int:
    """The owner of the queue's bodies in the vault; made the first time somebody asks."""
    row = uow.run(_OWNER, {}).first()
    if row is not None:
        known: int = row.owner_id
        return known
    owner_id = vault.create_owner(uow)
    uow.execute(insert(outbound_owner), {"id": _ONLY, "owner_id": owner_id})
    return owner_id


def enqueue(uow: UnitOfWork, mail: OutboundMail, recipients: Sequence[RemoteRecipient]) -> None:
    """Queues `mail` for each of `recipients`, and wakes the dispatcher once that is on disk."""
    if not recipients:
        raise ValueError("a message in the queue has somebody to go to")
    message_id = uow.run(
        _INSERT_MESSAGE,
        {
            "queue_id": mail.queue_id,
            "sender": mail.sender,
            "blob_id": mail.blob_id,
            "size": mail.size,
            "arrived_at": mail.arrived_at,
            "ret": mail.ret,
            "envid": mail.envid,
            "utf8": int(mail.utf8),
            "origin": mail.origin,
        },
    ).inserted_id
    domains = tuple(dict.fromkeys(recipient.domain for recipient in recipients))
    uow.run_each(_INSERT_DOMAIN, [{"name": domain, "known": domain} for domain in domains])
    uow.run_each(
        _INSERT_DELIVERY,
        [
            {
                "message_id": message_id,
                "domain": domain,
                "arrived_at": mail.arrived_at,
                "next_at": mail.arrived_at,
                "attempts": 0,
                "stage": int(Stage.WAITING),
            }
            for domain in domains
        ],
    )
    uow.run_each(
        _INSERT_RECIPIENT,
        [
            {
                "message_id": message_id,
                "domain": recipient.domain,
                "address": recipient.address,
                "notify": ",".join(sorted(recipient.dsn.notify)),
                "orcpt": recipient.dsn.orcpt,
            }
            for recipient in recipients
        ],
    )
    uow.publish(TOPIC)


def waiting(connection: Connection) -> int:
    """How many messages wait, counted once for each destination."""
    return connection.execute(_COUNT).scalar_one()
