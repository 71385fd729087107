"""What the house gives to the portal, and who is behind a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.patients import patient_of
from dmp_bridge.dossier.care_desk import CareDesk
from dmp_bridge.dossier.news import NewsDesk
from dmp_bridge.dossier.own_desk import OwnDesk
from portal import sessions
from portal.operators import visit as operators
from portal.professional import visit as professional

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from sqlalchemy import Connection

    from certs.trust import TrustSpace
    from directory.annuaire.view import HasView, View
    from directory.patients import Patient
    from directory.psc.relying_party import RelyingParty
    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.intake import Bridge
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.metrics import Metrics
    from foundation.passwords import PasswordMemory
    from foundation.settings import Settings
    from foundation.vault import Vault
    from mailserver.patient_reply import PatientDesk
    from mailserver.reading_receipt import ReceiptDesk
    from mailserver.signin.desk import SignIn
    from mailserver.signin.second_factor import SecondFactors
    from portal.sessions import Session

OPERATOR_HOME = operators.HOME
PATIENT_HOME = "/patient/conversations"
PROFESSIONAL_HOME = "/pro/"


@dataclass(frozen=True, slots=True)
class Records:
    """The desks of the patients' records: of documents, of the patient's will, of authorisations, of what is new."""

    desk: Desk
    own: OwnDesk
    care: CareDesk
    news: NewsDesk

    @classmethod
    def at(cls, desk: Desk, database: Database, clock: Clock) -> Self:
        """Those beside the desk of documents."""
        return cls(
            desk,
            OwnDesk(database, clock),
            CareDesk(database, clock),
            NewsDesk(database, clock, desk.professions),
        )


@dataclass(frozen=True, slots=True)
class PortalContext:
    """The parts of the house behind the pages.

    Without the desks of the `records` there are no pages of them.
    `annuaire` is the directory that is searched, `psc` is the house as a relying party of Pro Santé Connect, where it is one.
    `/health` tells of the `trust` space and of what there is to look after in the directory, `/metrics` shows the
    `metrics`, where there are any.
    """

    settings: Settings
    database: Database
    vault: Vault
    events: Events
    clock: Clock
    passwords: PasswordMemory
    desk: PatientDesk
    receipts: ReceiptDesk
    bridge: Bridge
    sign_in: SignIn
    factors: SecondFactors
    annuaire: HasView | None = None
    psc: RelyingParty | None = None
    trust: TrustSpace | None = None
    metrics: Metrics | None = None
    records: Records | None = None
    directory_alarms: Callable[[], tuple[str, ...]] = tuple

    def view(self) -> View | None:
        """The directory as it is now, where it is served."""
        return self.annuaire.view() if self.annuaire is not None else None

    def visit(self, token: str | None) -> Visit | None:
        """Who holds a session's token; None when the session has ended, or the person's box is closed."""
        found = self._patient(token)
        return found if found is not None and found.patient.box_is_open else None

    def closed_visit(self, token: str | None) -> Visit | None:
        """The same for who has closed the own space, or opposed it, and may only see what is left of it."""
        found = self._patient(token)
        return found if found is not None and not found.patient.may_sign_in else None

    def _patient(self, token: str | None) -> Visit | None:
        now = self.clock.millis()

        def query(connection: Connection) -> Visit | None:
            session = sessions.find(connection, token, now)
            patient = patient_of(connection, session.owner_id) if session is not None else None
            return Visit(session, patient) if session is not None and patient is not None else None

        return self.database.read_now(query)

    def professional(self, token: str | None) -> professional.Visit | None:
        """The professional who holds a session's token, and the box that is open; None as `visit`."""
        now = self.clock.millis()
        return self.database.read_now(lambda connection: professional.find(connection, token, now))

    def home_of(self, token: str | None) -> str | None:
        """The first page of who holds a session's token; None when nobody does."""
        if self.visit(token) is not None:
            return PATIENT_HOME
        if self.professional(token) is not None:
            return PROFESSIONAL_HOME
        return OPERATOR_HOME if self.operator(token) is not None else None

    def operator(self, token: str | None) -> operators.OperatorVisit | None:
        """The operator who holds a session's token."""
        now = self.clock.millis()
        return self.database.read_now(lambda connection: operators.find(connection, token, now))


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in patient behind one request."""

    session: Session
    patient: Patient

    @property
    def owner_id(self) -> int:
        """Whose messages and documents may be shown."""
        return self.patient.owner_id
