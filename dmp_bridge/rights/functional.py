"""The functional matrix of the DMP: 26 actions by 12 columns (CNAM, PDT-INF-526 v1.8), with its notes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from dmp_bridge.rights.vocabulary import Action, Mode, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.rights.question import Asker, Standing


class Column(StrEnum):
    """As what and in which mode somebody acts, in the order of the matrix."""

    PROFESSIONAL_NORMAL = "professional/normal"
    PROFESSIONAL_CENTRE_15 = "professional/centre-15"
    PROFESSIONAL_BRIS_DE_GLACE = "professional/bris-de-glace"
    DOCTOR_NORMAL = "doctor/normal"
    DOCTOR_CENTRE_15 = "doctor/centre-15"
    DOCTOR_BRIS_DE_GLACE = "doctor/bris-de-glace"
    OCCUPATIONAL_DOCTOR = "occupational-doctor"
    ATTENDING_NORMAL = "attending/normal"
    ATTENDING_BRIS_DE_GLACE = "attending/bris-de-glace"
    EMPLOYEE = "employee"
    STRUCTURE_NORMAL = "structure/normal"
    STRUCTURE_CENTRE_15 = "structure/centre-15"


class Note(IntEnum):
    """The conditions under which a right is given."""

    FOR_THE_STRUCTURE = 1
    """TD0.3: the authorisation is given to the structure."""
    OF_THE_SAME_STRUCTURE = 2
    """TD0.4: only for the professionals of the same structure."""
    NEW_SINCE_A_DATE = 3
    """TD0.4: only the new authorisations since a date."""
    IMPUTED_TO_THE_STRUCTURE = 4
    """TD2.1, TD2.2: what is added is the structure's."""
    REFERENCE_ONLY = 5
    """TD3.1: one document by its reference, to delete it for instance."""
    OWN_MASKED = 6
    """TD3.2: of the masked documents those whose author the person is."""
    IF_THE_PATIENT_ALLOWS = 7
    """TD3.2: masked documents in an emergency only where the patient authorised that."""
    OWN = 8
    """TD3.3: those whose author the person is."""
    OF_THE_STRUCTURE = 9
    """TD3.3: those whose author is the structure, or an employee of it."""


@dataclass(frozen=True, slots=True)
class Right:
    """One cell."""

    is_given: bool
    note: Note | None = None


STARRED: Final = frozenset({Action.ARCHIVE, Action.UNARCHIVE, Action.DELETE})
"""`*`: of a document of the patient, only the attending doctor (or the patient) may do this."""

DOCTOR: Final = "10"
"""TRE_G15."""
OCCUPATIONAL_SKILLS: Final = frozenset({"SM25", "C41", "CAPA11"})
"""TRE_R38, TRE_R39, TRE_R44: médecine du travail."""

# "y" is oui, "-" is non, a digit is oui under that note; the columns stand in the order of Column.
_ROWS: Final[Mapping[Action, str]] = {
    Action.AUTHENTICATE: "yyy yyy y yy y yy",
    Action.TEST_EXISTENCE: "yyy yyy y yy y yy",
    Action.DECLARE_AUTHORISED: "y-- y-- - y- 1 --",
    Action.WITHDRAW_AUTHORISATION: "y-- y-- - y- - --",
    Action.CEASE_AS_ATTENDING: "--- --- - y- - --",
    Action.LIST_AUTHORISED_RECORDS: "yyy yyy y yy 2 3-",
    Action.FIND_WITHOUT_INS: "-y- -y- - -- - -y",
    Action.WEB_ACCESS: "yyy yyy y yy y --",
    Action.READ_ADMINISTRATIVE: "yyy yyy y yy y yy",
    Action.LIST_PROFESSIONALS: "y-- y-- y y- - --",
    Action.FEED: "yyy yyy y yy - 44",
    Action.FEED_AS_EMPLOYEE: "--- --- - -- 4 --",
    Action.SEARCH: "yyy yyy y yy - --",
    Action.FIND_REFERENCE: "yyy yyy y yy 5 55",
    Action.READ: "yyy yyy - yy - --",
    Action.READ_MASKED: "677 677 - y7 - --",
    Action.READ_UNSEEN_BY_PATIENT: "yyy yyy - yy - --",
    Action.READ_ARCHIVED: "yyy yyy - yy - --",
    Action.READ_FORMER: "yyy yyy - yy - --",
    Action.READ_DELETED: "yyy yyy - yy - --",
    Action.MASK: "y-- y-- y y- - --",
    Action.UNMASK: "8-- 8-- 8 y- - --",
    Action.SHOW_TO_PATIENT: "y-- y-- y y- - --",
    Action.ARCHIVE: "8-- 8yy 8 yy - --",
    Action.UNARCHIVE: "8-- 8yy 8 yy - --",
    Action.DELETE: "888 888 8 88 9 99",
}


def _right(cell: str) -> Right:
    return Right(cell != "-", Note(int(cell)) if cell.isdigit() else None)


# ref: DMP-F23
MATRIX: Final[Mapping[Action, Mapping[Column, Right]]] = {
    action: dict(zip(Column, map(_right, cells.replace(" ", "")), strict=True))
    for action, cells in _ROWS.items()
}

_ATTENDING: Final[Mapping[Mode, Column]] = {
    Mode.NORMAL: Column.ATTENDING_NORMAL,
    Mode.BRIS_DE_GLACE: Column.ATTENDING_BRIS_DE_GLACE,
    Mode.CENTRE_15: Column.DOCTOR_CENTRE_15,  # the matrix has no attending doctor who regulates
}
_DOCTOR: Final[Mapping[Mode, Column]] = {
    Mode.NORMAL: Column.DOCTOR_NORMAL,
    Mode.CENTRE_15: Column.DOCTOR_CENTRE_15,
    Mode.BRIS_DE_GLACE: Column.DOCTOR_BRIS_DE_GLACE,
}
_PROFESSIONAL: Final[Mapping[Mode, Column]] = {
    Mode.NORMAL: Column.PROFESSIONAL_NORMAL,
    Mode.CENTRE_15: Column.PROFESSIONAL_CENTRE_15,
    Mode.BRIS_DE_GLACE: Column.PROFESSIONAL_BRIS_DE_GLACE,
}
_STRUCTURE: Final[Mapping[Mode, Column]] = {
    Mode.NORMAL: Column.STRUCTURE_NORMAL,
    Mode.CENTRE_15: Column.STRUCTURE_CENTRE_15,
}


def column_of(asker: Asker, standing: Standing) -> Column | None:
    """The column somebody acts in; None for a role or a mode that the matrix does not have."""
    match asker.role:
        case Role.PROFESSIONAL if asker.profession == DOCTOR and asker.skill in OCCUPATIONAL_SKILLS:
            return Column.OCCUPATIONAL_DOCTOR
        case Role.PROFESSIONAL if standing.is_attending:
            return _ATTENDING[asker.mode]
        case Role.PROFESSIONAL if asker.profession == DOCTOR:
            return _DOCTOR[asker.mode]
        case Role.PROFESSIONAL:
            return _PROFESSIONAL[asker.mode]
        case Role.EMPLOYEE if asker.mode is Mode.NORMAL:
            return Column.EMPLOYEE
        case Role.STRUCTURE:
            return _STRUCTURE.get(asker.mode)
        case _:
            return None
