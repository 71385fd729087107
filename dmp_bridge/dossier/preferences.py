"""What a patient wishes: where to be told, of what, and whether new documents begin masked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from dmp_bridge.dossier.consent_tables import record_preference
from foundation.identifiers import Address

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

_OF_OWNER = select(record_preference.c.name, record_preference.c.value).where(
    record_preference.c.owner_id == bindparam("owner")
)
_LARGEST_ADDRESS = 254
_YES, _NO = "yes", "no"


class PreferenceRefused(Exception):
    """A wish cannot be kept; the text is one French sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The wishes of one patient. `email` is an ordinary address, empty where none is given.

    An access in an emergency is told whatever is wished (CSP R1111-48).
    """

    email: str = field(default="", repr=False)
    told_of_documents: bool = True
    told_of_access: bool = True
    told_of_consents: bool = True
    masks_new_documents: bool = False


_WORDS = ("told_of_documents", "told_of_access", "told_of_consents", "masks_new_documents")


# ref: DMP-F28
def preferences_of(connection: Connection, owner_id: int) -> Preferences:
    """What this patient wishes; what was never said is the default."""
    kept = {row.name: row.value for row in connection.execute(_OF_OWNER, {"owner": owner_id})}
    wished = {name: kept[name] == _YES for name in _WORDS if name in kept}
    return replace(Preferences(email=kept.get("email", "")), **wished)


def set_preferences(uow: UnitOfWork, owner_id: int, wished: Preferences) -> None:
    """Keeps the wishes in place of the former ones. Raises PreferenceRefused."""
    address = wished.email.strip()
    if address:
        parsed = Address.parse(address)
        if parsed is None or len(address) > _LARGEST_ADDRESS:
            raise PreferenceRefused("Cette adresse électronique n’est pas valable.")
        address = str(parsed)
    values = {name: _YES if getattr(wished, name) else _NO for name in _WORDS} | {"email": address}
    uow.execute(delete(record_preference).where(record_preference.c.owner_id == owner_id))
    uow.execute(
        insert(record_preference),
        [{"owner_id": owner_id, "name": name, "value": value} for name, value in values.items()],
    )
