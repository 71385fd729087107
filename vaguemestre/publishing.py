"""Carries the publication of a box to the national directory: the handler of `directory.publication.PUBLISH_JOB`."""

from __future__ import annotations

import ssl
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from certs.tls import Trust, client_context
from directory import own, publication
from directory.bals import bal_of
from directory.listing import listing_of
from directory.psc.https import Https, Request, Unreachable
from directory.psc.strict_json import parse_object
from directory.publication import LONGEST_ERROR, PUBLISH_JOB, Incomplete, State, entry_of
from foundation import jobs, trail

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from directory.annuaire.view import View
    from directory.bals import Bal
    from directory.listing import Listing
    from directory.psc.https import Exchange
    from directory.publication import Patch, Publication, Step
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.settings import Settings

API_KEY = "ESANTE-API-KEY"
FHIR_JSON = "application/fhir+json"
FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 3600
_TEMPORARY = frozenset({401, 403, 407, 408, 425, 429})
"""Beside 5xx: a key that is wrong today is put right one day, and no box is to be taken by hand then."""
_GONE = frozenset({404, 410})
_LARGEST_ANSWER = 32 * 1024 * 1024
"""A directory that answers with the whole resource: a hospital has thousands of mailboxes."""
_MOST_ISSUES = 5


class _Outcome(StrEnum):
    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


def exchange_of(settings: Settings) -> Exchange:
    """The way to the national directory. Raises TlsUnusable."""
    ca = settings.directory.publish_ca_file
    if ca.name:
        return Https(client_context(Trust(settings.path(ca))), largest=_LARGEST_ANSWER)
    return Https(ssl.create_default_context(), largest=_LARGEST_ANSWER)


