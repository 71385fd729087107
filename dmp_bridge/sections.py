"""The parts of a record that are shown apart: vaccination, the child's health, what the patient deposited."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Section(StrEnum):
    """Where a document stands."""

    CARE = "care"
    VACCINATION = "vaccination"
    CHILD = "child"
    """Child health certificates and the reports of the mandatory examinations (CSP R2132-1, R2132-2)."""
    PATIENT = "patient"
    """Deposited by the patient, and shown as such (EX 134)."""

    @property
    def label(self) -> str:
        """In French."""
        return _LABELS[self]


_LABELS: Final[Mapping[Section, str]] = {
    Section.CARE: "Documents de soins",
    Section.VACCINATION: "Carnet de vaccination",
    Section.CHILD: "Santé de l’enfant",
    Section.PATIENT: "Déposés par le patient",
}

CERTIFICATES: Final[Mapping[str, str]] = {
    "urn:asip:ci-sis:cse-cs8:2017": "Certificat de santé du 8ᵉ jour (CS8)",
    "urn:asip:ci-sis:cse-cs9:2017": "Certificat de santé du 9ᵉ mois (CS9)",
    "urn:asip:ci-sis:cse-cs24:2017": "Certificat de santé du 24ᵉ mois (CS24)",
}
"""formatCode of the three certificates (JDV_J60); their typeCode is CERT_DECL, as that of any other certificate."""

_OF_FORMAT: Final[Mapping[str, Section]] = {
    **dict.fromkeys(CERTIFICATES, Section.CHILD),
    "urn:ans:ci-sis:cse-mde:2023": Section.CHILD,
    "urn:asip:ci-sis:vac:2019": Section.VACCINATION,
    "urn:asip:ci-sis:vac-note:2021": Section.VACCINATION,
}
_OF_TYPE: Final[Mapping[str, Section]] = {
    "11369-6": Section.VACCINATION,  # historique des vaccinations
    "87273-9": Section.VACCINATION,  # note de vaccination
    "96874-3": Section.VACCINATION,  # attestation de vaccination COVID-19
    "59283-2": Section.CHILD,  # CR d'examen de l'enfant
    "68817-6": Section.CHILD,  # bilan de santé et de prévention de l'enfant
}
_PATIENT_CLASS: Final = "90"
_PATIENT_TYPES: Final = ("DOCPAT", "EXPPAT_")


# ref: DMP-F30
def section_of(type_code: str, class_code: str | None, format_code: str = "") -> Section:
    """The section of a document by its codes; a patient's document stays one, whatever it is about."""
    if class_code == _PATIENT_CLASS or type_code.startswith(_PATIENT_TYPES):
        return Section.PATIENT
    return _OF_FORMAT.get(format_code) or _OF_TYPE.get(type_code, Section.CARE)


def codes_of(section: Section) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The typeCodes and the formatCodes that put a document into a section; none for care and the patient's own."""
    return (
        tuple(code for code, found in _OF_TYPE.items() if found is section),
        tuple(code for code, found in _OF_FORMAT.items() if found is section),
    )
