"""Which profession may consult which type of document (arrêté of 26 October 2023), as data that an operator completes.

The whole table of the arrêté is not shipped: the rows that are publicly known are, and an operator loads the rest
(`record.professions_file`). What nobody says is allowed to doctors and refused to all others.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from dmp_bridge.codes import document_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from foundation.settings import Settings

DOCTOR: Final = "10"
DENTIST: Final = "40"
NURSE: Final = "60"
EVERY_TYPE: Final = "*"

_LARGEST_FILE: Final = 2 * 1024 * 1024
_MOST_ROWS: Final = 20_000
_LONGEST_CODE: Final = 64
_WORDS: Final[Mapping[str, bool]] = {"oui": True, "non": False}
_HEADER: Final = ("profession", "type_code", "consultation")

_REFUSED: Final[Mapping[str, frozenset[str]]] = {
    DOCTOR: frozenset({"ATTEST-RESID"}),
    DENTIST: frozenset(
        {
            "80788-3",  # projet personnalisé d'accompagnement
            "75496-0",  # demande d'acte de télémédecine
            "83981-1",  # lettre de liaison à la sortie d'une structure sociale ou médico-sociale
            "83901-9",  # bilan psychologique
            "68599-0",  # synthèse psychiatrique
        }
    ),
    NURSE: frozenset(
        {
            "75496-0",
            "68599-0",
            "83901-9",
            "68817-6",  # bilan de santé et de prévention de l'enfant
            "89601-9",  # certificat médical
            "CERT_DECL",
        }
    ),
}
"""The exclusions that are publicly known; every other type of the DMP is open to these three."""


class ProfessionsRefused(Exception):
    """The operator's table cannot be used; the text is one sentence with the line."""


# ref: DMP-F24
@dataclass(frozen=True, slots=True)
class Professions:
    """The table: TRE_G15 profession and typeCode to whether it may be consulted; rows of the operator come first."""

    rows: Mapping[tuple[str, str], bool] = field(default_factory=dict)

    def may_consult(self, profession: str, type_code: str) -> bool:
        """Whether this profession may consult this type; an unknown type is refused to all but doctors."""
        for key in ((profession, type_code), (profession, EVERY_TYPE)):
            if key in self.rows:
                return self.rows[key]
        refused = _REFUSED.get(profession)
        if refused is None or type_code in refused:
            return False
        return profession == DOCTOR or _is_of_the_record(type_code)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads `profession,type_code,consultation` in UTF-8, with "oui" or "non", `*` for every other type.

        Raises ProfessionsRefused.
        """
        try:
            with path.open("rb") as stream:
                data = stream.read(_LARGEST_FILE + 1)
            text = data.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ProfessionsRefused(f"{path} cannot be read as UTF-8 text.") from error
        if len(data) > _LARGEST_FILE:
            raise ProfessionsRefused(f"{path} is larger than {_LARGEST_FILE} bytes.")
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """As `load`, from the text itself."""
        rows: dict[tuple[str, str], bool] = {}
        try:
            lines = csv.reader(text.splitlines(), strict=True)
            if tuple(next(lines, ())) != _HEADER:
                raise ProfessionsRefused(f"The first line is not {','.join(_HEADER)}.")
            for row in lines:
                if not row:
                    continue
                if len(row) != len(_HEADER) or row[2].strip().lower() not in _WORDS:
                    raise ProfessionsRefused(
                        f"Line {lines.line_num} is not a profession, a type and oui or non."
                    )
                profession, type_code = row[0].strip(), row[1].strip()
                if not (0 < len(profession) <= _LONGEST_CODE and 0 < len(type_code) <= _LONGEST_CODE):
                    raise ProfessionsRefused(f"Line {lines.line_num} lacks a code.")
                said = _WORDS[row[2].strip().lower()]
                if rows.setdefault((profession, type_code), said) != said:
                    raise ProfessionsRefused(f"Line {lines.line_num} contradicts an earlier one.")
                if len(rows) > _MOST_ROWS:
                    raise ProfessionsRefused(f"There are more than {_MOST_ROWS} rows.")
        except csv.Error as error:
            raise ProfessionsRefused("The table is not CSV.") from error
        return cls(rows)


SHIPPED: Final = Professions()


def professions_of(settings: Settings) -> Professions:
    """The table of this operator: the shipped rows, and those of `record.professions_file`. Raises ProfessionsRefused."""
    file = settings.record.professions_file
    return Professions.load(settings.path(file)) if file.name else SHIPPED


def _is_of_the_record(type_code: str) -> bool:
    known = document_type(type_code)
    return known is not None and known.class_code is not None
