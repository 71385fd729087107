"""Which documents the law wants where: the record, the professionals, the patient (arrêté of 26 April 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Sending(StrEnum):
    """Whether a document is sent to professionals by MSSanté."""

    YES = "yes"
    STARRED = "starred"
    """The text of the arrêté marks it with "(*)"."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Duty:
    """What has to become of a kind of document. All of them go to the record, where there is one.

    `since` is the day from which the duty holds, YYYY-MM-DD, "" where it held before the arrêté.
    """

    label: str
    type_codes: tuple[str, ...]
    to_professionals: Sending
    to_patient: bool
    since: str
    note: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who is to have it, in French."""
        professionals = {
            Sending.YES: ("le médecin traitant ou le prescripteur, par MSSanté",),
            Sending.STARRED: ("le professionnel concerné, par MSSanté",),
            Sending.NO: (),
        }
        patient = ("le patient, par MSSanté",) if self.to_patient else ()
        return ("le dossier médical partagé", *professionals[self.to_professionals], *patient)

    @property
    def sentence(self) -> str:
        """What a person who deposits the document is told."""
        return f"Document à transmettre (arrêté du 26 avril 2022) : {', '.join(self.recipients)}."


# ref: DMP-F37
DUTIES: Final[tuple[Duty, ...]] = (
    Duty(
        "Compte rendu d'examens de biologie médicale",
        ("11502-2",),
        Sending.YES,
        to_patient=True,
        since="2022-12-31",
        note="hors séjour hospitalier ; hors examens génétiques constitutionnels",
    ),
    Duty(
        "Compte rendu d'examens radio-diagnostiques",
        ("18748-4",),
        Sending.YES,
        to_patient=True,
        since="2022-12-31",
    ),
    Duty(
        "Lettre de liaison à l'entrée ou à la sortie d'un établissement",
        ("11490-0", "18761-7"),
        Sending.YES,
        to_patient=True,
        since="",
        note="déjà obligatoire (CSP R1112-1-1, R1112-1-2)",
    ),
    Duty(
        "Prescription de produits de santé",
        ("57833-6",),
        Sending.STARRED,
        to_patient=True,
        since="2022-12-31",
    ),
    Duty("Compte rendu opératoire", ("34874-8",), Sending.YES, to_patient=True, since="2023-12-31"),
    Duty(
        "Prescription d'actes de biologie",
        ("PRESC-BIO",),
        Sending.STARRED,
        to_patient=True,
        since="2023-12-31",
    ),
    Duty(
        "Demande d'actes de radiologie ou d'imagerie",
        ("55115-0",),
        Sending.STARRED,
        to_patient=True,
        since="2023-12-31",
    ),
    Duty(
        "Certificats et déclarations (CSP R4127-76)",
        ("CERT_DECL",),
        Sending.NO,
        to_patient=True,
        since="2023-12-31",
    ),
    Duty(
        "Lettres et courriers adressés à un professionnel",
        ("96349-6", "11488-4"),
        Sending.YES,
        to_patient=True,
        since="2023-12-31",
    ),
)

_OF_TYPE: Final[Mapping[str, Duty]] = {code: duty for duty in DUTIES for code in duty.type_codes}


def duty_of(type_code: str) -> Duty | None:
    """What the law wants of a document of this type; None where it wants nothing of its kind."""
    return _OF_TYPE.get(type_code)
