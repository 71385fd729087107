"""The people around a document as contained resources, and what a contained resource says of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.codes import PROFESSIONAL_OID, STRUCTURE_OID
from dmp_bridge.entry import DEVICE_NAME, Author, Identifier, Organization, PatientName, Person, SourcePatient
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.elements import ins_of
from foundation.fhir.outcome import Refused
from foundation.fhir.search import token_of

if TYPE_CHECKING:
    from dmp_bridge.fhir.elements import Element
    from foundation.fhir.resources import Resource

_SEXES = MappingProxyType({"M": "male", "F": "female", "U": "unknown"})
_GENDERS = MappingProxyType({"male": "M", "female": "F"})
_USES = MappingProxyType({"L": "official", "D": "usual", "S": "nickname"})
_NAME_TYPES = MappingProxyType({"official": "L", "usual": "D", "nickname": "S"})


class Contained:
    """The contained resources of one resource, made as they are referred to."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []

    def author(self, author: Author) -> Resource:
        """A reference to an author: a device, or a person in a role where structure or specialty is known."""
        person, roles = author.person, [{"text": each} for each in author.roles]
        codes = [
            {"coding": [_bare(each.code, each.display, systems.url_of(each.system))]}
            for each in author.specialties
        ]
        if person.is_device:
            return self._add(
                "Device", {"identifier": _identifiers(person.id, person.oid), "deviceName": _device(person)}
            )
        if not author.institutions and not codes and not roles:
            return self.practitioner(person)
        told: Resource = {"code": [*codes, *roles]}
        if person.id or person.family:
            told["practitioner"] = self.practitioner(person)
        if author.institutions:
            told["organization"] = self.organization(author.institutions[0])
        return self._add("PractitionerRole", told)

    def practitioner(self, person: Person) -> Resource:
        """A reference to a person: a professional, or the patient as the author of an own document."""
        kind = "Patient" if systems.is_ins_system(systems.url_of(person.oid)) else "Practitioner"
        return self._add(
            kind,
            {"identifier": _identifiers(person.id, person.oid), "name": _names(person.family, person.given)},
        )

    def organization(self, organization: Organization) -> Resource:
        """A reference to a structure."""
        identifiers = _identifiers(organization.id, organization.oid)
        return self._add("Organization", {"identifier": identifiers, "name": organization.name})

    def patient(self, source: SourcePatient, number: Identifier) -> Resource:
        """A reference to the patient as the source knew them."""
        names = [
            {"use": _USES[each.type], **human} if each.type in _USES else human
            for each in source.names
            for human in _names(each.family, each.given)
        ]
        told: Resource = {"identifier": _identifiers(number.value, number.oid), "name": names}
        if source.sex:
            told["gender"] = _SEXES.get(source.sex, "unknown")
        if source.birth_date and "-00" not in source.birth_date:  # a lunar date is no date in FHIR
            told["birthDate"] = source.birth_date
        return self._add("Patient", told)

    def _add(self, kind: str, members: Resource) -> Resource:
        told = {"resourceType": kind, **{name: value for name, value in members.items() if value}}
        for each in self.resources:  # who is author and authenticator stands here once
            if {**each, "id": None} == {**told, "id": None}:
                return {"reference": f"#{each['id']}"}
        name = f"{kind.lower()}-{len(self.resources) + 1}"
        self.resources.append({**told, "id": name})
        return {"reference": f"#{name}"}


