"""The tables of the directory's files: one file for each kind of extract, written once and then only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox, Person, Role, Structure
from directory.extracts import ExtractKind

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMAS: Mapping[ExtractKind, str] = {
    ExtractKind.MAILBOXES: "boxes",
    ExtractKind.ACTIVITIES: "people",
    ExtractKind.SKILLS: "skills",
    ExtractKind.DIPLOMAS: "diplomas",
}
"""The name under which a reader attaches the file of each kind."""

BESIDE = "beside"
"""Under this key `about` of the mailboxes has the file of activities that was in use at their import."""

MAILBOX_COLUMNS = Mailbox.__struct_fields__[: Mailbox.__struct_fields__.index("description")]
PERSON_COLUMNS = Person._fields[: Person._fields.index("skills")]
ROLE_COLUMNS = Role._fields
STRUCTURE_COLUMNS = Structure._fields

MAILBOX_INDEX = (
    Field.ADDRESS,
    Field.LAST_NAME,
    Field.GIVEN_NAME,
    Field.CN,  # of a mailbox that is nobody's own
    Field.STRUCTURE,
    Field.SERVICE,
    Field.PROFESSION,
    Field.SKILL,
    Field.CITY,
    Field.POSTAL_CODE,
    Field.DEPARTMENT,
    Field.TYPE,
    Field.PROFESSION_CODE,
    Field.SKILL_CODE,
    Field.STREET,
    Field.DESCRIPTION,
)
"""The fields in the trigram index of mailboxes; the place of a field is the number of its alphabet."""
PERSON_INDEX = (Field.LAST_NAME, Field.GIVEN_NAME, Field.PROFESSION_CODE, Field.SKILL_CODE)
STRUCTURE_INDEX = (Field.STRUCTURE, Field.CITY, Field.STREET, Field.POSTAL_CODE, Field.SECTOR_CODE)

_NO_CASE = frozenset(
    {"idnat", "person_id", "structure_id", "id", "finess", "siret", "siren"}
    | {"category_code", "profession_code", "skill_code", "function_code"}
    | {"kind_code", "practice_code", "pharmacist_section_code"}
)
"""Columns of keys, and of codes that have an index."""
_SPARSE = frozenset(
    {"siret", "siren", "skill_code", "function_code", "kind_code", "practice_code", "pharmacist_section_code"}
)
"""Columns that many rows leave empty; their index holds the others."""
_NUMBERS = frozenset({"digital", "updated_at", "rank"})


def create(schema: str, kind: ExtractKind) -> list[str]:
    """The statements that make the tables of a kind in the database `schema`; its indexes are `index_all`."""
    statements = [
        f"CREATE TABLE {schema}.about (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        f"CREATE TABLE {schema}.label (nomenclature TEXT, code TEXT, label TEXT, PRIMARY KEY (nomenclature, code))",
        f"CREATE TABLE {schema}.change (what TEXT, key TEXT)",
    ]
    match kind:
        case ExtractKind.MAILBOXES:
            columns = [*MAILBOX_COLUMNS, "description", "responsible", "phone", "rank"]
            statements += [
                f"CREATE TABLE {schema}.mailbox ({_columns(columns)}, digest BLOB)",
                f"CREATE TABLE {schema}.name (place INTEGER PRIMARY KEY, word TEXT)",
                *_trigram_index(schema, "mailbox"),
                _fts(schema, "name"),
                *_of_people(schema),
            ]
        case ExtractKind.ACTIVITIES:
            statements += _of_people(schema)
        case ExtractKind.SKILLS | ExtractKind.DIPLOMAS:
            statements.append(
                f"CREATE TABLE {schema}.qualification (idnat TEXT COLLATE NOCASE, code TEXT COLLATE NOCASE,"
                " label TEXT, type_code TEXT, type_label TEXT, PRIMARY KEY (idnat, code)) WITHOUT ROWID"
            )
    return statements


def index_all(schema: str, kind: ExtractKind) -> list[str]:
    """The statements that make the indexes, when all rows are there."""
    people = [
        ("person", "idnat", "UNIQUE "),
        ("person", "person_id", ""),
        ("person", "category_code", ""),
        ("person", "updated_at", ""),
        ("structure", "id", "UNIQUE "),
        ("structure", "idnat", ""),
        ("structure", "finess", ""),
        ("structure", "siret", ""),
        ("structure", "siren", ""),
        ("structure", "updated_at", ""),
        ("role", "id", "UNIQUE "),
        ("role", "idnat", ""),
        ("role", "structure_id", ""),
        ("role", "profession_code", ""),
        ("role", "skill_code", ""),
        ("role", "function_code", ""),
        ("role", "kind_code", ""),
        ("role", "practice_code", ""),
        ("role", "pharmacist_section_code", ""),
        ("role", "updated_at", ""),
    ]
    wanted: Mapping[ExtractKind, list[tuple[str, str, str]]] = {
        ExtractKind.MAILBOXES: [
            ("mailbox", "address", "UNIQUE "),
            ("mailbox", "idnat", ""),
            ("mailbox", "person_id", ""),
            ("mailbox", "structure_id, idnat", ""),  # those that are nobody's own lie together
            ("mailbox", "updated_at", ""),
            ("name", "word", "UNIQUE "),
            *people,
        ],
        ExtractKind.ACTIVITIES: people,
        ExtractKind.SKILLS: [("qualification", "code", "")],
        ExtractKind.DIPLOMAS: [("qualification", "code", "")],
    }
    return [
        f"CREATE {unique}INDEX {schema}.{table}_by_{columns.partition(',')[0]} ON {table} ({columns})"
        + (f" WHERE {columns} IS NOT NULL" if columns in _SPARSE else "")
        for table, columns, unique in wanted[kind]
    ]


def _of_people(schema: str) -> list[str]:
    return [
        f"CREATE TABLE {schema}.person ({_columns(PERSON_COLUMNS)}, digest BLOB)",
        f"CREATE TABLE {schema}.structure ({_columns(STRUCTURE_COLUMNS)}, digest BLOB)",
        f"CREATE TABLE {schema}.role ({_columns(ROLE_COLUMNS)}, digest BLOB)",
        *_trigram_index(schema, "person"),
        *_trigram_index(schema, "structure"),
        (
            f"CREATE TABLE {schema}.tombstone (shelf TEXT, key TEXT COLLATE NOCASE, removed_at INTEGER,"
            " PRIMARY KEY (shelf, key)) WITHOUT ROWID"
        ),
    ]


def create_growing(schema: str) -> list[str]:
    """The statements that make a table of mailboxes of which rows come and go, with its indexes.

    The words of their names stay: a name that nobody bears any more corrects to nothing.
    """
    columns = [*MAILBOX_COLUMNS, "description", "responsible", "phone", "rank"]
    return [
        f"CREATE TABLE {schema}.mailbox ({_columns(columns)})",
        _fts(schema, "mailbox", "contentless_delete=1"),
        f"CREATE TABLE {schema}.name (place INTEGER PRIMARY KEY, word TEXT UNIQUE)",
        _fts(schema, "name"),
        *(
            f"CREATE {'UNIQUE ' if column == 'address' else ''}INDEX {schema}.mailbox_by_{column} ON mailbox ({column})"
            for column in ("address", "idnat", "person_id", "structure_id", "updated_at")
        ),
    ]


def _trigram_index(schema: str, table: str) -> list[str]:
    return [
        _fts(schema, table),
        f"CREATE TABLE {schema}.{table}_trigram (term TEXT PRIMARY KEY, documents INTEGER) WITHOUT ROWID",
    ]


def _fts(schema: str, table: str, option: str = "columnsize=0") -> str:
    # contentless: the rows are in the table; positions are kept, so that a phrase needs no second look
    return (
        f"CREATE VIRTUAL TABLE {schema}.{table}_index USING fts5"
        f"(text, content='', {option}, tokenize='trigram case_sensitive 1')"
    )


def _columns(names: tuple[str, ...] | list[str]) -> str:
    kinds = {name: " INTEGER" if name in _NUMBERS else " TEXT" for name in names}
    collated = [name + kinds[name] + (" COLLATE NOCASE" if name in _NO_CASE else "") for name in names]
    return ", ".join(["place INTEGER PRIMARY KEY", *collated])
