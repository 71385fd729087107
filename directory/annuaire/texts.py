"""What the trigram indexes hold of each row."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from directory.annuaire.alphabets import END, index_text
from directory.annuaire.fields import Field, folded
from directory.annuaire.schema import MAILBOX_INDEX, PERSON_INDEX, STRUCTURE_INDEX
from directory.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from directory.annuaire.model import Mailbox

_KEPT = 65_536
"""Values whose letters need not be moved again: professions and towns come by the thousand."""


def _moved(fields: tuple[Field, ...], field: Field) -> Callable[[str], str]:
    number = fields.index(field)
    return lambda value: index_text(number, folded(field, value))


def _remembered(fields: tuple[Field, ...], field: Field) -> Callable[[str], str]:
    return lru_cache(maxsize=_KEPT)(_moved(fields, field))


_address = _moved(MAILBOX_INDEX, Field.ADDRESS)
_street = _moved(MAILBOX_INDEX, Field.STREET)
_last, _first, _nobody, _structure, _service, _profession, _skill, _city, _postal, _department = (
    _remembered(MAILBOX_INDEX, field)
    for field in (
        Field.LAST_NAME,
        Field.GIVEN_NAME,
        Field.CN,
        Field.STRUCTURE,
        Field.SERVICE,
        Field.PROFESSION,
        Field.SKILL,
        Field.CITY,
        Field.POSTAL_CODE,
        Field.DEPARTMENT,
    )
)
_type, _profession_code, _skill_code, _description = (
    _remembered(MAILBOX_INDEX, field)
    for field in (Field.TYPE, Field.PROFESSION_CODE, Field.SKILL_CODE, Field.DESCRIPTION)
)


def mailbox_text(box: Mailbox) -> str:
    """Of a mailbox, by the fields of MAILBOX_INDEX."""
    parts = [_address(box.address), _type(box.type)]
    if box.last_name:
        parts.append(_last(box.last_name))
    else:
        parts.append(_nobody(box.common_names[0]))
    if box.first_name:
        parts.append(_first(box.first_name))
    if box.profession:
        parts.append(_profession(box.profession))
    if box.profession_code:
        parts.append(_profession_code(box.profession_code))
    if box.skill:
        parts.append(_skill(box.skill))
    if box.skill_code:
        parts.append(_skill_code(box.skill_code))
    if box.structure:
        parts.append(_structure(box.structure))
    if box.structure_sign:
        parts.append(_structure(box.structure_sign))
    if box.service:
        parts.append(_service(box.service))
    if box.routing and (city := box.city):
        parts.append(_city(city))
    if box.postal_code:
        parts.append(_postal(box.postal_code))
    if box.department:
        parts.append(_department(box.department))
    if box.street_name and (street := box.street):
        parts.append(_street(street))
    if box.description:
        parts.append(_description(box.description))
    return "".join(parts) + END


def name_words(box: Mailbox) -> set[str]:
    """The words of its bearer's names, in which a typing error is looked for."""
    return set(f"{fold(box.first_name or '')} {fold(box.last_name)}".split()) if box.last_name else set()


_person_texts = tuple(_remembered(PERSON_INDEX, field) for field in PERSON_INDEX)
_structure_texts = tuple(_remembered(STRUCTURE_INDEX, field) for field in STRUCTURE_INDEX)


def person_text(
    last_name: str | None, first_name: str | None, codes: Iterable[tuple[str | None, str | None]]
) -> str:
    """Of a person, by the fields of PERSON_INDEX; `codes` are professions with skills."""
    pairs = list(codes)
    professions = dict.fromkeys(profession for profession, _ in pairs)
    skills = dict.fromkeys(skill for _, skill in pairs)
    values = ((last_name,), (first_name,), professions, skills)
    return "".join(
        [write(value) for write, some in zip(_person_texts, values, strict=True) for value in some if value]
        + [END]
    )


def structure_text(
    names: Iterable[str | None],
    city: str | None,
    street: Iterable[str | None],
    postal_code: str | None,
    sector_code: str | None,
) -> str:
    """Of a structure, by the fields of STRUCTURE_INDEX."""
    line = " ".join(part for part in street if part)
    values = (names, (city,), (line,), (postal_code,), (sector_code,))
    return "".join(
        [
            write(value)
            for write, some in zip(_structure_texts, values, strict=True)
            for value in some
            if value
        ]
        + [END]
    )
