"""The interfaces by which programs reach the records: who is believed there, and the routes they are served at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from certs.authorities import Authorities
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.care_desk import CareDesk
from dmp_bridge.fhir.access import Gate
from dmp_bridge.fhir.routes import BASE, FhirRecord
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.xds.callers import Callers, structures_of
from dmp_bridge.xds.certificates import Certificates
from dmp_bridge.xds.professionals import DirectoryProfessionals
from dmp_bridge.xds.routes import XdsInterface
from portal import sessions

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from certs.trust import TrustSpace
    from directory.annuaire.annuaire import Annuaire
    from directory.psc.tokens import TokenCheck
    from dmp_bridge.dossier.desk import Desk
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from portal.context import PortalContext

_ACTING_AS = "x-acting-as"


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
    context: PortalContext,
) -> list[BaseRoute]:
    """The record over FHIR and XDS; `origin` is the address of the web server, `context` knows who signed in there.

    Raises StructuresMalformed and TlsUnusable.
    """
    persons_file = settings.record.persons_ca_file
    persons = Authorities.load(settings.path(persons_file)) if persons_file != Path() else None
    certificates = Certificates(trust, persons, clock)
    structures = structures_of(settings.record.structures)
    callers = Callers(certificates, structures, DirectoryProfessionals(annuaire))
    fhir = FhirRecord(
        desk,
        CareDesk(database, clock),
        Gate(tokens, certificates, structures, annuaire, lambda request: _visitor(context, request)),
        database,
        clock,
        master_key=master_key,
        base=origin + BASE,
        custodian=settings.hostname,
        most_bytes=settings.limits.message_bytes,
        memory_bytes=settings.limits.message_memory_bytes,
    )
    xds = XdsInterface(desk, database, clock, settings, certificates, callers)
    return [*fhir.routes(), *xds.routes()]


def _visitor(context: PortalContext, request: Request) -> Caller | None:
    """The patient of a session; a representative, where `X-Acting-As: representative` says so."""
    visit = context.visit(request.cookies.get(sessions.COOKIE))
    if visit is None:
        return None
    acts_for_another = request.headers.get(_ACTING_AS) == Role.REPRESENTATIVE.value
    return Caller(
        role=Role.REPRESENTATIVE if acts_for_another else Role.PATIENT,
        id=f"patient:{visit.owner_id}",
        name=visit.patient.name,
        owner_id=visit.owner_id,
    )
