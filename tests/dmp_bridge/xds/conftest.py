"""A sandbox authority, with the certificates of a card and of a structure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certs.authorities import Authorities
from certs.names import DistinguishedName
from certs.pki import Pki
from certs.profiles import Purpose
from dmp_bridge.xds.certificates import Certificates
from tests.dmp_bridge.xds.assertions import DOCTOR, STRUCTURE, Claims, SandboxTrust

if TYPE_CHECKING:
    from certs.pki import Issued
    from foundation.clock import FixedClock

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
    from certs.pki import Case

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
