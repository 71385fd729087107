"""Who a message can reach: addresses judged against boxes, patients and the white list, in one query of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import bindparam, select

from directory.bals import BalState, bal
from directory.integration import bal_integration
from directory.patients import PatientState, patient
from foundation.identifiers import Address, host_name, patient_address_ins
from foundation.prepared import run
from mailserver.delivery.absence import Period, absence_table
from mailserver.delivery.report import Undelivered
from mailserver.envelope import NO_DSN, NOTHING_ASKED, DsnRequest, Origin, RecipientDsn
from mailserver.outbound.queue import RemoteRecipient
from mailserver.refusals import (
    DOMAIN_NOT_REACHABLE,
    INVALID_ADDRESS,
    INVALID_PATIENT_ADDRESS,
    MAILBOX_CLOSED,
    MAILBOX_FULL,
    MAILBOX_SUSPENDED,
    PATIENT_BOX_CLOSED,
    RELAY_DENIED,
    TRUST_UNAVAILABLE,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
    Refusal,
)
from mailserver.store.quota import Quota, QuotaLimits, box_quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from foundation.settings import Settings

_FEW = 4
_BAL = select(
    bal.c.address,
    bal.c.owner_id,
    bal.c.state,
    bal.c.type,
    box_quota.c.octets,
    box_quota.c.messages,
    box_quota.c.octet_limit,
    box_quota.c.message_limit,
    absence_table.c.starts_at,
    absence_table.c.ends_at,
    bal_integration.c.deposits,
    bal_integration.c.forwards_to,
).select_from(
    bal.outerjoin(box_quota, box_quota.c.owner_id == bal.c.owner_id)
    .outerjoin(absence_table, absence_table.c.owner_id == bal.c.owner_id)
    .outerjoin(bal_integration, bal_integration.c.owner_id == bal.c.owner_id)
)
_MANY_BALS = _BAL.where(bal.c.address.in_(bindparam("addresses", expanding=True)))
# Nearly every message has a sender and one or two recipients; a list of fixed length is not rendered each time.
_FEW_NAMES = tuple(f"address_{number}" for number in range(_FEW))
_FEW_BALS = _BAL.where(bal.c.address.in_([bindparam(name) for name in _FEW_NAMES]))
_PATIENTS = select(patient.c.ins, patient.c.owner_id, patient.c.state).where(
    patient.c.ins.in_(bindparam("numbers", expanding=True))
)

_BAL_REFUSALS: Mapping[BalState, Refusal | None] = {
    BalState.ACTIVE: None,
    BalState.SUSPENDED: MAILBOX_SUSPENDED,
    BalState.CLOSED: MAILBOX_CLOSED,
}
PATIENT_CAUSES = frozenset({UNKNOWN_PATIENT, PATIENT_BOX_CLOSED, INVALID_PATIENT_ADDRESS})
"""What Mon espace santé tells by a report where `patients.undeliverable` says so (ENS v1.3 §6)."""


ROBOT = "reponse.automatique-test"
"""The local part that answers by itself in each hosted domain; the list advertises it for the patients' domain."""


class Listed(Protocol):
    """The domains of a white list, in lower-case A-labels."""

    def __contains__(self, domain: str, /) -> bool: ...


class TrustedSpace(Protocol):
    """The espace de confiance as delivery sees it. Read from any thread."""

    @property
    def white_list(self) -> Listed | None:
        """The list in force, as an immutable snapshot."""
        ...

    async def refresh(self) -> None:
        """Takes up a list that changed on disk; cheap when none did."""
        ...


def reach(origin: Origin, trust: TrustedSpace | None) -> Listed | Refusal:
    """The domains a message may leave for, or why it may leave for none."""
    if origin is Origin.PEER:
        return RELAY_DENIED
    if trust is None:
        return DOMAIN_NOT_REACHABLE
    listed = trust.white_list
    return listed if listed is not None else TRUST_UNAVAILABLE


