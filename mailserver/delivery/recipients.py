"""Who a message can reach here: addresses judged against boxes and patients, in one query of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from directory.bals import BalState, bal
from directory.patients import PatientState, patient
from foundation.identifiers import Address, patient_address_ins
from foundation.prepared import run
from mailserver.delivery.report import Undelivered
from mailserver.refusals import (
    DOMAIN_NOT_REACHABLE,
    INVALID_ADDRESS,
    INVALID_PATIENT_ADDRESS,
    MAILBOX_CLOSED,
    MAILBOX_SUSPENDED,
    PATIENT_BOX_CLOSED,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from foundation.settings import Settings

_FEW = 4
_BAL = select(bal.c.address, bal.c.owner_id, bal.c.state)
_MANY_BALS = _BAL.where(bal.c.address.in_(bindparam("addresses", expanding=True)))
# Nearly every message has a sender and one or two recipients; a list of fixed length is not rendered each time.
_FEW_NAMES = tuple(f"address_{number}" for number in range(_FEW))
_FEW_BALS = _BAL.where(bal.c.address.in_([bindparam(name) for name in _FEW_NAMES]))
_PATIENTS = select(patient.c.ins, patient.c.owner_id, patient.c.state).where(
    patient.c.ins.in_(bindparam("numbers", expanding=True))
)

_BAL_REFUSALS: Mapping[BalState, Refusal | None] = {
    BalState.ACTIVE: None,
    BalState.SUSPENDED: MAILBOX_SUSPENDED,
    BalState.CLOSED: MAILBOX_CLOSED,
}
PATIENT_CAUSES = frozenset({UNKNOWN_PATIENT, PATIENT_BOX_CLOSED, INVALID_PATIENT_ADDRESS})
"""What Mon espace santé tells by a report where `patients.undeliverable` says so (ENS v1.3 §6)."""


class Hosting:
    """What is served here, read once from the settings."""

    def __init__(self, settings: Settings) -> None:
        self.patient_domain = settings.patient_domain.lower() if settings.serves_patients else None
        self.bal_domains = frozenset(settings.domains) - {self.patient_domain}
        waits = settings.patients.not_activated == "wait"
        self._patient_refusals: Mapping[PatientState, Refusal | None] = {
            PatientState.ACTIVATED: None,
            PatientState.NOT_ACTIVATED: None if waits else PATIENT_BOX_CLOSED,
            PatientState.OPPOSED: PATIENT_BOX_CLOSED,
            PatientState.CLOSED: PATIENT_BOX_CLOSED,
        }

    def holds(self, domain: str) -> bool:
        """Whether addresses of this domain are kept here, patients or professionals."""
        return domain in self.bal_domains or domain == self.patient_domain

    def patient_refusal(self, state: PatientState) -> Refusal | None:
        """Why a patient in this state gets no mail; None when the box takes it."""
        return self._patient_refusals[state]


@dataclass(frozen=True, slots=True)
class Box:
    """A professional's box as the database has it now."""

    owner_id: int
    state: BalState


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who gets the message."""

    owner_id: int
    address: str
    is_patient: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of each recipient, and the boxes that were looked up on the way."""

    targets: tuple[Target, ...]
    undelivered: tuple[Undelivered, ...]
    boxes: Mapping[str, Box] = field(repr=False)


def canonical(address: str) -> str | None:
    """An address as boxes are stored; None for the null path and for what no box is called."""
    parsed = Address.parse(address)
    return str(parsed) if parsed is not None else None


def resolve(
    connection: Connection, hosting: Hosting, recipients: Iterable[str], *, also: Iterable[str | None] = ()
) -> Resolution:
    """Judges each recipient once, in the order given. `also` are canonical addresses whose boxes the caller wants to see.

    Accounts may change under another process at any moment, so nothing here outlives the transaction.
    """
    wanted = {address for address in also if address}
    numbers: dict[str, str] = {}
    refused: dict[str, Refusal] = {}
    addresses: dict[str, None] = {}
    for recipient in recipients:
        parsed = Address.parse(recipient)
        key = str(parsed) if parsed is not None else recipient
        if key in addresses:
            continue
        addresses[key] = None
        if parsed is None:
            refused[key] = _malformed(recipient, hosting)
        elif parsed.domain == hosting.patient_domain:
            # The key of the number is no reason to refuse: unknown is all that can be said (ECO.3.1.5).
            ins = patient_address_ins(key, hosting.patient_domain)
            if ins is None:
                refused[key] = INVALID_PATIENT_ADDRESS
            else:
                numbers[ins] = key
        elif parsed.domain in hosting.bal_domains:
            wanted.add(key)
        else:
            refused[key] = DOMAIN_NOT_REACHABLE
    boxes = _boxes(connection, wanted)
    patients = _patients(connection, numbers)
    targets: dict[int, Target] = {}
    undelivered = []
    for address in addresses:
        found = refused.get(address) or _judge(address, hosting, boxes, patients)
        if isinstance(found, Target):
            targets[found.owner_id] = found
        else:
            undelivered.append(Undelivered(address, found))
    return Resolution(tuple(targets.values()), tuple(undelivered), boxes)


def _malformed(recipient: str, hosting: Hosting) -> Refusal:
    _, _, domain = recipient.rpartition("@")
    return INVALID_PATIENT_ADDRESS if domain.lower() == hosting.patient_domain else INVALID_ADDRESS


def _boxes(connection: Connection, addresses: set[str]) -> dict[str, Box]:
    if not addresses:
        return {}
    rows: Iterable[Any]
    if len(addresses) <= _FEW:
        padded = (*addresses, *(("",) * (_FEW - len(addresses))))
        rows = run(connection, _FEW_BALS, dict(zip(_FEW_NAMES, padded, strict=True)))
    else:
        rows = connection.execute(_MANY_BALS, {"addresses": tuple(addresses)})
    return {row.address: Box(row.owner_id, BalState(row.state)) for row in rows}


def _patients(connection: Connection, numbers: Mapping[str, str]) -> dict[str, tuple[int, PatientState]]:
    if not numbers:
        return {}
    rows = connection.execute(_PATIENTS, {"numbers": tuple(numbers)})
    return {numbers[row.ins]: (row.owner_id, PatientState(row.state)) for row in rows}


def _judge(
    address: str,
    hosting: Hosting,
    boxes: Mapping[str, Box],
    patients: Mapping[str, tuple[int, PatientState]],
) -> Target | Refusal:
    if address.endswith(f"@{hosting.patient_domain}"):
        known = patients.get(address)
        if known is None:
            return UNKNOWN_PATIENT
        owner_id, state = known
        return hosting.patient_refusal(state) or Target(owner_id, address, is_patient=True)
    box = boxes.get(address)
    if box is None:
        return UNKNOWN_MAILBOX
    return _BAL_REFUSALS[box.state] or Target(box.owner_id, address, is_patient=False)
