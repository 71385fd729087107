"""FHIR R4 JSON of what the directory holds, in the profiles of the Annuaire (as-dp-practitioner and its sisters)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from directory.fhir import systems
from directory.fhir.names import logical_id
from directory.fhir.systems import ResourceType
from foundation.fhir.resources import encoded, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure
    from foundation.fhir.resources import Resource


def practitioner(person: Person, boxes: Sequence[Mailbox]) -> Resource:
    """An exercice professionnel with the boxes its bearer has in no structure."""
    resource = _head(ResourceType.PRACTITIONER, person.idnat, person.updated_at, boxes)
    resource["identifier"] = _person_identifiers(person)
    name: Resource = {"use": "official"}
    if person.last_name:
        name["family"] = person.last_name
    if person.first_name:
        name["given"] = [person.first_name]
    if person.civility:
        name["prefix"] = [person.civility]
    if person.title:
        name["suffix"] = [person.title]
    if len(name) > 1:
        resource["name"] = [name]
    _tell(resource, "telecom", [contact_point(box) for box in _ordered(boxes)])
    qualifications = [_diploma(each) for each in person.diplomas]
    practised = [
        *_codings(systems.PROFESSION, person.profession_code, person.profession),
        *_codings(systems.CATEGORY, person.category_code, person.category),
    ]
    if practised:
        qualifications.append({"code": {"coding": practised}})
    qualifications += [_skill(each) for each in person.skills]
    _tell(resource, "qualification", qualifications)
    return _sealed(resource)


def practitioner_role(role: Role, boxes: Sequence[Mailbox]) -> Resource:
    """A situation d'exercice with the boxes its person has in its structure."""
    resource = _head(ResourceType.PRACTITIONER_ROLE, role.id, role.updated_at, boxes)
    resource["identifier"] = [{"use": "official", "system": systems.ROLE, "value": role.id}]
    resource["practitioner"] = _reference(ResourceType.PRACTITIONER, role.idnat)
    if role.structure_id:
        resource["organization"] = _reference(ResourceType.ORGANIZATION, role.structure_id)
    codes = [
        *_codings(systems.KIND, role.kind_code, role.kind),
        *_codings(systems.PRACTICE, role.practice_code, role.practice),
        *_codings(systems.FUNCTION, role.function_code, role.function),
        *_codings(systems.PHARMACIST_SECTION, role.pharmacist_section_code, role.pharmacist_section),
    ]
    _tell(resource, "code", [{"coding": [coding]} for coding in codes])
    _tell(resource, "telecom", [contact_point(box) for box in _ordered(boxes)])
    return _sealed(resource)


def organization(structure: Structure, boxes: Sequence[Mailbox]) -> Resource:
    """A structure with the boxes that are its own: of services, of software."""
    resource = _head(ResourceType.ORGANIZATION, structure.id, structure.updated_at, boxes)
    resource["identifier"] = _structure_identifiers(structure)
    sector = _codings(systems.SECTOR, structure.sector_code, structure.sector)
    if sector:
        kind = {"url": systems.ORGANIZATION_TYPES, "valueCode": "secteurActiviteRASS"}
        resource["type"] = [{"extension": [kind], "coding": sector}]
    name = structure.name or structure.sign
    if name:
        resource["name"] = name
    if structure.sign and structure.sign != name:
        resource["alias"] = [structure.sign]
    numbers = (
        ("phone", structure.phone),
        ("phone", structure.phone_2),
        ("fax", structure.fax),
        ("email", structure.mail),
    )
    telecom: list[Resource] = [{"system": system, "value": value} for system, value in numbers if value]
    telecom += [contact_point(box) for box in _ordered(boxes)]
    _tell(resource, "telecom", telecom)
    _tell(resource, "address", _address(structure))
    if structure.finess_legal and structure.finess_legal != structure.finess:
        legal = _identifier("FINEJ", systems.FINESS, structure.finess_legal)
        resource["partOf"] = {"type": "Organization", "identifier": legal}
    return _sealed(resource)


def contact_point(box: Mailbox) -> Resource:
    """A mailbox as as-mailbox-mss: an email with its two extensions. Its responsible person is not public."""
    kind = {"coding": [{"system": systems.BOX_TYPE, "code": box.type.value}]}
    told: list[Resource] = [
        {"url": "type", "valueCodeableConcept": kind},
        {"url": "listeRouge", "valueBoolean": False},
    ]
    if box.description:
        told.append({"url": "description", "valueString": box.description})
    if box.service:
        told.append({"url": "service", "valueString": box.service})
    return {
        "system": "email",
        "value": box.address,
        **({"rank": box.rank} if box.rank else {}),
        "extension": [
            {"url": systems.EMAIL_TYPE, "valueCoding": {"system": systems.MAIL_KIND, "code": "MSSANTE"}},
            {"url": systems.MAILBOX, "extension": told},
        ],
    }


_SUMMARY = frozenset(
    {"identifier", "active", "name", "telecom", "type", "partOf", "practitioner", "organization", "code"}
)
_SUMMARY_OF = {
    ResourceType.ORGANIZATION: _SUMMARY - {"telecom"},
    ResourceType.PRACTITIONER: _SUMMARY,
    ResourceType.PRACTITIONER_ROLE: _SUMMARY,
}


