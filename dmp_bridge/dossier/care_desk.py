"""What professionals do with their authorisation, and what they note of the patient's will."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from directory.patients import patient, patient_of
from dmp_bridge.dossier import consents, notices, relations, traces
from dmp_bridge.dossier.case import asker_of
from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused
from dmp_bridge.dossier.counter import Counter
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.standing import structure_of
from dmp_bridge.filing import words
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.functional import DOCTOR, MATRIX, Note, column_of
from dmp_bridge.rights.question import Question, Standing
from dmp_bridge.rights.states import RecordAct, Who, allows
from dmp_bridge.rights.vocabulary import Action, OwnAct, Reason, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.case import Case
    from dmp_bridge.dossier.relations import Relation
    from foundation.database import UnitOfWork

DECLARE_ATTENDING: Final = "TD0.3-declare-mt"
"""What a trace calls the declaration as attending doctor."""
_MOST_FOUND: Final = 20
_SKEW: Final = 24 * 3600 * 1000
"""Milliseconds by which a hospital's clock may be ahead."""
_OF_TOMORROW: Final = "Cette réponse est datée de l’avenir : vérifiez l’horloge du système qui l’envoie."
_BORN = (
    select(patient.c.owner_id)
    .where(patient.c.birth_date == bindparam("born"))
    .order_by(patient.c.owner_id)
    .limit(5000)
)
_NOTED: Final = frozenset({ConsentKind.INFORMATION, ConsentKind.FEEDING, ConsentKind.CONSULTATION})
"""What a professional or a structure notes; the oppositions in an emergency are the patient's own to say."""


class Ground(StrEnum):
    """On what an authorisation stands (CSP R1111-46): the professional says so each time, nothing says it instead."""

    TEAM = "team"
    """Member of the care team of a patient who was informed."""
    CONSENT = "consent"
    """The patient's explicit consent."""


_KINDS: Final = {Ground.TEAM: RelationKind.TEAM, Ground.CONSENT: RelationKind.AUTHORISED}


@dataclass(frozen=True, slots=True)
class Said:
    """One word of the patient to note; `at` is when it was said, epoch ms, None for now."""

    kind: ConsentKind
    value: Consent
    at: int | None = None
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AuthorisedRecord:
    """One line of TD0.4."""

    ins: str = field(repr=False)
    name: str = field(repr=False)
    birth_date: str = field(repr=False)
    relation: Relation


