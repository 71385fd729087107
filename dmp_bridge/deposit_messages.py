"""Makes of a deposited document the message for the structure's own system (see `dmp_bridge.hl7`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from directory.bals import find_bal
from dmp_bridge import record
from dmp_bridge.dossier import registry
from dmp_bridge.hl7.mdm import Event, Header, Letter, Mdm, Participant, control_id, write
from dmp_bridge.hl7.outbox import Told
from dmp_bridge.record import State
from foundation.mime.headers import display_text
from foundation.mime.notifications import reply_to, subject_of
from foundation.mime.scanner import scan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from directory.bals import Bal
    from dmp_bridge.deposit_rules import Ruling
    from dmp_bridge.findings import Clinical, Finding
    from dmp_bridge.intake import Mail
    from dmp_bridge.record import Document
    from foundation.database import Database

APPLICATION: Final = "VAGUEMESTRE"
TAKEN: Final = frozenset({State.FILED, State.DUPLICATE, State.DELETED})
"""What the other system is told of: what the record has taken, now or before."""
_MAX_TEXT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Planned:
    """What the other system is to be told of a document."""

    event: Event
    replaces: str = ""
    changes_confidentiality: bool = False


# ref: DMP-F40, DMP-F12
def plan(
    connection: Connection, findings: Sequence[Finding], rulings: Sequence[Ruling]
) -> list[Planned | None]:
    """What each document of a mail that may stand in the record is to the other system; None for anything else.

    The record knows none of them yet: what stands before in the same mail counts as it would in a mail before.
    """
    earlier: list[Clinical] = []
    found = []
    for finding, ruling in zip(findings, rulings, strict=True):
        found.append(_plan(connection, finding, ruling, earlier))
        if finding.clinical is not None and ruling.verdict.state is State.FILED:
            earlier.append(finding.clinical)
    return found


def _plan(
    connection: Connection, finding: Finding, ruling: Ruling, earlier: Sequence[Clinical]
) -> Planned | None:
    clinical, verdict = finding.clinical, ruling.verdict
    if clinical is None:
        return None
    of_patient = [each for each in earlier if each.patient.ins == clinical.patient.ins]
    if finding.deletes and any(each.unique_id == clinical.unique_id for each in of_patient):
        return Planned(Event.DELETE)
    if verdict.state not in TAKEN:
        return None
    if verdict.state is State.DELETED:
        return Planned(Event.DELETE)
    assert ruling.patient is not None
    owner_id = ruling.patient.owner_id
    former: Sequence[Clinical | Document] = (
        _superseded(clinical, of_patient)
        or [found for number in verdict.supersedes if (found := registry.document_by_id(connection, number))]
        or [each for each in of_patient if each.unique_id in clinical.replaces]
        or [
            found
            for target in clinical.replaces
            if (found := record.document_by_unique_id(connection, owner_id, target)) is not None
        ]
    )
    flags = (
        clinical.masked_to_professionals,
        clinical.invisible_to_patient,
        clinical.invisible_to_representatives,
    )
    changes = any(
        flags != (each.masked_to_professionals, each.invisible_to_patient, each.invisible_to_representatives)
        for each in former
    )
    if not former and not clinical.replaces:
        return Planned(Event.NEW)
    replaces = former[0].unique_id if former else clinical.replaces[0]
    return Planned(Event.REPLACE, replaces, changes)


def _superseded(clinical: Clinical, earlier: Sequence[Clinical]) -> list[Clinical]:
    """What of a mail a document that stands behind it takes the place of, the last first (see `filing.admit`)."""
    return [
        each
        for each in reversed(earlier)
        if each.unique_id in clinical.replaces
        or (each.set_id and each.set_id == clinical.set_id and each.version_number < clinical.version_number)
        if each.invisible_to_patient or not clinical.invisible_to_patient
    ]


class Writer:
    """Writes the messages of one operator. `application` is the name of the other system (MSH-5)."""

    def __init__(self, application: str, *, is_test: bool) -> None:
        self._application = application
        self._is_test = is_test

    async def letter(self, database: Database, message: bytes, mail: Mail, box: Bal) -> Letter:
        """What is told of the mail that brought the document."""
        sender = await database.read(lambda connection: find_bal(connection, mail.sender))
        text = await asyncio.to_thread(lambda: display_text(message, scan(message)))
        return Letter(
            message_id=mail.message_id or "",
            subject=subject_of(message),
            text=text[:_MAX_TEXT],
            sender=Participant(
                mail.sender,
                sender.name if sender is not None else "",
                (sender.idnat or "") if sender is not None else "",
            ),
            recipient=Participant(box.address, box.name, box.idnat or ""),
            reply_to=reply_to(message),
        )

    def write(
        self,
        planned: Planned,
        finding: Finding,
        mail: Mail,
        letter: Letter,
        box: Bal,
        answer_to: dict[str, Any],
        at: datetime,
    ) -> tuple[Told, bytes]:
        """The message about one document, and what is kept of it until it is answered."""
        clinical = finding.clinical
        assert clinical is not None
        number = control_id(box.address, planned.event, clinical.unique_id)
        message = Mdm(
            planned.event,
            Header(number, at, (APPLICATION, box.name), (self._application, box.name), self._is_test),
            clinical.entry,
            finding.data,
            letter,
            planned.replaces,
            planned.changes_confidentiality,
        )
        told = Told(number, planned.event, mail.owner_id, mail.mail_id, finding.part, finding.item, answer_to)
        return told, write(message)
