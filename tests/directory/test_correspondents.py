from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from directory.bals import BalType, add_bal
from directory.correspondents import Correspondent, correspondent, correspondents, person_name
from directory.tables import directory_activity, directory_entry

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

ADDRESS = "marie.martin@hopital.mssante.fr"
IDNAT = "899900000011"


def entry(address: str = ADDRESS, **columns: Any) -> dict[str, Any]:
    return {
        "address": address,
        "type": "PER",
        "domain": address.partition("@")[2],
        "digital": True,
        "folded": "",
        "digest": b"0" * 16,
        "updated_at": 0,
    } | columns


def activity(number: int, **columns: Any) -> dict[str, Any]:
    return {
        "digest": number.to_bytes(16),
        "idnat": IDNAT,
        "title": "DR",
        "civility": "MME",
        "first_name": "MARIE",
        "last_name": "MARTIN",
        "profession": "Médecin",
    } | columns


async def fill(database: Database, entries: list[dict[str, Any]], activities: list[dict[str, Any]]) -> None:
    def unit(uow: UnitOfWork) -> None:
        for table, rows in ((directory_entry, entries), (directory_activity, activities)):
            for row in rows:
                uow.execute(insert(table), row)

    await database.write(unit)


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
    published = entry(
        idnat=IDNAT,
        civility="DR",
        first_name="MARIE",
        last_name="MARTIN",
        profession="Médecin",
        skill="Neurologie",
        structure="CH DE DÉMO",
    )
    await fill(database, [published], [])
    found = await database.read(lambda c: correspondent(c, ADDRESS.upper()))
    assert found == Correspondent(
        ADDRESS, "Dr Marie MARTIN", "Médecin", "Neurologie", "CH DE DÉMO", BalType.PER
    )
    assert found.line == "Dr Marie MARTIN, Médecin, Neurologie, CH DE DÉMO"
    assert "MARTIN" not in repr(found)


async def test_the_activities_fill_what_the_published_entry_leaves_open(database: Database) -> None:
    published = entry(idnat=IDNAT, first_name="MARIE", last_name="MARTIN")
    activities = [activity(1), activity(2, skill="Neurologie", structure="CH DE DÉMO")]
    await fill(database, [published], activities)
    found = await database.read(lambda c: correspondent(c, ADDRESS))
    assert found.line == "Dr Marie MARTIN, Médecin, Neurologie, CH DE DÉMO"


async def test_a_structure_s_box_has_its_service_for_a_name(database: Database) -> None:
    await fill(database, [entry(type="ORG", service="URGENCES", structure="CH DE DÉMO")], [])
    found = await database.read(lambda c: correspondent(c, ADDRESS))
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
    await fill(database, [], [activity(1, skill="Neurologie")])
    found = await database.read(lambda c: correspondents(c, [ADDRESS, "secretariat@hopital.mssante.fr"]))
    assert found[ADDRESS].line == "Dr Marie MARTIN, Médecin, Neurologie"
    assert found["secretariat@hopital.mssante.fr"].line == "Secrétariat"


async def test_an_unknown_address_names_itself(database: Database) -> None:
    found = await database.read(lambda c: correspondents(c, ["X@y.mssante.fr", "x@Y.mssante.fr"]))
    assert found == {"x@y.mssante.fr": Correspondent("x@y.mssante.fr", "x@y.mssante.fr")}
    assert await database.read(lambda c: correspondents(c, [])) == {}
