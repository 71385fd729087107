"""« Historique des accès » : who did what with the record, as what, when and why; and the same as a file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from dmp_bridge.dossier import traces
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.rights.vocabulary import Mode, Reason, Role
from portal import downloads
from portal.days import day_of
from portal.pages import not_found
from portal.patient_record.professionals import CARERS
from portal.record_lists import iso, period
from portal.record_words import MODES, ROLES, act_of, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.traces import Trace
    from portal.patient_record.reception import Inside, Reception

ACTIVITY: Final = "/activite"
PAGE: Final = 50
MOST_EXPORTED: Final = 50_000
_WRITERS: Final[Mapping[str, tuple[Callable[[Sequence[Trace]], str], str]]] = {
    "csv": (traces.to_csv, "text/csv"),
    "json": (traces.to_json, "application/json"),
}


class Actors(StrEnum):
    """Whose traces; those of who asks are left out unless asked for."""

    OTHERS = ""
    PROFESSIONALS = "professionnels"
    STRUCTURES = "structures"
    FAMILY = "proches"
    OPERATOR = "operateur"
    ALL = "tous"


ACTORS: Final[Mapping[Actors, str]] = {
    Actors.OTHERS: "Tous sauf vous",
    Actors.PROFESSIONALS: "Professionnels de santé",
    Actors.STRUCTURES: "Structures et leur personnel",
    Actors.FAMILY: "Patient et représentants",
    Actors.OPERATOR: "Opérateur",
    Actors.ALL: "Tous",
}
_ROLES: Final[Mapping[Actors, tuple[Role, ...]]] = {
    Actors.OTHERS: (),
    Actors.PROFESSIONALS: (Role.PROFESSIONAL,),
    Actors.STRUCTURES: (Role.STRUCTURE, Role.EMPLOYEE),
    Actors.FAMILY: (Role.PATIENT, Role.REPRESENTATIVE),
    Actors.OPERATOR: (Role.OPERATOR,),
    Actors.ALL: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Actors and period, days included."""

    actors: Actors = Actors.OTHERS
    since: date | None = None
    until: date | None = None

    @classmethod
    def read(cls, query: QueryParams) -> Asked:
        actors = query.get("qui", "")
        return cls(
            actors=Actors(actors) if actors in set(Actors) else Actors.OTHERS,
            since=day_of(query.get("du", "")),
            until=day_of(query.get("au", "")),
        )

    def query(self, inside: Inside, limit: int, before: int | None = None) -> TraceQuery:
        """The same for the desk."""
        since, until = period(self.since, self.until)
        return TraceQuery(
            since=since,
            until=until,
            roles=tuple(each.value for each in _ROLES[self.actors]),
            but_not_by=inside.caller.id if self.actors is Actors.OTHERS else "",
            before_id=before,
            limit=limit,
        )

    def written(self, **more: str | int) -> str:
        """The same as the query of an address."""
        asked = {
            "qui": self.actors.value,
            "du": iso(self.since),
            "au": iso(self.until),
            **more,
        }
        return urlencode({name: value for name, value in asked.items() if value})


class ActivityPages:
    """`…/activite` and its files."""

    def __init__(self, reception: Reception, desk: Desk) -> None:
        self._reception = reception
        self._desk = desk

    def routes(self) -> list[Route]:
        both = self._reception.both
        return [*both(ACTIVITY, self.list), *both(f"{ACTIVITY}.{{form}}", self.export)]

    # ref: DMP-F27
    async def list(self, request: Request, inside: Inside) -> Response:
        """The traces, the newest first."""
        asked = Asked.read(request.query_params)
        before = downloads.number_of_query(request, "avant")
        found = await self._desk.traces(inside.caller, inside.ins, asked.query(inside, PAGE + 1, before))
        values = {
            "lines": [_told(inside, each) for each in found[:PAGE]],
            "following": asked.written(avant=found[PAGE - 1].id) if len(found) > PAGE else None,
            "asked": asked,
            "query": asked.written(),
            "actors": ACTORS,
            "most": MOST_EXPORTED,
        }
        return await self._reception.page(inside, "patient_record/activity.html", values)

    async def export(self, request: Request, inside: Inside) -> Response:
        """The same as a file, the newest first."""
        form = str(request.path_params["form"])
        if form not in _WRITERS:
            raise not_found()
        write, media_type = _WRITERS[form]
        asked = Asked.read(request.query_params)
        found = await self._desk.traces(inside.caller, inside.ins, asked.query(inside, MOST_EXPORTED))
        # How many documents somebody found would tell of those that are not announced yet.
        told = [replace(each, detail="{}") for each in found]
        text = await asyncio.to_thread(write, told)
        response = downloads.attachment(text.encode(), f"historique.{form}", media_type)
        response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
        return response


def _told(inside: Inside, trace: Trace) -> dict[str, Any]:
    """One trace in words."""
    mode, role = Mode(trace.mode), Role(trace.role)
    is_done = trace.outcome not in set(Reason)
    return {
        "id": trace.id,
        "at": trace.at,
        "act": act_of(trace),
        "who": "Vous" if trace.caller_id == inside.caller.id else trace.caller_name or trace.caller_id,
        "as_what": ROLES[role],
        "structure": trace.structure_name or trace.structure_id,
        "purpose": MODES[mode] if role in CARERS else "",
        "is_emergency": mode is not Mode.NORMAL,
        "motive": trace.motive,
        "refusal": refusal_of(trace),
        "is_refused": not is_done,
        "document": trace.document_id if is_done else None,
        "is_secret": trace.is_secret,
        "subject": trace.caller_id if role in CARERS else "",
    }
