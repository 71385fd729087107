"""A record with people around it: the patient, a doctor, a nurse, a structure, and the desk they ask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory.patients import PatientState, add_patient
from dmp_bridge.dossier import relations, traces
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.desk import Denied, Deposit, Desk, DocumentQuery, Submission
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.rights.vocabulary import Role
from foundation.identifiers import OID_TEST, ins_key
from tests.dmp_bridge.builders import cda

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dmp_bridge.dossier.desk import Filed
    from dmp_bridge.dossier.traces import Trace
    from dmp_bridge.record import Document
    from dmp_bridge.rights.vocabulary import Reason
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

NUMBER = "2790351215189"
INS = NUMBER + ins_key(NUMBER)
AUTHOR = "801234534765"
LABORATORY = "1120459876"

DOCTOR = Caller(
    role=Role.PROFESSIONAL,
    id=AUTHOR,
    name="CAMPARINI",
    profession="10",
    skill="SM03",
    structure_id=LABORATORY,
    structure_name="Laboratoire des charmes",
    channel="fhir",
)
OTHER_DOCTOR = Caller(role=Role.PROFESSIONAL, id="899900000001", profession="10", channel="fhir")
ATTENDING = Caller(role=Role.PROFESSIONAL, id="899900000002", profession="10", channel="fhir")
NURSE = Caller(role=Role.PROFESSIONAL, id="899900000003", profession="60", channel="fhir")
STRUCTURE = Caller(role=Role.STRUCTURE, id=LABORATORY, name="Laboratoire des charmes", channel="xds")
OPERATOR = Caller(role=Role.OPERATOR, id="operator", channel="cli")


def document(**options: object) -> bytes:
    """A CDA of the patient of the ward."""
    return cda(**{"ins": INS, "family": "PAT-TROIS", **options})  # type: ignore[arg-type]


def deposit(data: bytes | None = None, **options: object) -> Deposit:
    """A CDA to file, or a file of another type by `media_type`."""
    return Deposit(**{"data": document() if data is None else data, "media_type": "text/xml", **options})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Ward:
    """What a test of the desk works with."""

    desk: Desk
    database: Database
    vault: Vault
    clock: FixedClock
    owner_id: int
    patient: Caller = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "patient",
            Caller(
                role=Role.PATIENT, id=f"patient:{self.owner_id}", owner_id=self.owner_id, channel="portal"
            ),
        )

    async def feed(self, *deposits: Deposit, caller: Caller = DOCTOR, **options: str) -> list[Filed]:
        submission = Submission(ins=INS, deposits=deposits or (deposit(),), **options)
        return list(await self.desk.feed(caller, submission))

    async def authorise(self, *callers: Caller) -> None:
        def unit(uow: UnitOfWork) -> None:
            for each in callers:
                relations.declare(
                    uow, self.owner_id, RelationKind.AUTHORISED, each.id, each.id, self.clock.millis()
                )

        await self.database.write(unit)

    async def attend(self, caller: Caller = ATTENDING) -> None:
        now = self.clock.millis()
        await self.database.write(
            lambda uow: relations.set_attending(uow, self.owner_id, caller.id, "operator", now)
        )

    async def documents(self, caller: Caller | None = None, **conditions: object) -> list[Document]:
        query = DocumentQuery(**conditions)  # type: ignore[arg-type]
        found = await self.desk.search(self.patient if caller is None else caller, INS, query)
        return list(found.documents)

    async def traces(self, **conditions: object) -> list[Trace]:
        """All of them, the oldest first."""
        query = TraceQuery(**{"limit": 10_000, **conditions})  # type: ignore[arg-type]
        found = await self.database.read(lambda c: traces.traces_of(c, self.owner_id, query))
        return found[::-1]


async def reason_of(asked: Awaitable[object]) -> Reason | None:
    """Why the desk refuses; None where it does not."""
    try:
        await asked
    except Denied as denied:
        return denied.reason
    return None


def add(uow: UnitOfWork, vault: Vault, now: int, **options: object) -> int:
    """A patient with an activated record."""
    traits = {
        "ins": INS,
        "ins_oid": OID_TEST,
        "birth_name": "Pat Trois",
        "first_names": "Dominique Marie",
        "birth_date": "1979-03-28",
        "sex": "F",
        "state": PatientState.ACTIVATED,
        "password_hash": None,
        "now": now,
    }
    return add_patient(uow, vault, **{**traits, **options}).owner_id  # type: ignore[arg-type]


def emergency(caller: Caller, **options: object) -> Caller:
    """The same person in an emergency."""
    return replace(caller, **{"motive": "Patient inconscient", **options})  # type: ignore[arg-type]
