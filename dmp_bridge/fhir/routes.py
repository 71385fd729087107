"""The record over FHIR as routes of the web server, under `/fhir/dmp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from dmp_bridge.dossier.consents import ConsentRefused
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.fhir import consents
from dmp_bridge.fhir.access import Unknown
from dmp_bridge.fhir.bundles import created
from dmp_bridge.fhir.capability import INTERACTIONS, capability_statement
from dmp_bridge.fhir.elements import resource
from dmp_bridge.fhir.feeding import Feeding, condition_of, ins_in, version_of
from dmp_bridge.fhir.negotiation import binary, native, wants_binary
from dmp_bridge.fhir.outcomes import refused
from dmp_bridge.fhir.parameters import TABLE
from dmp_bridge.fhir.patient_ids import PatientIds
from dmp_bridge.fhir.reading import Reading
from foundation.fhir import batch, body
from foundation.fhir.answers import answered, answered_bytes, below, is_known, streamed, validators, whole
from foundation.fhir.outcome import Refused, plain
from foundation.fhir.paging import SealedTokens
from foundation.fhir.resources import encoded

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.care_desk import CareDesk
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.fhir.access import Gate
    from foundation.clock import Clock
    from foundation.database import Database

BASE = "/fhir/dmp"
_INFO = b"vaguemestre fhir record page 1"


class FhirRecord:
    """The interface over the desks of one operator.

    `base` is its address as clients know it, `custodian` the name under which records are kept, `most_bytes` bounds
    the body of a request and the documents of one batch together, `memory_bytes` all bodies that are read at once.
    """

    def __init__(
        self,
        desk: Desk,
        care: CareDesk,
        gate: Gate,
        database: Database,
        clock: Clock,
        *,
        master_key: bytes,
        base: str,
        custodian: str,
        most_bytes: int,
        memory_bytes: int,
    ) -> None:
        self._care = care
        self._gate = gate
        self._base = base
        self._most_bytes = most_bytes
        self._memory = memory_bytes
        self._clock = clock
        self._started_at = clock.millis()
        tokens, ids = SealedTokens(master_key, _INFO), PatientIds(master_key)
        self._reading = Reading(desk, care, database, tokens, ids, base, custodian)
        self._feeding = Feeding(desk, self._reading, clock, base)

    def routes(self) -> list[BaseRoute]:
        """Everything below BASE."""
        return below(BASE, self.answer)

    async def answer(self, request: Request) -> Response:
        """One request; every refusal is an OperationOutcome."""
        try:
            response = await self._answer(request)
            response.headers["Cache-Control"] = "no-store"
            return response
        except Refused as error:
            no = error
        except Denied as denied:
            no = refused(denied)
        except ConsentRefused as error:
            no = Refused(422, "business-rule", str(error))
        except HTTPException as error:
            no = plain(error.status_code)
        headers = {"Allow": "GET, POST, PATCH"} if no.status == 405 else {}
        if isinstance(no, Unknown):
            headers = {"WWW-Authenticate": no.challenge}
        return answered(no.outcome, no.status, headers)

    # ref: DMP-F31
    async def _answer(self, request: Request) -> Response:
        pairs = body.pairs_of(request.url.query)
        path = [part for part in request.path_params.get("path", "").split("/") if part]
        method = "GET" if request.method == "HEAD" else request.method
        if path[:1] != ["Binary"] and not any(name == "_format" for name, _ in pairs):
            body.negotiate(request.headers.get("accept"))
        if path == ["metadata"] and method == "GET":
            return answered(capability_statement(self._base, self._started_at))
        caller = await self._gate.caller(request)
        match method, path:
            case "POST", []:
                return await self._bundle(request, caller)
            case "GET", [kind] if kind in TABLE:
                return await streamed(await self._reading.search(caller, kind, pairs))
            case "POST", [kind, "_search"] if kind in TABLE:
                pairs = [*pairs, *await body.form_of(request)]
                return await streamed(await self._reading.search(caller, kind, pairs))
            case "GET", ["DocumentReference", identity]:
                return await self._document(request, caller, identity)
            case "GET", ["Binary", identity]:
                return await self._binary(request, caller, identity)
            case "GET", ["List", identity]:
                return answered(await self._reading.submission(caller, identity))
            case "POST", ["DocumentReference"]:
                return await self._publish(request, caller)
            case "PATCH", ["DocumentReference"]:
                return await self._patch(request, caller, condition_of(pairs), ins_in(pairs))
            case "PATCH", ["DocumentReference", identity] if identity.isdecimal():
                return await self._patch(request, caller, identity, "")
            case "POST", ["Consent"]:
                return await self._consent(request, caller)
            case _, [] | ["metadata"]:
                raise plain(405)
            case _, [kind, *rest] if kind in INTERACTIONS and len(rest) < 2:
                raise plain(404 if method == "GET" else 405)
            case _:
                raise Refused(404, "not-supported", "Cette ressource n'est pas servie.")

    async def _document(self, request: Request, caller: Caller, identity: str) -> Response:
        found = await self._reading.document(caller, identity)
        headers = validators(found)
        if is_known(request, found):
            return Response(status_code=304, headers=headers)
        return answered(found, 200, headers)

    # ref: DMP-F31
    async def _binary(self, request: Request, caller: Caller, identity: str) -> Response:
        content = await self._reading.content(caller, identity)
        if wants_binary(request.headers.get("accept"), content.media_type):
            return answered_bytes(await binary(content))
        return native(content)

    async def _publish(self, request: Request, caller: Caller) -> Response:
        filed = await self._feeding.publish(caller, await self._large(request))
        told = created("DocumentReference", filed.document_id, self._clock.millis(), is_new=filed.is_new)
        return Response(
            status_code=201 if filed.is_new else 200,
            headers={"Location": f"{self._base}/{told['location']}"},
        )

    async def _patch(self, request: Request, caller: Caller, identity: str, ins: str) -> Response:
        version = version_of(request.headers.get("if-match"))
        patch = await body.patch_of(request)
        found = await self._feeding.patch(caller, identity, patch, ins=ins, version=version)
        told = self._reading.bare(found)
        return answered(told, 200, validators(told))

    async def _large(self, request: Request) -> dict[str, Any]:
        """A body that may hold documents; raises Refused (503) where too many are being read."""
        announced = request.headers.get("content-length", "")
        known = announced.isascii() and announced.isdecimal() and len(announced) < 12
        wanted = min(int(announced), self._most_bytes) if known else self._most_bytes
        if wanted > self._memory:
            raise Refused(503, "transient", "Le service est occupé : réessayez dans quelques instants.")
        self._memory -= wanted
        try:
            return await body.json_of(request, self._most_bytes)
        finally:
            self._memory += wanted

    # ref: DMP-F22
    async def _consent(self, request: Request, caller: Caller) -> Response:
        told = await body.json_of(request)
        is_new = await consents.note(self._care, caller, consents.posted(resource(told, "Consent")))
        return Response(status_code=201 if is_new else 200)

    async def _bundle(self, request: Request, caller: Caller) -> Response:
        bundle = await self._large(request)
        if bundle.get("type") != "batch":
            return answered(await self._feeding.transaction(caller, bundle))
        told: list[bytes] = []
        for entry in batch.entries_of(bundle):
            room = self._most_bytes - sum(len(each) for each in told)
            told.append(await self._batch_entry(caller, entry, room))
        return batch.batch_response(told)

    async def _batch_entry(self, caller: Caller, entry: Any, room: int) -> bytes:
        try:
            if room < 0:
                raise Refused(413, "too-costly", "Les documents de ce batch sont trop grands ensemble.")
            return batch.read(await self._batched(caller, entry))
        except Refused as error:
            no = error
        except Denied as denied:
            no = refused(denied)
        return batch.not_read(no)

    async def _batched(self, caller: Caller, entry: Any) -> bytes:
        path, pairs = batch.read_of(entry, self._base)
        match path:
            case [kind] if kind in TABLE:
                return await whole(await self._reading.search(caller, kind, pairs))
            case ["DocumentReference", identity]:
                return encoded(await self._reading.document(caller, identity))
            case ["List", identity]:
                return encoded(await self._reading.submission(caller, identity))
            case ["Binary", identity]:
                return await binary(await self._reading.content(caller, identity))
            case _:
                raise Refused(404, "not-supported", "Cette ressource n'est pas servie.")
