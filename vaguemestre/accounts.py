"""Making, changing and tracing the accounts of an operator: what the command line and the sandbox share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalRefused, BalState, BalType
from directory.patients import PatientState, add_patient, set_patient_password
from dmp_bridge.dossier.closing import change_state
from foundation import trail
from mailserver.delivery import absence
from mailserver.signin import choosing
from mailserver.store import acl, quota, seen
from mailserver.store.access import can_be_a_level
from mailserver.store.append import create_folders
from mailserver.store.rights import rights_text
from portal.operators.acts import box_of
from portal.sessions import end_all

if TYPE_CHECKING:
    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import Vault
    from mailserver.delivery.absence import Period
    from mailserver.signin.choosing import Chosen
    from mailserver.store.rights import Right


def change_bal_password(uow: UnitOfWork, clock: Clock, address: str, password: Chosen) -> Bal:
    """Gives a box another password; its pages are signed in to anew. Raises BalRefused."""
    bal = choosing.put(uow, address, password)
    end_all(uow, bal.owner_id)
    trail.append(
        uow, "bal.password", actor="operator", subject=f"bal:{bal.owner_id}", outcome="changed", clock=clock
    )
    return bal


def delegate_bal(uow: UnitOfWork, clock: Clock, address: str, member: str, rights: frozenset[Right]) -> None:
    """Opens the box of a structure to a person, who signs in to their own. Raises BalRefused."""
    box, person = _structure_box(uow, address), box_of(uow, member)
    if person.type is not BalType.PER:
        raise BalRefused(f"{person.address} is not the mailbox of a person (PER).")
    if BalState.CLOSED in (box.state, person.state):
        raise BalRefused("A closed mailbox neither opens others nor is opened by others.")
    if not can_be_a_level(box.address):
        raise BalRefused(f"{box.address} cannot stand in a folder name (/, * or %).")
    try:
        acl.grant(uow, box.owner_id, person.owner_id, rights, now=clock.millis())
    except acl.TooManyMembers:
        raise BalRefused(f"{box.address} has {acl.MAX_MEMBERS} members already.") from None
    if seen.is_personal(uow.connection, box.owner_id):
        seen.begin(uow, box.owner_id, person.owner_id)
    trail.append(
        uow,
        "access.granted",
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome="ok",
        detail={"member": person.owner_id, "rights": rights_text(rights)},
        clock=clock,
    )


def revoke_delegation(uow: UnitOfWork, clock: Clock, address: str, member: str) -> None:
    """Closes a box to a person, every folder of it. Raises BalRefused where it was not open."""
    box, person = box_of(uow, address), box_of(uow, member)
    if not acl.revoke(uow, box.owner_id, person.owner_id):
        raise BalRefused(f"{box.address} is not open to {person.address}.")
    trail.append(
        uow,
        "access.revoked",
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome="ok",
        detail={"member": person.owner_id},
        clock=clock,
    )


def set_bal_seen(uow: UnitOfWork, clock: Clock, address: str, whose: seen.Whose) -> None:
    """Says whether what one member has read is read for all. Raises BalRefused."""
    box = _structure_box(uow, address)
    if seen.is_personal(uow.connection, box.owner_id) is (whose is seen.Whose.PERSONAL):
        return
    if whose is seen.Whose.PERSONAL:
        seen.make_personal(uow, box.owner_id)
    else:
        seen.make_shared(uow, box.owner_id)
    trail.append(
        uow,
        "bal.seen",
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome=whose.value,
        clock=clock,
    )


def limit_bal(uow: UnitOfWork, clock: Clock, address: str, octets: int | None, messages: int | None) -> None:
    """Gives a box limits of its own; None as in the settings, 0 for none. Raises BalRefused."""
    box = box_of(uow, address)
    quota.set_limits(uow, box.owner_id, octets, messages)
    trail.append(
        uow,
        "bal.quota",
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome="changed",
        detail={"octets": _limit_in_words(octets), "messages": _limit_in_words(messages)},
        clock=clock,
    )


def announce_absence(uow: UnitOfWork, clock: Clock, address: str, period: Period, text: str) -> None:
    """Lets a box answer for its bearer, who is away. Raises BalRefused or AbsenceRefused."""
    box = box_of(uow, address)
    if box.state is BalState.CLOSED:
        raise BalRefused(f"The mailbox {box.address} is closed: nobody writes to it any more.")
    absence.announce(uow, box.owner_id, period, text, clock.millis())
    trail.append(
        uow,
        "absence.announced",
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome="announced",
        clock=clock,
    )


def end_absence(uow: UnitOfWork, clock: Clock, address: str) -> None:
    """Ends the absence of a box, if there is one. Raises BalRefused."""
    box = box_of(uow, address)
    if absence.end(uow, box.owner_id):
        trail.append(
            uow,
            "absence.ended",
            actor="operator",
            subject=f"bal:{box.owner_id}",
            outcome="ended",
            clock=clock,
        )


def _limit_in_words(limit: int | None) -> str:
    if limit is None:
        return "as in the settings"
    return str(limit) if limit else "none"


def _structure_box(uow: UnitOfWork, address: str) -> Bal:
    found = box_of(uow, address)
    if found.type not in acl.DELEGATED:
        raise BalRefused(f"{found.address} is somebody's own (PER): its bearer alone shares folders of it.")
    return found


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
    patient = change_state(uow, ins, state, "operator", clock.millis())
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
