from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure
from directory.bals import BalType, add_bal
from directory.correspondents import Correspondent, correspondent, correspondents, person_name
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

ADDRESS = "marie.martin@hopital.mssante.fr"
IDNAT = "899900000011"


def published(**columns: Any) -> Mailbox:
    return Mailbox(**{"address": ADDRESS, "type": BalType.PER, **columns})


MARIE = Person(
    IDNAT, title="DR", civility="MME", first_name="MARIE", last_name="MARTIN", profession="Médecin"
)
NEUROLOGIST = MARIE._replace(skills=(Skill("SM36", "Neurologie"),))
WORKS = Role("1", IDNAT, structure_id="F1")
HOSPITAL = Structure("F1", name="CH DE DÉMO")


@pytest.mark.parametrize(
    ("title", "first", "last", "name"),
    [
        ("DR", "MARIE-ANNE", "martin", "Dr Marie-Anne MARTIN"),
        ("MME", "élodie", "DE LA TOUR", "Mme Élodie DE LA TOUR"),
        ("M", "LOÏC", "SPECIMEN", "M. Loïc SPECIMEN"),
        ("XX", None, "SPECIMEN", "SPECIMEN"),
        (None, "ANNE", None, "Anne"),
    ],
)
def test_a_name_is_written_as_in_a_letter(
    title: str | None, first: str | None, last: str | None, name: str
) -> None:
    assert person_name(title, first, last) == name


async def test_a_published_person_has_name_profession_specialty_and_structure(database: Database) -> None:
    box = published(
        idnat=IDNAT,
        civility="DR",
        first_name="MARIE",
        last_name="MARTIN",
        profession="Médecin",
        skill="Neurologie",
        structure="CH DE DÉMO",
    )
    found = await database.read(lambda c: correspondent(c, MemoryView([box]), ADDRESS.upper()))
    assert found == Correspondent(
        ADDRESS, "Dr Marie MARTIN", "Médecin", "Neurologie", "CH DE DÉMO", BalType.PER
    )
    assert found.line == "Dr Marie MARTIN, Médecin, Neurologie, CH DE DÉMO"
    assert "MARTIN" not in repr(found)


async def test_the_activities_fill_what_the_published_entry_leaves_open(database: Database) -> None:
    box = published(idnat=IDNAT, first_name="MARIE", last_name="MARTIN")
    view = MemoryView([box], [NEUROLOGIST], [Role("0", IDNAT), WORKS], [HOSPITAL])
    found = await database.read(lambda c: correspondent(c, view, ADDRESS))
    assert found.line == "Dr Marie MARTIN, Médecin, Neurologie, CH DE DÉMO"


async def test_a_structure_s_box_has_its_service_for_a_name(database: Database) -> None:
    view = MemoryView([published(type=BalType.ORG, service="URGENCES", structure="CH DE DÉMO")])
    found = await database.read(lambda c: correspondent(c, view, ADDRESS))
    assert (found.name, found.structure, found.type) == ("URGENCES", "CH DE DÉMO", BalType.ORG)


async def test_a_hosted_box_that_is_not_published_is_known_all_the_same(
    database: Database, vault: Vault
) -> None:
    def boxes(uow: UnitOfWork) -> None:
        for address, kind, idnat in (
            (ADDRESS, BalType.PER, IDNAT),
            ("secretariat@hopital.mssante.fr", BalType.ORG, "1990780017"),
        ):
            add_bal(
                uow,
                vault,
                address=address,
                type=kind,
                name="Secrétariat",
                idnat=idnat,
                password_hash=None,
                now=0,
            )

    await database.write(boxes)
    view = MemoryView(people=[NEUROLOGIST])
    found = await database.read(
        lambda c: correspondents(c, view, [ADDRESS, "secretariat@hopital.mssante.fr"])
    )
    assert found[ADDRESS].line == "Dr Marie MARTIN, Médecin, Neurologie"
    assert found["secretariat@hopital.mssante.fr"].line == "Secrétariat"


async def test_an_unknown_address_names_itself(database: Database) -> None:
    view = MemoryView()
    found = await database.read(lambda c: correspondents(c, view, ["X@y.mssante.fr", "x@Y.mssante.fr"]))
    assert found == {"x@y.mssante.fr": Correspondent("x@y.mssante.fr", "x@y.mssante.fr")}
    assert await database.read(lambda c: correspondents(c, view, [])) == {}
