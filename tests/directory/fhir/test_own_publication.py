"""What this operator publishes through its jobs is what the interface takes: a sandbox publishes to itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from directory.annuaire.model import Mailbox
from directory.annuaire.published import Standing, publish
from directory.bals import Bal, BalState, BalType, add_bal, set_state
from directory.own import changed, set_red_list
from directory.publication import Entry, Publication, done, steps
from tests.directory.fhir.place import found, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

_PERSON = ("identifier", "https://rpps.esante.gouv.fr|99900000011")
_STRUCTURE = ("identifier", "urn:oid:1.2.250.1.71.4.2.2|1990780017")
_BOTH = (
    ("practitioner.identifier", "https://rpps.esante.gouv.fr|99900000011"),
    ("organization.identifier", "http://finess.sante.gouv.fr|990780017"),
)
PERSONAL = Entry("Practitioner", (_PERSON,), "moi@medecin.mssante.fr", "PER", False, 1)
AT_WORK = Entry("PractitionerRole", _BOTH, "moi@ch-des-essais.mssante.fr", "PER", False)
SHARED = Entry("Practitioner", (_PERSON,), "cabinet@medecin.mssante.fr", "CAB", False, description="Cabinet")
SERVICE = Entry(
    "Organization", (_STRUCTURE,), "had@ch-des-essais.mssante.fr", "ORG", False, None, "HAD", "S", "R"
)


async def carry_out(client: httpx2.AsyncClient, row: Publication, wanted: Entry | None) -> Publication:
    """Makes the requests that are to be made, as vaguemestre.publishing does."""
    for step in steps(row, wanted):
        url = f"/{step.patch.resource}?{urlencode(step.patch.query, quote_via=quote)}"
        answer = await client.patch(
            url, content=step.patch.body, headers={"Content-Type": "application/fhir+json"}
        )
        assert answer.status_code == 200, answer.text
        row = done(row, step)
    return row


async def is_found(client: httpx2.AsyncClient, entry: Entry) -> bool:
    return bool(found((await client.get(f"/{entry.resource}?mailbox-mss:exact={entry.address}")).json()))


@pytest.mark.parametrize("entry", [PERSONAL, AT_WORK, SHARED, SERVICE], ids=lambda entry: entry.type)
async def test_a_box_is_published_changed_hidden_and_withdrawn(
    operator: httpx2.AsyncClient, entry: Entry
) -> None:
    row = await carry_out(operator, Publication(1), entry)
    assert await is_found(operator, entry)
    row = await carry_out(operator, row, replace(entry, rank=4))
    row = await carry_out(operator, row, replace(entry, rank=None))
    row = await carry_out(operator, row, replace(entry, red_list=True))
    assert not await is_found(operator, entry)
    row = await carry_out(operator, row, entry)
    assert await is_found(operator, entry)
    row = await carry_out(operator, row, None)
    assert not await is_found(operator, entry)
    await carry_out(operator, row, entry)
    assert await is_found(operator, entry)


@pytest.mark.parametrize("standing", [Standing.RED_LIST, Standing.SUSPENDED, Standing.REMOVED])
async def test_a_box_that_was_hidden_here_before_it_was_told_is_taken(
    operator: httpx2.AsyncClient, database: Database, standing: Standing
) -> None:
    """What hides a box here at once knows neither its structure nor its bearer's name."""
    for entry, idnat, structure in ((AT_WORK, "899900000011", None), (SERVICE, None, "1990780017")):
        bare = Mailbox(entry.address, BalType(entry.type), idnat=idnat, structure_id=structure)
        await database.write(lambda uow, bare=bare: publish(uow, bare, standing, 1))  # type: ignore[misc]
        row = await carry_out(operator, Publication(1), replace(entry, red_list=True))
        assert not await is_found(operator, entry)
        await carry_out(operator, row, entry)
        assert await is_found(operator, entry)


@pytest.mark.parametrize(
    "hide",
    [
        lambda uow: set_state(uow, AT_WORK.address, BalState.SUSPENDED, now=2),
        lambda uow: set_state(uow, AT_WORK.address, BalState.CLOSED, now=2),
        lambda uow: set_red_list(uow, AT_WORK.address, red_list=True, now=2),
    ],
    ids=["suspended", "closed", "red list"],
)
async def test_no_patch_shows_a_box_that_its_operator_hides(
    operator: httpx2.AsyncClient, database: Database, vault: Vault, hide: Callable[[UnitOfWork], Bal]
) -> None:
    def made(uow: UnitOfWork) -> None:
        add_bal(
            uow,
            vault,
            address=AT_WORK.address,
            type=BalType.PER,
            name="A",
            idnat="899900000011",
            password_hash=None,
            now=1,
        )

    def hidden(uow: UnitOfWork) -> None:
        changed(uow, hide(uow), 2)

    await database.write(made)
    await carry_out(operator, Publication(1), AT_WORK)
    await database.write(hidden)
    (step, *_) = steps(Publication(1), AT_WORK)
    url = f"/{step.patch.resource}?{urlencode(step.patch.query, quote_via=quote)}"
    answer = await operator.patch(
        url, content=step.patch.body, headers={"Content-Type": "application/fhir+json"}
    )
    assert refusal(answer, 409) == "conflict"
    assert not await is_found(operator, AT_WORK)


async def test_a_persons_box_moves_into_a_structure(operator: httpx2.AsyncClient) -> None:
    row = await carry_out(operator, Publication(1), PERSONAL)
    moved = replace(AT_WORK, address=PERSONAL.address)
    await carry_out(operator, row, moved)
    assert await is_found(operator, moved)
    assert not await is_found(operator, PERSONAL)
