"""The code lists the bridge decides by: types, classes, formats, patient categories and error codes."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

LOINC = "2.16.840.1.113883.6.1"
TA_ASIP = "1.2.250.1.213.1.1.4.12"
CLASS_SYSTEM = "1.2.250.1.213.1.1.4.1"
CONFIDENTIALITY_SYSTEM = "2.16.840.1.113883.5.25"
VISIBILITY_SYSTEM = "1.2.250.1.213.1.1.4.13"
IHE_FORMAT_SYSTEM = "1.3.6.1.4.1.19376.1.2.3"
ANS_FORMAT_SYSTEM = "1.2.250.1.213.1.1.4.2.282"
NO_PROFILE_FORMAT = "urn:asip:ci-sis:modelesHorsProfils:2011"

PROFESSIONAL_OID = "1.2.250.1.71.4.2.1"
STRUCTURE_OID = "1.2.250.1.71.4.2.2"


# ref: DMP-F35
class ErrorCode(StrEnum):
    """Why a document is not integrated (ANS, integration of documents received by MSSanté)."""

    VERSION = "900"
    AUTHOR = "901"
    UNKNOWN_PATIENT = "902"
    NO_INS = "903"
    OTHER_PATIENT = "904"
    INCOMPLETE_INS = "905"
    OTHER = "906"

    @property
    def label(self) -> str:
        """The official meaning, in French."""
        return cast("str", _record()["error"][self.value])

    @property
    def advice(self) -> str:
        """What the sender can do about it, in French."""
        return cast("str", _record()["advice"][self.value])


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of a terminology: ``system`` is an OID or what the document put there."""

    code: str
    system: str = ""
    display: str = ""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A typeCode: its class (None when the DMP has no place for it) and its French label."""

    code: str
    class_code: str | None
    label: str


def document_type(code: str) -> DocumentType | None:
    """The type with this code in JDV_J07 (``class_code`` None) or JDV_J66; None when neither has it."""
    return _types().get(code)


def types() -> Mapping[str, DocumentType]:
    """Every type of JDV_J66 and JDV_J07 by its code, in the order of the classes."""
    return MappingProxyType(_types())


def classes() -> dict[str, str]:
    """Every class of the DMP (JDV_J57) with its label."""
    return dict(_record()["class"])


def class_label(code: str) -> str:
    """The French label of a class (JDV_J57); the code itself when unknown."""
    return cast("str", _record()["class"].get(code, code))


def confidentiality_label(code: str) -> str:
    """The French label of N, R, V or a visibility (JDV_J58); the code itself when unknown."""
    return cast("str", _record()["confidentiality"].get(code, code))


# ref: DMP-F38
def category(type_code: str | None, class_code: str | None) -> str:
    """The category of Mon espace santé for a type and class; AUTR_DOC when none fits."""
    tables = _record()
    by_type = tables["category_of_type"].get(type_code or "")
    return cast("str", by_type or tables["category_of_class"].get(class_code or "", "AUTR_DOC"))


def categories() -> dict[str, str]:
    """Every category with its label, in the order in which a patient reads them."""
    return dict(_record()["category"])


def patient_categories() -> dict[str, str]:
    """The categories a patient may choose for a document he files himself, with their labels."""
    tables = _record()
    return {code: tables["category"][code] for code in tables["type_of_patient_category"]}


# ref: DMP-F30
def patient_type(category_code: str) -> DocumentType | None:
    """The type (DOCPAT01-09, EXPPAT_2, EXPPAT_3) of a document filed by the patient under a category."""
    code = _record()["type_of_patient_category"].get(category_code)
    return document_type(code) if code else None


def format_of_media_type(media_type: str) -> str:
    """formatCode of an unstructured (N1) document by the media type of its body (ASS_A12)."""
    return cast("str", _formats()["media_type"].get(media_type, NO_PROFILE_FORMAT))


def format_of_templates(template_ids: tuple[str, ...]) -> str:
    """formatCode of a structured (N3) document: the first template that ASS_A11 knows."""
    known = _formats()["template"]
    return cast("str", next((known[root] for root in template_ids if root in known), NO_PROFILE_FORMAT))


def format_label(code: str) -> str:
    """The French label of a formatCode (JDV_J60); the code itself when it has none."""
    return cast("str", _formats()["label"].get(code, code))


def format_system(code: str) -> str:
    """The OID of the code system of a formatCode."""
    return IHE_FORMAT_SYSTEM if code.startswith("urn:ihe:") else ANS_FORMAT_SYSTEM


def type_system(code: str) -> str:
    """The OID of the code system of a typeCode."""
    return LOINC if code[:1].isdigit() else TA_ASIP


class Place(StrEnum):
    """What the lists of places tell of a document: the kind of structure, the setting of the act, the kind of stay."""

    FACILITY = "facility"
    PRACTICE_SETTING = "practice_setting"
    CONTENT_TYPE = "content_type"


def place(kind: Place, code: str) -> Coded:
    """A healthcareFacilityTypeCode (JDV_J61), practiceSettingCode (JDV_J04) or contentTypeCode (JDV_J59).

    With its system and label; the bare code when the list has none such.
    """
    for system, rows in reversed(_places()[kind.value].items()):
        if code in rows:
            return Coded(code, system, rows[code])
    return Coded(code)


def use(file: Path) -> None:
    """Lays the lists an operator imported over ours, for this process; none where the file does not exist.

    Raises ValueError with one sentence for a file that `vaguemestre codes import` did not write.
    """
    try:
        told = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        told = {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} is no file of imported code lists") from error
    if not isinstance(told, dict) or not all(isinstance(table, dict) for table in told.values()):
        raise ValueError(f"{file} is no file of imported code lists")
    _imported.clear()
    _imported.update(told)
    _files[:] = [file] if told else []
    for each in (_places, _types, _formats, _record):
        each.cache_clear()


# What stands here is set once, when a process opens its home: to the code, lists are constants.
_imported: dict[str, Any] = {}
_files: list[Path] = []


def file_in_use() -> Path | None:
    """The file whose lists lie over ours; a worker process is to use the same."""
    return _files[0] if _files else None


@cache
def _places() -> dict[str, Any]:
    ours = _load("places.toml")
    return {
        kind: {
            system: {**systems.get(system, {}), **_imported.get(kind, {}).get(system, {})}
            for system in {**systems, **_imported.get(kind, {})}
        }
        for kind, systems in ours.items()
    }


@cache
def _types() -> dict[str, DocumentType]:
    found = {
        code: DocumentType(code, None if group == "outside" else group, label)
        for group, rows in _load("types.toml").items()
        for code, label in rows.items()
    }
    for code, (class_code, label) in _imported.get("type", {}).items():
        known = found.get(code)
        # A class alone (ASS_X16 names types that are in no list) makes no type.
        if known is not None or label:
            found[code] = DocumentType(
                code,
                class_code or (known.class_code if known else None),
                label or (known.label if known else code),
            )
    return found


@cache
def _formats() -> dict[str, Any]:
    return _over(_load("formats.toml"))


@cache
def _record() -> dict[str, Any]:
    return _over(_load("record.toml"))


def _over(tables: dict[str, Any]) -> dict[str, Any]:
    return {name: {**table, **_imported.get(name, {})} for name, table in tables.items()}


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "code_lists" / name).read_text("utf-8"))
