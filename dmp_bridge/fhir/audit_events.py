"""Tells the traces of a record as AuditEvents (IHE BALP; CSP R1111-43)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.dossier.traces import DONE
from dmp_bridge.fhir import systems
from dmp_bridge.rights.vocabulary import Role
from foundation.fhir.resources import instant

if TYPE_CHECKING:
    from dmp_bridge.dossier.traces import Trace
    from dmp_bridge.entry import Identifier
    from foundation.fhir.resources import Resource

_CREATE, _READ, _UPDATE, _DELETE = "C", "R", "U", "D"
_ACTIONS = MappingProxyType(
    {"TD2.1": _CREATE, "TD2.2": _CREATE, "feed": _CREATE, "TD3.3c": _DELETE, "delete": _DELETE}
)
_CHANGING = (
    "TD0.3",
    "TD3.3",
    "mask",
    "unmask",
    "archive",
    "unarchive",
    "show",
    "reveal",
    "block",
    "consent",
    "close",
)
_PURPOSES = MappingProxyType({"normal": "TREAT", "bris_de_glace": "BTG", "centre_15": "ETREAT"})


# ref: DMP-F27
def audit_event(trace: Trace, patient: Identifier, observer: str) -> Resource:
    """One trace; `patient` is the INS of the record, `observer` who kept the trace."""
    agent: Resource = {
        "who": {"identifier": {"value": trace.caller_id}, **_display(trace.caller_name)},
        "requestor": True,
    }
    if trace.profession:
        agent["role"] = [{"coding": [{"system": systems.PROFESSION, "code": trace.profession}]}]
    elif trace.role in (Role.PATIENT, Role.REPRESENTATIVE):
        agent["role"] = [{"text": "Patient" if trace.role == Role.PATIENT else "Représentant légal"}]
    agents = [agent]
    if trace.structure_id and trace.structure_id != trace.caller_id:
        structure = {"identifier": {"value": trace.structure_id}, **_display(trace.structure_name)}
        agents.append({"who": structure, "requestor": False})
    purpose: Resource = {
        "coding": [
            {"system": systems.PURPOSE, "code": _PURPOSES.get(trace.mode, "TREAT")},
            {"system": systems.ACCESS_MODE, "code": trace.mode},
        ]
    }
    if trace.motive:
        purpose["text"] = trace.motive
    told: Resource = {
        "resourceType": "AuditEvent",
        "id": str(trace.id),
        "meta": {"lastUpdated": instant(trace.at)},
        "type": {"system": systems.AUDIT_EVENT_TYPE, "code": "rest"},
        "subtype": [{"system": systems.RECORD_ACTION, "code": trace.action}],
        "action": _action(trace.action),
        "recorded": instant(trace.at),
        "outcome": "0" if trace.outcome == DONE else "4",
        "purposeOfEvent": [purpose],
        "agent": agents,
        "source": {"observer": {"display": observer}, "type": [{"code": "4"}]},
        "entity": [_patient(patient)],
    }
    if trace.outcome != DONE:
        told["outcomeDesc"] = trace.outcome
    if trace.document_id is not None:
        told["entity"].append(
            {
                "what": {"reference": f"DocumentReference/{trace.document_id}"},
                "type": {"system": systems.AUDIT_ENTITY_TYPE, "code": "2"},
                "role": {"system": systems.ENTITY_ROLE, "code": "3"},
            }
        )
    return told


def _patient(patient: Identifier) -> Resource:
    return {
        "what": {"identifier": {"system": systems.url_of(patient.oid), "value": patient.value}},
        "type": {"system": systems.AUDIT_ENTITY_TYPE, "code": "1"},
        "role": {"system": systems.ENTITY_ROLE, "code": "1"},
    }


def _display(name: str) -> Resource:
    return {"display": name} if name else {}


def _action(action: str) -> str:
    if action in _ACTIONS:
        return _ACTIONS[action]
    return _UPDATE if action.startswith(_CHANGING) else _READ
