"""The FHIR interface as routes of the web server, under `/fhir/annuaire`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from directory.annuaire.view import GenerationGone, TooSlow
from directory.fhir.access import HEADER, Caller, Keys
from directory.fhir.bundle import Asked, SearchSet
from directory.fhir.capability import capability_statement
from directory.fhir.guesses import Guesses
from directory.fhir.names import key_of
from directory.fhir.paging import PageTokens
from directory.fhir.patch import operations_of
from directory.fhir.publishing import Bearer, Patching
from directory.fhir.query import Summary, parse
from directory.fhir.registers import REGISTERS
from directory.fhir.resources import summary_elements
from directory.fhir.search import plan
from directory.fhir.systems import ResourceType
from directory.fhir.written import Written
from foundation.clock import from_millis, to_paris
from foundation.fhir import batch, body
from foundation.fhir.answers import (
    answered,
    below,
    is_known,
    is_named,
    is_strict,
    streamed,
    validators,
    whole,
)
from foundation.fhir.outcome import Refused, plain
from foundation.fhir.paging import NEXT_PAGE
from foundation.fhir.resources import encoded, subsetted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from directory.annuaire.annuaire import Annuaire
    from directory.annuaire.view import View
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.fhir.resources import Resource
    from foundation.settings import Settings

BASE = "/fhir/annuaire"
MOST_COUNT_IN_BATCH = 200
_ENOUGH = 20
"""Rows to see whether identifiers name one bearer: a person has few activities in one structure."""
_KINDS = {kind.value: kind for kind in ResourceType}
_CONDITIONS = {
    ResourceType.PRACTITIONER: ("identifier",),
    ResourceType.PRACTITIONER_ROLE: ("identifier", "practitioner.identifier", "organization.identifier"),
    ResourceType.ORGANIZATION: ("identifier",),
}
"""By what a conditional patch finds its resource."""


def fhir_routes(
    settings: Settings, annuaire: Annuaire, database: Database, clock: Clock, master_key: bytes, base: str
) -> list[BaseRoute]:
    """The interface as the settings want it; `base` is the address of the web server, without a slash at its end."""
    return FhirDirectory(
        annuaire, database, clock, keys_of(settings), PageTokens(master_key), base + BASE
    ).routes()


# ref: F35, ECO.3.1.4
class FhirDirectory:
    """The interface over one directory. `base` is its address as clients know it."""

    def __init__(
        self, annuaire: Annuaire, database: Database, clock: Clock, keys: Keys, tokens: PageTokens, base: str
    ) -> None:
        self._annuaire = annuaire
        self._database = database
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._base = base
        self._guesses = Guesses(clock)
        self._written = Written()

    def routes(self) -> list[BaseRoute]:
        """Everything below BASE."""
        return below(BASE, self.answer)

    async def answer(self, request: Request) -> Response:
        """One request; every refusal is an OperationOutcome."""
        try:
            return await self._answer(request)
        except Refused as error:
            refused = error
        except HTTPException as error:
            refused = plain(error.status_code)
        except TooSlow:
            refused = _too_slow()
        headers = {"Allow": "GET, POST, PATCH"} if refused.status == 405 else {}
        if refused.retry_after is not None:
            headers["Retry-After"] = str(refused.retry_after)
        return answered(refused.outcome, refused.status, headers)

    async def _answer(self, request: Request) -> Response:
        pairs = body.pairs_of(request.url.query)
        if not any(name == "_format" for name, _ in pairs):
            body.negotiate(request.headers.get("accept"))
        path = [part for part in request.path_params.get("path", "").split("/") if part]
        method = "GET" if request.method == "HEAD" else request.method
        if path == ["metadata"] and method == "GET":
            view = self._annuaire.view()
            return answered(capability_statement(self._base, view.generated_at))
        caller = self._caller(request)
        match method, path:
            case "GET", []:
                return await self._search_all(request, caller, pairs)
            case "POST", ["_search"]:
                return await self._search_all(request, caller, [*pairs, *await body.form_of(request)])
            case "POST", []:
                return await self._batch(request, caller)
            case "GET", [name] if name in _KINDS:
                return await self._search(request, caller, [_KINDS[name]], pairs)
            case "POST", [name, "_search"] if name in _KINDS:
                form = await body.form_of(request)
                return await self._search(request, caller, [_KINDS[name]], [*pairs, *form])
            case "GET", [name, identity] if name in _KINDS and identity != "_search":
                return await self._read(request, _KINDS[name], identity, pairs)
            case "PATCH", [name] if name in _KINDS:
                return await self._patch(request, caller, _KINDS[name], None, pairs)
            case "PATCH", [name, identity] if name in _KINDS:
                return await self._patch(request, caller, _KINDS[name], identity, pairs)
            case _, [] | ["metadata"] | ["_search"]:
                raise plain(405)
            case _, [name, *rest] if name in _KINDS and len(rest) < 2:
                raise plain(405)
            case _:
                raise Refused(404, "not-supported", "Cette ressource n'est pas servie.")

    def _caller(self, request: Request) -> Caller:
        """Who asks; raises Refused, also for any key from where many wrong ones came."""
        key = request.headers.get(HEADER)
        if key is None:
            return self._keys.caller(None)
        # The address of the socket: what a header says of another one is the client's own word.
        peer = request.client.host if request.client is not None else ""
        pause = self._guesses.pause(peer)
        if pause:
            raise Refused(
                429,
                "throttled",
                "Trop de clés d'API inconnues sont venues de cette adresse : il faut attendre.",
                retry_after=pause,
            )
        try:
            return self._keys.caller(key)
        except Refused:
            self._guesses.wrong(peer, key)
            raise

    # Reading

    async def _read(
        self, request: Request, kind: ResourceType, identity: str, pairs: Sequence[tuple[str, str]]
    ) -> Response:
        query = parse([kind], pairs, strict=is_strict(request))
        if query.criteria:
            raise Refused(400, "not-supported", "Une lecture par identifiant n'a pas de critère.")
        resource = await asyncio.to_thread(_resource, self._annuaire.view(), kind, identity)
        headers = validators(resource)
        if is_known(request, resource):
            return Response(status_code=304, headers=headers)
        if query.elements is not None:
            resource = subsetted(resource, query.elements)
        elif query.summary is Summary.TRUE:
            resource = subsetted(resource, summary_elements(kind))
        return answered(resource, 200, headers, pretty=query.pretty)

    async def _search_all(
        self, request: Request, caller: Caller, pairs: Sequence[tuple[str, str]]
    ) -> Response:
        kinds: list[ResourceType] = []
        for name, value in pairs:
            if name == "_type":
                for each in value.split(","):
                    if each not in _KINDS:
                        raise Refused(
                            400,
                            "not-supported",
                            "_type nomme une ressource qui n'est pas servie.",
                            expression="_type",
                        )
                    kinds.append(_KINDS[each])
        if not kinds and not any(name == NEXT_PAGE for name, _ in pairs):
            raise Refused(
                400, "required", "Une recherche à la racine a un paramètre _type.", expression="_type"
            )
        rest = [pair for pair in pairs if pair[0] != "_type"]
        return await self._search(request, caller, list(dict.fromkeys(kinds)), rest)

    async def _search(
        self,
        request: Request,
        caller: Caller,
        kinds: Sequence[ResourceType],
        pairs: Sequence[tuple[str, str]],
    ) -> Response:
        page = self._page(caller, kinds, pairs, strict=is_strict(request))
        return await streamed(page.pieces())

    def _page(
        self,
        caller: Caller,
        kinds: Sequence[ResourceType],
        pairs: Sequence[tuple[str, str]],
        *,
        strict: bool,
        most: int | None = None,
    ) -> SearchSet:
        """The page that is asked for: the first of a search, or the one a token names."""
        asked = Asked(self._base, caller.name, self._tokens, self._written)
        tokens = [value for name, value in pairs if name == NEXT_PAGE]
        if not tokens:
            query = parse(kinds, pairs, strict=strict)
            if most is not None and query.count > most:
                query = parse(kinds, [*pairs, ("_count", str(most))], strict=strict)
            return SearchSet(self._annuaire.view(), query, asked)
        others = {name for name, _ in pairs} - {NEXT_PAGE, "_format", "_pretty"}
        if len(tokens) > 1 or others:
            raise Refused(
                400, "value", "Un jeton de page va seul : il contient la recherche.", expression=NEXT_PAGE
            )
        found = self._tokens.open(caller.name, tokens[0])
        if kinds and tuple(kinds) != found.kinds:
            raise Refused(400, "value", "Ce jeton de page est d'une autre recherche.", expression=NEXT_PAGE)
        try:
            view = self._annuaire.view(found.generation)
        except GenerationGone as error:
            raise Refused(
                410, "expired", "Les données de cette recherche ne sont plus là : il faut la recommencer."
            ) from error
        query = parse(found.kinds, found.pairs, strict=False)
        return SearchSet(view, query, asked, begin=found.position, total=found.total)

    async def _batch(self, request: Request, caller: Caller) -> Response:
        """Reads and searches in one request (FHIR R4 §3.1.0.11)."""
        bundle = await body.json_of(request)
        strict = is_strict(request)
        return batch.batch_response(
            [await self._batch_entry(caller, entry, strict=strict) for entry in batch.entries_of(bundle)]
        )

    async def _batch_entry(self, caller: Caller, entry: Any, *, strict: bool) -> bytes:
        try:
            return batch.read(await self._batched(caller, entry, strict=strict))
        except Refused as error:
            refused = error
        except TooSlow:
            refused = _too_slow()
        return batch.not_read(refused)

    async def _batched(self, caller: Caller, entry: Any, *, strict: bool) -> bytes:
        path, pairs = batch.read_of(entry, self._base)
        match path:
            case [name] if name in _KINDS:
                page = self._page(caller, [_KINDS[name]], pairs, strict=strict, most=MOST_COUNT_IN_BATCH)
                return await whole(page.pieces())
            case [name, identity] if name in _KINDS:
                view = self._annuaire.view()
                return encoded(await asyncio.to_thread(_resource, view, _KINDS[name], identity))
            case _:
                raise Refused(404, "not-supported", "Cette ressource n'est pas servie.")

    # Publishing

    # ref: F36
    async def _patch(
        self,
        request: Request,
        caller: Caller,
        kind: ResourceType,
        identity: str | None,
        pairs: Sequence[tuple[str, str]],
    ) -> Response:
        operations = operations_of(await body.json_of(request), kind)
        view = self._annuaire.view()
        condition = [pair for pair in pairs if pair[0] not in ("_format", "_pretty")]
        if identity is not None and condition:
            raise Refused(400, "not-supported", "Un PATCH par identifiant logique n'a pas de critère.")
        addresses = {operation.address for operation in operations}

        def bearer() -> Bearer:
            row = _only(view, kind, condition) if identity is None else _row(view, kind, identity)
            return Bearer.find(view, kind, row, addresses)

        found = await asyncio.to_thread(bearer)
        wanted = request.headers.get("if-match")

        def unit(uow: UnitOfWork) -> Resource:
            patching = Patching(uow, found, caller, self._clock)
            if wanted is not None and not is_named(wanted, patching.resource()):
                raise Refused(412, "conflict", "La ressource a changé depuis la version nommée.")
            return patching.apply(operations)

        resource = await self._database.write(unit)
        return answered(resource, 200, validators(resource))


def _resource(view: View, kind: ResourceType, identity: str) -> Resource:
    return REGISTERS[kind].resource(view, _row(view, kind, identity))


def _row(view: View, kind: ResourceType, identity: str) -> Any:
    """What a logical id names; raises Refused."""
    key = key_of(kind, identity)
    register = REGISTERS[kind]
    row = register.find(view, key) if key is not None else None
    if row is not None:
        return row
    removed_at = view.removed_at(register.field, key) if key is not None else None
    if removed_at is None:
        raise Refused(404, "not-found", "Cette ressource n'existe pas.")
    day = to_paris(from_millis(removed_at))
    raise Refused(
        410, "deleted", f"Cette ressource n'est plus dans les extractions depuis le {day:%d/%m/%Y}."
    )


def _only(view: View, kind: ResourceType, pairs: Sequence[tuple[str, str]]) -> Any:
    """The one bearer of mailboxes that identifiers name (FHIR R4 §3.1.0.7.1, conditional patch)."""
    known = _CONDITIONS[kind]
    if not pairs or any(name not in known or "|" not in value or "," in value for name, value in pairs):
        raise Refused(
            400,
            "required",
            f"Un PATCH conditionnel nomme la ressource par {' ou '.join(known)}, de la forme système|valeur.",
        )
    wanted = plan(view, kind, parse([kind], pairs, strict=True).criteria)
    found = [row for _, row in wanted.rows(view, "", _ENOUGH)]
    if not found:
        raise Refused(404, "not-found", "Aucune ressource n'a cet identifiant.")
    if kind is ResourceType.PRACTITIONER_ROLE:
        # Two activities of a person in one structure bear the same mailboxes.
        found = list({(role.idnat, role.structure_id): role for role in reversed(found)}.values())
    if len(found) > 1:
        raise Refused(412, "multiple-matches", "Plusieurs ressources ont cet identifiant.")
    return found[0]


def _too_slow() -> Refused:
    return Refused(503, "too-costly", "La recherche demande trop de temps : il faut la préciser.")


def keys_of(settings: Settings) -> Keys:
    """Who may use the interface, as the settings say."""
    nobody = None
    if settings.directory.fhir_access == "everything":
        nobody = Caller("sandbox", frozenset(settings.domains))
    elif settings.directory.fhir_access == "reading":
        nobody = Caller("anonymous")
    return Keys(settings.directory.api_keys, nobody)
