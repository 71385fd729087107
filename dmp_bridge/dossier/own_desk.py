"""What patients, and those who represent them, do with their own record beside its documents.

An operator does the same on a patient's order (`Role.OPERATOR`), naming the INS.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from directory.patients import PatientRefused, PatientState, find_patient
from dmp_bridge.dossier import closing, consents, minority, notices, relations
from dmp_bridge.dossier.counter import Counter
from dmp_bridge.dossier.notices import Addressee, NoticeEvent
from dmp_bridge.dossier.preferences import preferences_of, set_preferences
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.rights.vocabulary import OwnAct, Reason, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.case import Case
    from dmp_bridge.dossier.closing import Closing
    from dmp_bridge.dossier.consents import Consent, ConsentKind, Consents
    from dmp_bridge.dossier.minority import GuardianshipKind
    from dmp_bridge.dossier.notices import Notice
    from dmp_bridge.dossier.preferences import Preferences
    from dmp_bridge.dossier.relations import Relation
    from foundation.database import UnitOfWork


class OwnDesk(Counter):
    """Every method may raise Denied; a patient may leave the INS out and means the own record.

    What cannot be kept raises ConsentRefused, PreferenceRefused or ClosingRefused with one French sentence.
    """

    # ref: DMP-F22
    async def consents(self, caller: Caller, ins: str = "") -> Consents:
        """Everything that was told and said, oldest first."""
        return await self._do(
            caller,
            ins,
            OwnAct.CONSENT,
            lambda uow, case: consents.consents_of(uow.connection, case.patient.owner_id),
            told_as="list-consents",
        )

    async def say(
        self,
        caller: Caller,
        kind: ConsentKind,
        value: Consent,
        *,
        ins: str = "",
        reason: str = "",
        structure_id: str = "",
    ) -> bool:
        """Keeps a word of the patient; False where it is what holds already."""

        def work(uow: UnitOfWork, case: Case) -> bool:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            is_new = consents.record(
                uow, owner_id, kind, value, caller.id, now, structure_id=structure_id, reason=reason
            )
            if is_new:
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)
            return is_new

        return await self._do(caller, ins, OwnAct.CONSENT, work, told_as=f"consent-{kind.value}")

    async def relations(self, caller: Caller, ins: str = "", *, history: bool = False) -> list[Relation]:
        """Who is attending, authorised, of the team or blocked; `history` with those that ended."""

        def work(uow: UnitOfWork, case: Case) -> list[Relation]:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            if history:
                return relations.history_of(uow.connection, owner_id)
            return [each for each in relations.relations_of(uow.connection, owner_id) if each.holds(now)]

        return await self._do(caller, ins, OwnAct.BLOCK, work, told_as="list-professionals")

    # ref: DMP-F26
    async def block(self, caller: Caller, subject_id: str, *, ins: str = "", name: str = "") -> bool:
        """Shuts a professional or a structure out, whatever the mode; False where it was so already."""
        return await self._relate(
            caller,
            ins,
            "block",
            lambda uow, owner_id, now: relations.block(uow, owner_id, subject_id, caller.id, now, name=name),
        )

    async def unblock(self, caller: Caller, subject_id: str, *, ins: str = "") -> bool:
        """Lets somebody ask again; False where nobody was blocked."""
        return await self._relate(
            caller,
            ins,
            "unblock",
            lambda uow, owner_id, now: relations.unblock(uow, owner_id, subject_id, caller.id, now),
        )

    async def set_attending(self, caller: Caller, subject_id: str, *, ins: str = "", name: str = "") -> bool:
        """Names the attending doctor in place of the former one."""
        return await self._relate(
            caller,
            ins,
            "set-attending",
            lambda uow, owner_id, now: relations.set_attending(
                uow, owner_id, subject_id, caller.id, now, name=name
            ),
        )

    async def authorise(
        self, caller: Caller, subject_id: str, *, ins: str = "", name: str = "", until: int | None = None
    ) -> bool:
        """Lets a professional or a structure read, until a date (epoch ms) where one is given."""
        return await self._relate(
            caller,
            ins,
            "authorise",
            lambda uow, owner_id, now: relations.declare(
                uow, owner_id, RelationKind.AUTHORISED, subject_id, caller.id, now, name=name, until=until
            ),
        )

    async def withdraw(self, caller: Caller, kind: RelationKind, subject_id: str, *, ins: str = "") -> bool:
        """Takes an authorisation back, or the place of the attending doctor; False where there was none."""
        return await self._relate(
            caller,
            ins,
            f"withdraw-{kind.value}",
            lambda uow, owner_id, now: relations.withdraw(uow, owner_id, kind, subject_id, caller.id, now),
        )

    # ref: DMP-F28
    async def preferences(self, caller: Caller, ins: str = "") -> Preferences:
        """What the person who asks wishes: a representative has wishes of their own."""
        return await self._do(
            caller,
            ins,
            OwnAct.CONSENT,
            lambda uow, case: preferences_of(uow.connection, _told_owner(caller, case)),
            told_as="read-preferences",
        )

    async def set_preferences(self, caller: Caller, wished: Preferences, *, ins: str = "") -> None:
        """Keeps these wishes in place of the former ones."""
        await self._do(
            caller,
            ins,
            OwnAct.CONSENT,
            lambda uow, case: set_preferences(uow, _told_owner(caller, case), wished),
            told_as="set-preferences",
        )

    # ref: DMP-F38
    async def masks_new_documents(self, caller: Caller, ins: str = "") -> bool:
        """Whether documents begin masked in this record: a wish of the holder, whoever asks in that name."""
        return await self._do(
            caller,
            ins,
            OwnAct.CONSENT,
            lambda uow, case: preferences_of(uow.connection, case.patient.owner_id).masks_new_documents,
            told_as="read-preferences",
        )

    # ref: DMP-F38
    async def mask_new_documents(self, caller: Caller, *, masked: bool, ins: str = "") -> None:
        """Has the documents that come from now on begin masked to professionals, or not."""

        def work(uow: UnitOfWork, case: Case) -> None:
            owner_id = case.patient.owner_id
            wished = preferences_of(uow.connection, owner_id)
            set_preferences(uow, owner_id, replace(wished, masks_new_documents=masked))

        await self._do(caller, ins, OwnAct.CONSENT, work, told_as="set-preferences")

    async def notices(self, caller: Caller, ins: str = "", *, limit: int = 100) -> list[Notice]:
        """What the person who asks is told about this record, the newest first."""

        def work(uow: UnitOfWork, case: Case) -> list[Notice]:
            told = _told_owner(caller, case)
            addressee = Addressee.HOLDER if told == case.patient.owner_id else Addressee.REPRESENTATIVE
            return notices.notices_for(
                uow.connection, case.patient.owner_id, addressee, str(told), limit=limit
            )

        return await self._do(caller, ins, OwnAct.READ, work, told_as="read-notices")

    # ref: DMP-F21
    async def close(self, caller: Caller, ins: str = "") -> Patient:
        """Closes the record: nothing is fed or read any more, the archive lasts ten years."""
        return await self._do(caller, ins, OwnAct.CLOSE, self._into(PatientState.CLOSED, caller))

    async def reopen(self, caller: Caller, ins: str = "") -> Patient:
        """Opens it again, with what the archive still holds."""
        return await self._do(caller, ins, OwnAct.REOPEN, self._into(PatientState.ACTIVATED, caller))

    async def closing(self, caller: Caller, ins: str = "") -> Closing | None:
        """The archive of a record that is closed, and when it is deleted; None for one that never had one."""
        return await self._do(
            caller,
            ins,
            OwnAct.REOPEN,
            lambda uow, case: closing.closing_of(uow.connection, case.patient.owner_id),
            told_as="read-closing",
        )

    async def activate(self, caller: Caller, ins: str) -> Patient:
        """A representative opens the space of somebody who never signed in, as the holder does by signing in."""
        return await self._do(
            caller,
            ins,
            OwnAct.CONSENT,
            self._into(PatientState.ACTIVATED, caller),
            told_as="activate",
        )

    async def ask_deletion(self, caller: Caller, ins: str = "") -> Closing:
        """Has the archive of a closed record deleted now, within the three months of the law."""
        return await self._do(
            caller,
            ins,
            OwnAct.ASK_DELETION,
            lambda uow, case: closing.ask_deletion(
                uow, case.patient.owner_id, caller.id, self._clock.millis()
            ),
        )

    # ref: DMP-F20
    async def represent(
        self,
        caller: Caller,
        representative_ins: str,
        kind: GuardianshipKind,
        *,
        ins: str,
        until: int | None = None,
    ) -> None:
        """An operator writes down who represents a person, having seen why. Raises PatientRefused."""

        def work(uow: UnitOfWork, case: Case) -> None:
            guardian = self._representative(uow, case, representative_ins)
            owner_id, now = case.patient.owner_id, self._clock.millis()
            minority.represent(uow, owner_id, guardian.owner_id, kind, caller.id, now, until=until)
            notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)

        await self._do(caller, ins, OwnAct.CONSENT, work, told_as=f"represent-{kind.value}")

    async def end_representation(self, caller: Caller, representative_ins: str, *, ins: str) -> bool:
        """An operator ends it; False where it was nothing."""

        def work(uow: UnitOfWork, case: Case) -> bool:
            guardian = self._representative(uow, case, representative_ins)
            owner_id, now = case.patient.owner_id, self._clock.millis()
            is_ended = minority.end_representation(uow, owner_id, guardian.owner_id, caller.id, now)
            if is_ended:
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)
            return is_ended

        return await self._do(caller, ins, OwnAct.CONSENT, work, told_as="end-representation")

    def _representative(self, uow: UnitOfWork, case: Case, ins: str) -> Patient:
        if case.caller.role is not Role.OPERATOR:
            raise case.denied(Reason.ROLE)
        found = find_patient(uow.connection, ins)
        if found is None:
            raise PatientRefused("There is no patient with the INS of the representative.")
        return found

    def _into(self, state: PatientState, caller: Caller) -> Callable[[UnitOfWork, Case], Patient]:
        def work(uow: UnitOfWork, case: Case) -> Patient:
            return closing.change_state(
                uow, case.patient.ins, state, caller.id, self._clock.millis(), caller=caller
            )

        return work

    async def _relate(
        self, caller: Caller, ins: str, told_as: str, change: Callable[[UnitOfWork, int, int], bool]
    ) -> bool:
        def work(uow: UnitOfWork, case: Case) -> bool:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            is_new = change(uow, owner_id, now)
            if is_new:
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)
            return is_new

        return await self._do(caller, ins, OwnAct.BLOCK, work, told_as=told_as)


def _told_owner(caller: Caller, case: Case) -> int:
    if caller.role is Role.REPRESENTATIVE and caller.owner_id is not None:
        return caller.owner_id
    return case.patient.owner_id
