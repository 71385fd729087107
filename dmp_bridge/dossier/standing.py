"""Puts together how a record stands and the caller towards it, for the rules to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.consents import ConsentKind, consents_of
from dmp_bridge.dossier.minority import acting_for, is_protected
from dmp_bridge.dossier.relations import RelationKind, relations_of
from dmp_bridge.rights.question import Standing
from dmp_bridge.rights.vocabulary import Role
from foundation.clock import from_millis, to_paris

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller


def standing_of(connection: Connection, patient: Patient | None, caller: Caller, now: int) -> Standing:
    """The facts of one patient and caller at `now` (epoch ms); state None where there is no such patient."""
    if patient is None:
        return Standing(state=None)
    subjects = {caller.id, caller.structure_id} - {""}
    held = {
        (each.kind, each.subject_id)
        for each in relations_of(connection, patient.owner_id)
        if each.subject_id in subjects and each.holds(now)
    }
    consents = consents_of(connection, patient.owner_id)
    towards = structure_of(caller) or caller.id  # as CareDesk.note keeps it
    consented = consents.consents_to_consultation(towards)
    declared = any(kind in _AUTHORISING for kind, _ in held)
    is_minor = patient.is_minor(to_paris(from_millis(now)).date())
    return Standing(
        state=patient.state,
        is_theirs=_is_theirs(connection, patient, caller, now),
        is_minor=is_minor,
        is_protected=is_protected(connection, patient.owner_id, now),
        is_blocked=any(kind is RelationKind.BLOCKED for kind, _ in held),
        is_authorised=(declared or bool(consented))
        and not (consented is False and not _declared_in_person(held, caller)),
        is_attending=(RelationKind.ATTENDING, caller.id) in held,
        feeding_is_opposed=consents.opposes_feeding(towards),
        may_centre_15=consents.permits(ConsentKind.CENTRE_15),
        may_bris_de_glace=consents.permits(ConsentKind.BRIS_DE_GLACE),
        masked_in_emergency=consents.permits(ConsentKind.MASKED_IN_EMERGENCY),
    )


_AUTHORISING = frozenset({RelationKind.AUTHORISED, RelationKind.TEAM, RelationKind.ATTENDING})


def _is_theirs(connection: Connection, patient: Patient, caller: Caller, now: int) -> bool:
    if caller.role is Role.PATIENT:
        return caller.owner_id == patient.owner_id
    return caller.role is Role.REPRESENTATIVE and any(
        each.owner_id == caller.owner_id for each in acting_for(connection, patient, now)
    )


def _declared_in_person(held: set[tuple[RelationKind, str]], caller: Caller) -> bool:
    """What was agreed with the person outweighs what was said to the structure."""
    return any((kind, caller.id) in held for kind in (RelationKind.AUTHORISED, RelationKind.ATTENDING))


def structure_of(caller: Caller) -> str:
    """The Struct_IdNat for which somebody acts; empty where it is nobody's."""
    return caller.id if caller.role is Role.STRUCTURE else caller.structure_id
