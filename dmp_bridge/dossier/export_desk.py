"""Hands a whole record to the patient, or to who represents the patient, as a zip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.counter import Counter
from dmp_bridge.dossier.traces import Audience
from dmp_bridge.rights.vocabulary import OwnAct, Role
from dmp_bridge.writing.export import Exporter, seen_by_patient, seen_by_representative

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dmp_bridge.dossier.caller import Caller
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.vault import Vault


class ExportDesk(Counter):
    """Asks, traces, then writes; may raise Denied."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database, clock)
        self._exporter = Exporter(database, vault, clock)

    # ref: DMP-F41
    async def export(self, caller: Caller, ins: str = "") -> AsyncIterator[bytes]:
        """The pieces of the zip; traced before the first one, so that nobody takes most of it unseen."""
        patient = await self._do(caller, ins, OwnAct.EXPORT, lambda _uow, case: case.patient)
        is_represented = caller.role is Role.REPRESENTATIVE
        is_kept = seen_by_representative if is_represented else seen_by_patient
        audience = Audience.REPRESENTATIVE if is_represented else Audience.PATIENT
        return self._exporter.pieces(patient, is_kept=is_kept, audience=audience)
