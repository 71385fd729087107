"""Extracts of the real sizes, made up: the same ones on every machine, kept in the folder of temporary files."""

from __future__ import annotations

import random
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.national_names import (
    BEGIN,
    END,
    FIRST,
    KINDS,
    LAST,
    MIDDLE,
    PROFESSIONS,
    SERVICES,
    SKILLS,
    STREETS,
    TOWNS,
)
from directory.extract_export import COLUMNS as MAILBOX_COLUMNS
from vaguemestre.fictive_extracts import ACTIVITY_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAILBOXES, ACTIVITIES = 535_000, 2_200_000
_PERSONS, _STRUCTURES, _DOMAINS = 1_250_000, 320_000, 5_000
_SHARE_OF_PERSONS = 0.85
"""Mailboxes that are somebody's own."""
_VERSION = 1


def mailboxes_file() -> Path:
    """An Extraction_Correspondance_MSSante of 535 000 lines, about 85 MB."""
    return _made(
        "Extraction_Correspondance_MSSante", lambda: _lines(tuple(MAILBOX_COLUMNS), "\n", _mailboxes())
    )


def activities_file() -> Path:
    """A PS_LibreAcces_Personne_activite of 2.2 million lines, about 800 MB."""
    return _made("PS_LibreAcces_Personne_activite", lambda: _lines(ACTIVITY_COLUMNS, "|\n", _activities()))


def folder() -> Path:
    """Where generated files are kept."""
    made = Path(tempfile.gettempdir()) / f"vaguemestre-national-{_VERSION}"
    made.mkdir(exist_ok=True)
    return made


class Nation:
    """Towns, structures and names, drawn as seldom and as often as they are in life."""

    def __init__(self) -> None:
        dice = random.Random(6)
        self.last = list(dict.fromkeys(LAST + [_name(dice) for _ in range(80_000)]))
        self._last_weights = list(accumulate(1 / (rank + 8) for rank in range(len(self.last))))
        self._first_weights = list(accumulate(1 / (rank + 5) for rank in range(len(FIRST))))
        towns = TOWNS + [_town(dice) for _ in range(8_000)]
        self.towns = [(town, f"{dice.randint(1, 95):02d}{dice.randrange(0, 1000, 10):03d}") for town in towns]
        self._town_weights = list(accumulate(1 / (rank + 10) for rank in range(len(towns))))
        self.domains = [f"{_slug(_name(dice))}-{number}.mssante.fr" for number in range(_DOMAINS)]
        self._domain_weights = list(accumulate(1 / (rank + 3) for rank in range(_DOMAINS)))
        self.professions = _weighted(PROFESSIONS)
        self.skills = _weighted(SKILLS)

    def last_name(self, dice: random.Random) -> str:
        return dice.choices(self.last, cum_weights=self._last_weights)[0]

    def first_name(self, dice: random.Random) -> str:
        return dice.choices(FIRST, cum_weights=self._first_weights)[0]

    def town(self, dice: random.Random) -> tuple[str, str]:
        return dice.choices(self.towns, cum_weights=self._town_weights)[0]

    def domain(self, dice: random.Random) -> str:
        return dice.choices(self.domains, cum_weights=self._domain_weights)[0]

    def structure(self, number: int) -> dict[str, str]:
        dice = random.Random(number * 2 + 1)
        town, code = self.town(dice)
        kind = dice.choice(KINDS)
        whose = (
            self.last_name(dice)
            if kind == "CABINET DU DR"
            else f"{town.replace('-', ' ')} {self.last_name(dice)}"
        )
        return {
            "finess": f"{code[:2]}{number % 10_000_000:07d}",
            "name": f"{kind} {whose}",
            "street_number": str(dice.randint(1, 200)),
            "street_type": dice.choice(STREETS),
            "street": f"DU {self.last_name(dice)}",
            "town": town.replace("-", " "),
            "code": code,
        }

    def person(self, number: int) -> dict[str, str]:
        dice = random.Random(number * 2)
        profession_code, profession = dice.choices(*self.professions)[0]
        skill_code, skill = dice.choices(*self.skills)[0] if profession_code == "10" else ("", "")
        return {
            "rpps": f"1{number:010d}",
            "last": self.last_name(dice),
            "first": self.first_name(dice),
            "profession_code": profession_code,
            "profession": profession,
            "skill_code": skill_code,
            "skill": skill,
            "title": "DR" if profession_code in ("10", "40") else "",
            "civility": dice.choice(("M", "MME")),
        }


