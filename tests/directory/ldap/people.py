"""Published mailboxes of nobody real, for tests: a few by hand, and as many as wanted from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from directory.annuaire.model import Mailbox
from directory.bals import BalType

if TYPE_CHECKING:
    from collections.abc import Sequence

MARIE = Mailbox(
    "marie.martin@hopital-demo.mssante.fr",
    BalType.PER,
    idnat="899900000017",
    person_id_type="8",
    person_id="99900000017",
    civility="DR",
    last_name="MARTIN",
    first_name="Marie",
    profession_code="10",
    profession="Médecin",
    skill_code="SM32",
    skill="Neurologie",
    structure_id_type="1",
    structure_id="1990000016",
    structure="HOPITAL DEMO",
    structure_sign="Hôpital démo du Mans",
    service="Neurologie",
    street_number="1",
    street_type="R",
    street_name="DES ESSAIS",
    routing="72000 LE MANS",
    postal_code="72000",
    department="Sarthe",
    updated_at=1_773_413_650_123,
    phone="0243000001",
)
PAUL = Mailbox(
    "paul.durand@cabinet.mssante.fr",
    BalType.PER,
    idnat="899900000025",
    person_id_type="8",
    person_id="99900000025",
    last_name="DURAND",
    first_name="Paul",
    profession_code="60",
    profession="Infirmier",
    routing="75015 PARIS",
    postal_code="75015",
    department="Paris",
    updated_at=1_773_000_000_000,
)
HELENE = Mailbox(
    "helene.lefevre@hopital-demo.mssante.fr",
    BalType.PER,
    idnat="899900000033",
    person_id_type="8",
    person_id="99900000033",
    last_name="LEFÈVRE",
    first_name="Hélène",
    profession_code="10",
    profession="Médecin",
    skill_code="SM54",
    skill="Médecine générale",
    structure_id_type="1",
    structure_id="1990000016",
    structure="HOPITAL DEMO",
    routing="72000 LE MANS",
    postal_code="72000",
    updated_at=1_773_413_650_999,
)
UNIT = Mailbox(
    "cardiologie@hopital-demo.mssante.fr",
    BalType.ORG,
    structure_id_type="1",
    structure_id="1990000016",
    structure="HOPITAL DEMO",
    service="Cardiologie",
    routing="72000 LE MANS",
    postal_code="72000",
    description="Secrétariat de cardiologie",
    updated_at=1_773_413_651_000,
)
SOFTWARE = Mailbox(
    "dpi+labo@hopital-demo.mssante.fr",
    BalType.APP,
    structure_id_type="3",
    structure_id="399900000000011",
    structure="LABORATOIRE DEMO",
    updated_at=1_773_413_652_000,
)
FEW = (MARIE, PAUL, HELENE, UNIT, SOFTWARE)

_LAST = ("MARTIN", "BERNARD", "DUBOIS", "DURAND", "MOREAU", "LAURENT", "SIMON", "GARCIA", "ROUX", "FOURNIER")
_FIRST = ("Anne", "Jean-Pierre", "Marie", "Paul", "Louise", "Karim", "Sophie", "Luc", "Nadia", "Yves")
_PLACES = (("75015", "PARIS"), ("72000", "LE MANS"), ("69003", "LYON"), ("31000", "TOULOUSE"))
_WORK = (("10", "Medecin"), ("60", "Infirmier"), ("40", "Chirurgien-Dentiste"), ("21", "Pharmacien"))
_SERVICES = ("Cardiologie", "Urgences", "Pediatrie", "Imagerie medicale")


def people(count: int, seed: int = 6) -> Sequence[Mailbox]:
    """Mailboxes in which no two spellings differ by accents or punctuation alone: every server compares them alike."""
    chance = random.Random(seed)
    return [_unit(number, chance) if number % 7 == 0 else _person(number, chance) for number in range(count)]


def _person(number: int, chance: random.Random) -> Mailbox:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    postal_code, city = chance.choice(_PLACES)
    code, profession = chance.choice(_WORK)
    has_place = chance.random() < 0.6
    number_of_place = chance.randrange(40)
    return Mailbox(
        f"{first}.{last}.{number}@essai-{number % 9}.mssante.fr".lower(),
        BalType.PER,
        idnat=f"8{99900000000 + number}",
        person_id_type="8",
        person_id=f"{99900000000 + number}",
        last_name=last,
        first_name=first,
        profession_code=code,
        profession=profession,
        structure_id_type="1" if has_place else None,
        structure_id=f"1{990000000 + number_of_place}" if has_place else None,
        structure=f"CLINIQUE {number_of_place}" if has_place else None,
        service=chance.choice(_SERVICES) if has_place and chance.random() < 0.5 else None,
        routing=f"{postal_code} {city}",
        postal_code=postal_code,
        updated_at=1_773_413_650_000 + number * 1000,
    )


def _unit(number: int, chance: random.Random) -> Mailbox:
    postal_code, city = chance.choice(_PLACES)
    place = chance.randrange(40)
    return Mailbox(
        f"service{number}@essai-{number % 9}.mssante.fr",
        chance.choice((BalType.ORG, BalType.APP)),
        structure_id_type="3",
        structure_id=f"3{99900000000000 + place}",
        structure=f"CLINIQUE {place}",
        service=chance.choice(_SERVICES),
        routing=f"{postal_code} {city}",
        postal_code=postal_code,
        description=f"Boite {number}" if chance.random() < 0.5 else None,
        updated_at=1_773_413_650_000 + number * 1000,
    )
