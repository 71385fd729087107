"""Putting a document on the shelf: its bytes and its display copy sealed beforehand, named in the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmp_bridge.dossier import registry
from dmp_bridge.dossier.preferences import preferences_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.entry import DocumentEntry
    from dmp_bridge.filing import Verdict
    from dmp_bridge.findings import Finding
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import SealedBlob, Vault


@dataclass(frozen=True, slots=True)
class Sealed:
    """The encrypted bytes of a document about to be filed: the original, and what is shown in its place."""

    original: SealedBlob
    display: SealedBlob | None


@dataclass(frozen=True, slots=True)
class Depositor:
    """Who brings a document: a person or structure by its national identifier, "" where nobody knows it."""

    id: str
    structure_id: str = ""


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
        entry: DocumentEntry,
        owner_id: int,
        mail_id: int,
        sender: str,
        depositor: Depositor,
        submission_id: int | None = None,
        entry_uuid: str = "",
        verdict: Verdict,
    ) -> tuple[int, str]:
        """Enters the document with these columns into the owner's record, in the place the verdict gives it.

        It begins masked where the patient wishes that, or masked what it replaces. Returns its number and its
        entryUUID.
        """
        owners = (owner_id,)
        display, at = sealed.display, self._clock.millis()
        begins_masked = not values["invisible_to_patient"] and (
            values["masked_to_professionals"]
            or preferences_of(uow.connection, owner_id).masks_new_documents
            or registry.are_masked_by_patient(uow.connection, verdict.supersedes)
        )
        registry.supersede(uow, verdict.supersedes, actor=depositor.id, at=at)
        return registry.enter(
            uow,
            {
                **values,
                "masked_to_professionals": begins_masked,
                "owner_id": owner_id,
                "mail_id": mail_id,
                "sender": sender[:320],
                "blob_id": self._vault.store(uow, sealed.original, owners),
                "display_blob_id": None if display is None else self._vault.store(uow, display, owners),
                "depositor_id": depositor.id[:64],
                "depositor_structure": depositor.structure_id[:64],
                "submission_id": submission_id,
            },
            entry,
            actor=depositor.id,
            at=at,
            entry_uuid=entry_uuid,
            awaited=verdict.awaited,
        )
