"""What the house gives to the portal, and who is behind a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directory.patients import patient_of
from portal import sessions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from certs.trust import TrustSpace
    from directory.patients import Patient
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
    from portal.sessions import Session


@dataclass(frozen=True, slots=True)
class PortalContext:
    """The parts of the house behind the pages. `pause` holds a refused sign-in back; tests replace it.

    `/health` tells of the `trust` space and `/metrics` shows the `metrics` where there are any.
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
    pause: Callable[[float], Awaitable[object]] = field(default=asyncio.sleep)
    trust: TrustSpace | None = None
    metrics: Metrics | None = None

    def visit(self, token: str | None) -> Visit | None:
        """Who holds a session's token; None when the session has ended, or the person's box is closed."""
        now = self.clock.millis()

        def query(connection: Connection) -> Visit | None:
            session = sessions.find(connection, token, now)
            patient = patient_of(connection, session.owner_id) if session is not None else None
            if session is None or patient is None or not patient.box_is_open:
                return None
            return Visit(session, patient)

        return self.database.read_now(query)


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in patient behind one request."""

    session: Session
    patient: Patient

    @property
    def owner_id(self) -> int:
        """Whose messages and documents may be shown."""
        return self.patient.owner_id
