"""Boxes on their way to a national directory that takes, refuses, is away, or is cut off."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory import publication
from directory.annuaire.model import Person
from directory.annuaire.published import Standing, published
from directory.bals import BalState, BalType
from directory.listing import Listing
from directory.psc.https import Response, Unreachable
from directory.publication import PUBLISH_JOB, State, find
from foundation import jobs, trail
from foundation.jobs import Worker
from foundation.settings import Settings
from portal.operators import acts
from tests.directory.memory import MemoryView
from vaguemestre.publishing import API_KEY, Publisher

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from directory.psc.https import Request
    from directory.publication import Publication
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

ADDRESS = "anne@hopital-demo.mssante.fr"
RPPS = "899900000011"
TAKEN = Response(200, "application/fhir+json", b"{}")
REFUSED = Response(
    404,
    "application/fhir+json",
    json.dumps(
        {"resourceType": "OperationOutcome", "issue": [{"details": {"text": "Praticien\ninconnu."}}]}
    ).encode(),
)


@dataclass
class National:
    """A directory that gives the answers of a test, then takes everything."""

    answers: list[Response | Exception] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    on_request: Any = None

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        if self.on_request is not None:
            await self.on_request()
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""

    @property
    def operations(self) -> list[str]:
        found = []
        for request in self.asked:
            (operation,) = json.loads(request.patch or b"")["parameter"]
            found.append(operation["part"][0]["valueCode"])
        return found


class Desk:
    """One operator with boxes to publish."""

    def __init__(
        self, database: Database, vault: Vault, events: Events, clock: FixedClock, home: Path
    ) -> None:
        self.database, self.vault, self.clock, self.events = database, vault, clock, events
        self.national = National()
        person = Person(RPPS, "8", "99900000011", title="DR", last_name="EXEMPLE", first_name="ANNE")
        self.view = MemoryView(people=[person])
        (home / "keys").mkdir()
        (home / "keys" / "directory.key").write_text("geheim\n")
        self.settings = Settings(home=home, directory={"publish_url": "https://annuaire.test/fhir/"})
        self.publisher = Publisher(database, clock, self.settings, lambda: self.view, self.national)

    def worker(self) -> Worker:
        return Worker(self.database, self.events, self.clock, {PUBLISH_JOB: self.publisher.publish})

    async def drain(self) -> None:
        await self.worker().drain()

    async def add(self, **values: Any) -> Bal:
        fields = {"address": ADDRESS, "type": BalType.PER, "name": "Anne EXEMPLE", "idnat": RPPS, **values}
        return await self.database.write(
            lambda uow: acts.open_bal(uow, self.vault, self.clock, password=None, **fields)
        )

    async def state(self, state: BalState) -> None:
        await self.database.write(lambda uow: acts.change_bal(uow, self.clock, ADDRESS, state))

    async def red_list(self, *, red_list: bool) -> None:
        await self.database.write(lambda uow: acts.red_list_bal(uow, self.clock, ADDRESS, red_list=red_list))

    def row(self, bal: Bal) -> Publication:
        found = self.database.read_now(lambda connection: find(connection, bal.owner_id))
        assert found is not None
        return found

    def standing(self) -> Standing | None:
        found = self.database.read_now(lambda connection: published(connection, ADDRESS))
        return found.standing if found is not None else None

    def waiting(self) -> int:
        return self.database.read_now(jobs.waiting)


@pytest.fixture
def desk(database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path) -> Desk:
    return Desk(database, vault, events, clock, tmp_path)


# ref: F36
async def test_a_new_box_is_published_by_one_request_and_shown_here(desk: Desk) -> None:
    bal = await desk.add()
    assert (desk.row(bal).state, desk.standing()) == (State.WAITING, None)
    await desk.drain()
    (request,) = desk.national.asked
    assert request.method == "PATCH"
    assert request.url == (
        "https://annuaire.test/fhir/Practitioner?identifier=https%3A%2F%2Frpps.esante.gouv.fr%7C99900000011"
    )
    assert request.headers[API_KEY] == "geheim"
    assert "geheim" not in repr(request)
    assert desk.national.operations == ["insert"]
    assert (desk.row(bal).state, desk.row(bal).job_id, desk.waiting()) == (State.PUBLISHED, None, 0)
    shown = desk.database.read_now(lambda connection: published(connection, ADDRESS))
    assert shown is not None
    assert (shown.mailbox.first_name, shown.mailbox.person_id, shown.standing) == (
        "ANNE",
        "99900000011",
        Standing.SHOWN,
    )


async def test_a_life_is_told_in_its_order(desk: Desk) -> None:
    await desk.add()
    await desk.drain()
    for change in (
        desk.red_list(red_list=True),
        desk.red_list(red_list=False),
        desk.state(BalState.SUSPENDED),
        desk.state(BalState.ACTIVE),
        desk.state(BalState.CLOSED),
    ):
        await change
        await desk.drain()
    assert desk.national.operations == ["insert", "replace", "replace", "delete", "insert", "delete"]
    assert desk.standing() is Standing.REMOVED


async def test_a_later_change_takes_the_place_of_one_that_waits(desk: Desk) -> None:
    bal = await desk.add()
    await desk.red_list(red_list=True)
    await desk.state(BalState.SUSPENDED)
    assert desk.waiting() == 1
    await desk.drain()
    assert desk.national.asked == []
    assert desk.row(bal).state is State.WITHDRAWN


async def test_a_change_during_a_request_is_told_after_it(desk: Desk) -> None:
    bal = await desk.add()

    async def change() -> None:
        desk.national.on_request = None
        await desk.red_list(red_list=True)
        assert desk.waiting() == 1

    desk.national.on_request = change
    await desk.drain()
    assert desk.national.operations == ["insert", "replace"]
    assert (desk.row(bal).state, desk.waiting()) == (State.PUBLISHED, 0)
    assert desk.standing() is Standing.RED_LIST


async def test_hiding_does_not_wait_for_the_directory(desk: Desk) -> None:
    await desk.add()
    await desk.drain()
    await desk.red_list(red_list=True)
    assert desk.standing() is Standing.RED_LIST
    await desk.state(BalState.SUSPENDED)
    assert desk.standing() is Standing.SUSPENDED


@pytest.mark.parametrize(
    "answer",
    [
        Unreachable("The line is cut."),
        *(Response(status, "text/html", b"<p>") for status in (401, 429, 500, 503)),
    ],
    ids=str,
)
async def test_an_answer_that_is_none_is_asked_for_again_later(
    desk: Desk, answer: Response | Exception
) -> None:
    desk.national.answers = [answer, answer]
    bal = await desk.add()
    await desk.drain()
    row = desk.row(bal)
    assert (row.state, row.attempts, desk.waiting()) == (State.RETRYING, 1, 1)
    assert row.error
    await desk.drain()
    assert len(desk.national.asked) == 1
    desk.clock.advance(timedelta(seconds=5))
    await desk.drain()
    assert desk.row(bal).attempts == 2
    desk.clock.advance(timedelta(seconds=5))
    await desk.drain()
    assert len(desk.national.asked) == 2
    desk.clock.advance(timedelta(seconds=5))
    await desk.drain()
    # Nobody knows whether the first one arrived.
    assert desk.national.operations == ["insert", "replace", "replace"]
    assert (desk.row(bal).state, desk.row(bal).error) == (State.PUBLISHED, None)


async def test_a_replacement_of_what_is_not_there_becomes_an_insertion(desk: Desk) -> None:
    desk.national.answers = [Unreachable("The line is cut."), REFUSED, TAKEN]
    bal = await desk.add()
    await desk.drain()
    desk.clock.advance(timedelta(minutes=1))
    await desk.drain()
    assert desk.national.operations == ["insert", "replace", "insert"]
    assert desk.row(bal).state is State.PUBLISHED


async def test_a_refusal_is_kept_in_the_words_of_the_directory(desk: Desk) -> None:
    desk.national.answers = [REFUSED]
    bal = await desk.add()
    await desk.drain()
    row = desk.row(bal)
    assert (row.state, row.error, row.published, desk.waiting()) == (
        State.REFUSED,
        "HTTP 404 Praticien inconnu.",
        None,
        0,
    )
    assert desk.standing() is None
    await desk.red_list(red_list=True)
    await desk.drain()
    assert desk.national.operations == ["insert", "insert"]


@pytest.mark.parametrize(
    "body",
    [b"", b'"issue": 3', b'"issue": [3, {"details": 4, "code": ["x"]}]'],
    ids=["empty", "no list", "no issue"],
)
async def test_a_refusal_that_says_nothing_is_one_all_the_same(desk: Desk, body: bytes) -> None:
    body = b'{"resourceType": "OperationOutcome"' + (b", " + body if body else b"") + b"}"
    desk.national.answers = [Response(422, "application/fhir+json", body)]
    bal = await desk.add()
    await desk.drain()
    assert (desk.row(bal).state, desk.row(bal).error) == (State.REFUSED, "HTTP 422")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"<p>Not found", b"[" * 100_000, b'{"resourceType": "Practitioner"}', b"{}"],
    ids=["empty", "no text", "a page", "deep", "another resource", "no resource"],
)
async def test_what_is_no_word_of_a_directory_refuses_nothing(desk: Desk, body: bytes) -> None:
    desk.national.answers = [Response(404, "text/html", body)]
    bal = await desk.add()
    await desk.drain()
    assert (desk.row(bal).state, desk.row(bal).error) == (State.RETRYING, "HTTP 404")


async def test_what_is_to_go_and_is_gone_is_gone(desk: Desk) -> None:
    bal = await desk.add()
    await desk.drain()
    desk.national.answers = [REFUSED]
    await desk.state(BalState.CLOSED)
    await desk.drain()
    assert desk.row(bal).state is State.WITHDRAWN


async def test_a_box_without_an_identifier_is_told_to_be_incomplete(desk: Desk) -> None:
    bal = await desk.add(idnat=None)
    await desk.drain()
    assert (desk.row(bal).state, desk.national.asked) == (State.INCOMPLETE, [])
    await desk.database.write(
        lambda uow: acts.edit_bal(uow, desk.clock, ADDRESS, name=bal.name, idnat=RPPS, listing=Listing())
    )
    await desk.drain()
    assert desk.row(bal).state is State.PUBLISHED


async def test_a_crash_between_the_change_and_its_publication_loses_nothing(desk: Desk) -> None:
    bal = await desk.add()
    killed = desk.worker()
    await desk.database.write(killed._claim)
    assert desk.row(bal).state is State.WAITING
    await desk.drain()
    assert desk.national.operations == ["insert"]


async def test_a_crash_behind_the_request_repeats_it_in_a_form_that_bears_it(desk: Desk) -> None:
    bal = await desk.add()

    class Crash(BaseException):
        pass

    async def crash() -> None:
        desk.national.on_request = None
        raise Crash

    desk.national.on_request = crash
    with pytest.raises(BaseExceptionGroup) as died:
        await desk.drain()
    assert died.group_contains(Crash)
    assert len(desk.row(bal).unsure) == 1
    await desk.drain()
    assert desk.national.operations == ["insert", "replace"]
    assert (desk.row(bal).state, desk.row(bal).unsure) == (State.PUBLISHED, ())


async def test_a_change_that_is_undone_leaves_no_job(desk: Desk) -> None:
    def unit(uow: Any) -> None:
        acts.open_bal(
            uow,
            desk.vault,
            desk.clock,
            address=ADDRESS,
            type=BalType.PER,
            name="Anne",
            idnat=RPPS,
            password=None,
        )
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await desk.database.write(unit)
    assert desk.waiting() == 0


async def test_without_a_national_directory_the_one_served_here_is_all(desk: Desk) -> None:
    settings = desk.settings.model_copy(update={"directory": Settings(home=desk.settings.home).directory})
    desk.publisher = Publisher(desk.database, desk.clock, settings, lambda: desk.view, None)
    bal = await desk.add()
    await desk.drain()
    assert (desk.row(bal).state, desk.standing(), desk.national.asked) == (
        State.PUBLISHED,
        Standing.SHOWN,
        [],
    )
    await desk.red_list(red_list=True)
    await desk.drain()
    assert desk.standing() is Standing.RED_LIST


async def test_a_box_of_an_earlier_version_is_put_right_whether_it_is_known_or_not(desk: Desk) -> None:
    bal = await desk.database.write(
        lambda uow: acts.make_bal(
            uow,
            desk.vault,
            desk.clock,
            address=ADDRESS,
            type=BalType.PER,
            name="Anne EXEMPLE",
            idnat=RPPS,
            password=None,
        )
    )
    assert desk.database.read_now(publication.never_asked) == [bal.owner_id]
    await desk.red_list(red_list=True)
    assert desk.standing() is Standing.RED_LIST
    await desk.drain()
    assert desk.national.operations == ["replace"]


async def test_the_trail_says_how_it_ended_and_nothing_of_the_person(desk: Desk) -> None:
    desk.national.answers = [REFUSED]
    await desk.add()
    await desk.drain()
    rows = desk.database.read_now(lambda connection: list(trail.rows(connection)))
    (row,) = [each for each in rows if each.action == "bal.publication"]
    assert (row.actor, row.outcome, row.detail) == ("system", "refused", "{}")
