"""Which column or index answers for each field of mailboxes, persons, structures and roles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox
from directory.annuaire.schema import (
    MAILBOX_INDEX,
    PERSON_COLUMNS,
    PERSON_INDEX,
    ROLE_COLUMNS,
    STRUCTURE_COLUMNS,
    STRUCTURE_INDEX,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table whose rows are searched for; `told` are the columns of a row, `key` the one that orders them.

    `columns` of a field are compared as they are, but for their case; a field in `keyed` has an index on them, and
    that of a `sparse` one tells as well which rows have a value.
    `labels` are texts that stand for a code: what is asked of them is asked of the labels of a nomenclature, and
    the codes are searched for. `linked` fields are those of the mailboxes that a row bears.
    """

    table: str
    key: str
    told: tuple[str, ...]
    index: tuple[Field, ...] = ()
    columns: Mapping[Field, tuple[str, ...]] = field(default_factory=dict)
    keyed: frozenset[Field] = frozenset()
    sparse: frozenset[Field] = frozenset()
    labels: Mapping[Field, tuple[str, Field]] = field(default_factory=dict)
    linked: frozenset[Field] = frozenset()


_LINKED = frozenset({Field.ADDRESS, Field.DOMAIN, Field.TYPE})
_LABELS = {
    Field.PROFESSION: ("profession", Field.PROFESSION_CODE),
    Field.SKILL: ("skill", Field.SKILL_CODE),
}

MAILBOXES = Shelf(
    table="mailbox",
    key="address",
    told=Mailbox.__struct_fields__,
    index=MAILBOX_INDEX,
    columns={
        Field.ADDRESS: ("address",),
        Field.TYPE: ("type",),
        Field.PERSON_ID: ("person_id",),
        Field.PERSON_ID_TYPE: ("person_id_type",),
        Field.IDNAT: ("idnat",),
        Field.CATEGORY_CODE: ("category_code",),
        Field.PROFESSION_CODE: ("profession_code",),
        Field.SKILL_CODE: ("skill_code",),
        Field.STRUCTURE_ID: ("structure_id",),
        Field.STRUCTURE_ID_TYPE: ("structure_id_type",),
        Field.POSTAL_CODE: ("postal_code",),
        Field.DEPARTMENT: ("department",),
        Field.COUNTRY: ("country",),
    },
    keyed=frozenset({Field.ADDRESS, Field.PERSON_ID, Field.IDNAT, Field.STRUCTURE_ID}),
)
OURS = replace(MAILBOXES, columns={**MAILBOXES.columns, Field.PHONE: ("phone",)})
"""Of what this operator publishes: the extract of mailboxes has no phone."""
PERSONS = Shelf(
    table="person",
    key="idnat",
    told=PERSON_COLUMNS,
    index=PERSON_INDEX,
    columns={
        Field.IDNAT: ("idnat",),
        Field.PERSON_ID: ("person_id",),
        Field.PERSON_ID_TYPE: ("person_id_type",),
        Field.CATEGORY_CODE: ("category_code",),
        Field.PROFESSION_CODE: ("profession_code",),
    },
    keyed=frozenset({Field.IDNAT, Field.PERSON_ID, Field.CATEGORY_CODE}),
    labels=_LABELS,
    linked=_LINKED,
)
STRUCTURES = Shelf(
    table="structure",
    key="id",
    told=STRUCTURE_COLUMNS,
    index=STRUCTURE_INDEX,
    columns={
        Field.STRUCTURE_ID: ("id", "idnat", "finess", "siret", "siren"),
        Field.IDNAT: ("idnat",),
        Field.FINESS: ("finess",),
        Field.SIRET: ("siret",),
        Field.SIREN: ("siren",),
        Field.POSTAL_CODE: ("postal_code",),
        Field.SECTOR_CODE: ("sector_code",),
        Field.DEPARTMENT: ("department",),
        Field.COUNTRY: ("country",),
        Field.PHONE: ("phone",),
    },
    keyed=frozenset({Field.STRUCTURE_ID, Field.IDNAT, Field.FINESS, Field.SIRET, Field.SIREN}),
    sparse=frozenset({Field.IDNAT, Field.FINESS, Field.SIRET, Field.SIREN}),
    linked=_LINKED,
)
_CODES_OF_ROLES = frozenset(
    {
        Field.SKILL_CODE,
        Field.FUNCTION_CODE,
        Field.KIND_CODE,
        Field.PRACTICE_CODE,
        Field.PHARMACIST_SECTION_CODE,
    }
)
ROLES = Shelf(
    table="role",
    key="id",
    told=ROLE_COLUMNS,
    columns={
        Field.ROLE_ID: ("id",),
        Field.IDNAT: ("idnat",),
        Field.CATEGORY_CODE: ("category_code",),
        Field.PROFESSION_CODE: ("profession_code",),
        Field.SKILL_CODE: ("skill_code",),
        Field.SECTOR_CODE: ("sector_code",),
        Field.FUNCTION_CODE: ("function_code",),
        Field.KIND_CODE: ("kind_code",),
        Field.PRACTICE_CODE: ("practice_code",),
        Field.PHARMACIST_SECTION_CODE: ("pharmacist_section_code",),
        Field.PHONE: ("phone",),
    },
    keyed=frozenset({Field.ROLE_ID, Field.IDNAT, Field.PROFESSION_CODE}) | _CODES_OF_ROLES,
    sparse=_CODES_OF_ROLES,
    labels=_LABELS,
    linked=_LINKED,
)
