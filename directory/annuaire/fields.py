"""The searchable fields of what the directory holds, and how a value of each is compared."""

from __future__ import annotations

from enum import StrEnum

from directory.folding import fold


class Field(StrEnum):
    """What a condition may look at. A kind of thing that has no such field holds no value of it.

    A field may hold several values (both orders of a name, trade name and sign of a structure): a condition
    is met where one of them meets it.
    """

    ADDRESS = "address"
    """Of the mailbox. Of what bears it: of a person the boxes it has in no structure, of a role those of its person
    in its structure, of a structure those that are nobody's own (ORG, APP). So for DOMAIN and TYPE.
    """
    DOMAIN = "domain"
    TYPE = "type"
    """TRE_R257-TypeBAL: PER, ORG, APP, CAB."""
    CN = "cn"
    """ "Anne BERNARD" and "BERNARD Anne"; of a box that is nobody's own its service and structure."""
    GIVEN_NAME = "given_name"
    LAST_NAME = "last_name"
    PERSON_ID = "person_id"
    """RPPS or ADELI, without the prefix of its kind."""
    PERSON_ID_TYPE = "person_id_type"
    """TRE_G08: 8 for RPPS, 0 for ADELI."""
    IDNAT = "idnat"
    """IdNat_PS: kind and number, 8 + RPPS; of a structure IdNat_Struct."""
    CATEGORY_CODE = "category_code"
    PROFESSION = "profession"
    PROFESSION_CODE = "profession_code"
    SKILL = "skill"
    """Label of the savoir-faire (the speciality)."""
    SKILL_CODE = "skill_code"
    DIPLOMA_CODE = "diploma_code"
    """Of a person only."""
    STRUCTURE = "structure"
    """Raison sociale and enseigne commerciale."""
    STRUCTURE_ID = "structure_id"
    """IdNat_Struct: kind and number, 1 + FINESS, 3 + SIRET; of a structure: any of its identifiers."""
    STRUCTURE_ID_TYPE = "structure_id_type"
    SECTOR_CODE = "sector_code"
    """TRE_R02-SecteurActivite; of a role or structure only."""
    FINESS = "finess"
    """Of a structure only; so SIRET and SIREN."""
    SIRET = "siret"
    SIREN = "siren"
    FUNCTION_CODE = "function_code"
    """Of a role only; so KIND_CODE, PRACTICE_CODE and PHARMACIST_SECTION_CODE."""
    KIND_CODE = "kind_code"
    PRACTICE_CODE = "practice_code"
    PHARMACIST_SECTION_CODE = "pharmacist_section_code"
    ROLE_ID = "role_id"
    """Of a role only."""
    SERVICE = "service"
    DESCRIPTION = "description"
    STREET = "street"
    CITY = "city"
    POSTAL_CODE = "postal_code"
    DEPARTMENT = "department"
    COUNTRY = "country"
    PHONE = "phone"
    DIGITAL = "digital"
    """ "true" where the bearer wants no paper, else "false"."""
    UPDATED = "updated"
    """When it last changed, epoch milliseconds in decimal digits; compared as a number."""


VERBATIM = frozenset(
    {
        Field.ADDRESS,
        Field.DOMAIN,
        Field.TYPE,
        Field.PERSON_ID,
        Field.PERSON_ID_TYPE,
        Field.IDNAT,
        Field.CATEGORY_CODE,
        Field.PROFESSION_CODE,
        Field.SKILL_CODE,
        Field.DIPLOMA_CODE,
        Field.STRUCTURE_ID,
        Field.STRUCTURE_ID_TYPE,
        Field.SECTOR_CODE,
        Field.FINESS,
        Field.SIRET,
        Field.SIREN,
        Field.FUNCTION_CODE,
        Field.KIND_CODE,
        Field.PRACTICE_CODE,
        Field.PHARMACIST_SECTION_CODE,
        Field.ROLE_ID,
        Field.POSTAL_CODE,
        Field.DEPARTMENT,
        Field.COUNTRY,
        Field.PHONE,
        Field.DIGITAL,
        Field.UPDATED,
    }
)
"""Addresses, numbers and codes: only their case does not count. All others are texts: see directory.folding."""


def folded(field: Field, text: str) -> str:
    """The form in which values of `field` are compared."""
    return text.strip().casefold() if field in VERBATIM else fold(text)


def folded_part(field: Field, text: str) -> str:
    """The form of a part of a value: as `folded`, but a border between words at either end stays, as a space."""
    if field in VERBATIM:
        return text.casefold()
    plain = fold(text)
    if not plain:
        return " " if text else ""
    before = " " if not fold(text[0]) else ""
    after = " " if not fold(text[-1]) else ""
    return before + plain + after
