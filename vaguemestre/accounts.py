"""Making, changing and tracing the accounts of an operator: what the command line and the sandbox share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalState, BalType, add_bal, set_password, set_state
from directory.patients import PatientState, add_patient, set_patient_password, set_patient_state
from foundation import trail
from mailserver.store.append import create_folders
from portal.sessions import end_all

if TYPE_CHECKING:
    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import Vault


def open_bal(
    uow: UnitOfWork,
    vault: Vault,
    clock: Clock,
    *,
    address: str,
    type: BalType,
    name: str,
    idnat: str | None,
    password_hash: str | None,
) -> Bal:
    """A new box with its folders. Raises BalRefused."""
    bal = add_bal(
        uow,
        vault,
        address=address,
        type=type,
        name=name,
        idnat=idnat,
        password_hash=password_hash,
        now=clock.millis(),
    )
    create_folders(uow, bal.owner_id, clock.millis())
    trail.append(
        uow, "bal.opened", actor="operator", subject=f"bal:{bal.owner_id}", outcome="ok", clock=clock
    )
    return bal


def change_bal(uow: UnitOfWork, clock: Clock, address: str, state: BalState) -> Bal:
    """Suspends, resumes or closes a box. Raises BalRefused."""
    bal = set_state(uow, address, state, clock.millis())
    trail.append(
        uow, "bal.state", actor="operator", subject=f"bal:{bal.owner_id}", outcome=state.value, clock=clock
    )
    return bal


def change_bal_password(uow: UnitOfWork, clock: Clock, address: str, password_hash: str) -> Bal:
    """Gives a box another password. Raises BalRefused."""
    bal = set_password(uow, address, password_hash)
    trail.append(
        uow, "bal.password", actor="operator", subject=f"bal:{bal.owner_id}", outcome="changed", clock=clock
    )
    return bal


def open_patient(
    uow: UnitOfWork,
    vault: Vault,
    clock: Clock,
    *,
    ins: str,
    ins_oid: str,
    birth_name: str,
    first_names: str,
    used_name: str | None,
    birth_date: str,
    sex: str,
    state: PatientState,
    password_hash: str | None,
) -> Patient:
    """A new patient with the folders of the box. Raises PatientRefused."""
    patient = add_patient(
        uow,
        vault,
        ins=ins,
        ins_oid=ins_oid,
        birth_name=birth_name,
        first_names=first_names,
        used_name=used_name,
        birth_date=birth_date,
        sex=sex,
        state=state,
        password_hash=password_hash,
        now=clock.millis(),
    )
    create_folders(uow, patient.owner_id, clock.millis())
    trail.append(
        uow,
        "patient.added",
        actor="operator",
        subject=f"patient:{patient.owner_id}",
        outcome=state.value,
        clock=clock,
    )
    return patient


def change_patient(uow: UnitOfWork, clock: Clock, ins: str, state: PatientState) -> Patient:
    """Activates, opposes, closes or reopens. Raises PatientRefused."""
    patient = set_patient_state(uow, ins, state, clock.millis())
    if not patient.may_sign_in:
        end_all(uow, patient.owner_id)
    trail.append(
        uow,
        "patient.state",
        actor="operator",
        subject=f"patient:{patient.owner_id}",
        outcome=state.value,
        clock=clock,
    )
    return patient


def change_patient_password(uow: UnitOfWork, clock: Clock, ins: str, password_hash: str) -> Patient:
    """Gives a patient another password. Raises PatientRefused."""
    patient = set_patient_password(uow, ins, password_hash)
    end_all(uow, patient.owner_id)
    trail.append(
        uow,
        "patient.password",
        actor="operator",
        subject=f"patient:{patient.owner_id}",
        outcome="changed",
        clock=clock,
    )
    return patient
