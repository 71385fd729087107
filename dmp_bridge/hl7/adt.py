"""Reads what a patient said of the record at admission: the segment ZFA of ADT messages (IHE PAM France 2.11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dmp_bridge.filing import words
from dmp_bridge.hl7 import er7
from dmp_bridge.hl7_time import parse_birth_date, parse_cda_time
from foundation.identifiers import INS_OIDS, Finess, Ins

if TYPE_CHECKING:
    from directory.patients import Patient
    from dmp_bridge.hl7.er7 import Message, Segment

MAX_BYTES: Final = 1024 * 1024
FEEDING: Final = frozenset({"INO", "IO", "NA"})
CONSULTATION: Final = frozenset({"IC", "INC", "NA"})
_VALIDATED: Final = "VALI"


class AdtRefused(Exception):
    """The message says nothing that can be kept; the text is one French sentence."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What one message says. Times are epoch milliseconds; `feeding` and `consultation` are "" where it is silent.

    `structure_id` is "1" and the FINESS of the movement (ZBE-1) or of the place (PV1-3), "" where there is none.
    """

    control_id: str
    ins: str = field(repr=False)
    birth_name: str = field(repr=False)
    birth_date: str | None = field(repr=False)
    sex: str = field(repr=False)
    structure_id: str
    record_status: str
    feeding: str
    feeding_at: int
    consultation: str
    consultation_at: int

    def is_of(self, patient: Patient) -> bool:
        """Whether the identity is that of a patient: birth name, date of birth, and sex where both say it."""
        sexes = {self.sex, patient.sex} & {"M", "F"}
        return (
            self.ins == patient.ins
            and words(self.birth_name) == words(patient.birth_name)
            and self.birth_date == patient.birth_date
            and len(sexes) < 2
        )


# ref: DMP-F22
def read_admission(data: bytes) -> Admission:
    """The admission in one ER7 message. Raises AdtRefused."""
    if len(data) > MAX_BYTES:
        raise AdtRefused("Le message dépasse 1 Mo.")
    try:
        message = er7.read(data)
    except er7.Malformed:
        raise AdtRefused("Ce fichier n’est pas un message HL7 v2.") from None
    header, person, zfa = message.header, message.first("PID"), message.first("ZFA")
    if header.get(9) != "ADT" or person is None:
        raise AdtRefused("Ce message n’est pas une admission (ADT).")
    if zfa is None:
        raise AdtRefused("Ce message ne dit rien du dossier médical partagé (ZFA).")
    said_at = parse_cda_time(_text(message, "EVN", 2)) or parse_cda_time(header.get(7))
    if said_at is None:
        raise AdtRefused("Le message n’est pas daté.")
    return Admission(
        control_id=header.get(10)[:64],
        ins=_ins(person),
        birth_name=_birth_name(person),
        birth_date=parse_birth_date(person.get(7)),
        sex=person.get(8),
        structure_id=_structure(message),
        record_status=zfa.get(1)[:32],
        feeding=_word(zfa, 9, FEEDING),
        feeding_at=parse_cda_time(zfa.get(10)) or said_at,
        consultation=_word(zfa, 11, CONSULTATION),
        consultation_at=parse_cda_time(zfa.get(12)) or said_at,
    )


def _ins(person: Segment) -> str:
    if _VALIDATED not in [person.part(each) for each in person.repetitions(32)]:
        raise AdtRefused("L’identité du patient n’est pas validée (PID-32).")
    found = {
        parsed.value
        for each in person.repetitions(3)
        if person.part(each, 5) == "INS"
        and person.part(each, 4, 2) in INS_OIDS
        and (parsed := Ins.parse(person.part(each))) is not None
    }
    if len(found) != 1:
        raise AdtRefused("Le message ne donne pas un INS et un seul (PID-3).")
    return found.pop()


def _birth_name(person: Segment) -> str:
    """The repetition of type L (legal: the birth name), or the first one."""
    names = person.repetitions(5)
    legal = next((each for each in names if person.part(each, 7) == "L"), names[0] if names else "")
    return person.part(legal)[:100]


def _structure(message: Message) -> str:
    for text in (_text(message, "ZBE", 1, 3), _text(message, "PV1", 3, 4, 2)):
        finess = Finess.parse(text)
        if finess is not None:
            return f"1{finess.value}"
    return ""


def _word(zfa: Segment, number: int, known: frozenset[str]) -> str:
    word = zfa.get(number).strip().upper()
    if word and word not in known:
        raise AdtRefused(f"ZFA-{number} a une valeur inconnue.")
    return word


def _text(message: Message, name: str, *place: int) -> str:
    segment = message.first(name)
    return "" if segment is None else segment.get(*place)
