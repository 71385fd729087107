"""Who may write to whom: asked at MAIL and RCPT, before a message is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalState, BalType, bals_of
from directory.patients import find_patient
from foundation.identifiers import Address, patient_address_ins
from mailserver.conversations import may_write_to
from mailserver.delivery.recipients import PATIENT_CAUSES, Hosting, canonical, reach, resolve
from mailserver.envelope import Origin
from mailserver.refusals import (
    FOREIGN_SENDER_EXPECTED,
    INVALID_ADDRESS,
    PATIENT_MAY_NOT_BEGIN,
    PATIENT_TO_PATIENT,
    SENDER_NOT_OWNED,
    Refusal,
)
from mailserver.signin.openings import posts_as
from mailserver.store.rights import Right

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import Database
    from foundation.settings import Settings
    from mailserver.delivery.recipients import Resolution, TrustedSpace
    from mailserver.envelope import Principal


def owned_addresses(connection: Connection, principal: Principal) -> frozenset[str]:
    """The addresses a signed-in person may write as.

    The box itself, of a personal box the bearer's others, and the boxes of structures that were opened to them with
    the right to post (RFC 4314 §2.1, `p`). A structure's boxes share its identifier but not their keepers, so that
    one opens no other; a delegate who signed in to one writes as that one alone, where they may.
    """
    own = frozenset({principal.address})
    if principal.person_id is not None:
        return own
    if principal.idnat is not None:
        personal = {
            box.address
            for box in bals_of(connection, principal.idnat)
            if box.type is BalType.PER and box.state is BalState.ACTIVE
        }
        own |= personal if principal.address in personal else frozenset()
    return own | posts_as(connection, principal.owner_id)


# ref: F10
class Rules:
    """The rules of one operator, over the accounts and the white list as they are now."""

    def __init__(self, database: Database, settings: Settings, trust: TrustedSpace | None = None) -> None:
        self._database = database
        self._trust = trust
        self._hosting = Hosting(settings)
        self._patient_domain = settings.patient_domain.lower()
        self._reports = settings.patients.undeliverable == "report"

    def sender(self, principal: Principal | None, sender: str) -> Refusal | None:
        """Whether this reverse-path may be used; "" (null) always may, receipts are sent with it."""
        if principal is not None and Right.POST not in principal.rights:
            return SENDER_NOT_OWNED
        if not sender:
            return None
        address = Address.parse(sender)
        if principal is None:
            # Mail of a hosted box that comes from outside is forged: its bearer signs in.
            hosted = address is not None and self._hosting.holds(address.domain)
            return FOREIGN_SENDER_EXPECTED if hosted else None
        if address is None:
            return SENDER_NOT_OWNED
        if str(address) == principal.address:
            return None
        owned = self._database.read_now(lambda connection: owned_addresses(connection, principal))
        return None if str(address) in owned else SENDER_NOT_OWNED

    async def recipient(self, principal: Principal | None, sender: str, recipient: str) -> Refusal | None:
        """Whether this sender may write to this recipient; box and white list are looked up as they are now."""
        is_here = self._hosting.holds(recipient.rpartition("@")[2].lower())
        if principal is not None and self._trust is not None and not is_here:
            await self._trust.refresh()
        return self._database.read_now(
            lambda connection: self._recipient(connection, principal, sender, recipient)
        )

    def _recipient(
        self, connection: Connection, principal: Principal | None, sender: str, recipient: str
    ) -> Refusal | None:
        patient_domain = self._hosting.patient_domain
        if principal is None and patient_domain is not None:
            ins = patient_address_ins(sender, patient_domain)
            if ins is not None:
                refusal = self._from_patient(connection, ins, recipient)
                if refusal is not None:
                    return refusal
        origin = Origin.PEER if principal is None else Origin.SUBMISSION
        resolution = resolve(
            connection,
            self._hosting,
            (recipient,),
            beyond=reach(origin, self._trust),
            also=(canonical(sender),),
        ).without_full()
        if resolution.robots and sender.lower().endswith(f"@{self._patient_domain}"):
            # As with any professional; a patient's operator may not have asked.
            return PATIENT_MAY_NOT_BEGIN
        if not resolution.undelivered:
            return None
        refusal = resolution.undelivered[0].refusal
        if self._reports and refusal in PATIENT_CAUSES and self._gets_reports(sender, resolution):
            # The cause reaches the sender as « Message non distribué ».
            return None
        return refusal

    def _gets_reports(self, sender: str, resolution: Resolution) -> bool:
        address = Address.parse(sender)
        if address is None:
            return False
        if self._hosting.holds(address.domain):
            return str(address) in resolution.boxes
        listed = reach(Origin.HOUSE, self._trust)
        return not isinstance(listed, Refusal) and address.domain in listed

    # ref: F31
    def _from_patient(self, connection: Connection, ins: str, recipient: str) -> Refusal | None:
        address = Address.parse(recipient)
        if address is None:
            return INVALID_ADDRESS
        if address.domain == self._hosting.patient_domain:
            return PATIENT_TO_PATIENT
        writer = find_patient(connection, ins)
        if writer is None:
            return PATIENT_MAY_NOT_BEGIN
        return may_write_to(connection, writer.owner_id, str(address))
