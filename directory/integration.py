"""What a box of a structure does with structured documents by itself: deposit them in the record, or pass them on.

ANS, transmission to a system of documents received by MSSanté: an application's box (APP) deposits what it gets; a
service's box (ORG) may pass its mails with an IHE_XDM archive to the one that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, Column, ForeignKey, Table, bindparam, delete, insert, select

from directory.bals import BalRefused, BalState, BalType, bal, bal_of, find_bal
from foundation.database import metadata
from foundation.identifiers import is_idnat
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import Bal
    from foundation.database import UnitOfWork

bal_integration = Table(
    "bal_integration",
    metadata,
    Column("owner_id", ForeignKey("bal.owner_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("deposits", Boolean, nullable=False),
    Column("forwards_to", ForeignKey("bal.owner_id", ondelete="CASCADE")),
)

_FIND = select(bal_integration.c.deposits, bal_integration.c.forwards_to).where(
    bal_integration.c.owner_id == bindparam("owner")
)
_TAKER = (
    select(bal.c.owner_id, bal.c.address)
    .join(bal_integration, bal_integration.c.owner_id == bal.c.owner_id)
    .where(
        bal.c.owner_id == bindparam("owner"),
        bal.c.state == BalState.ACTIVE.value,
        bal_integration.c.deposits.is_(True),
    )
)


@dataclass(frozen=True, slots=True)
class Integration:
    """What is done with the structured documents that a box gets.

    `deposits`: they are filed into the record of the patient they name. `forwards_to` is the owner id of the box to
    which mails with an IHE_XDM archive are passed on.
    """

    deposits: bool = False
    forwards_to: int | None = None


_NONE = Integration()


def integration_of(connection: Connection, owner_id: int) -> Integration:
    """What a box does by itself; nothing where nothing was said."""
    row = run(connection, _FIND, {"owner": owner_id}).first()
    return Integration(bool(row.deposits), row.forwards_to) if row is not None else _NONE


def taker(connection: Connection, owner_id: int) -> tuple[int, str] | None:
    """The box that deposits what another one passes to it, as owner id and address; None while it does not."""
    row = run(connection, _TAKER, {"owner": owner_id}).first()
    return (row.owner_id, row.address) if row is not None else None


def set_deposits(uow: UnitOfWork, box: Bal, *, deposits: bool) -> None:
    """Says whether a box deposits in the record. Raises BalRefused."""
    if deposits and box.type is not BalType.APP:
        raise BalRefused(
            f"Only a mailbox APP deposits documents in the record, and {box.address} is {box.type.value}.",
            "Seule une boîte applicative (APP) dépose des documents dans le dossier.",
        )
    if deposits and not is_structure(box):
        raise BalRefused(
            f"The mailbox {box.address} has no identifier of a structure (1 and FINESS, 3 and SIRET) to deposit as.",
            "Cette boîte n’a pas d’identifiant de structure au nom de laquelle déposer.",
        )
    _put(uow, box.owner_id, Integration(deposits, integration_of(uow.connection, box.owner_id).forwards_to))


def set_forwarding(uow: UnitOfWork, box: Bal, address: str) -> None:
    """Says to which box of the same structure a box passes its mails with an archive; "": to none. Raises BalRefused."""
    before = integration_of(uow.connection, box.owner_id)
    if not address.strip():
        _put(uow, box.owner_id, Integration(before.deposits, None))
        return
    if box.type is not BalType.ORG:
        raise BalRefused(
            f"Only a mailbox ORG passes documents on, and {box.address} is {box.type.value}.",
            "Seule une boîte organisationnelle (ORG) transmet ses documents à une boîte applicative.",
        )
    to = find_bal(uow.connection, address)
    if to is None or not integration_of(uow.connection, to.owner_id).deposits:
        raise BalRefused(
            f"{address} is no mailbox of this operator that deposits in the record (`--deposit`).",
            "Cette adresse n’est pas celle d’une boîte d’ici qui dépose dans le dossier.",
        )
    # A deposit is done in the name of a structure: no other one may lend it its mails.
    if to.idnat != box.idnat:
        raise BalRefused(
            f"{to.address} is a mailbox of another structure than {box.address}.",
            "Ces deux boîtes ne sont pas de la même structure.",
        )
    _put(uow, box.owner_id, Integration(before.deposits, to.owner_id))


def forwards_to(connection: Connection, owner_id: int) -> str | None:
    """The address to which a box passes its mails with an archive."""
    to = integration_of(connection, owner_id).forwards_to
    found = bal_of(connection, to) if to is not None else None
    return found.address if found is not None else None


def is_structure(box: Bal) -> bool:
    """Whether the bearer of a box is a structure: 1 and FINESS, 3 and SIRET."""
    return box.idnat is not None and box.idnat[:1] in ("1", "3") and is_idnat(box.idnat)


def _put(uow: UnitOfWork, owner_id: int, integration: Integration) -> None:
    uow.execute(delete(bal_integration).where(bal_integration.c.owner_id == owner_id))
    if integration != _NONE:
        uow.execute(
            insert(bal_integration),
            {
                "owner_id": owner_id,
                "deposits": integration.deposits,
                "forwards_to": integration.forwards_to,
            },
        )
