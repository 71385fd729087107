"""The patient's will as Consents: who is authorised or blocked (TD1.6), and what a professional notes of it (TD0.3).

How the DMP tells authorisations in FHIR is open: the kind of a Consent is a code of our own in `category`, and
`provision.type` says yes or no to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.dossier.care_desk import Ground, Said
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.document_references import subject
from dmp_bridge.fhir.people import Referred, patient_of
from foundation.fhir.outcome import Refused
from foundation.fhir.resources import instant

if TYPE_CHECKING:
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.relations import Relation
    from dmp_bridge.entry import Identifier
    from dmp_bridge.fhir.elements import Element
    from foundation.fhir.resources import Resource


class Category(StrEnum):
    """What a Consent is about."""

    TEAM = "authorisation-team"
    """The caller is of the care team of a patient who was informed."""
    CONSENT = "authorisation-consent"
    """The caller has the patient's explicit consent."""
    ATTENDING = "attending"
    BLOCKED = "blocked"
    INFORMATION = "information"
    FEEDING = "feeding"
    CONSULTATION = "consultation"


_CATEGORIES = MappingProxyType(
    {
        RelationKind.TEAM: Category.TEAM,
        RelationKind.AUTHORISED: Category.CONSENT,
        RelationKind.ATTENDING: Category.ATTENDING,
        RelationKind.BLOCKED: Category.BLOCKED,
    }
)
_GROUNDS = MappingProxyType({Category.TEAM: Ground.TEAM, Category.CONSENT: Ground.CONSENT})
_NOTED = MappingProxyType(
    {
        (Category.INFORMATION, "permit"): (ConsentKind.INFORMATION, Consent.TOLD),
        (Category.FEEDING, "permit"): (ConsentKind.FEEDING, Consent.NOT_OPPOSED),
        (Category.FEEDING, "deny"): (ConsentKind.FEEDING, Consent.OPPOSED),
        (Category.CONSULTATION, "permit"): (ConsentKind.CONSULTATION, Consent.CONSENTS),
        (Category.CONSULTATION, "deny"): (ConsentKind.CONSULTATION, Consent.CONSENTS_NOT),
    }
)


@dataclass(frozen=True, slots=True)
class Posted:
    """What a Consent that is posted says; times in epoch milliseconds."""

    ins: str
    category: Category
    word: str
    """permit or deny."""
    at: int | None
    until: int | None


def posted(resource: Element) -> Posted:
    """Reads a Consent; raises Refused (400, 422)."""
    if resource.text("status") != "active":
        raise Refused(
            422, "business-rule", "Un consentement est noté au statut active.", expression="Consent.status"
        )
    category = resource.only("category").first_coding()
    if category is None or category.system != systems.CONSENT_KIND or category.code not in set(Category):
        raise Refused(
            422,
            "code-invalid",
            f"category est de {systems.CONSENT_KIND} : {', '.join(Category)}.",
            expression="Consent.category",
        )
    provision = resource.element("provision")
    if provision is None:
        raise Refused(400, "required", "Un consentement dit permit ou deny.", expression="Consent.provision")
    word = provision.required("type")
    if word not in ("permit", "deny"):
        raise Refused(
            400, "value", "provision.type vaut permit ou deny.", expression="Consent.provision.type"
        )
    period = provision.element("period")
    ins, _ = patient_of(resource, "patient", Referred(resource))
    return Posted(
        ins,
        Category(category.code),
        word,
        resource.moment("dateTime"),
        period.moment("end") if period else None,
    )


# ref: DMP-F22
async def note(desk: CareDesk, caller: Caller, what: Posted) -> bool:
    """Does what a Consent says; False where it holds already. Raises Refused (422), Denied, ConsentRefused."""
    ground = _GROUNDS.get(what.category)
    if ground is not None and what.word == "permit":
        await desk.declare(caller, what.ins, ground, until=what.until)
        return True
    if ground is not None:
        return await desk.withdraw(caller, what.ins)
    if what.category is Category.ATTENDING and what.word == "deny":
        await desk.cease_as_attending(caller, what.ins)
        return True
    noted = _NOTED.get((what.category, what.word))
    if noted is None:
        raise Refused(
            422,
            "business-rule",
            "Ceci n'est pas à un professionnel de le dire : seul le patient nomme son médecin traitant et bloque.",
            expression="Consent.category",
        )
    return await desk.note(caller, what.ins, [Said(*noted, at=what.at)]) > 0


def consent_resource(relation: Relation, patient: Identifier) -> Resource:
    """How somebody stands towards the record, as a Consent of the patient."""
    category = _CATEGORIES[relation.kind]
    who: Resource = {"identifier": {"value": relation.subject_id}}
    if relation.subject_name:
        who["display"] = relation.subject_name
    period = {"start": instant(relation.since)}
    if relation.until is not None:
        period["end"] = instant(relation.until)
    return {
        "resourceType": "Consent",
        "id": str(relation.id),
        "meta": {"lastUpdated": instant(relation.since)},
        "status": "active",
        "scope": {"coding": [{"system": systems.CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": systems.CONSENT_KIND, "code": category.value}]}],
        "patient": subject(patient),
        "dateTime": instant(relation.since),
        "policyRule": {"text": "Code de la santé publique, articles L1111-17 et R1111-46"},
        "provision": {
            "type": "deny" if category is Category.BLOCKED else "permit",
            "period": period,
            "actor": [
                {"role": {"coding": [{"system": systems.PARTICIPATION, "code": "IRCP"}]}, "reference": who}
            ],
        },
    }
