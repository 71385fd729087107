"""The directory as an official extract: its header, its lines, and what an import reads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from directory.annuaire.model import Mailbox
from directory.bals import BalType
from directory.extract_export import COLUMNS, extract_lines, of_domains
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|Code savoir-faire|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION structure BAL|L3COMPLEMENTDISTRIBUTION structure BAL|L4NUMEROVOIE structure BAL|L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|L4LIBELLEVOIE structure BAL|L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|Code postal structure BAL|Département structure BAL|Pays structure BAL"
"""As published in 2026."""
ANNE = Mailbox(
    "anne.exemple@ch-des-essais.mssante.fr",
    BalType.PER,
    digital=True,
    idnat="899900000011",
    person_id_type="8",
    person_id="99900000011",
    civility="DR",
    last_name="EXEMPLE",
    first_name="ANNE",
    profession_code="10",
    profession="Médecin",
    structure_id_type="1",
    structure_id="1990780017",
    structure="CH DES ESSAIS",
    street_number="1",
    street_type="R",
    street_name="DES ESSAIS",
    routing="75015 PARIS",
    postal_code="75015",
    department="75",
    country="99000",
)


def values(lines: Iterable[str]) -> list[dict[str, str]]:
    header, *rows = [line.removesuffix("\n").split("|") for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_header_is_that_of_the_published_file() -> None:
    assert list(extract_lines(MemoryView())) == [HEADER + "\n"]
    assert "|".join(COLUMNS) == HEADER


def test_each_mailbox_is_a_line_in_the_order_of_addresses() -> None:
    service = Mailbox("a@b.fr", BalType.ORG, service="URGENCES")
    first, second = values(extract_lines(MemoryView([ANNE, service])))
    assert (first["Adresse BAL"], first["Service de rattachement"]) == ("a@b.fr", "URGENCES")
    assert first["Dématérialisation"] == "False"
    assert second == dict.fromkeys(COLUMNS, "") | {
        "Type de BAL": "PER",
        "Adresse BAL": ANNE.address,
        "Type Identifiant PP": "8",
        "Identifiant PP": "99900000011",
        "Identification nationale PP": "899900000011",
        "Type identifiant structure": "1",
        "Identification Structure": "1990780017",
        "Civilité d'exercice": "DR",
        "Nom d'exercice": "EXEMPLE",
        "Prénom d'exercice": "ANNE",
        "Code Profession": "10",
        "Libellé Profession": "Médecin",
        "Dématérialisation": "True",
        "Raison Sociale structure BAL": "CH DES ESSAIS",
        "L4NUMEROVOIE structure BAL": "1",
        "NL4TYPEVOIE structure BAL": "R",
        "L4LIBELLEVOIE structure BAL": "DES ESSAIS",
        "L6LIGNEACHEMINEMENT structure BAL": "75015 PARIS",
        "Code postal structure BAL": "75015",
        "Département structure BAL": "75",
        "Pays structure BAL": "99000",
    }


def test_pages_follow_each_other_without_a_gap() -> None:
    boxes = [replace(ANNE, address=f"{number:05}@b.fr") for number in range(2500)]
    found = [row["Adresse BAL"] for row in values(extract_lines(MemoryView(boxes)))]
    assert found == [box.address for box in boxes]


def test_only_the_domains_that_are_asked_for() -> None:
    other = replace(ANNE, address="x@ailleurs.mssante.fr")
    view = MemoryView([ANNE, other])
    found = values(extract_lines(view, of_domains(["ch-des-essais.mssante.fr"])))
    assert [row["Adresse BAL"] for row in found] == [ANNE.address]
    assert values(extract_lines(view, of_domains([]))) == []


def test_nothing_in_a_value_ends_a_column_or_a_line() -> None:
    (row,) = values(extract_lines(MemoryView([replace(ANNE, structure="A|B\r\nC")])))
    assert row["Raison Sociale structure BAL"] == "A B C"
