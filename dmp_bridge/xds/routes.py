"""The XDS.b interface as routes of the web server: `/xds/repository` (ITI-41, ITI-43), `/xds/registry` (ITI-18, ITI-57).

A request is believed in this order: the certificate of its connection, the assertion it carries, and that nobody else
showed that assertion before. Only then is its body looked at.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dmp_bridge.xds import provide, update
from dmp_bridge.xds.mtom import RELATED, SOAP_TYPE, ContentType, Reader, write_related
from dmp_bridge.xds.registry import Registry
from dmp_bridge.xds.repository import RETRIEVE, Repository
from dmp_bridge.xds.shown import show
from dmp_bridge.xds.soap import (
    FAULT_ACTION,
    Fault,
    FaultCode,
    SubCode,
    read_envelope,
    write_envelope,
    write_fault,
)
from dmp_bridge.xds.vihf import read_vihf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.ebrim import Cx
    from dmp_bridge.xds.callers import Callers
    from dmp_bridge.xds.certificates import Certificates
    from dmp_bridge.xds.mtom import Attachment, Received
    from dmp_bridge.xds.soap import Envelope
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings

BASE = "/xds"
REPOSITORY = f"{BASE}/repository"
REGISTRY = f"{BASE}/registry"

PROVIDE_ACTION = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
RETRIEVE_ACTION = "urn:ihe:iti:2007:RetrieveDocumentSet"
QUERY_ACTION = "urn:ihe:iti:2007:RegistryStoredQuery"
UPDATE_ACTION = "urn:ihe:iti:2010:UpdateDocumentSet"
_QUERY_REQUEST = "{urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0}AdhocQueryRequest"

_PAYLOADS = {
    REPOSITORY: {PROVIDE_ACTION: provide.REQUEST, RETRIEVE_ACTION: RETRIEVE},
    REGISTRY: {QUERY_ACTION: _QUERY_REQUEST, UPDATE_ACTION: update.REQUEST},
}
"""By address, the actions and the element each has in its body."""
_ANSWERS = {
    PROVIDE_ACTION: f"{PROVIDE_ACTION}Response",
    RETRIEVE_ACTION: f"{RETRIEVE_ACTION}Response",
    QUERY_ACTION: f"{QUERY_ACTION}Response",
    UPDATE_ACTION: f"{UPDATE_ACTION}-Response",
}
_ENVELOPE_BYTES = 512 * 1024
"""What a request has beside the bytes of its documents."""


class XdsInterface:
    """The interface over one desk."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        clock: Clock,
        settings: Settings,
        certificates: Certificates,
        callers: Callers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings.record
        self._largest = settings.limits.message_bytes + _ENVELOPE_BYTES
        self._memory = settings.limits.message_memory_bytes
        self._certificates = certificates
        self._callers = callers
        self._repository = Repository(desk, self._settings.repository_id, settings.limits.message_bytes)
        self._registry = Registry(desk, self._settings.repository_id)

    def routes(self) -> list[BaseRoute]:
        """Both addresses."""
        return [Route(path, self.answer, methods=["POST"]) for path in (REPOSITORY, REGISTRY)]

    async def answer(self, request: Request) -> Response:
        """One request; whatever is wrong before its transaction is a SOAP fault."""
        message_id = ""
        reserved = 0
        try:
            connected = self._connected(request)
            content_type = ContentType.read(request.headers.get("content-type", ""))
            reserved = self._reserve(request)
            received = await self._received(request, content_type)
            envelope = await asyncio.to_thread(read_envelope, received.envelope)
            message_id = envelope.message_id
            _check_action(request.url.path, envelope)
            caller, patient = await self._believe(envelope, connected)
            body, attachments = await self._transact(envelope, caller, patient, received)
        except HTTPException as error:
            return _fault(Fault("Le message est trop long, ou trop lent."), message_id, error.status_code)
        except Fault as fault:
            return _fault(fault, message_id, fault.status)
        finally:
            self._memory += reserved
        action = _ANSWERS[envelope.action]
        answer = write_envelope(action, message_id, body)
        # What came in MTOM is answered in MTOM; documents always go so (ITI TF-2 V.3.6).
        if content_type.media_type == RELATED or envelope.action == RETRIEVE_ACTION:
            return _related(answer, attachments, action)
        return Response(answer, headers={"Content-Type": f'{SOAP_TYPE}; charset=UTF-8; action="{action}"'})

    def _connected(self, request: Request) -> bytes:
        """The certificate of the connection, where it is of somebody who may ask at all."""
        shown: bytes | None = request.scope.get("extensions", {}).get("tls", {}).get("client_certificate")
        if shown is None or not self._callers.knows(shown):
            raise Fault(
                "Une connexion TLS avec le certificat d'une structure connue, ou d'une carte, est attendue.",
                subcode=SubCode.INVALID_CERTIFICATE,
            )
        return shown

    def _reserve(self, request: Request) -> int:
        """The memory that a request may take, which others then may not."""
        announced = request.headers.get("content-length", "")
        known = announced.isascii() and announced.isdigit() and len(announced) < 12
        wanted = min(int(announced), self._largest) if known else self._largest
        if wanted > self._memory:
            raise Fault("Le service est occupé : réessayez dans quelques instants.", FaultCode.RECEIVER)
        self._memory -= wanted
        return wanted

    async def _received(self, request: Request, content_type: ContentType) -> Received:
        reader = Reader(content_type, self._largest)
        async for piece in request.stream():
            reader.feed(piece)
        return await asyncio.to_thread(reader.finish)

    # ref: DMP-F33
    async def _believe(self, envelope: Envelope, connected: bytes) -> tuple[Caller, Cx]:
        """Who asks, and for which patient."""
        now = self._clock.now()
        vihf = await asyncio.to_thread(read_vihf, envelope.assertion, self._certificates, now, self._settings)
        caller = self._callers.caller(vihf, connected)
        again = self._settings.vihf_again
        await self._database.write(lambda uow: show(uow, vihf, connected, now, again))
        return caller, vihf.patient

    async def _transact(
        self, envelope: Envelope, caller: Caller, patient: Cx, received: Received
    ) -> tuple[str, Sequence[Attachment]]:
        payload = envelope.payload
        if envelope.action == PROVIDE_ACTION:
            return await self._repository.provide(caller, patient, payload, received), ()
        if envelope.action == RETRIEVE_ACTION:
            return await self._repository.retrieve(caller, patient, payload)
        if envelope.action == QUERY_ACTION:
            return await self._registry.query(caller, patient, payload), ()
        return await self._registry.update(caller, patient, payload), ()


def _check_action(path: str, envelope: Envelope) -> None:
    expected = _PAYLOADS[path].get(envelope.action)
    if expected is None:
        raise Fault("Cette action n'est pas servie à cette adresse.", subcode=SubCode.ACTION_NOT_SUPPORTED)
    if envelope.payload.tag != expected:
        raise Fault("Le corps du message n'est pas celui de son action.")


def _fault(fault: Fault, message_id: str, status: int) -> Response:
    headers = {"Content-Type": f'{SOAP_TYPE}; charset=UTF-8; action="{FAULT_ACTION}"'}
    return Response(write_fault(fault, message_id), status, headers)


def _related(answer: bytes, attachments: Sequence[Attachment], action: str) -> Response:
    related = write_related(answer, attachments, action)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in related.pieces:
            yield piece

    headers = {"Content-Type": related.content_type, "Content-Length": str(related.size)}
    return StreamingResponse(pieces(), headers=headers)
