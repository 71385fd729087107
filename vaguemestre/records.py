"""The interfaces by which programs reach the records: who is believed there, and the routes they are served at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.care_desk import CareDesk
from dmp_bridge.fhir.access import Gate
from dmp_bridge.fhir.routes import BASE, FhirRecord
from dmp_bridge.xds.callers import structures_of
from dmp_bridge.xds.certificates import Certificates

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from certs.trust import TrustSpace
    from directory.annuaire.annuaire import Annuaire
    from directory.psc.tokens import TokenCheck
    from dmp_bridge.dossier.desk import Desk
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings


def record_routes(
    settings: Settings,
    desk: Desk,
    database: Database,
    clock: Clock,
    *,
    trust: TrustSpace | None,
    tokens: TokenCheck | None,
    annuaire: Annuaire,
    master_key: bytes,
    origin: str,
) -> list[BaseRoute]:
    """The record over FHIR; `origin` is the address of the web server. Raises StructuresMalformed."""
    gate = Gate(
        tokens,
        Certificates(trust, None, clock),
        structures_of(settings.record.structures),
        annuaire,
    )
    return FhirRecord(
        desk,
        CareDesk(database, clock),
        gate,
        database,
        clock,
        master_key=master_key,
        base=origin + BASE,
        custodian=settings.hostname,
        most_bytes=settings.limits.message_bytes,
        memory_bytes=settings.limits.message_memory_bytes,
    ).routes()