def summary_elements(kind: ResourceType) -> frozenset[str]:
    """The elements of `_summary=true`, marked Σ in FHIR R4."""
    return _SUMMARY_OF[kind]


def _head(kind: ResourceType, key: str, updated_at: int, boxes: Sequence[Mailbox]) -> Resource:
    changed = max([updated_at, *(box.updated_at for box in boxes)])
    return {
        "resourceType": kind.value,
        "id": logical_id(kind, key),
        "meta": {
            "lastUpdated": instant(changed),
            "source": systems.SOURCE,
            "profile": list(systems.PROFILES[kind]),
        },
        "language": "fr",
        "active": True,
    }


def _sealed(resource: Resource) -> Resource:
    """With its version: a digest of the content, so that what looks the same has the same ETag."""
    digest = hashlib.sha256(encoded(resource)).hexdigest()[:16]
    resource["meta"] = {"versionId": digest, **resource["meta"]}
    return resource


def _tell(resource: Resource, element: str, values: list[Resource]) -> None:
    if values:  # an empty array is no FHIR
        resource[element] = values


def _ordered(boxes: Iterable[Mailbox]) -> list[Mailbox]:
    return sorted(boxes, key=lambda box: (box.rank or 1_000_000, box.address))


def _reference(kind: ResourceType, key: str) -> Resource:
    return {"reference": f"{kind}/{logical_id(kind, key)}"}


def _codings(system: str, code: str | None, label: str | None) -> list[Resource]:
    if not code:
        return []
    return [{"system": system, "code": code, **({"display": label} if label else {})}]


def _identifier(code: str, system: str, value: str, types: str = systems.IDENTIFIER_TYPES) -> Resource:
    return {
        "use": "official",
        "type": {"coding": [{"system": types, "code": code}]},
        "system": system,
        "value": value,
    }


def _person_identifiers(person: Person) -> list[Resource]:
    told = [_identifier("IDNPS", systems.IDNAT_PS, person.idnat)]
    if person.person_id_type == "8" and person.person_id:
        told.append(_identifier("RPPS", systems.RPPS, person.person_id))
    return told


def _structure_identifiers(structure: Structure) -> list[Resource]:
    told = []
    if structure.idnat:
        told.append(_identifier("IDNST", systems.IDNAT_STRUCT, structure.idnat))
    if structure.finess:
        told.append(_identifier("FINEG", systems.FINESS, structure.finess))
    if structure.siret:
        told.append(_identifier("SIRET", systems.SIRENE, structure.siret))
    if structure.siren:
        told.append(_identifier("SIREN", systems.SIRENE, structure.siren))
    if structure.id != structure.idnat:
        told.append(_identifier("INTRN", systems.RPPS_RANK, structure.id))
    return told


def _skill(skill: Skill) -> Resource:
    coding = [
        *_codings(systems.SKILLS.get(skill.type_code or "S", systems.SKILLS["S"]), skill.code, skill.label),
        *_codings(systems.SKILL_TYPE, skill.type_code, skill.type_label),
    ]
    return {"code": {"coding": coding}}


def _diploma(diploma: Skill) -> Resource:
    told: Resource = {"code": diploma.code}
    system = systems.DIPLOMAS.get(diploma.type_code or "")
    if system is not None:
        told = {"system": system, **told}
    if diploma.label:
        told["display"] = diploma.label
    coding = [told, *_codings(systems.DIPLOMA_TYPE, diploma.type_code, diploma.type_label)]
    return {"code": {"coding": coding}}


def _address(structure: Structure) -> list[Resource]:
    """The postal address; the parts of its line as the extensions of ISO 21090 the profile names."""
    parts = [
        ("careOf", structure.addressee),
        ("additionalLocator", structure.location),
        ("houseNumber", structure.street_number),
        ("buildingNumberSuffix", structure.street_repeat),
        ("streetNameType", structure.street_type),
        ("streetNameBase", structure.street_name),
        ("postBox", structure.distribution),
    ]
    known = [(name, value) for name, value in parts if value]
    told: Resource = {}
    if known:
        told["line"] = [" ".join(value for _, value in known)]
        extension = [{"url": systems.ADDRESS_PART + name, "valueString": value} for name, value in known]
        told["_line"] = [{"extension": extension}]
    city = structure.city or _place(structure.routing)
    for element, value in (
        ("city", city),
        ("district", structure.department),
        ("postalCode", structure.postal_code),
        ("country", structure.country or structure.country_code),
    ):
        if value:
            told[element] = value
    if structure.city_code:
        code = {"system": systems.MUNICIPALITY, "code": structure.city_code}
        told["extension"] = [{"url": systems.INSEE_CODE, "valueCoding": code}]
    return [told] if told else []


def _place(routing: str | None) -> str | None:
    """ "75015 PARIS" → "PARIS"."""
    if not routing:
        return None
    first, _, rest = routing.partition(" ")
    return rest.strip() if first.isdecimal() and rest else routing