class Hosting:
    """What is served here, read once from the settings."""

    def __init__(self, settings: Settings) -> None:
        self.patient_domain = _a_label(settings.patient_domain) if settings.serves_patients else None
        domains = tuple(map(_a_label, settings.domains))
        self.bal_domains = frozenset(domains) - {self.patient_domain}
        self._first_domain = next((domain for domain in domains if domain in self.bal_domains), None)
        self._answers = settings.auto_answer
        self.quota = QuotaLimits.of(settings.quota)
        waits = settings.patients.not_activated == "wait"
        self._patient_refusals: Mapping[PatientState, Refusal | None] = {
            PatientState.ACTIVATED: None,
            PatientState.NOT_ACTIVATED: None if waits else PATIENT_BOX_CLOSED,
            PatientState.OPPOSED: PATIENT_BOX_CLOSED,
            PatientState.CLOSED: PATIENT_BOX_CLOSED,
        }

    def holds(self, domain: str) -> bool:
        """Whether addresses of this domain are kept here, patients or professionals."""
        return domain in self.bal_domains or domain == self.patient_domain

    def is_robot(self, address: str) -> bool:
        """Whether a canonical address of a hosted domain is the one that answers by itself."""
        return self._answers and address.startswith(f"{ROBOT}@")

    def daemon_domain(self, to: str, recipients: Iterable[str]) -> str | None:
        """The domain that a report on these recipients comes from: hosted, for peers check it; None: there is none.

        Of patients the patients' domain tells; of others the reader's own, for that is the operator to turn to.
        """
        patients = self.patient_domain
        if patients is not None and all(each.lower().endswith(f"@{patients}") for each in recipients):
            return patients
        reader = Address.parse(to)
        if reader is not None and self.holds(reader.domain):
            return reader.domain
        return self._first_domain or patients

    # ref: MSS/va1.20
    def patient_refusal(self, state: PatientState) -> Refusal | None:
        """Why a patient in this state gets no mail; None when the box takes it."""
        return self._patient_refusals[state]


