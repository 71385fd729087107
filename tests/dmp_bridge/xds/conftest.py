"""A sandbox authority, with the certificates of a card and of a structure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certs.authorities import Authorities
from certs.names import DistinguishedName
from certs.pki import Case, Pki
from certs.profiles import Purpose
from dmp_bridge.dossier.desk import Desk
from dmp_bridge.xds.callers import Callers, structures_of
from dmp_bridge.xds.certificates import Certificates
from tests.dmp_bridge.dossier.wards import add
from tests.dmp_bridge.xds.assertions import DOCTOR, STRUCTURE, Claims, SandboxTrust
from tests.dmp_bridge.xds.place import PEOPLE, Directory, serving, settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from certs.pki import Issued
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault
    from tests.dmp_bridge.xds.place import Place

MADE_AT = datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC)
"""Where the clock of the tests stands."""
NURSE = "899900063498"


@dataclass(frozen=True, slots=True)
class Cards:
    """An authority and what it issued."""

    pki: Pki
    doctor: Issued
    nurse: Issued
    hospital: Issued
    hospital_signature: Issued
    clinic: Issued
    foreign: Issued
    host: Issued


@pytest.fixture(scope="session")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Cards:
    pki = Pki.create(tmp_path_factory.mktemp("xds-pki"), MADE_AT)

    def organisation(cn: str, ou: str, case: Case = Case.VALID) -> Issued:
        name = DistinguishedName.of(cn=cn, ou=ou, o="CENTRE DE TEST", st="Paris (75)")
        return pki.issue(name, MADE_AT, purpose=Purpose.ORGANISATION, case=case)

    return Cards(
        pki,
        doctor=organisation(DOCTOR, "Médecin"),
        nurse=organisation(NURSE, "Infirmier"),
        hospital=organisation("logiciel.hopital.fr", STRUCTURE),
        hospital_signature=pki.issue(
            DistinguishedName.of(
                cn="signature.hopital.fr", ou=STRUCTURE, o="CENTRE DE TEST", st="Paris (75)"
            ),
            MADE_AT,
            purpose=Purpose.SIGNATURE,
        ),
        clinic=organisation("logiciel.clinique.fr", "10B0999999"),
        foreign=organisation(DOCTOR, "Médecin", Case.FOREIGN_CA),
        host=pki.issue(DistinguishedName.of(cn="mx.hopital.fr", ou=STRUCTURE, o="CENTRE DE TEST"), MADE_AT),
    )


@pytest.fixture
def certificates(cards: Cards, clock: FixedClock) -> Certificates:
    return Certificates(SandboxTrust(cards.pki, clock), Authorities.load(cards.pki.ca_file), clock)


@pytest.fixture
def claims(clock: FixedClock) -> Claims:
    return Claims(issued_at=clock.now())


@pytest.fixture
async def place(
    tmp_path: Path,
    database: Database,
    vault: Vault,
    clock: FixedClock,
    cards: Cards,
    certificates: Certificates,
) -> AsyncIterator[Place]:
    """A served interface over a record into which the doctor may look."""
    settings = settings_of(tmp_path, cards)
    desk = Desk.open(database, vault, clock, settings)
    owner_id = await database.write(lambda uow: add(uow, vault, clock.millis()))
    callers = Callers(certificates, structures_of(settings.record.structures), Directory(dict(PEOPLE)))
    async with serving(
        desk, database, clock, settings, cards, certificates, callers, owner_id, tmp_path
    ) as served:
        await served.authorise(DOCTOR)
        yield served
    await desk.close()