class Referred:
    """What the references of one resource lead to: its contained resources."""

    def __init__(self, resource: Element) -> None:
        self._contained = {each.text("id"): each for each in resource.elements("contained")}

    def target(self, reference: Element | None) -> Element | None:
        """The contained resource of a reference; None for one that leads elsewhere."""
        if reference is None:
            return None
        return self._contained.get(reference.text("reference").removeprefix("#"))

    def author(self, reference: Element) -> Author:
        """Who is referred to as an author; an empty author where nothing is said of them."""
        found = self.target(reference)
        if found is None:
            named = reference.element("identifier")
            number = named.identifier() if named is not None else Identifier()
            return Author(Person(number.value, reference.text("display"), oid=number.oid, id_type="IDNPS"))
        match found.text("resourceType"):
            case "PractitionerRole":
                return self._role(found)
            case "Organization":
                return Author(institutions=(_organization(found),))
            case "Device":
                number = _first_identifier(found)
                model = next((each.text("name") for each in found.elements("deviceName")), "")
                return Author(
                    Person(number.value, model, oid=number.oid, id_type="RI", name_type=DEVICE_NAME)
                )
            case _:
                return Author(_person(found))

    def person(self, reference: Element | None) -> Person | None:
        """Who is referred to as a legal authenticator."""
        return self.author(reference).person if reference is not None else None

    def source_patient(self, reference: Element | None) -> tuple[Identifier | None, SourcePatient]:
        """The number and the traits of the patient at the source."""
        found = self.target(reference)
        if found is None:
            return None, SourcePatient()
        names = tuple(
            PatientName(family, given, _NAME_TYPES.get(each.text("use"), "U"))
            for each in found.elements("name")
            for family, given in (_name(each),)
        )
        sex = _GENDERS.get(found.text("gender"), "U") if found.has("gender") else ""
        number = _first_identifier(found)
        return number if number.value else None, SourcePatient(names, found.text("birthDate", 10), sex)

    def _role(self, role: Element) -> Author:
        practitioner = self.target(role.element("practitioner"))
        person = _person(practitioner) if practitioner is not None else _person(role)
        organization = self.target(role.element("organization"))
        concepts = role.elements("code") + role.elements("specialty")
        return Author(
            person,
            institutions=(_organization(organization),) if organization is not None else (),
            roles=tuple(
                each.text("text") for each in concepts if not each.has("coding") and each.text("text")
            ),
            specialties=tuple(code for each in concepts if (code := each.first_coding()) is not None),
        )


def patient_of(resource: Element, name: str, referred: Referred) -> tuple[str, Identifier]:
    """The INS of the patient a resource is about, and its identifier: a search by INS, an identifier, or contained.

    Raises Refused (400).
    """
    reference = resource.element(name)
    where = f"{resource.where}.{name}"
    if reference is None:
        raise Refused(400, "required", "La ressource n'a pas de patient.", expression=where)
    _, _, query = reference.text("reference").partition("Patient?identifier=")
    named = reference.element("identifier")
    if query:
        token = token_of(query, where)
        number: Identifier | None = Identifier(token.code, systems.oid_of(token.system or ""))
    elif named is not None:
        number = named.identifier()
    else:
        number, _ = referred.source_patient(reference)
    if number is None:
        raise Refused(
            400, "value", "Le patient est désigné par Patient?identifier=système|INS.", expression=where
        )
    return ins_of(number, where), number


def _person(found: Element) -> Person:
    number = _first_identifier(found)
    family, given = (
        _name(*found.elements("name")[:1]) if found.text("resourceType") != "PractitionerRole" else ("", "")
    )
    kind = "NH" if found.text("resourceType") == "Patient" else "IDNPS"
    return Person(number.value, family, given, number.oid or PROFESSIONAL_OID, kind)


def _organization(found: Element) -> Organization:
    number = _first_identifier(found)
    return Organization(found.text("name"), number.value, number.oid or STRUCTURE_OID)


def _first_identifier(found: Element) -> Identifier:
    return next((each.identifier() for each in found.elements("identifier")), Identifier())


def _name(*names: Element) -> tuple[str, str]:
    if not names:
        return "", ""
    return names[0].text("family"), " ".join(names[0].texts("given"))


def _names(family: str, given: str) -> list[Resource]:
    told: Resource = {}
    if family:
        told["family"] = family
    if given:
        told["given"] = given.split()
    return [told] if told else []


def _identifiers(value: str, oid: str) -> list[Resource]:
    if not value:
        return []
    system = systems.url_of(oid)
    return [{**({"system": system} if system else {}), "value": value}]


def _device(person: Person) -> list[Resource]:
    names = (person.family, person.given)
    return [{"name": each, "type": "model-name"} for each in names[:1] if each]


def _bare(code: str, display: str, system: str) -> Resource:
    told = {"system": system, "code": code, "display": display}
    return {name: value for name, value in told.items() if value}
