"""The metadata of one document as values (IHE ITI TF-3 §4.2.3.2), and the HL7 strings and the JSON they are told in."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dmp_bridge.codes import (
    CONFIDENTIALITY_SYSTEM,
    STRUCTURE_OID,
    VISIBILITY_SYSTEM,
    Coded,
    confidentiality_label,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")

DEVICE_NAME = "U"
PERSON_NAME = "D"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An HL7 CX or CXi: an identifier, the OID of the authority that gave it ("" when none is told), its type.

    The type is NH for an INS, PI for the number of a patient in a structure, and a urn for a referenceId.
    """

    value: str = field(default="", repr=False)
    oid: str = ""
    type: str = ""

    @property
    def cx(self) -> str:
        """``value^^^&oid&ISO^type``, as patientId, sourcePatientId and referenceIdList bear it."""
        authority = f"&{escaped(self.oid)}&ISO" if self.oid else ""
        return f"{escaped(self.value)}^^^{authority}^{escaped(self.type)}".rstrip("^")


@dataclass(frozen=True, slots=True)
class Person:
    """An HL7 XCN: a professional (IDNPS), a device (RI or EI) or a patient (NH) as author or authenticator."""

    id: str = field(default="", repr=False)
    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    oid: str = ""
    id_type: str = ""
    name_type: str = PERSON_NAME

    @property
    def is_device(self) -> bool:
        return self.name_type == DEVICE_NAME

    @property
    def xcn(self) -> str:
        """``id^family^given^^^^^^&oid&ISO^D^^^type``."""
        names = f"{escaped(self.id)}^{escaped(self.family)}^{escaped(self.given)}"
        return f"{names}^^^^^^&{escaped(self.oid)}&ISO^{escaped(self.name_type)}^^^{escaped(self.id_type)}"


@dataclass(frozen=True, slots=True)
class Organization:
    """An HL7 XON: a structure by its name and its Struct_IdNat ("" when none is told)."""

    name: str = ""
    id: str = ""
    oid: str = STRUCTURE_OID

    @property
    def xon(self) -> str:
        """``name^^^^^&oid&ISO^IDNST^^^id``; the name alone where there is no identifier."""
        if not self.id:
            return escaped(self.name)
        return f"{escaped(self.name)}^^^^^&{escaped(self.oid)}&ISO^IDNST^^^{escaped(self.id)}"


@dataclass(frozen=True, slots=True)
class Author:
    """An author with structures, roles (as words) and specialties (as codes)."""

    person: Person = Person()
    institutions: tuple[Organization, ...] = ()
    roles: tuple[str, ...] = ()
    specialties: tuple[Coded, ...] = ()


@dataclass(frozen=True, slots=True)
class PatientName:
    """A name of the patient: of birth (L), displayed (D), of use (S) or of no told kind (U)."""

    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    type: str = "U"


@dataclass(frozen=True, slots=True)
class SourcePatient:
    """sourcePatientInfo: the traits of the patient as the source knew them; ``birth_date`` is ``YYYY-MM-DD``."""

    names: tuple[PatientName, ...] = ()
    birth_date: str = field(default="", repr=False)
    sex: str = ""

    @property
    def birth_name(self) -> PatientName:
        """The name of birth, else the first one told."""
        return next((name for name in self.names if name.type == "L"), (*self.names, PatientName())[0])

    @property
    def pid(self) -> tuple[str, ...]:
        """The values of the slot: ``PID-5|…`` once per name, ``PID-7|…``, ``PID-8|…``."""
        lines = [
            f"PID-5|{escaped(name.family)}^{escaped(name.given)}^^^^^{escaped(name.type)}"
            for name in self.names
        ]
        if self.birth_date:
            lines.append(f"PID-7|{escaped(self.birth_date).replace('-', '')}")
        if self.sex:
            lines.append(f"PID-8|{escaped(self.sex)}")
        return tuple(lines)


