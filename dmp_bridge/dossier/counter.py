"""What the desks of the will and of the authorisations do alike: one unit of work, asked, done and traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dmp_bridge.dossier import traces
from dmp_bridge.dossier.case import case_of
from dmp_bridge.dossier.forms import Denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.case import Case
    from dmp_bridge.rights.vocabulary import Action, OwnAct
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork

T = TypeVar("T")


class Counter:
    """Puts the question to the rules, lets the work be done, and writes the trace; a refusal is traced too."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def _do(
        self,
        caller: Caller,
        ins: str,
        act: Action | OwnAct,
        work: Callable[[UnitOfWork, Case], T],
        *,
        told_as: str = "",
    ) -> T:
        """The result of `work`, where the rules allow `act`. Raises Denied, and whatever `work` raises.

        `told_as` is what the trace calls it, where one act of the rules is several to the patient.
        """
        action = told_as or act.value

        def unit(uow: UnitOfWork) -> T:
            case = case_of(uow.connection, caller, ins, self._clock.millis())
            case.demand(act)
            result = work(uow, case)
            traces.append(uow, caller, action, owner_id=case.patient.owner_id, clock=self._clock)
            return result

        try:
            return await self._database.write(unit)
        except Denied as denied:
            refused = denied
        await self._database.write(
            lambda uow: traces.append(
                uow, caller, action, owner_id=refused.owner_id, reason=refused.reason, clock=self._clock
            )
        )
        raise refused
