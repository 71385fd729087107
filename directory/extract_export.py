"""The directory written as Extraction_Correspondance_MSSante: what an import of it reads back as the same mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.annuaire.conditions import Any as AnyOf
from directory.annuaire.conditions import Condition, Equal, Everything
from directory.annuaire.fields import Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

COLUMNS: Mapping[str, str] = {
    "Type de BAL": "type",
    "Adresse BAL": "address",
    "Type Identifiant PP": "person_id_type",
    "Identifiant PP": "person_id",
    "Identification nationale PP": "idnat",
    "Type identifiant structure": "structure_id_type",
    "Identification Structure": "structure_id",
    "Service de rattachement": "service",
    "Civilité d'exercice": "civility",
    "Nom d'exercice": "last_name",
    "Prénom d'exercice": "first_name",
    "Catégorie profession": "category_code",
    "Libellé de catégorie profession": "category",
    "Code Profession": "profession_code",
    "Libellé Profession": "profession",
    "Code savoir-faire": "skill_code",
    "Libellé savoir-faire": "skill",
    "Dématérialisation": "digital",
    "Raison Sociale structure BAL": "structure",
    "Enseigne commerciale structure BAL": "structure_sign",
    "L2COMPLEMENTLOCALISATION structure BAL": "location",
    "L3COMPLEMENTDISTRIBUTION structure BAL": "distribution",
    "L4NUMEROVOIE structure BAL": "street_number",
    "L4COMPLEMENTNUMEROVOIE structure BAL": "street_repeat",
    "NL4TYPEVOIE structure BAL": "street_type",
    "L4LIBELLEVOIE structure BAL": "street_name",
    "L5LIEUDITMENTION structure BAL": "locality",
    "L6LIGNEACHEMINEMENT structure BAL": "routing",
    "Code postal structure BAL": "postal_code",
    "Département structure BAL": "department",
    "Pays structure BAL": "country",
}
"""The columns of the file, and of which of `Mailbox` each is."""

_PAGE = 1000


def of_domains(domains: Sequence[str]) -> Condition:
    """What an operator publishes: the mailboxes of its domains."""
    return AnyOf(tuple(Equal(Field.DOMAIN, domain) for domain in domains))


# ref: F37
def extract_lines(view: View, condition: Condition | None = None) -> Iterator[str]:
    """The header, then a line for each mailbox in the order of addresses, each with its line end.

    What the format has no column for is left out: description, responsible person, telephone, rank.
    """
    yield "|".join(COLUMNS) + "\n"
    after = ""
    while page := view.page(condition or Everything(), _PAGE, after=after):
        for mailbox in page:
            yield _line(mailbox)
        after = page[-1].address


def _line(mailbox: Mailbox) -> str:
    return "|".join(_text(getattr(mailbox, name)) for name in COLUMNS.values()) + "\n"


def _text(value: object) -> str:
    # The format has no quoting.
    return "" if value is None else " ".join(str(value).replace("|", " ").split())