@dataclass(frozen=True, slots=True)
class Relation:
    """That this document replaces (RPLC), transforms (XFRM), completes (APND) or signs another one."""

    kind: str = ""
    target: str = ""
    """uniqueId of the other one, or its entryUUID where the sender knew it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """Everything XDS says of a document but what a registry adds (entryUUID, status); times in epoch milliseconds.

    ``confidentiality_codes`` begins with N, R or V, then the visibilities. Those of a document in a record change:
    who tells of it takes them from its columns (`confidentiality_codes`), never from what was kept at its filing.
    """

    unique_id: str = ""
    mime_type: str = ""
    size: int = 0
    hash: str = ""
    title: str = field(default="", repr=False)
    comments: str = field(default="", repr=False)
    language_code: str = ""
    creation_time: int | None = None
    service_start_time: int | None = None
    service_stop_time: int | None = None
    patient_id: Identifier | None = field(default=None, repr=False)
    source_patient_id: Identifier | None = field(default=None, repr=False)
    source_patient: SourcePatient = field(default=SourcePatient(), repr=False)
    authors: tuple[Author, ...] = ()
    legal_authenticator: Person | None = None
    class_code: Coded | None = None
    type_code: Coded | None = None
    format_code: Coded | None = None
    healthcare_facility_type_code: Coded | None = None
    practice_setting_code: Coded | None = None
    confidentiality_codes: tuple[Coded, ...] = ()
    event_codes: tuple[Coded, ...] = ()
    reference_ids: tuple[Identifier, ...] = ()
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSet:
    """The act of sending documents together (IHE ITI TF-3 §4.2.3.3); ``submission_time`` in epoch milliseconds."""

    unique_id: str
    source_id: str
    submission_time: int
    patient_id: Identifier | None = field(default=None, repr=False)
    title: str = field(default="", repr=False)
    content_type_code: Coded | None = None
    authors: tuple[Author, ...] = ()


def confidentiality_codes(level: str, *visibilities: str) -> tuple[Coded, ...]:
    """The codes of N, R or V and of visibilities (MASQUE_PS, …), in this order, with their systems and labels."""
    first = Coded(level, CONFIDENTIALITY_SYSTEM, confidentiality_label(level))
    others = (Coded(code, VISIBILITY_SYSTEM, confidentiality_label(code)) for code in visibilities)
    return (first, *others)


def to_json(entry: DocumentEntry) -> dict[str, Any]:
    """The entry as JSON under the names of its fields; what is as its default says is left out."""
    return _told(entry)


def from_json(values: Mapping[str, Any]) -> DocumentEntry:
    """The entry that `to_json` told. Raises KeyError, TypeError or ValueError for anything else."""
    read: dict[str, Any] = dict(values)
    for name in ("patient_id", "source_patient_id"):
        read[name] = _one(Identifier, values.get(name))
    read["source_patient"] = _source_patient(values.get("source_patient", {}))
    read["legal_authenticator"] = _one(Person, values.get("legal_authenticator"))
    read["authors"] = tuple(_author(each) for each in values.get("authors", ()))
    for name in _CODES:
        read[name] = _one(Coded, values.get(name))
    for name, kind in _SEVERAL.items():
        read[name] = tuple(kind(**each) for each in values.get(name, ()))
    return DocumentEntry(**read)


_CODES = (
    "class_code",
    "type_code",
    "format_code",
    "healthcare_facility_type_code",
    "practice_setting_code",
)
_SEVERAL: dict[str, type] = {
    "confidentiality_codes": Coded,
    "event_codes": Coded,
    "reference_ids": Identifier,
    "relations": Relation,
}


def _told(value: Any) -> dict[str, Any]:
    """The fields of a value; entries nest three deep and no deeper."""
    found = {each.name: getattr(value, each.name) for each in fields(value)}
    return {each.name: _plain(found[each.name]) for each in fields(value) if found[each.name] != each.default}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return _told(value) if is_dataclass(value) else value


def _one(kind: type[_T], values: Mapping[str, Any] | None) -> _T | None:
    return None if values is None else kind(**values)


def _source_patient(values: Mapping[str, Any]) -> SourcePatient:
    names = tuple(PatientName(**each) for each in values.get("names", ()))
    return SourcePatient(**{**values, "names": names})


def _author(values: Mapping[str, Any]) -> Author:
    return Author(
        person=Person(**values.get("person", {})),
        institutions=tuple(Organization(**each) for each in values.get("institutions", ())),
        roles=tuple(values.get("roles", ())),
        specialties=tuple(Coded(**each) for each in values.get("specialties", ())),
    )


def escaped(text: str) -> str:
    """A text as a component of an HL7 string: what separates components is a blank (XDS knows no escaping)."""
    return " ".join(text.replace("^", " ").replace("&", " ").replace("|", " ").replace("~", " ").split())