class CareDesk(Counter):
    """Every method may raise Denied, as that of the documents does."""

    # ref: DMP-F25
    async def declare(
        self, caller: Caller, ins: str, ground: Ground, *, until: int | None = None
    ) -> Relation:
        """TD0.3: the caller is authorised from now on, until a date (epoch ms) where one is given.

        The authorisation of an employee is their structure's (note 1).
        """

        def work(uow: UnitOfWork, case: Case) -> Relation:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            subject_id, name = _subject(case)
            if until is not None and until <= now:
                raise case.denied(Reason.INVALID, "La date de fin est passée.")
            kind = _KINDS[ground]
            if ground is Ground.TEAM:
                consents.record(
                    uow,
                    owner_id,
                    ConsentKind.INFORMATION,
                    Consent.TOLD,
                    caller.id,
                    now,
                    structure_id=structure_of(caller),
                )
            if relations.declare(uow, owner_id, kind, subject_id, caller.id, now, name=name, until=until):
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)
            return next(
                each
                for each in relations.relations_of(uow.connection, owner_id)
                if (each.kind, each.subject_id) == (kind, subject_id)
            )

        return await self._do(caller, ins, Action.DECLARE_AUTHORISED, work)

    async def declare_as_attending(self, caller: Caller, ins: str) -> None:
        """TD0.3: a doctor whom the patient chose is the attending one from now on, in place of the former.

        The choice is the patient's, made with that doctor (CSS L162-5-3): no other profession says so.
        """

        def work(uow: UnitOfWork, case: Case) -> None:
            if caller.profession != DOCTOR:
                raise case.denied(Reason.ROLE)
            owner_id, now = case.patient.owner_id, self._clock.millis()
            if relations.set_attending(uow, owner_id, caller.id, caller.id, now, name=caller.name):
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)

        await self._do(caller, ins, Action.DECLARE_AUTHORISED, work, told_as=DECLARE_ATTENDING)

    async def withdraw(self, caller: Caller, ins: str) -> bool:
        """TD0.3: the caller's authorisations end; False where there was none."""

        def work(uow: UnitOfWork, case: Case) -> bool:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            ended = [
                relations.withdraw(uow, owner_id, kind, caller.id, caller.id, now) for kind in _KINDS.values()
            ]
            return any(ended)

        return await self._do(caller, ins, Action.WITHDRAW_AUTHORISATION, work)

    async def cease_as_attending(self, caller: Caller, ins: str) -> None:
        """TD0.3: the attending doctor is it no more, and stays authorised by nothing."""

        def work(uow: UnitOfWork, case: Case) -> None:
            owner_id, now = case.patient.owner_id, self._clock.millis()
            relations.withdraw(uow, owner_id, RelationKind.ATTENDING, caller.id, caller.id, now)
            notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)

        await self._do(caller, ins, Action.CEASE_AS_ATTENDING, work)

    async def professionals(self, caller: Caller, ins: str) -> list[Relation]:
        """TD1.6: who is attending, authorised, of the team or blocked."""

        def work(uow: UnitOfWork, case: Case) -> list[Relation]:
            now = self._clock.millis()
            return [
                each
                for each in relations.relations_of(uow.connection, case.patient.owner_id)
                if each.holds(now)
            ]

        return await self._do(caller, ins, Action.LIST_PROFESSIONALS, work)

    # ref: DMP-F22
    async def note(self, caller: Caller, ins: str, said: Sequence[Said]) -> int:
        """Keeps what the patient was told or said to the caller's structure, all of it or nothing; how much is new.

        Raises ConsentRefused.
        """

        def work(uow: UnitOfWork, case: Case) -> int:
            if not allows(case.standing.state, _who(caller), RecordAct.CONSENT):
                raise case.denied(Reason.NO_RECORD)
            if any(each.kind not in _NOTED for each in said):
                raise case.denied(Reason.ROLE)
            owner_id, now = case.patient.owner_id, self._clock.millis()
            # Sent again and again, it would be the last word each time, whatever the patient said since.
            if any(each.at is not None and each.at > now + _SKEW for each in said):
                raise ConsentRefused(_OF_TOMORROW)
            towards = structure_of(caller) or caller.id
            new = sum(
                consents.record(
                    uow,
                    owner_id,
                    each.kind,
                    each.value,
                    caller.id,
                    now if each.at is None else min(each.at, now),
                    structure_id=towards,
                    reason=each.reason,
                )
                for each in said
            )
            if new:
                notices.leave(uow, owner_id, NoticeEvent.CONSENT_CHANGED, caller=caller, now=now)
            return new

        return await self._do(caller, ins, Action.TEST_EXISTENCE, work, told_as=f"note-{OwnAct.CONSENT}")

    # ref: DMP-F25
    async def authorised_records(
        self, caller: Caller, *, since: int | None = None, after: int = 0, limit: int = 100
    ) -> list[AuthorisedRecord]:
        """TD0.4: the records towards which the caller stands, a page behind the relation `after`.

        An employee sees those of the own structure (note 2); a structure must give the date since which (note 3).
        """
        now = self._clock.millis()
        asked = Question(
            asker=asker_of(caller), standing=Standing(state=None), act=Action.LIST_AUTHORISED_RECORDS
        )
        reason = decide(asked)
        column = column_of(asked.asker, asked.standing)
        note = None if column is None else MATRIX[Action.LIST_AUTHORISED_RECORDS][column].note
        subject_id = structure_of(caller) if note is not None else caller.id
        if reason is None and ((note is Note.NEW_SINCE_A_DATE and since is None) or not subject_id):
            reason = Reason.INVALID

        def unit(uow: UnitOfWork) -> list[AuthorisedRecord]:
            traces.append(
                uow,
                caller,
                Action.LIST_AUTHORISED_RECORDS,
                owner_id=None,
                reason=reason,
                clock=self._clock,
            )
            if reason is not None:
                return []
            return [
                AuthorisedRecord(holder.ins, holder.name, holder.birth_date, each)
                for each in relations.relations_with(
                    uow.connection, subject_id, now, after=after, limit=min(limit, 1000)
                )
                if each.kind is not RelationKind.BLOCKED
                and each.holds(now)
                and (since is None or each.since >= since)
                and (holder := patient_of(uow.connection, each.owner_id)) is not None
                and holder.record_is_open
            ]

        found = await self._database.write(unit)
        if reason is not None:
            raise Denied(reason)
        return found

    async def find_without_ins(
        self, caller: Caller, *, birth_name: str, first_name: str, birth_date: str, sex: str = ""
    ) -> list[Patient]:
        """TD0.5, for who regulates: the open records of this name and date of birth ("YYYY-MM-DD"), at most 20."""
        asker = asker_of(caller)
        reason = decide(Question(asker=asker, standing=Standing(state=None), act=Action.FIND_WITHOUT_INS))
        if reason is None and asker.role is not Role.STRUCTURE and not asker.has_motive:
            reason = Reason.MOTIVE_MISSING

        def unit(uow: UnitOfWork) -> list[Patient]:
            traces.append(
                uow, caller, Action.FIND_WITHOUT_INS, owner_id=None, reason=reason, clock=self._clock
            )
            if reason is not None:
                return []
            return _namesakes(uow.connection, words(birth_name), words(first_name), birth_date, sex)

        found = await self._database.write(unit)
        if reason is not None:
            raise Denied(reason)
        return found


def _namesakes(
    connection: Connection, name: tuple[str, ...], first: tuple[str, ...], born: str, sex: str
) -> list[Patient]:
    found = []
    for owner_id in connection.execute(_BORN, {"born": born}).scalars():
        each = patient_of(connection, owner_id)
        if (
            each is not None
            and each.record_is_open
            and name
            and first
            and words(each.birth_name) == name
            and words(each.first_names)[: len(first)] == first
            and sex in ("", each.sex)
        ):
            found.append(each)
        if len(found) == _MOST_FOUND:
            break
    return found


def _subject(case: Case) -> tuple[str, str]:
    """Who becomes authorised: the professional, or the structure of an employee."""
    caller = case.caller
    column = column_of(asker_of(caller), case.standing)
    if column is None or MATRIX[Action.DECLARE_AUTHORISED][column].note is not Note.FOR_THE_STRUCTURE:
        return caller.id, caller.name
    if not caller.structure_id:
        raise case.denied(Reason.INVALID, "La structure n’est pas connue.")
    return caller.structure_id, caller.structure_name


def _who(caller: Caller) -> Who:
    return Who.STRUCTURE if caller.role is Role.STRUCTURE else Who.PROFESSIONAL
