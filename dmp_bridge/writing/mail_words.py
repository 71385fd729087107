"""The words of a structured mail, told from the metadata of its documents: subject, X-MSS fields, names of PDFs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dmp_bridge.hl7_time import paris_date
from foundation.identifiers import INS_OIDS
from foundation.mime.mss_headers import MssHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.entry import DocumentEntry

PREFIX = "XDM/1.0/DDM"
_TYPE_LENGTH = 40
# What Windows, a mail or the rule itself (the underscore) would read as something else.
_UNNAMEABLE = re.compile(r'[\x00-\x1f\x7f\\/:*?"<>|_]+')
_RECORD_NUMBER = re.compile(r"[^0-9A-Za-z-]+")


# ref: ECO.2.1.6
def pdf_name(entry: DocumentEntry, record_number: str = "") -> str:
    """``AAAAMMJJ_libellé_NOM_prénom[_dossier].pdf``: the day of the act, the type in 40 characters, names of birth."""
    at = entry.service_start_time if entry.service_start_time is not None else entry.creation_time
    day = paris_date(at).replace("-", "") if at is not None else "00000000"
    kind = entry.type_code.display if entry.type_code is not None else entry.title
    name = entry.source_patient.birth_name
    parts = [
        day,
        _nameable(kind)[:_TYPE_LENGTH].strip(),
        _nameable(name.family).upper(),
        _nameable(name.given),
    ]
    number = _RECORD_NUMBER.sub("", record_number)[:40]
    return "_".join([*parts, number] if number else parts) + ".pdf"


# ref: ECO.2.1.3
def subject(entry: DocumentEntry, label: str = "") -> str:
    """``XDM/1.0/DDM+libellé NOM prénom JJ/MM/AAAA``; the label is the title of the document where none is given."""
    name = entry.source_patient.birth_name
    year, _, rest = entry.source_patient.birth_date.partition("-")
    month, _, day = rest.partition("-")
    words = [label or entry.title, name.family.upper(), name.given, f"{day}/{month}/{year}" if day else ""]
    return f"{PREFIX}+" + " ".join(" ".join(word.split()) for word in words if word)


# ref: ECO.2.4.1, ECO.2.4.2, ECO.2.4.3
def mss_headers(entries: Sequence[DocumentEntry], *, product: str, can_answer: bool = True) -> dict[str, str]:
    """The X-MSS fields of a mail whose archive holds these CDA documents; ``product`` is the number of X-MSS-NIL.

    ``can_answer`` False says to a patient that no answer is possible (X-MSS-MES: FIN).
    """
    codes = [each.type_code.code for each in entries if each.type_code is not None]
    fields = {}
    if codes:
        fields[MssHeader.CODECDA.value] = ",".join(codes)
        fields[MssHeader.INS.value] = "O" if all(_is_qualified(each) for each in entries) else "N"
    fields[MssHeader.NIL.value] = product
    if not can_answer:
        fields[MssHeader.MES.value] = "FIN"  # ref: ECO.2.2.8
    return fields


def _is_qualified(entry: DocumentEntry) -> bool:
    """Matricule, OID, name and first name of birth, birth date and sex (Réf#2 ECO.2.4.2)."""
    patient, name = entry.source_patient, entry.source_patient.birth_name
    has_ins = entry.patient_id is not None and entry.patient_id.oid in INS_OIDS
    return has_ins and all((name.family, name.given, patient.birth_date, patient.sex))


def _nameable(text: str) -> str:
    return " ".join(_UNNAMEABLE.sub(" ", text).split()) or "inconnu"
