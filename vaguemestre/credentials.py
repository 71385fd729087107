"""What opens a mailbox beside its password, as the operator gives and takes it: each change with its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalRefused, BalState
from directory.patients import PatientRefused, find_patient
from foundation import trail
from mailserver.signin import application, certificates, second_factor
from mailserver.signin.brake import forget, second_factor_of
from portal import sessions
from portal.operators.acts import box_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from certs.names import DistinguishedName
    from directory.bals import Bal
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from mailserver.signin.application import ApplicationPassword, Scope
    from mailserver.signin.certificates import Binding
    from mailserver.signin.second_factor import SecondFactors

DAY_MS = 24 * 3600 * 1000


def add_application_password(
    uow: UnitOfWork, clock: Clock, address: str, *, name: str, scopes: Iterable[Scope], days: int
) -> tuple[ApplicationPassword, str]:
    """An application password of so many days, and its secret. Raises BalRefused or ApplicationRefused."""
    box = _open_box(uow, address)
    now = clock.millis()
    made, plain = application.make(
        uow, box.owner_id, name=name, scopes=scopes, now=now, expires_at=now + days * DAY_MS
    )
    detail: Mapping[str, str | int] = {
        "id": made.id,
        "scopes": " ".join(sorted(made.scopes)),
        "days": days,
    }
    _trace(uow, clock, "application_password.made", box, "made", detail)
    return made, plain


def revoke_application_password(uow: UnitOfWork, clock: Clock, address: str, number: int) -> None:
    """Ends one application password. Raises BalRefused where the box has none of this number that holds."""
    box = box_of(uow, address)
    if not application.revoke(uow, box.owner_id, number, clock.millis()):
        raise BalRefused(f"{box.address} has no application password {number} that was not revoked before.")
    _trace(uow, clock, "application_password.revoked", box, "revoked", {"id": number})


def revoke_application_passwords(uow: UnitOfWork, clock: Clock, address: str) -> int:
    """Ends all application passwords of a box; returns how many. Raises BalRefused."""
    box = box_of(uow, address)
    count = application.revoke_all(uow, box.owner_id, clock.millis())
    if count:
        _trace(uow, clock, "application_password.revoked", box, "all", {"count": count})
    return count


def offer_second_factor(uow: UnitOfWork, clock: Clock, factors: SecondFactors, address: str) -> bytes:
    """A secret for an authenticator application; a first code confirms it. Raises BalRefused."""
    box = _open_box(uow, address)
    return factors.offer(uow, box.owner_id, clock.millis())


def confirm_second_factor(
    uow: UnitOfWork, clock: Clock, factors: SecondFactors, address: str, code: str
) -> list[str]:
    """Makes the offered secret the second factor; returns the recovery codes. Raises BalRefused."""
    box = _open_box(uow, address)
    codes = factors.confirm(uow, box.owner_id, code, clock.millis())
    if codes is None:
        raise BalRefused(
            "This code is wrong, or nothing waits for one: `bal totp enable` begins, and holds for 15 minutes."
        )
    _trace(uow, clock, "second_factor.enrolled", box, "enrolled")
    return codes


def remove_second_factor(uow: UnitOfWork, clock: Clock, address: str) -> None:
    """Takes the second factor of a box away: its bearer has lost it. Raises BalRefused where there is none."""
    box = box_of(uow, address)
    if not second_factor.remove(uow, box.owner_id):
        raise BalRefused(f"{box.address} has no second factor.")
    _trace(uow, clock, "second_factor.removed", box, "removed")


def bind_certificate(uow: UnitOfWork, clock: Clock, address: str, name: DistinguishedName) -> Binding:
    """Lets certificates of this subject open a box. Raises BalRefused or CertificateRefused."""
    box = _open_box(uow, address)
    known = certificates.find(uow.connection, box.owner_id, name)
    if known is not None:
        return known
    bound = certificates.add(uow, box.owner_id, name, clock.millis())
    _trace(uow, clock, "certificate.bound", box, "bound", {"id": bound.id})
    return bound


def unbind_certificate(uow: UnitOfWork, clock: Clock, address: str, name: DistinguishedName) -> Binding:
    """Ends it; returns what held. Raises BalRefused where certificates of this subject do not open the box."""
    box = box_of(uow, address)
    bound = certificates.find(uow.connection, box.owner_id, name)
    if bound is None:
        raise BalRefused(f"No certificate of this name opens {box.address}.")
    certificates.remove(uow, box.owner_id, name)
    _trace(uow, clock, "certificate.unbound", box, "unbound", {"id": bound.id})
    return bound


def end_sessions(uow: UnitOfWork, clock: Clock, address: str) -> int:
    """Ends every session of the portal that the bearer of a box has; returns how many were live. Raises BalRefused."""
    box = box_of(uow, address)
    live = len(sessions.list_of(uow.connection, box.owner_id, clock.millis()))
    sessions.end_all(uow, box.owner_id)
    _trace(uow, clock, "session.ended", box, "all")
    return live


def unlock(uow: UnitOfWork, clock: Clock, address: str) -> bool:
    """Forgets the failures counted against a box; False where there were none. Raises BalRefused."""
    box = box_of(uow, address)
    had_failed = [forget(uow, account) for account in (box.address, second_factor_of(box.owner_id))]
    if not any(had_failed):
        return False
    _trace(uow, clock, "signin.unlocked", box, "unlocked")
    return True


def unlock_patient(uow: UnitOfWork, clock: Clock, ins: str) -> bool:
    """Forgets the failures counted against a patient; False where there were none. Raises PatientRefused."""
    patient = find_patient(uow.connection, ins)
    if patient is None:
        raise PatientRefused("There is no patient with this INS.")
    if not forget(uow, patient.ins):
        return False
    trail.append(
        uow,
        "signin.unlocked",
        actor="operator",
        subject=f"patient:{patient.owner_id}",
        outcome="unlocked",
        clock=clock,
    )
    return True


def _open_box(uow: UnitOfWork, address: str) -> Bal:
    box = box_of(uow, address)
    if box.state is BalState.CLOSED:
        raise BalRefused(f"The mailbox {box.address} is closed: nothing opens it any more.")
    return box


def _trace(
    uow: UnitOfWork,
    clock: Clock,
    action: str,
    box: Bal,
    outcome: str,
    detail: Mapping[str, str | int] | None = None,
) -> None:
    trail.append(
        uow,
        action,
        actor="operator",
        subject=f"bal:{box.owner_id}",
        outcome=outcome,
        detail=detail,
        clock=clock,
    )
