"""Putting a document on the shelf: its bytes and its display copy sealed beforehand, named in the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmp_bridge import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.findings import Finding
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import SealedBlob, Vault


@dataclass(frozen=True, slots=True)
class Sealed:
    """The encrypted bytes of a document about to be filed: the original, and what is shown in its place."""

    original: SealedBlob
    display: SealedBlob | None


class Shelf:
    """The vault and the record together."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def seal(self, finding: Finding) -> Sealed:
        """Encrypts what filing this finding would keep."""
        display = await self._vault.seal(finding.display.data) if finding.display is not None else None
        return Sealed(await self._vault.seal(finding.data), display)

    async def discard(self, sealed: Sealed) -> None:
        """Removes what was sealed and then not filed."""
        for blob in filter(None, (sealed.original, sealed.display)):
            await self._vault.discard(blob)

    def put(
        self,
        uow: UnitOfWork,
        sealed: Sealed,
        values: Mapping[str, Any],
        *,
        owner_id: int,
        mail_id: int,
        sender: str,
    ) -> int:
        """Adds the document with these columns to the owner's record; returns its id."""
        owners = (owner_id,)
        display = sealed.display
        return record.add_document(
            uow,
            {
                **values,
                "owner_id": owner_id,
                "mail_id": mail_id,
                "sender": sender[:320],
                "blob_id": self._vault.store(uow, sealed.original, owners),
                "display_blob_id": None if display is None else self._vault.store(uow, display, owners),
                "filed_at": self._clock.millis(),
            },
        )