class Publisher:
    """Tells the directory of boxes, one request after the other for each box."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        view: Callable[[], View],
        exchange: Exchange | None,
    ) -> None:
        """Without an `exchange` only the directory served here shows the boxes."""
        self._database = database
        self._clock = clock
        self._settings = settings
        self._url = settings.directory.publish_url.rstrip("/")
        self._view = view
        self._exchange = exchange if self._url else None

    async def publish(self, job: Job) -> Callable[[UnitOfWork], None]:
        """Makes the requests that are still to be made for one box, and says how that ended."""
        owner_id = job.payload["owner_id"]

        def look(connection: Connection) -> tuple[Publication | None, Bal | None, Listing]:
            row, bal = publication.find(connection, owner_id), bal_of(connection, owner_id)
            return row, bal, listing_of(connection, owner_id)

        row, bal, listing = await self._database.read(look)
        if row is None or bal is None or row.job_id != job.id:
            return lambda _uow: None

        def settled(state: State, error: str | None = None) -> Callable[[UnitOfWork], None]:
            is_said = state in (State.PUBLISHED, State.WITHDRAWN)
            # Looked up only now: where the directory is this one, it shows the box already.
            shown = own.mailbox_to_show(bal, listing, self._view()) if is_said else None

            def unit(uow: UnitOfWork) -> None:
                if self._settle(uow, job, row.revision, state, error) and is_said:
                    own.show(uow, bal, shown, self._clock.millis())

            return unit

        try:
            wanted = entry_of(bal, listing)
        except Incomplete as lack:
            return settled(State.INCOMPLETE, str(lack))
        state = State.PUBLISHED if wanted is not None else State.WITHDRAWN
        if self._exchange is None:
            return settled(state)
        for step in publication.steps(row, wanted):
            await self._record(owner_id, partial(publication.sending, step=step))
            outcome, error = await self._carry_out(self._exchange, step)
            if outcome is _Outcome.LATER:
                return settled(State.RETRYING, error)
            if outcome is _Outcome.REFUSED:
                await self._record(owner_id, partial(publication.refused, step=step))
                return settled(State.REFUSED, error)
            await self._record(owner_id, partial(publication.done, step=step))
        return settled(state)

    async def _record(self, owner_id: int, change: Callable[[Publication], Publication]) -> None:
        """Changes the row as it is by now: the box may have changed meanwhile."""

        def unit(uow: UnitOfWork) -> None:
            row = publication.find(uow.connection, owner_id)
            if row is not None:
                publication.put(uow, change(row))

        await self._database.write(unit)

    async def _carry_out(self, exchange: Exchange, step: Step) -> tuple[_Outcome, str | None]:
        outcome, error = await self._ask(exchange, step.patch, is_removal=step.is_removal)
        if outcome is not _Outcome.REFUSED:
            return outcome, error
        if step.may_be_gone:
            return _Outcome.TAKEN, None
        if step.otherwise is not None:
            return await self._ask(exchange, step.otherwise, is_removal=False)
        return outcome, error

    async def _ask(
        self, exchange: Exchange, patch: Patch, *, is_removal: bool
    ) -> tuple[_Outcome, str | None]:
        """One request. What is taken away from where it is not is taken away."""
        query = urlencode(patch.query, quote_via=quote)
        headers = {
            "Content-Type": FHIR_JSON,
            "Accept": FHIR_JSON,
            "Prefer": "return=minimal",
            **self._key(),
        }
        try:
            answer = await exchange(
                Request(f"{self._url}/{patch.resource}?{query}", headers, patch=patch.body)
            )
        except Unreachable as error:
            return _Outcome.LATER, str(error)
        if 200 <= answer.status < 300:
            return _Outcome.TAKEN, None
        said = parse_object(answer.body) or {}
        is_definite = 400 <= answer.status < 500 and answer.status not in _TEMPORARY
        # What is no OperationOutcome is the word of a proxy or of a wrong address, not of the directory.
        if not is_definite or said.get("resourceType") != "OperationOutcome":
            return _Outcome.LATER, reason_of(answer.status, said)
        if is_removal and answer.status in _GONE:
            return _Outcome.TAKEN, None
        return _Outcome.REFUSED, reason_of(answer.status, said)

    def _key(self) -> dict[str, str]:
        """The header of the API key, read each time: the file may be put there while the service runs."""
        file = self._settings.path(self._settings.directory.publish_key_file)
        try:
            key = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return {}
        return {API_KEY: key} if key.isprintable() and key else {}

    def _settle(self, uow: UnitOfWork, job: Job, seen: int, state: State, error: str | None) -> bool:
        """Writes how it ended; False where the box has changed since it was `seen`, and another job is to look."""
        owner_id = job.payload["owner_id"]
        row = publication.find(uow.connection, owner_id)
        if row is None or row.job_id != job.id:
            return False
        now = self._clock.millis()
        is_current = row.revision == seen
        attempts = row.attempts + 1 if state is State.RETRYING else 0
        next_job = None
        if not is_current:
            state = State.WAITING
            next_job = jobs.enqueue(uow, PUBLISH_JOB, {"owner_id": owner_id})
        elif state is State.RETRYING:
            wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(attempts - 1, 10))
            next_job = jobs.enqueue(uow, PUBLISH_JOB, {"owner_id": owner_id}, run_at=now + wait * 1000)
        publication.put(
            uow,
            replace(
                row,
                state=state,
                job_id=next_job,
                error=error,
                attempts=attempts,
                tried_at=now,
                published_at=now if state is State.PUBLISHED else row.published_at,
            ),
        )
        if state is not State.RETRYING:
            trail.append(
                uow,
                "bal.publication",
                actor="system",
                subject=f"bal:{owner_id}",
                outcome=state.value,
                clock=self._clock,
            )
        return is_current


def reason_of(status: int, outcome: dict[str, Any]) -> str:
    """Why the directory did not take a request: its status, and the texts of its OperationOutcome."""
    issues = outcome.get("issue")
    said = [_said(each) for each in issues[:_MOST_ISSUES]] if isinstance(issues, list) else []
    words = " ".join(" ".join(said).split())
    printable = "".join(character for character in words if character.isprintable())
    return f"HTTP {status} {printable}".strip()[:LONGEST_ERROR]


def _said(issue: Any) -> str:
    if not isinstance(issue, dict):
        return ""
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    for said in (text, issue.get("diagnostics"), issue.get("code")):
        if isinstance(said, str) and said.strip():
            return said
    return ""
