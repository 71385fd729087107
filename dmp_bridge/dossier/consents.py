"""What the patient was told and said about the record: an append-only history of which the last word holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert, select

from dmp_bridge.dossier.consent_tables import record_consent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork


class ConsentKind(StrEnum):
    """About what the patient was told, agreed or objected."""

    INFORMATION = "information"
    """The information due before a record is fed (CSP L1111-15, R1111-47)."""
    FEEDING = "feeding"
    """Opposition to feeding for a legitimate reason (CSP R1111-47; ZFA-9)."""
    CONSULTATION = "consultation"
    """Consent to consultation by a structure and its team (ZFA-11)."""
    CENTRE_15 = "centre-15"
    """Access by a regulating doctor (CSP L1111-17, ETREAT)."""
    BRIS_DE_GLACE = "bris-de-glace"
    """Access in an emergency by any other professional (CSP L1111-17, BTG)."""
    MASKED_IN_EMERGENCY = "masked"
    """Masked documents in these two (functional matrix, note 7)."""


class Consent(StrEnum):
    """The words of ZFA-9 and ZFA-11 (IHE PAM France), and those of the yes-or-no questions."""

    TOLD = "told"
    NOT_OPPOSED = "INO"
    OPPOSED = "IO"
    CONSENTS = "IC"
    CONSENTS_NOT = "INC"
    NOT_ASKED = "NA"
    PERMIT = "permit"
    DENY = "deny"


_YES_OR_NO = frozenset({Consent.PERMIT, Consent.DENY})
VALUES: Final[Mapping[ConsentKind, frozenset[Consent]]] = {
    ConsentKind.INFORMATION: frozenset({Consent.TOLD}),
    ConsentKind.FEEDING: frozenset({Consent.NOT_OPPOSED, Consent.OPPOSED, Consent.NOT_ASKED}),
    ConsentKind.CONSULTATION: frozenset({Consent.CONSENTS, Consent.CONSENTS_NOT, Consent.NOT_ASKED}),
    ConsentKind.CENTRE_15: _YES_OR_NO,
    ConsentKind.BRIS_DE_GLACE: _YES_OR_NO,
    ConsentKind.MASKED_IN_EMERGENCY: _YES_OR_NO,
}

_LARGEST_REASON: Final = 500
_OF_OWNER = (
    select(record_consent)
    .where(record_consent.c.owner_id == bindparam("owner"))
    .order_by(record_consent.c.at, record_consent.c.id)
)


class ConsentRefused(Exception):
    """A consent cannot be kept; the text is one French sentence."""


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One word of the patient. `structure_id` is empty where it holds towards everybody; `at` is epoch ms."""

    id: int
    owner_id: int
    kind: ConsentKind
    value: Consent
    structure_id: str
    reason: str = field(repr=False)
    actor: str
    at: int


@dataclass(frozen=True, slots=True)
class Consents:
    """All words of one patient, oldest first."""

    rows: Sequence[ConsentRow] = ()

    def last(self, kind: ConsentKind, structure_id: str = "") -> ConsentRow | None:
        """The word that holds towards this structure, or the general one."""
        return next(
            (row for row in reversed(self.rows) if row.kind is kind and row.structure_id == structure_id),
            None,
        )

    # ref: DMP-F22
    def opposes_feeding(self, structure_id: str = "") -> bool:
        """Towards everybody, or towards this structure: an opposition is lifted where it was said, and not by NA."""
        for where in {"", structure_id}:
            said = next(
                (
                    row.value
                    for row in reversed(self.rows)
                    if row.kind is ConsentKind.FEEDING
                    and row.structure_id == where
                    and row.value is not Consent.NOT_ASKED
                ),
                None,
            )
            if said is Consent.OPPOSED:
                return True
        return False

    def consents_to_consultation(self, structure_id: str) -> bool | None:
        """Whether the team of this structure may read; None where it was not asked."""
        row = self.last(ConsentKind.CONSULTATION, structure_id) if structure_id else None
        if row is None or row.value is Consent.NOT_ASKED:
            return None
        return row.value is Consent.CONSENTS

    # ref: DMP-F25
    def permits(self, kind: ConsentKind) -> bool:
        """Access in an emergency is allowed until it is opposed (EX 101), masked documents once that is said."""
        row = self.last(kind)
        if row is None:
            return kind is not ConsentKind.MASKED_IN_EMERGENCY
        return row.value is Consent.PERMIT

    @property
    def was_informed(self) -> bool:
        """Whether a professional informed the patient before the record was fed; INO and IO say so too."""
        return any(
            row.kind is ConsentKind.INFORMATION
            or (row.kind is ConsentKind.FEEDING and row.value is not Consent.NOT_ASKED)
            for row in self.rows
        )


def record(
    uow: UnitOfWork,
    owner_id: int,
    kind: ConsentKind,
    value: Consent,
    actor: str,
    at: int,
    *,
    structure_id: str = "",
    reason: str = "",
) -> bool:
    """Adds a word; False where the one that holds says the same already. Raises ConsentRefused.

    `actor` is the id of a Caller; `at` is when it was said, epoch ms: a word that arrives late (an old ADT) takes
    its place in the history and does not undo a later one. An opposition to feeding needs its legitimate reason
    unless a structure reports it.
    """
    if value not in VALUES[kind]:
        raise ConsentRefused("Cette réponse n’existe pas pour cette question.")
    reason = reason.strip()
    if len(reason) > _LARGEST_REASON:
        raise ConsentRefused(f"Le motif dépasse {_LARGEST_REASON} caractères.")
    if value is Consent.OPPOSED and not reason and not structure_id:
        raise ConsentRefused("L’opposition à l’alimentation demande un motif légitime.")
    last = consents_of(uow.connection, owner_id).last(kind, structure_id)
    if last is not None and last.value is value and (last.reason == reason or at <= last.at):
        return False
    uow.execute(
        insert(record_consent),
        {
            "owner_id": owner_id,
            "kind": kind.value,
            "value": value.value,
            "structure_id": structure_id[:64],
            "reason": reason,
            "actor": actor[:64],
            "at": at,
        },
    )
    return True


def consents_of(connection: Connection, owner_id: int) -> Consents:
    """Everything this patient said."""
    return Consents(
        tuple(
            ConsentRow(
                row.id,
                row.owner_id,
                ConsentKind(row.kind),
                Consent(row.value),
                row.structure_id,
                row.reason,
                row.actor,
                row.at,
            )
            for row in connection.execute(_OF_OWNER, {"owner": owner_id})
        )
    )
