"""Extract files that tests make for themselves, in the real shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAILBOX_HEADER = (
    "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|"
    "Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|"
    "Nom d'exercice|Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|"
    "Libellé Profession|Code savoir-faire|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|"
    "Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION structure BAL|"
    "L3COMPLEMENTDISTRIBUTION structure BAL|L4NUMEROVOIE structure BAL|"
    "L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|L4LIBELLEVOIE structure BAL|"
    "L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|Code postal structure BAL|"
    "Département structure BAL|Pays structure BAL"
)
ACTIVITY_HEADER = (
    "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|"
    "Libellé civilité exercice|Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|Code profession|"
    "Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|"
    "Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|"
    "Code mode exercice|Libellé mode exercice|Numéro SIRET site|Numéro SIREN site|Numéro FINESS site|"
    "Numéro FINESS établissement juridique|Identifiant technique de la structure|Raison sociale site|"
    "Bureau cedex (coord. structure)|Code postal (coord. structure)|"
)


def mailbox(address: str = "anne.exemple@demo.mssante.fr", **values: str) -> str:
    columns = dict.fromkeys(MAILBOX_HEADER.split("|"), "")
    columns["Adresse BAL"] = address
    known = {
        "type": "Type de BAL",
        "idnat": "Identification nationale PP",
        "civility": "Civilité d'exercice",
        "last": "Nom d'exercice",
        "first": "Prénom d'exercice",
        "profession": "Libellé Profession",
        "skill": "Libellé savoir-faire",
        "structure": "Raison Sociale structure BAL",
        "service": "Service de rattachement",
        "digital": "Dématérialisation",
        "place": "L6LIGNEACHEMINEMENT structure BAL",
        "structure_id": "Identification Structure",
    }
    defaults = {"type": "PER", "idnat": "899900000011", "last": "EXEMPLE", "first": "ANNE"}
    for name, value in (defaults | values).items():
        columns[known[name]] = value
    return "|".join(columns.values())


def activity(idnat: str = "899900000011", skill: str = "", structure: str = "CH DES ESSAIS") -> str:
    return (
        f"8|{idnat[1:]}|{idnat}|DR|Docteur|MME|Madame|EXEMPLE|ANNE|10|Médecin|C|Civil|S|Spécialité|SM54|{skill}|"
        f"S|Salarié|||990780017|990780025|F990780017|{structure}|75015 PARIS|75015|"
    )


def write(path: Path, *lines: str, ending: str = "\n") -> Path:
    path.write_bytes("".join(line + ending for line in lines).encode())
    return path