@dataclass(frozen=True, slots=True)
class Box:
    """A professional's box as the database has it now."""

    owner_id: int
    state: BalState
    is_full: bool = False
    type: str = ""
    away: Period | None = None
    deposits: bool = False
    """Whether what it gets is filed into the records of patients."""
    forwards_to: int | None = None
    """The owner of the box that gets its mails with an archive besides."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who gets the message."""

    owner_id: int
    address: str
    is_patient: bool
    asked: RecipientDsn = NOTHING_ASKED
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class Robot:
    """The address that answers by itself."""

    address: str
    asked: RecipientDsn


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of each recipient, and the boxes that were looked up on the way."""

    targets: tuple[Target, ...]
    undelivered: tuple[Undelivered, ...]
    boxes: Mapping[str, Box] = field(repr=False)
    remote: tuple[RemoteRecipient, ...] = ()
    robots: tuple[Robot, ...] = ()

    @property
    def reaches_somebody(self) -> bool:
        """Whether anybody at all gets the message."""
        return bool(self.targets or self.remote or self.robots)

    def without_full(self) -> Resolution:
        """As it is for mail that a full box does not take; what the house itself has to say reaches it still.

        A box is full once it holds what it may: the message that brings it there, or beyond, is taken.
        """
        full = [target for target in self.targets if target.is_full]
        if not full:
            return self
        return replace(
            self,
            targets=tuple(target for target in self.targets if not target.is_full),
            undelivered=(
                *self.undelivered,
                *(Undelivered(target.address, MAILBOX_FULL, target.asked) for target in full),
            ),
        )


def canonical(address: str) -> str | None:
    """An address as boxes are stored; None for the null path and for what no box is called."""
    parsed = Address.parse(address)
    return str(parsed) if parsed is not None else None


# ref: F29
def resolve(
    connection: Connection,
    hosting: Hosting,
    recipients: Iterable[str],
    *,
    beyond: Listed | Refusal,
    also: Iterable[str | None] = (),
    dsn: DsnRequest = NO_DSN,
) -> Resolution:
    """Judges each recipient once, in the order given; `beyond` is what `reach` says of domains that are not here.

    `also` are canonical addresses whose boxes the caller wants to see. Accounts may change under another process
    at any moment, so nothing here outlives the transaction.
    """
    wanted = {address for address in also if address}
    numbers: dict[str, str] = {}
    known: dict[str, Refusal | RemoteRecipient | Robot] = {}
    asked: dict[str, RecipientDsn] = {}
    requests = dsn.by_recipient
    for recipient in recipients:
        parsed = Address.parse(recipient)
        if parsed is None:
            key = recipient
        elif hosting.holds(parsed.domain):
            key = str(parsed)
        else:
            # Only its own operator knows whether capitals matter (RFC 5321 §2.4).
            key = f"{parsed.local}@{parsed.domain}"
        if key in asked:
            continue
        asked[key] = requests.get(recipient, NOTHING_ASKED) if requests else NOTHING_ASKED
        if parsed is None:
            known[key] = _malformed(recipient, hosting)
        elif parsed.domain in hosting.bal_domains:
            wanted.add(key)
        elif parsed.domain == hosting.patient_domain:
            # The key of the number is no reason to refuse: unknown is all that can be said (ECO.3.1.5).
            ins = patient_address_ins(key, hosting.patient_domain)
            if ins is not None:
                numbers[ins] = key
            elif hosting.is_robot(key):
                known[key] = Robot(key, asked[key])
            else:
                known[key] = INVALID_PATIENT_ADDRESS
        elif isinstance(beyond, Refusal):
            known[key] = beyond
        elif parsed.domain in beyond:
            known[key] = RemoteRecipient(key, parsed.domain, asked[key])
        else:
            known[key] = DOMAIN_NOT_REACHABLE
    boxes = _boxes(connection, wanted, hosting.quota)
    patients = _patients(connection, numbers)
    targets: dict[int, Target] = {}
    undelivered: list[Undelivered] = []
    remote: list[RemoteRecipient] = []
    robots: list[Robot] = []
    for address, request in asked.items():
        found = known.get(address) or _judge(address, request, hosting, boxes, patients)
        if isinstance(found, Target):
            targets.setdefault(found.owner_id, found)
        elif isinstance(found, Refusal):
            undelivered.append(Undelivered(address, found, request))
        elif isinstance(found, RemoteRecipient):
            remote.append(found)
        else:
            robots.append(found)
    return Resolution(tuple(targets.values()), tuple(undelivered), boxes, tuple(remote), tuple(robots))


def _a_label(domain: str) -> str:
    return host_name(domain) or domain.lower()


def _malformed(recipient: str, hosting: Hosting) -> Refusal:
    _, _, domain = recipient.rpartition("@")
    return INVALID_PATIENT_ADDRESS if domain.lower() == hosting.patient_domain else INVALID_ADDRESS


def _boxes(connection: Connection, addresses: set[str], defaults: QuotaLimits) -> dict[str, Box]:
    if not addresses:
        return {}
    rows: Iterable[Any]
    if len(addresses) <= _FEW:
        padded = (*addresses, *(("",) * (_FEW - len(addresses))))
        rows = run(connection, _FEW_BALS, dict(zip(_FEW_NAMES, padded, strict=True)))
    else:
        rows = connection.execute(_MANY_BALS, {"addresses": tuple(addresses)})
    return {
        row.address: Box(
            row.owner_id,
            BalState(row.state),
            Quota.of(row.octets, row.messages, row.octet_limit, row.message_limit, defaults).is_full,
            row.type,
            Period(row.starts_at, row.ends_at) if row.starts_at is not None else None,
            bool(row.deposits),
            row.forwards_to,
        )
        for row in rows
    }


def _patients(connection: Connection, numbers: Mapping[str, str]) -> dict[str, tuple[int, PatientState]]:
    if not numbers:
        return {}
    rows = connection.execute(_PATIENTS, {"numbers": tuple(numbers)})
    return {numbers[row.ins]: (row.owner_id, PatientState(row.state)) for row in rows}


def _judge(
    address: str,
    asked: RecipientDsn,
    hosting: Hosting,
    boxes: Mapping[str, Box],
    patients: Mapping[str, tuple[int, PatientState]],
) -> Target | Robot | Refusal:
    if address.endswith(f"@{hosting.patient_domain}"):
        known = patients.get(address)
        if known is None:
            return UNKNOWN_PATIENT
        owner_id, state = known
        return hosting.patient_refusal(state) or Target(owner_id, address, is_patient=True, asked=asked)
    box = boxes.get(address)
    if box is None:
        return Robot(address, asked) if hosting.is_robot(address) else UNKNOWN_MAILBOX
    return _BAL_REFUSALS[box.state] or Target(
        box.owner_id, address, is_patient=False, asked=asked, is_full=box.is_full
    )
