"""The interface over a real desk, served over TLS that asks for certificates, and software that speaks to it."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx2
from starlette.applications import Starlette

from certs.tls import Identity, Trust, mutual_server_context
from dmp_bridge.dossier import relations
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.xds.callers import Callers, Known
from dmp_bridge.xds.routes import BASE, XdsInterface
from foundation.settings import from_values
from tests.dmp_bridge.xds.assertions import DOCTOR, STRUCTURE, Claims, signed
from tests.dmp_bridge.xds.messages import (
    PROVIDE,
    RETRIEVE,
    STORED_QUERY,
    UPDATE,
    Provided,
    envelope,
    provide,
    read_answer,
    related,
)
from vaguemestre.web import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lxml import etree

    from certs.pki import Issued
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.xds.certificates import Certificates
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.settings import Settings
    from tests.dmp_bridge.xds.conftest import Cards
    from tests.dmp_bridge.xds.messages import Answer

CLINIC = "10B0999999"
_PATHS = {PROVIDE: "repository", RETRIEVE: "repository", STORED_QUERY: "registry", UPDATE: "registry"}


class Directory:
    """What the directory knows of the people of these tests."""

    def __init__(self, people: dict[str, Known]) -> None:
        self.people = people

    def known(self, idnat: str) -> Known | None:
        return self.people.get(idnat)


@dataclass(frozen=True, slots=True)
class Place:
    """A served interface."""

    interface: XdsInterface
    port: int
    cards: Cards
    clock: FixedClock
    database: Database
    desk: Desk
    owner_id: int
    folder: Path

    def software(self, connected: Issued, signer: Issued, **claims: object) -> Software:
        """Software with a certificate for its connection, and one that signs its assertions."""
        said = Claims(**{"issued_at": self.clock.now(), **claims})  # type: ignore[arg-type]
        return Software(self, connected, signer, said)

    @property
    def doctor(self) -> Software:
        """A doctor with a card."""
        return self.software(self.cards.doctor, self.cards.doctor)

    @property
    def hospital(self) -> Software:
        """A structure that signs for its people (indirect authentication)."""
        return self.software(self.cards.hospital, self.cards.hospital_signature, mode="INDIRECTE")

    async def authorise(self, *ids: str) -> None:
        now = self.clock.millis()

        def unit(uow: object) -> None:
            for each in ids:
                relations.declare(uow, self.owner_id, RelationKind.AUTHORISED, each, each, now)  # type: ignore[arg-type]

        await self.database.write(unit)

    def context(self, shown: Issued | None) -> ssl.SSLContext:
        """TLS of a client, with its certificate."""
        context = ssl.create_default_context(cafile=str(self.cards.pki.ca_file))
        if shown is not None:
            certificate, key = shown.write(self.folder / f"client-{shown.certificate.serial_number:x}")
            context.load_cert_chain(certificate, key)
        return context


@dataclass(frozen=True, slots=True)
class Software:
    """What asks: installed DMP software. Each call is a connection of its own and an assertion of its own."""

    place: Place
    connected: Issued | None
    signer: Issued
    claims: Claims

    def saying(self, **claims: object) -> Software:
        """The same, with other claims."""
        return replace(self, claims=replace(self.claims, **claims))  # type: ignore[arg-type]

    def assertion(self) -> etree._Element:
        import uuid

        return signed(replace(self.claims, id=f"_{uuid.uuid4()}"), self.signer)

    async def ask(self, action: str, payload: str, parts: dict[str, bytes] | None = None) -> Answer:
        """One transaction; with parts in MTOM."""
        return await self.send(action, envelope(action, payload, self.assertion()), parts)

    async def send(
        self, action: str, root: bytes, parts: dict[str, bytes] | None = None, path: str = ""
    ) -> Answer:
        """The bytes of an envelope."""
        body, content_type = (
            (root, "application/soap+xml; charset=UTF-8") if parts is None else related(root, parts)
        )
        return read_answer(await self.post(path or _PATHS[action], body, content_type))

    async def post(self, path: str, body: bytes, content_type: str) -> httpx2.Response:
        async with httpx2.AsyncClient(verify=self.place.context(self.connected)) as client:
            return await client.post(
                f"https://127.0.0.1:{self.place.port}{BASE}/{path}",
                content=body,
                headers={"Content-Type": content_type},
            )

    async def provide(self, *documents: Provided, **options: Any) -> Answer:
        payload, parts = provide(*documents, **options)
        return await self.ask(PROVIDE, payload, parts)

    async def query(self, payload: str) -> Answer:
        return await self.ask(STORED_QUERY, payload)

    async def retrieve(self, payload: str) -> Answer:
        return await self.ask(RETRIEVE, payload, {})

    async def update(self, payload: str) -> Answer:
        return await self.ask(UPDATE, payload)


def settings_of(folder: Path, cards: Cards, **record: object) -> Settings:
    """Settings that know the structures of these tests."""
    structures = {
        str(cards.hospital.dn): STRUCTURE,
        str(cards.hospital_signature.dn): STRUCTURE,
        str(cards.clinic.dn): CLINIC,
    }
    return from_values(folder, {"record": {"structures": structures, **record}})


@contextlib.asynccontextmanager
async def serving(
    desk: Desk,
    database: Database,
    clock: FixedClock,
    settings: Settings,
    cards: Cards,
    certificates: Certificates,
    callers: Callers,
    owner_id: int,
    folder: Path,
) -> AsyncIterator[Place]:
    """Serves the interface on a free port."""
    interface = XdsInterface(desk, database, clock, settings, certificates, callers)
    own = cards.host.write(folder / "server")
    tls = mutual_server_context(Identity(*own), Trust(cards.pki.ca_file), ssl.CERT_OPTIONAL)
    web = WebServer(
        Starlette(routes=interface.routes()), tls, "127.0.0.1", 0, connections=50, connections_per_address=50
    )
    await web.start()
    try:
        yield Place(interface, web.port, cards, clock, database, desk, owner_id, folder)
    finally:
        await web.close()


PEOPLE = {
    DOCTOR: Known(frozenset({"10"}), frozenset({"SM26"}), frozenset({STRUCTURE})),
}