def _mailboxes() -> Iterator[dict[str, str]]:
    nation, dice = Nation(), random.Random(61)
    for number in range(MAILBOXES):
        row = {"Dématérialisation": dice.choice(("True", "False"))}
        own = dice.random() < _SHARE_OF_PERSONS
        if own:
            person = nation.person(dice.randrange(_PERSONS))
            local = f"{_slug(person['first'])}.{_slug(person['last'])}"
            row |= {
                "Type de BAL": "PER",
                "Type Identifiant PP": "8",
                "Identifiant PP": person["rpps"],
                "Identification nationale PP": "8" + person["rpps"],
                "Civilité d'exercice": person["title"],
                "Nom d'exercice": person["last"],
                "Prénom d'exercice": person["first"],
                "Catégorie profession": "C",
                "Libellé de catégorie profession": "Civil",
                "Code Profession": person["profession_code"],
                "Libellé Profession": person["profession"],
                "Code savoir-faire": person["skill_code"],
                "Libellé savoir-faire": person["skill"],
            }
        else:
            service = dice.choice(SERVICES)
            local = _slug(service)
            row |= {"Type de BAL": "ORG", "Service de rattachement": service}
        if not own or dice.random() < 0.6:
            place = nation.structure(int(dice.random() ** 3 * _STRUCTURES))
            row |= {
                "Type identifiant structure": "1",
                "Identification Structure": "1" + place["finess"],
                "Raison Sociale structure BAL": place["name"],
                "L4NUMEROVOIE structure BAL": place["street_number"],
                "NL4TYPEVOIE structure BAL": place["street_type"],
                "L4LIBELLEVOIE structure BAL": place["street"],
                "L6LIGNEACHEMINEMENT structure BAL": f"{place['code']} {place['town']}",
                "Code postal structure BAL": place["code"],
                "Département structure BAL": place["code"][:2],
                "Pays structure BAL": "99000",
            }
        row["Adresse BAL"] = f"{local}.{number}@{nation.domain(dice)}"
        yield row


def _activities() -> Iterator[dict[str, str]]:
    nation, dice = Nation(), random.Random(62)
    rows, number = 0, 0
    while rows < ACTIVITIES:
        person = nation.person(number % _PERSONS)
        number += 1
        for _ in range(min(dice.choice((1, 1, 1, 2, 2, 4)), ACTIVITIES - rows)):
            rows += 1
            yield _activity(person, nation.structure(int(dice.random() ** 2 * _STRUCTURES)))


def _activity(person: dict[str, str], place: dict[str, str]) -> dict[str, str]:
    return {
        "Type d'identifiant PP": "8",
        "Identifiant PP": person["rpps"],
        "Identification nationale PP": "8" + person["rpps"],
        "Code civilité d'exercice": person["title"],
        "Code civilité": person["civility"],
        "Libellé civilité": {"M": "Monsieur", "MME": "Madame"}[person["civility"]],
        "Nom d'exercice": person["last"],
        "Prénom d'exercice": person["first"],
        "Code profession": person["profession_code"],
        "Libellé profession": person["profession"],
        "Code catégorie professionnelle": "C",
        "Libellé catégorie professionnelle": "Civil",
        "Code type savoir-faire": "S" if person["skill"] else "",
        "Libellé type savoir-faire": "Spécialité ordinale" if person["skill"] else "",
        "Code savoir-faire": person["skill_code"],
        "Libellé savoir-faire": person["skill"],
        "Code mode exercice": "L",
        "Libellé mode exercice": "Libéral",
        "Numéro FINESS site": place["finess"],
        "Identifiant technique de la structure": "F" + place["finess"],
        "Raison sociale site": place["name"],
        "Numéro Voie (coord. structure)": place["street_number"],
        "Code type de voie (coord. structure)": place["street_type"],
        "Libellé Voie (coord. structure)": place["street"],
        "Bureau cedex (coord. structure)": f"{place['code']} {place['town']}",
        "Code postal (coord. structure)": place["code"],
        "Code commune (coord. structure)": place["code"],
        "Libellé commune (coord. structure)": place["town"].title(),
        "Téléphone (coord. structure)": "0100000000",
        "Code département (coord. structure)": place["code"][:2],
        "Ancien identifiant de la structure": "1" + place["finess"],
        "Autorité d'enregistrement": "CNOM/CNOM/CNOM",
        "Code secteur d'activité": "SA07",
        "Libellé secteur d'activité": "Cabinet individuel",
        "Code genre d'activité": "GENR01",
        "Libellé genre d'activité": "Activité standard de soin ou de pharmacien",
    }


def _made(name: str, lines: Callable[[], Iterator[str]]) -> Path:
    path = folder() / f"{name}_202611230600.txt"
    if not path.exists():
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines())
        draft.rename(path)
    return path


def _lines(columns: Sequence[str], ending: str, rows: Iterator[dict[str, str]]) -> Iterator[str]:
    yield "|".join(columns) + ending
    for row in rows:
        yield "|".join([row.get(column, "") for column in columns]) + ending


def _weighted(rows: Sequence[tuple[str, str, int]]) -> tuple[list[tuple[str, str]], list[int]]:
    return [row[:2] for row in rows], [row[2] for row in rows]


def _name(dice: random.Random) -> str:
    middle = "".join(dice.choice(MIDDLE) for _ in range(dice.choice((0, 1, 1, 2))))
    name = dice.choice(BEGIN) + middle + dice.choice(END)
    return f"{dice.choice(('DE', 'LE', 'DE LA'))} {name}" if dice.random() < 0.05 else name


def _town(dice: random.Random) -> str:
    name = _name(dice).replace(" ", "-")
    return f"SAINT-{dice.choice(FIRST)}-SUR-{name}" if dice.random() < 0.2 else name


def _slug(text: str) -> str:
    plain = text.lower().translate(str.maketrans("éèêëàâîïôöûüçœ'- ", "eeeeaaiioouuco---"))
    return plain.encode("ascii", "ignore").decode()
