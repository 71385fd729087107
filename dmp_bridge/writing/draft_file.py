"""Reads from a TOML file what a CDA around a file says of it: the act, the patient, the author."""

from __future__ import annotations

import re
import tomllib
import uuid
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dmp_bridge import codes
from dmp_bridge.codes import Coded, Place
from dmp_bridge.writing.document import Author, Draft, Patient
from foundation.identifiers import OID_NIA, OID_NIR, Ins, is_idnat

MAX_BYTES = 65_536
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){1,30}", re.ASCII)

_Day = Annotated[date, Field(ge=date(1850, 1, 1))]
_Word = Annotated[str, Field(min_length=1, max_length=200)]


class DraftRefused(Exception):
    """The file does not describe a document; the message names the key and never its value."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


class _PatientPart(_Part):
    ins: str
    oid: Literal["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10"] = "1.2.250.1.213.1.4.8"
    birth_name: _Word
    first_names: _Word
    birth_date: _Day
    sex: Literal["F", "M", "U"]
    birthplace: str = Field("75056", pattern=r"^[0-9AB]{5}$")
    local_id: _Word | None = None
    local_oid: str = Field("", max_length=64)

    @model_validator(mode="after")
    def _is_a_person(self) -> _PatientPart:
        ins = Ins.parse(self.ins, oid=self.oid)
        if ins is None or (self.oid in (OID_NIR, OID_NIA) and not ins.key_is_right):
            raise ValueError("the INS is not one: 15 characters, the last two its key")
        if self.local_id is not None and not is_oid(self.local_oid):
            raise ValueError("local_id goes with local_oid, the OID of the structure")
        return self


class _AuthorPart(_Part):
    id: str
    family: _Word
    given: _Word
    specialty_code: _Word
    specialty: _Word
    structure_id: str
    structure: _Word

    @model_validator(mode="after")
    def _is_known(self) -> _AuthorPart:
        if not (is_idnat(self.id) and is_idnat(self.structure_id)):
            raise ValueError(
                "id and structure_id are a PS_IdNat (8 and the RPPS) and a Struct_IdNat (1 and the FINESS)"
            )
        return self


class _EventPart(_Part):
    code: _Word
    system: _Word
    display: _Word


class _DraftPart(_Part):
    type: str
    title: str = Field("", max_length=128)
    unique_id: str = ""
    set_id: str = ""
    version: int = Field(1, ge=1, le=999)
    replaces: str = ""
    created_at: AwareDatetime | None = None
    service_at: AwareDatetime
    service_until: AwareDatetime | None = None
    confidentiality: Literal["N", "R", "V"] = "N"
    facility: str = "SA07"
    practice_setting: str = "AMBULATOIRE"
    event: list[_EventPart] = Field(default_factory=list, max_length=50)
    patient: _PatientPart
    author: _AuthorPart

    @model_validator(mode="after")
    def _is_coded(self) -> _DraftPart:
        if codes.document_type(self.type) is None:
            raise ValueError("type is a code of JDV_J07")
        for place, code in ((Place.FACILITY, self.facility), (Place.PRACTICE_SETTING, self.practice_setting)):
            if not codes.place(place, code).system:
                raise ValueError(f"{place.value} is a code of its list")
        if not all(is_oid(each) for each in (self.unique_id, self.set_id, self.replaces) if each):
            raise ValueError("unique_id, set_id and replaces are OIDs")
        return self


def read_draft(data: bytes, now: datetime) -> Draft:
    """The draft in the bytes of a TOML file; identifiers it leaves out are made. Raises DraftRefused."""
    if len(data) > MAX_BYTES:
        raise DraftRefused("the file is too long")
    try:
        told = _DraftPart(**_toml(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"])
        raise DraftRefused(f"{where}: {first['msg']}" if where else first["msg"]) from None
    kind = codes.document_type(told.type)
    person, writer = told.patient, told.author
    return Draft(
        unique_id=told.unique_id or new_oid(),
        set_id=told.set_id or new_oid(),
        version_number=told.version,
        type_code=told.type,
        title=told.title or (kind.label if kind is not None else told.type),
        created_at=told.created_at or now,
        service_at=told.service_at,
        service_until=told.service_until,
        patient=Patient(
            person.ins.upper(),
            person.oid,
            person.birth_name,
            person.first_names,
            f"{person.birth_date:%Y%m%d}",
            person.sex,
            person.birthplace,
            None if person.local_id is None else (person.local_oid, person.local_id),
        ),
        author=Author(
            writer.id,
            writer.family,
            writer.given,
            writer.specialty_code,
            writer.specialty,
            writer.structure_id,
            writer.structure,
        ),
        replaces=told.replaces or None,
        confidentiality=told.confidentiality,
        facility=told.facility,
        practice_setting=told.practice_setting,
        event_codes=tuple(Coded(each.code, each.system, each.display) for each in told.event),
    )


def new_oid() -> str:
    """An OID that nobody else has (ITU-T X.667: 2.25 and a UUID)."""
    return f"2.25.{uuid.uuid4().int}"


def is_oid(text: str) -> bool:
    """Digits and dots, no leading zero, 64 characters at most (Structuration minimale §3.5.7.4)."""
    return len(text) <= 64 and _OID.fullmatch(text) is not None


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DraftRefused(f"not TOML in UTF-8 ({error})") from None
