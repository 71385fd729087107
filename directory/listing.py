"""What the directory says of a hosted box beside its address, type and bearer, and what the box can do."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    bindparam,
    insert,
    select,
)
from sqlalchemy import update as sql_update

from directory.bals import BalRefused, BalType
from foundation.database import metadata
from foundation.identifiers import is_idnat
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import Bal
    from foundation.database import UnitOfWork

bal_listing = Table(
    "bal_listing",
    metadata,
    Column("owner_id", ForeignKey("bal.owner_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("structure", String(64)),
    Column("service", String(255)),
    Column("description", String(255)),
    Column("responsible", String(255)),
    Column("phone", String(40)),
    Column("rank", Integer),
    Column("accepts_xdm", Boolean, nullable=False),
    Column("largest_bytes", BigInteger),
    Column("patient_may_answer", Boolean, nullable=False),
)

_LARGEST_RANK = 1000
_SMALLEST_BYTES = 64 * 1024
_LARGEST_BYTES = 200 * 1024 * 1024
_PHONE = frozenset("0123456789 +().-")
_FRENCH = {
    "service": "service",
    "description": "description",
    "responsible": "responsable",
    "phone": "téléphone",
}
_WIDTHS = {"service": 255, "description": 255, "responsible": 255, "phone": 40}
_NOT_SAID = {
    BalType.PER: ("service", "description", "responsible"),
    BalType.CAB: ("service",),
    BalType.ORG: (),
    BalType.APP: (),
}
"""What openapi-balmss.yaml knows nothing of in each type."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a box shows of itself. `structure` is an IdNat_Struct (1 + FINESS, 3 + SIRET) of a person's box; that of
    a service or software is the box's own `idnat`. `rank` 1 is the box its bearer prefers.
    """

    structure: str | None = None
    service: str | None = None
    description: str | None = None
    responsible: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    rank: int | None = None
    accepts_xdm: bool = True
    """Whether its software reads IHE_XDM.zip."""
    largest_bytes: int | None = None
    """The greatest message it takes, where it is less than what the operator takes."""
    patient_may_answer: bool = True


_NAMES = tuple(each.name for each in fields(Listing))
_FIND = select(*(bal_listing.c[name] for name in _NAMES)).where(bal_listing.c.owner_id == bindparam("owner"))


def listing_of(connection: Connection, owner_id: int) -> Listing:
    """What a box shows; the defaults where nothing was said."""
    row = run(connection, _FIND, {"owner": owner_id}).first()
    if row is None:
        return Listing()
    values = dict(zip(_NAMES, row, strict=True))
    values |= {name: bool(values[name]) for name in ("accepts_xdm", "patient_may_answer")}
    return Listing(**values)


def put_listing(uow: UnitOfWork, bal: Bal, listing: Listing) -> Listing:
    """Replaces what a box shows; blank texts are none. Raises BalRefused."""
    texts = {name: _text(name, getattr(listing, name)) for name in _WIDTHS}
    structure = (listing.structure or "").strip() or None
    if structure is not None and not is_idnat(structure):
        raise BalRefused(
            f"{structure} is no identifier of a structure: 1 and a FINESS, 3 and a SIRET number.",
            "L’identifiant de structure est 1 et un numéro FINESS, ou 3 et un numéro SIRET.",
        )
    if structure is not None and bal.type is not BalType.PER:
        raise BalRefused(
            f"The structure of a mailbox {bal.type.value} is its own identifier (idnat).",
            "La structure d’une telle boîte est son propre identifiant.",
        )
    for name in _NOT_SAID[bal.type]:
        if texts[name]:
            raise BalRefused(
                f"A mailbox {bal.type.value} has no {name}.",
                f"Une boîte {bal.type.value} n’a pas de champ « {_FRENCH[name]} ».",
            )
    if texts["phone"] and not set(texts["phone"]) <= _PHONE:
        raise BalRefused(
            "A telephone number has digits, spaces, + . - and parentheses.",
            "Un numéro de téléphone est fait de chiffres, d’espaces et de + . - ( ).",
        )
    if listing.rank is not None and not 1 <= listing.rank <= _LARGEST_RANK:
        raise BalRefused(
            f"A rank is a number from 1 to {_LARGEST_RANK}.", f"Un rang va de 1 à {_LARGEST_RANK}."
        )
    if listing.largest_bytes is not None and not _SMALLEST_BYTES <= listing.largest_bytes <= _LARGEST_BYTES:
        raise BalRefused(
            f"The greatest message has {_SMALLEST_BYTES} to {_LARGEST_BYTES} bytes.",
            f"Le plus grand message a de {_SMALLEST_BYTES} à {_LARGEST_BYTES} octets.",
        )
    put = Listing(
        structure=structure,
        rank=listing.rank,
        accepts_xdm=listing.accepts_xdm,
        largest_bytes=listing.largest_bytes,
        patient_may_answer=listing.patient_may_answer,
        **texts,
    )
    values = {name: getattr(put, name) for name in _NAMES}
    owner = bal_listing.c.owner_id == bal.owner_id
    if not uow.execute(sql_update(bal_listing).where(owner).values(values)).rowcount:
        uow.execute(insert(bal_listing), {"owner_id": bal.owner_id, **values})
    return put


def _text(name: str, value: str | None) -> str | None:
    text = " ".join((value or "").split())
    if len(text) > _WIDTHS[name] or not text.isprintable() or "|" in text:
        raise BalRefused(
            f"The {name} of a mailbox has at most {_WIDTHS[name]} characters, all printable, and no |.",
            f"Le champ « {_FRENCH[name]} » a au plus {_WIDTHS[name]} caractères imprimables, sans « | ».",
        )
    return text or None
