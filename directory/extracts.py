"""Reads the public extractions of the Annuaire Santé line by line: recognised by their header, bounded, counted.

The format is UTF-8, one header line, columns parted by "|", no quoting; some files end each line with one more
"|". Names of columns drift from one year to the next, so they are compared without accents, case and
punctuation, and through a table of aliases.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

LONGEST_LINE = 32 * 1024
MOST_COLUMNS = 200
MOST_BYTES = 8 * 1024**3
"""Of one extract, unpacked: four times the largest one of 2026 and room to grow."""
_PIECE = 1024 * 1024
_TOLERATED_BAD_LINES = 10
_TOLERATED_BAD_SHARE = 0.01
_REPORTED_BAD_LINES = 20
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ufffe\uffff]")
_VERSION = b"1"  # raised when the meaning of stored rows changes: every row then counts as changed


class ExtractKind(StrEnum):
    """The files of the Annuaire Santé, by the name they are published under."""

    MAILBOXES = "Extraction_Correspondance_MSSante"
    ACTIVITIES = "PS_LibreAcces_Personne_activite"
    SKILLS = "PS_LibreAcces_SavoirFaire"
    DIPLOMAS = "PS_LibreAcces_Dipl_AutExerc"


class ExtractRefused(Exception):
    """A file is no usable extract; the text is one sentence and quotes nothing of the content."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out: its number (the header is line 1) and why, never what it said."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a reading is, for another one of the same file to go on from; `sha256` is of what was read."""

    bytes_read: int
    lines: int
    rows: int
    bad_lines: int
    sha256: str


class Record(NamedTuple):
    """A line: its number, a digest of all of it, and the values of the fields of its kind, stripped."""

    line: int
    digest: bytes
    values: tuple[str, ...]


FIELDS: Mapping[ExtractKind, Mapping[str, str]] = {
    ExtractKind.MAILBOXES: {
        "address": "adressebal",
        "type": "typedebal",
        "digital": "dematerialisation",
        "idnat": "identificationnationalepp",
        "person_id_type": "typeidentifiantpp",
        "person_id": "identifiantpp",
        "civility": "civilitedexercice",
        "last_name": "nomdexercice",
        "first_name": "prenomdexercice",
        "category_code": "categorieprofession",
        "category": "libelledecategorieprofession",
        "profession_code": "codeprofession",
        "profession": "libelleprofession",
        "skill_code": "codesavoirfaire",
        "skill": "libellesavoirfaire",
        "structure_id_type": "typeidentifiantstructure",
        "structure_id": "identificationstructure",
        "structure": "raisonsocialestructurebal",
        "structure_sign": "enseignecommercialestructurebal",
        "service": "servicederattachement",
        "location": "l2complementlocalisationstructurebal",
        "distribution": "l3complementdistributionstructurebal",
        "street_number": "l4numerovoiestructurebal",
        "street_repeat": "l4complementnumerovoiestructurebal",
        "street_type": "nl4typevoiestructurebal",
        "street_name": "l4libellevoiestructurebal",
        "locality": "l5lieuditmentionstructurebal",
        "routing": "l6ligneacheminementstructurebal",
        "postal_code": "codepostalstructurebal",
        "department": "departementstructurebal",
        "country": "paysstructurebal",
    },
    ExtractKind.ACTIVITIES: {
        "idnat": "identificationnationalepp",
        "person_id_type": "typedidentifiantpp",
        "person_id": "identifiantpp",
        "title": "codecivilitedexercice",
        "civility": "codecivilite",
        "last_name": "nomdexercice",
        "first_name": "prenomdexercice",
        "category_code": "codecategorieprofessionnelle",
        "category": "libellecategorieprofessionnelle",
        "profession_code": "codeprofession",
        "profession": "libelleprofession",
        "skill_type_code": "codetypesavoirfaire",
        "skill_code": "codesavoirfaire",
        "skill": "libellesavoirfaire",
        "practice_code": "codemodeexercice",
        "practice": "libellemodeexercice",
        "sector_code": "codesecteurdactivite",
        "sector": "libellesecteurdactivite",
        "pharmacist_section_code": "codesectiontableaupharmaciens",
        "pharmacist_section": "libellesectiontableaupharmaciens",
        "function_code": "codefonction",
        "function": "libellefonction",
        "kind_code": "codegenredactivite",
        "kind": "libellegenredactivite",
        "phone": "telephonecoordstructure",
        "technical_id": "identifianttechniquedelastructure",
        "former_id": "ancienidentifiantdelastructure",
        "finess": "numerofinesssite",
        "finess_legal": "numerofinessetablissementjuridique",
        "siret": "numerosiretsite",
        "siren": "numerosirensite",
        "name": "raisonsocialesite",
        "sign": "enseignecommercialesite",
        "addressee": "complementdestinatairecoordstructure",
        "location": "complementpointgeographiquecoordstructure",
        "street_number": "numerovoiecoordstructure",
        "street_repeat": "indicerepetitionvoiecoordstructure",
        "street_type": "codetypedevoiecoordstructure",
        "street_name": "libellevoiecoordstructure",
        "distribution": "mentiondistributioncoordstructure",
        "routing": "bureaucedexcoordstructure",
        "postal_code": "codepostalcoordstructure",
        "city_code": "codecommunecoordstructure",
        "city": "libellecommunecoordstructure",
        "department": "codedepartementcoordstructure",
        "country_code": "codepayscoordstructure",
        "country": "libellepayscoordstructure",
        "phone_2": "telephone2coordstructure",
        "fax": "telecopiecoordstructure",
        "mail": "adresseemailcoordstructure",
    },
    ExtractKind.SKILLS: {
        "idnat": "identificationnationalepp",
        "code": "codesavoirfaire",
        "label": "libellesavoirfaire",
        "type_code": "codetypesavoirfaire",
        "type_label": "libelletypesavoirfaire",
    },
    ExtractKind.DIPLOMAS: {
        "idnat": "identificationnationalepp",
        "code": "codediplomeobtenu",
        "label": "libellediplomeobtenu",
        "type_code": "codetypediplomeobtenu",
        "type_label": "libelletypediplomeobtenu",
    },
}
"""The fields taken from each kind of file, and the header of each (see `normalised`)."""

_REQUIRED: Mapping[ExtractKind, frozenset[str]] = {
    ExtractKind.MAILBOXES: frozenset(
        {"type", "address", "idnat", "structure_id", "last_name", "first_name", "profession", "structure"}
    ),
    ExtractKind.ACTIVITIES: frozenset(
        {"idnat", "last_name", "first_name", "profession_code", "profession", "skill", "name"}
    ),
    ExtractKind.SKILLS: frozenset({"idnat", "code"}),
    ExtractKind.DIPLOMAS: frozenset({"idnat", "code"}),
}

_RECOGNISED_BY: tuple[tuple[str, ExtractKind], ...] = (
    ("adressebal", ExtractKind.MAILBOXES),
    ("typedebal", ExtractKind.MAILBOXES),
    ("dematerialisation", ExtractKind.MAILBOXES),  # it has codes of skills as well, and is none of theirs
    ("codediplomeobtenu", ExtractKind.DIPLOMAS),
    ("codemodeexercice", ExtractKind.ACTIVITIES),
    ("raisonsocialesite", ExtractKind.ACTIVITIES),
    ("codesavoirfaire", ExtractKind.SKILLS),
)

_ALIASES: Mapping[str, str] = {
    "typebal": "typedebal",
    "adressedelabal": "adressebal",
    "typeidentifiantdelapp": "typeidentifiantpp",
    "identifiantnationalpp": "identificationnationalepp",
    "identifiantstructure": "identificationstructure",
    "civiliteexercice": "civilitedexercice",
    "nomexercice": "nomdexercice",
    "prenomexercice": "prenomdexercice",
    "codeciviliteexercice": "codecivilitedexercice",
    "libellecategorieprofession": "libelledecategorieprofession",
    "codemodedexercice": "codemodeexercice",
    "libellemodedexercice": "libellemodeexercice",
    "numerosiret": "numerosiretsite",
    "numerofiness": "numerofinesssite",
    "codedepartementstructure": "codedepartementcoordstructure",
    "coderole": "codefonction",
    "libellerole": "libellefonction",
    "codegenreactivite": "codegenredactivite",
    "libellegenreactivite": "libellegenredactivite",
    "codesecteuractivite": "codesecteurdactivite",
    "libellesecteuractivite": "libellesecteurdactivite",
}


def normalised(header: str) -> str:
    """The name of a column without accents, case, spaces and punctuation."""
    decomposed = unicodedata.normalize("NFKD", header).casefold()
    plain = "".join(character for character in decomposed if character.isascii() and character.isalnum())
    return _ALIASES.get(plain, plain)


class ExtractReader:
    """An open extract: its kind is known from the start, its lines are read once.

    The constructor raises ExtractRefused for a file that is no extract or misses a column; iterating raises it
    when too many lines are bad. `sha256` is complete when the iteration has ended.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.bytes_read = 0
        self.lines = 0
        self.rows = 0
        self.bad_lines = 0
        self.bad: list[BadLine] = []
        header = self._header()
        self.kind = _kind(header)
        fields = FIELDS[self.kind]
        places = {name: place for place, name in enumerate(header)}
        twice = sorted(name for name in fields.values() if header.count(name) > 1)
        if twice:
            raise ExtractRefused(f"The {self.kind} file names columns twice: {', '.join(twice)}.")
        missing = sorted(name for name in _REQUIRED[self.kind] if fields[name] not in places)
        if missing:
            columns = ", ".join(fields[name] for name in missing)
            raise ExtractRefused(f"The {self.kind} file misses required columns: {columns}.")
        self._columns = len(header)
        # an absent optional column reads the empty string that stands behind the last column
        self._places = tuple(places.get(fields[name], self._columns) for name in fields)
        layout = _VERSION + ",".join(str(place) for place in self._places).encode()
        self._digest = hashlib.blake2b(layout, digest_size=16)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the reading is, between two records."""
        return Checkpoint(self.bytes_read, self.lines, self.rows, self.bad_lines, self.sha256)

    def go_on_from(self, checkpoint: Checkpoint) -> bool:
        """Passes over what another reading has read; False when that was another file.

        Nothing can be read any more after False: what was passed over is gone.
        """
        while self.bytes_read < checkpoint.bytes_read:
            piece = self._stream.read(min(_PIECE, checkpoint.bytes_read - self.bytes_read))
            if not piece:
                return False
            self._count(piece)
        if self.checkpoint.sha256 != checkpoint.sha256:
            return False
        self.lines, self.rows, self.bad_lines = checkpoint.lines, checkpoint.rows, checkpoint.bad_lines
        return True

    def __iter__(self) -> Iterator[Record]:
        columns, places = self._columns, self._places
        while (raw := self._line()) is not None:
            if not raw:
                self._leave_out("longer than a line may be")
                continue
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                self._leave_out("not UTF-8")
                continue
            if not text:
                continue
            if _CONTROLS.search(text):
                self._leave_out("control characters")
                continue
            values = text.split("|")
            if len(values) == columns:
                values.append("")
            elif len(values) != columns + 1 or values[-1]:
                self._leave_out(f"{len(values)} columns instead of {columns}")
                continue
            digest = self._digest.copy()
            digest.update(raw.rstrip(b"|\r\n"))
            self.rows += 1
            yield Record(self.lines, digest.digest(), tuple([values[place].strip() for place in places]))
        self.judge()

    def judge(self) -> None:
        """Raises ExtractRefused when too many of the lines that were read, and not rejected, are bad."""
        if self.bad_lines > max(_TOLERATED_BAD_LINES, _TOLERATED_BAD_SHARE * self.lines):
            raise self._too_many()

    def reject(self, line: int, reason: str) -> None:
        """Counts a record that was read well but says something impossible."""
        self.rows -= 1
        self._count_bad(line, reason)

    def _leave_out(self, reason: str) -> None:
        self._count_bad(self.lines, reason)

    def _count_bad(self, line: int, reason: str) -> None:
        self.bad_lines += 1
        if len(self.bad) < _REPORTED_BAD_LINES:
            self.bad.append(BadLine(line, reason))
        if self.bad_lines > max(1000, _TOLERATED_BAD_SHARE * self.lines):
            raise self._too_many()

    def _too_many(self) -> ExtractRefused:
        first = self.bad[0] if self.bad else None
        example = f" (one is line {first.line}: {first.reason})" if first is not None else ""
        return ExtractRefused(
            f"The {self.kind} file has {self.bad_lines} bad lines among {self.lines}{example}."
        )

    def _line(self) -> bytes | None:
        """The next line; b"" for one that is too long and was skipped, None at the end."""
        raw = self._stream.readline(LONGEST_LINE + 1)
        if not raw:
            return None
        self._count(raw)
        self.lines += 1
        if len(raw) <= LONGEST_LINE:
            return raw
        while raw and not raw.endswith(b"\n"):
            raw = self._stream.readline(LONGEST_LINE)
            self._count(raw)
        return b""

    def _count(self, raw: bytes) -> None:
        self._hash.update(raw)
        self.bytes_read += len(raw)
        if self.bytes_read > MOST_BYTES:
            raise ExtractRefused(f"The file is larger than {MOST_BYTES} bytes.")

    def _header(self) -> list[str]:
        raw = self._line()
        if raw is None:
            raise ExtractRefused("The file is empty.")
        try:
            text = raw.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ExtractRefused("The file is not UTF-8.") from error
        names = text.split("|", MOST_COLUMNS)
        if not raw or not 1 < len(names) <= MOST_COLUMNS:
            raise ExtractRefused("The file is no extract of the Annuaire Santé: its first line is no header.")
        if not names[-1].strip():
            names.pop()
        return [normalised(name) for name in names]


def _kind(header: list[str]) -> ExtractKind:
    for name, kind in _RECOGNISED_BY:
        if name in header:
            return kind
    raise ExtractRefused("The file is no extract of the Annuaire Santé: its columns are not known.")
