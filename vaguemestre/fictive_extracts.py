"""Writes the fictive people as the Annuaire Santé would publish them, for the importer to read like real files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.extract_export import COLUMNS as MAILBOX_COLUMNS
from directory.extracts import ExtractKind
from foundation.files import PUBLIC, write_atomically
from vaguemestre.fictive import PROFESSIONALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from vaguemestre.fictive import FictiveBal, Professional

ACTIVITY_COLUMNS = (
    "Type d'identifiant PP",
    "Identifiant PP",
    "Identification nationale PP",
    "Code civilité d'exercice",
    "Libellé civilité exercice",
    "Code civilité",
    "Libellé civilité",
    "Nom d'exercice",
    "Prénom d'exercice",
    "Code profession",
    "Libellé profession",
    "Code catégorie professionnelle",
    "Libellé catégorie professionnelle",
    "Code type savoir-faire",
    "Libellé type savoir-faire",
    "Code savoir-faire",
    "Libellé savoir-faire",
    "Code mode exercice",
    "Libellé mode exercice",
    "Numéro SIRET site",
    "Numéro SIREN site",
    "Numéro FINESS site",
    "Numéro FINESS établissement juridique",
    "Identifiant technique de la structure",
    "Raison sociale site",
    "Enseigne commerciale site",
    "Complément destinataire (coord. structure)",
    "Complément point géographique (coord. structure)",
    "Numéro Voie (coord. structure)",
    "Indice répétition voie (coord. Structure)",
    "Code type de voie (coord. structure)",
    "Libellé type de voie (coord. structure)",
    "Libellé Voie (coord. structure)",
    "Mention distribution (coord. structure)",
    "Bureau cedex (coord. structure)",
    "Code postal (coord. structure)",
    "Code commune (coord. structure)",
    "Libellé commune (coord. structure)",
    "Code pays (coord. structure)",
    "Libellé pays (coord. structure)",
    "Téléphone (coord. structure)",
    "Téléphone 2 (coord. structure)",
    "Télécopie (coord. structure)",
    "Adresse e-mail (coord. structure)",
    "Code département (coord. structure)",
    "Libellé département (coord. structure)",
    "Ancien identifiant de la structure",
    "Autorité d'enregistrement",
    "Code secteur d'activité",
    "Libellé secteur d'activité",
    "Code section tableau pharmaciens",
    "Libellé section tableau pharmaciens",
    "Code fonction",
    "Libellé fonction",
    "Code genre d'activité",
    "Libellé genre d'activité",
)
_CIVILITIES: Mapping[str, str] = {"M": "Monsieur", "MME": "Madame", "DR": "Docteur"}


def write_extracts(folder: Path, bals: Iterable[FictiveBal]) -> list[Path]:
    """Writes both extracts, the boxes being `bals`, into `folder` and gives their paths, mailboxes first."""
    folder.mkdir(parents=True, exist_ok=True)
    mailboxes = folder / f"{ExtractKind.MAILBOXES}_FICTIF.txt"
    activities = folder / f"{ExtractKind.ACTIVITIES}_FICTIF.txt"
    published = [bal for bal in bals if bal.is_in_extract]
    write_atomically(mailboxes, _text(tuple(MAILBOX_COLUMNS), map(_mailbox, published), ending="\n"), PUBLIC)
    # the PS files end each line with one more bar
    write_atomically(activities, _text(ACTIVITY_COLUMNS, map(_activity, PROFESSIONALS), ending="|\n"), PUBLIC)
    return [mailboxes, activities]


def _text(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]], *, ending: str) -> bytes:
    lines = ["|".join(columns), *("|".join(row.get(column, "") for column in columns) for row in rows)]
    return "".join(line + ending for line in lines).encode()


def _mailbox(bal: FictiveBal) -> Mapping[str, str]:
    structure, person = bal.structure, bal.professional
    row = {
        "Type de BAL": bal.type.value,
        "Adresse BAL": bal.address,
        "Type identifiant structure": structure.idnat[0],
        "Identification Structure": structure.idnat,
        "Service de rattachement": bal.service,
        "Dématérialisation": "True",
        "Raison Sociale structure BAL": structure.name,
        "L4NUMEROVOIE structure BAL": structure.street_number,
        "NL4TYPEVOIE structure BAL": structure.street_type_code,
        "L4LIBELLEVOIE structure BAL": structure.street_name,
        "L6LIGNEACHEMINEMENT structure BAL": f"{structure.postal_code} {structure.city}",
        "Code postal structure BAL": structure.postal_code,
        "Département structure BAL": structure.postal_code[:2],
        "Pays structure BAL": "99000",
    }
    if person is not None:
        row |= {
            "Type Identifiant PP": "8",
            "Identifiant PP": person.rpps,
            "Identification nationale PP": person.idnat,
            "Civilité d'exercice": person.title,
            "Nom d'exercice": person.last_name,
            "Prénom d'exercice": person.first_name,
            "Catégorie profession": "C",
            "Libellé de catégorie profession": "Civil",
            "Code Profession": person.profession_code,
            "Libellé Profession": person.profession,
            "Code savoir-faire": person.skill_code,
            "Libellé savoir-faire": person.skill,
        }
    return row


def _activity(person: Professional) -> Mapping[str, str]:
    structure = person.structure
    row = {
        "Type d'identifiant PP": "8",
        "Identifiant PP": person.rpps,
        "Identification nationale PP": person.idnat,
        "Code civilité d'exercice": person.title,
        "Libellé civilité exercice": _CIVILITIES.get(person.title, ""),
        "Code civilité": person.civility,
        "Libellé civilité": _CIVILITIES[person.civility],
        "Nom d'exercice": person.last_name,
        "Prénom d'exercice": person.first_name,
        "Code profession": person.profession_code,
        "Libellé profession": person.profession,
        "Code catégorie professionnelle": "C",
        "Libellé catégorie professionnelle": "Civil",
        "Code savoir-faire": person.skill_code,
        "Libellé savoir-faire": person.skill,
        "Code mode exercice": person.practice_code,
        "Libellé mode exercice": person.practice,
        "Numéro SIRET site": structure.siret,
        "Numéro SIREN site": structure.siret[:9],
        "Numéro FINESS site": structure.finess,
        "Numéro FINESS établissement juridique": structure.finess_legal,
        "Identifiant technique de la structure": structure.technical_id,
        "Raison sociale site": structure.name,
        "Numéro Voie (coord. structure)": structure.street_number,
        "Code type de voie (coord. structure)": structure.street_type_code,
        "Libellé type de voie (coord. structure)": structure.street_type,
        "Libellé Voie (coord. structure)": structure.street_name,
        "Bureau cedex (coord. structure)": f"{structure.postal_code} {structure.city}",
        "Code postal (coord. structure)": structure.postal_code,
        "Code commune (coord. structure)": structure.commune_code,
        "Libellé commune (coord. structure)": structure.city.title(),
        "Téléphone (coord. structure)": structure.phone,
        "Code département (coord. structure)": structure.postal_code[:2],
        "Libellé département (coord. structure)": "Sarthe",
        "Ancien identifiant de la structure": structure.idnat,
        "Code secteur d'activité": structure.sector_code,
        "Libellé secteur d'activité": structure.sector,
        "Code genre d'activité": "GENR01",
        "Libellé genre d'activité": "Activité standard de soin ou de pharmacien",
    }
    if person.skill_code:
        row |= {"Code type savoir-faire": "S", "Libellé type savoir-faire": "Spécialité ordinale"}
    return row
