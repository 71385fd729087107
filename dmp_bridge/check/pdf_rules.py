"""The rules on a PDF that goes with a CDA: readable, PDF/A-1, named by the rule, and the copy it says it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.cda import Level
from dmp_bridge.check.ins_rules import fold
from dmp_bridge.check.ledger import Ledger, quote
from dmp_bridge.hl7_time import paris_date

if TYPE_CHECKING:
    from dmp_bridge.cda import CdaDocument
    from dmp_bridge.check.report import Finding, Surroundings

_TYPE_LENGTH = 40
_HEADER_WITHIN = 1024
_TRAILER_WITHIN = 2048
_DATE = re.compile(r"(?:19|20|21)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z-]{1,40}", re.ASCII)
_PART = re.compile(rb"pdfaid:part\s{0,20}(?:>|=\s{0,20}[\"'])\s{0,20}([0-9])")
_FORM = "<AAAAMMJJ de l'acte>_<type, 40 caractères au plus>_<NOM>_<prénom>[_<n° de dossier>].pdf"


@dataclass(frozen=True, slots=True)
class PdfName:
    """The parts of a PDF's name (ECO.2.1.6)."""

    date: str
    kind: str
    family: str
    given: str


def examine_pdf(name: str, data: bytes, surroundings: Surroundings) -> list[Finding]:
    """The findings on one PDF, by itself and beside the documents of its message."""
    ledger = Ledger(name)
    check_pdf(ledger, data)
    documents = surroundings.documents
    if surroundings.in_message and not documents:
        ledger.aside("ECO.2.1.6", "Aucun document CDA n'accompagne ce PDF.")
    else:
        _check_name(ledger, name, documents)
    _check_copy(ledger, data, documents)
    return ledger.findings


# ref: ECO.2.1.5
def check_pdf(ledger: Ledger, data: bytes) -> None:
    """What the bytes of a PDF say, whatever its name."""
    ledger.open("PDF-LISIBLE", "Le PDF a son entête et sa fin.")
    ledger.open("ECO.2.1.5", "Le PDF se déclare PDF/A-1.")
    if b"%PDF-" not in data[:_HEADER_WITHIN]:
        ledger.fault(
            "PDF-LISIBLE", "début du fichier", "L'entête %PDF- est absent.", "Produire un vrai fichier PDF."
        )
        return
    tail = data[-_TRAILER_WITHIN:]
    if b"%%EOF" not in tail:
        ledger.fault(
            "PDF-LISIBLE",
            "fin du fichier",
            "La marque %%EOF est absente : le fichier est tronqué.",
            "Joindre le fichier entier.",
        )
    if b"/Encrypt" in tail:
        ledger.fault(
            "PDF-LISIBLE",
            "trailer",
            "Le PDF est protégé.",
            "Joindre un PDF sans mot de passe ni restriction.",
        )
    part = _PART.search(data)
    if part is None:
        says, advice = (
            "Aucune marque PDF/A n'y figure.",
            "Produire un PDF/A-1 (métadonnées XMP pdfaid:part = 1).",
        )
        ledger.fault("ECO.2.1.5", "XMP pdfaid:part", says, advice)
    elif part[1] != b"1":
        says = f"Le fichier se déclare PDF/A-{part[1].decode('ascii')}."
        ledger.fault("ECO.2.1.5", "XMP pdfaid:part", says, "Produire un PDF/A-1.")


# ref: F26
def read_name(name: str) -> list[PdfName]:
    """How a name can be read by ECO.2.1.6; more than one way where a part holds an underscore, none where it fails."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix.lower() != "pdf":
        return []
    date, *parts = stem.split("_")
    if not _DATE.fullmatch(date) or not 3 <= len(parts) <= 20 or not all(parts[:3]):
        return []
    readings = []
    for ending in (0, 1):
        rest = parts[: len(parts) - ending]
        if len(rest) >= 3 and (not ending or _NUMBER.fullmatch(parts[-1])):
            readings.append(PdfName(date, "_".join(rest[:-2]), rest[-2], rest[-1]))
    return readings


# ref: ECO.2.1.6
def _check_name(ledger: Ledger, name: str, documents: tuple[CdaDocument, ...]) -> None:
    ledger.open("ECO.2.1.6", "Le nom suit la règle.")
    readings = read_name(name.replace("\\", "/").rpartition("/")[2])
    if not readings:
        ledger.fault("ECO.2.1.6", "", "Le nom ne suit pas la règle.", f"Nommer le fichier {_FORM}.")
        return
    judged = [
        (reading, document, _faults(reading, document))
        for reading in readings
        for document in documents or (None,)
    ]
    _, document, faults = min(judged, key=lambda each: len(each[2]))
    for what, says in faults:
        ledger.fault("ECO.2.1.6", what, says, f"Nommer le fichier {_FORM}, d'après le CDA.")
    if document is not None:
        _check_patient(ledger, readings, documents)


def _faults(reading: PdfName, document: CdaDocument | None) -> list[tuple[str, str]]:
    faults = []
    if len(reading.kind) > _TYPE_LENGTH:
        faults.append(
            ("type", f"Le type a {len(reading.kind)} caractères au lieu de {_TYPE_LENGTH} au plus.")
        )
    if reading.family != reading.family.upper():
        faults.append(("nom", f"Le nom {quote(reading.family)} n'est pas en majuscules."))
    if document is None:
        return faults
    if document.service_start_at is not None:
        day = paris_date(document.service_start_at).replace("-", "")
        if day != reading.date:
            faults.append(
                ("date", f"La date est {quote(reading.date)}, mais l'acte du CDA est du {quote(day)}.")
            )
    wanted = document.code.display[:_TYPE_LENGTH]
    if wanted and fold(reading.kind) != fold(wanted):
        faults.append(("type", f"Le type est {quote(reading.kind)}, mais {quote(wanted)} dans le CDA."))
    return faults


def _check_patient(ledger: Ledger, readings: list[PdfName], documents: tuple[CdaDocument, ...]) -> None:
    """Whose PDF it says it is: the name of birth and a first name of one of the documents."""
    ledger.open("INS-ACCORD", "Le nom du PDF désigne le patient du CDA.")
    for reading in readings:
        for document in documents:
            patient = document.patient
            first = {
                fold(patient.first_given),
                fold(patient.first_names),
                fold(patient.first_names.split(" ")[0]),
            }
            if fold(reading.family) == fold(patient.birth_name) and fold(reading.given) in first:
                return
    reading, patient = readings[0], documents[0].patient
    ledger.fault(
        "INS-ACCORD",
        "nom du fichier",
        f"Le nom du PDF désigne {quote(f'{reading.family} {reading.given}')},"
        f" mais le CDA {quote(f'{patient.birth_name} {patient.first_given or patient.first_names}')}.",
        "Vérifier de quel patient il s'agit, et nommer le PDF d'après le CDA.",
    )


def _check_copy(ledger: Ledger, data: bytes, documents: tuple[CdaDocument, ...]) -> None:
    wrapped = [
        document.display.data
        for document in documents
        if document.level is Level.N1
        and document.display is not None
        and document.display.media_type == "application/pdf"
    ]
    if not wrapped:
        return
    ledger.open("PDF-COPIE", "Le PDF est octet pour octet celui du CDA.")
    if data not in wrapped:
        says = "Le PDF joint n'est pas octet pour octet celui qu'encapsule le CDA de niveau 1."
        ledger.fault("PDF-COPIE", "", says, "Joindre le même fichier que celui du CDA.")
