"""A few hundred people with few names, so that every question has answers, near answers and wrong ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from directory.annuaire.assembly import lone_role_id
from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure
from directory.bals import BalType
from directory.extract_export import COLUMNS as MAILBOX_COLUMNS
from directory.extracts import ExtractReader
from directory.rows import activity_row, mailbox_row
from tests.directory.memory import MemoryView
from vaguemestre.fictive_extracts import ACTIVITY_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from directory.rows import Values

FIRST = ["ANNE", "ANNE-MARIE", "MARIE", "JEAN", "JEAN-PIERRE", "LOÏC", "Zoé", "O", "ÉLODIE"]
LAST = [
    "MARTIN",
    "MARTINEZ",
    "DUPONT",
    "DUPOND",
    "LE GOFF",
    "D'ARC",
    "ŒUVRARD",
    "LI",
    "SAINT MARTIN",
    "BERNARD",
]
TOWNS = [("75015", "PARIS 15"), ("29200", "BREST"), ("20000", "AJACCIO"), ("13001", "MARSEILLE")]
PROFESSIONS = [("10", "Médecin"), ("60", "Infirmier"), ("40", "Chirurgien-Dentiste")]
SKILLS = [("SM54", "Médecine générale"), ("SM36", "Neurologie"), ("", "")]
SERVICES = ["CARDIOLOGIE", "URGENCES", "Secrétariat d'accueil"]
PRACTICES, KINDS, SECTIONS, FUNCTIONS = (
    "LLLSSB",
    ["GENR01"] * 5 + ["GENR02"],
    "ABCC",
    ["FON-01", "FON-02", "", ""],
)
DOMAINS = ["medecin.mssante.fr", "ch-brest.mssante.fr", "a-b.mssante.fr"]


def write_nation(folder: Path, size: int = 300) -> tuple[Path, Path]:
    """Both extracts, always the same."""
    dice = random.Random(6)
    places = [_structure(dice, number) for number in range(30)]
    people = [_person(dice, number) for number in range(size // 2)]
    mailboxes = [_mailbox(dice, number, people, places) for number in range(size)]
    activities = [_activity(person, dice.choice(places)) for person in people[: size // 3] for _ in range(2)]
    for number, activity in enumerate(activities):
        activity |= _codes(random.Random(number))
    folder.mkdir(parents=True, exist_ok=True)
    boxes = folder / "Extraction_Correspondance_MSSante_202611230600.txt"
    boxes.write_text(_text(tuple(MAILBOX_COLUMNS), mailboxes, "\n"), encoding="utf-8")
    roles = folder / "PS_LibreAcces_Personne_activite_202611230600.txt"
    roles.write_text(_text(ACTIVITY_COLUMNS, activities, "|\n"), encoding="utf-8")
    return boxes, roles


def as_memory(boxes: Path, roles: Path, updated_at: int) -> MemoryView:
    """What the two files say, without an index; as the import understands them."""
    with boxes.open("rb") as stream:
        mailboxes = [_as_mailbox(mailbox_row(record), updated_at) for record in ExtractReader(stream)]
    people: dict[str, Person] = {}
    situations: dict[str, Role] = {}
    places: dict[str, Structure] = {}
    with roles.open("rb") as stream:
        for activity in map(activity_row, ExtractReader(stream)):
            person = Person._make((*activity.person, updated_at, (), ()))
            people.setdefault(person.idnat, person)
            situations.setdefault(
                activity.role_id, Role._make((activity.role_id, *activity.role, updated_at))
            )
            if activity.structure is not None:
                place = Structure._make((*activity.structure, updated_at))
                places.setdefault(place.id, place)
    for role in situations.values():
        person = people[role.idnat]
        skill = Skill(role.skill_code or "", role.skill, role.skill_type_code)
        if skill.code and skill not in person.skills:
            people[role.idnat] = person._replace(skills=(*person.skills, skill))
    known = {place.idnat for place in places.values()}
    of_activities = list(places.values())
    in_places = {(role.idnat, role.structure_id) for role in situations.values()}
    for box in mailboxes:  # whom and what only a mailbox names
        if box.idnat and box.idnat not in people:
            people[box.idnat] = _bearer(box)
        if box.structure_id and box.structure_id not in known:
            places[box.structure_id] = _place(box)
        if box.idnat and box.structure_id and box.last_name:
            named = [place.id for place in of_activities if place.idnat == box.structure_id]
            if not any((box.idnat, each) in in_places for each in (box.structure_id, *named)):
                alone = lone_role_id(box.idnat, box.structure_id)
                place_id = min(named, default=box.structure_id)
                situations[alone] = Role(alone, box.idnat, place_id, updated_at=updated_at)
    return MemoryView(mailboxes, list(people.values()), list(situations.values()), list(places.values()))


def _as_mailbox(row: Values, updated_at: int) -> Mailbox:
    address, kind, digital, *others = row
    values: list[Any] = [address, BalType(str(kind)), bool(digital), *others, updated_at]
    return Mailbox(*values)


def _bearer(box: Mailbox) -> Person:
    return Person(
        idnat=box.idnat or "",
        person_id_type=box.person_id_type,
        person_id=box.person_id,
        title=box.civility,
        last_name=box.last_name,
        first_name=box.first_name,
        profession_code=box.profession_code,
        profession=box.profession,
        updated_at=box.updated_at,
    )


def _place(box: Mailbox) -> Structure:
    return Structure(
        id=box.structure_id or "",
        idnat=box.structure_id,
        finess=_number(box, "1"),
        siren=_number(box, "2"),
        siret=_number(box, "3"),
        name=box.structure,
        sign=box.structure_sign,
        street_number=box.street_number,
        street_type=box.street_type,
        street_name=box.street_name,
        routing=box.routing,
        postal_code=box.postal_code,
        city=box.city,
        department=box.department,
        updated_at=box.updated_at,
    )


def _number(box: Mailbox, kind: str) -> str | None:
    """The number that an IdNat_Struct of a kind has behind it (TRE_G07)."""
    structure_id = box.structure_id or ""
    return structure_id[1:] if structure_id.startswith(kind) else None


def _structure(dice: random.Random, number: int) -> dict[str, str]:
    code, town = dice.choice(TOWNS)
    return {
        "finess": f"99{number:07d}",
        "siret": f"99{number:012d}" if number % 5 == 0 else "",
        "name": dice.choice(["CH DE", "CABINET", "CLINIQUE DU", "PHARMACIE"]) + f" {town} {number % 7}",
        "sign": dice.choice(["", "", "LES LILAS", "SANTÉ PLUS"]),
        "code": code,
        "town": town,
        "street": dice.choice(["DES ESSAIS", "DU PORT", "VICTOR HUGO"]),
        "number": str(dice.randrange(1, 30)),
    }


def _person(dice: random.Random, number: int) -> dict[str, str]:
    profession, label = dice.choice(PROFESSIONS)
    skill, skill_label = dice.choice(SKILLS)
    return {
        "rpps": f"999{number:08d}",
        "first": dice.choice(FIRST),
        "last": dice.choice(LAST),
        "profession": profession,
        "label": label,
        "skill": skill,
        "skill_label": skill_label,
    }


def _mailbox(
    dice: random.Random, number: int, people: list[dict[str, str]], places: list[dict[str, str]]
) -> dict[str, str]:
    row = {"Dématérialisation": dice.choice(["True", "False"])}
    person = dice.choice(people) if dice.random() < 0.7 else None
    if person is not None:
        row |= {
            "Type de BAL": "PER",
            "Type Identifiant PP": "8",
            "Identifiant PP": person["rpps"],
            "Identification nationale PP": "8" + person["rpps"],
            "Civilité d'exercice": "DR",
            "Nom d'exercice": person["last"],
            "Prénom d'exercice": person["first"],
            "Code Profession": person["profession"],
            "Libellé Profession": person["label"],
            "Code savoir-faire": person["skill"],
            "Libellé savoir-faire": person["skill_label"],
        }
    else:
        row |= {
            "Type de BAL": dice.choice(["ORG", "ORG", "APP"]),
            "Service de rattachement": dice.choice([*SERVICES, ""]),
        }
    if person is None or dice.random() < 0.5:
        place = dice.choice(places)
        row |= {
            "Type identifiant structure": "1",
            "Identification Structure": "1" + place["finess"],
            "Raison Sociale structure BAL": place["name"],
            "Enseigne commerciale structure BAL": place["sign"],
            "L4NUMEROVOIE structure BAL": place["number"],
            "NL4TYPEVOIE structure BAL": "R",
            "L4LIBELLEVOIE structure BAL": place["street"],
            "L6LIGNEACHEMINEMENT structure BAL": f"{place['code']} {place['town']}",
            "Code postal structure BAL": place["code"],
            "Département structure BAL": place["code"][:2],
            "Pays structure BAL": "99000",
        }
    name = f"{person['first']}.{person['last']}" if person else "service"
    plain = "".join(letter for letter in name.lower() if letter.isascii() and letter not in " '")
    row["Adresse BAL"] = f"{plain}.{number}@{dice.choice(DOMAINS)}"
    return row


def _activity(person: Mapping[str, str], place: Mapping[str, str]) -> dict[str, str]:
    return {
        "Type d'identifiant PP": "8",
        "Identifiant PP": person["rpps"],
        "Identification nationale PP": "8" + person["rpps"],
        "Code civilité d'exercice": "DR",
        "Code civilité": "MME",
        "Nom d'exercice": person["last"],
        "Prénom d'exercice": person["first"],
        "Code profession": person["profession"],
        "Libellé profession": person["label"],
        "Code savoir-faire": person["skill"],
        "Libellé savoir-faire": person["skill_label"],
        "Numéro FINESS site": place["finess"],
        "Numéro SIRET site": place["siret"],
        "Numéro SIREN site": place["siret"][:9],
        "Identifiant technique de la structure": "F" + place["finess"],
        "Raison sociale site": place["name"],
        "Enseigne commerciale site": place["sign"],
        "Numéro Voie (coord. structure)": place["number"],
        "Code type de voie (coord. structure)": "R",
        "Libellé Voie (coord. structure)": place["street"],
        "Code postal (coord. structure)": place["code"],
        "Libellé commune (coord. structure)": place["town"],
        "Code département (coord. structure)": place["code"][:2],
        "Ancien identifiant de la structure": "1" + place["finess"],
        "Code secteur d'activité": "SA07",
        "Libellé secteur d'activité": "Cabinet individuel",
    }


def _codes(dice: random.Random) -> dict[str, str]:
    """Of an activity: most codes are common, B is a code of two nomenclatures."""
    return {
        "Code catégorie professionnelle": dice.choice("CCCM"),
        "Code mode exercice": dice.choice(PRACTICES),
        "Code genre d'activité": dice.choice(KINDS),
        "Code section tableau pharmaciens": dice.choice(SECTIONS) if dice.random() < 0.2 else "",
        "Code fonction": dice.choice(FUNCTIONS),
    }


def _text(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]], ending: str) -> str:
    lines = ["|".join(columns), *("|".join(row.get(column, "") for column in columns) for row in rows)]
    return "".join(line + ending for line in lines)
