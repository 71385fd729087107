"""This operator's boxes in the directory served here: hidden at once, shown as soon as the national one has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from directory import bals, publication
from directory.annuaire.model import Mailbox
from directory.annuaire.published import Standing, publish, published, set_standing
from directory.bals import BalState, BalType
from directory.listing import listing_of

if TYPE_CHECKING:
    from directory.annuaire.view import View
    from directory.bals import Bal
    from directory.listing import Listing
    from foundation.database import UnitOfWork


def added(uow: UnitOfWork, bal: Bal) -> None:
    """Has the directory told of a new box, in the transaction that made it."""
    publication.ask(uow, bal.owner_id)


def changed(uow: UnitOfWork, bal: Bal, now: int) -> None:
    """Has the directory told of a change of a box, in its transaction; what is to be hidden is hidden here at once."""
    row, standing = publication.find(uow.connection, bal.owner_id), standing_of(bal)
    # What the directory was never told of is not in it: a row here would take the address of the one to come.
    is_known = row is None or row.published is not None or bool(row.unsure)
    if standing is not Standing.SHOWN and (is_known or published(uow.connection, bal.address) is not None):
        _stand(uow, bal, standing, now)
    if row is None:
        publication.ask_anew(uow, bal, listing_of(uow.connection, bal.owner_id))
    else:
        publication.ask(uow, bal.owner_id)


# ref: F40
def set_red_list(
    uow: UnitOfWork, address: str, *, red_list: bool, now: int, version: int | None = None
) -> Bal:
    """Takes a box out of the directory at once, or has it shown there; it receives either way (liste rouge).

    Raises BalRefused when there is no such box, BalChanged when it has another `version` by now.
    """
    bal = bals.set_red_list(uow, address, red_list=red_list, version=version)
    changed(uow, bal, now)
    return bal


# ref: F40
def standing_of(bal: Bal) -> Standing:
    """How a box stands in the directory."""
    if bal.state is BalState.CLOSED:
        return Standing.REMOVED
    if bal.state is BalState.SUSPENDED:
        return Standing.SUSPENDED
    return Standing.RED_LIST if bal.red_list else Standing.SHOWN


def show(uow: UnitOfWork, bal: Bal, mailbox: Mailbox | None, now: int) -> None:
    """Lets the directory served here say of a box what it is now; `mailbox` as `mailbox_to_show` has it."""
    standing = standing_of(bal)
    if standing is not Standing.SHOWN:
        _stand(uow, bal, standing, now)
    elif mailbox is not None:
        publish(uow, mailbox, standing, now)


def mailbox_to_show(bal: Bal, listing: Listing, view: View) -> Mailbox | None:
    """What the directory is to say of a box; None where it says so already, or is to say nothing."""
    if standing_of(bal) is not Standing.SHOWN:
        return None
    mailbox, known = mailbox_of(bal, listing, view), view.mailbox(bal.address)
    return None if known == mailbox else mailbox


def mailbox_of(bal: Bal, listing: Listing, view: View) -> Mailbox:
    """A box as the directory shows it: its bearer and structure as the extracts know them."""
    mailbox = _bare(bal)
    person = view.person(bal.idnat) if bal.idnat and bal.type in (BalType.PER, BalType.CAB) else None
    if person is not None:
        mailbox = replace(
            mailbox,
            person_id_type=person.person_id_type,
            person_id=person.person_id,
            civility=person.title,
            last_name=person.last_name,
            first_name=person.first_name,
            category_code=person.category_code,
            category=person.category,
            profession_code=person.profession_code,
            profession=person.profession,
            skill_code=person.skills[0].code if person.skills else None,
            skill=person.skills[0].label if person.skills else None,
        )
    structure_id = listing.structure or (bal.idnat if bal.type in (BalType.ORG, BalType.APP) else None)
    structure = view.structure(structure_id) if structure_id is not None else None
    if structure_id is not None:
        mailbox = replace(mailbox, structure_id=structure_id, structure_id_type=structure_id[0])
    if structure is not None:
        mailbox = replace(
            mailbox,
            structure=structure.name,
            structure_sign=structure.sign,
            location=structure.location,
            distribution=structure.distribution,
            street_number=structure.street_number,
            street_repeat=structure.street_repeat,
            street_type=structure.street_type,
            street_name=structure.street_name,
            routing=structure.routing,
            postal_code=structure.postal_code,
            department=structure.department,
        )
    known = view.mailbox(bal.address)
    if known is not None and known.idnat == mailbox.idnat and known.structure_id == mailbox.structure_id:
        # What the extract says of the bearer goes before what is pieced together here.
        mailbox = known
    return replace(
        mailbox,
        service=listing.service if bal.type is not BalType.PER else mailbox.service,
        description=listing.description,
        responsible=listing.responsible,
        phone=listing.phone,
        rank=listing.rank,
    )


def _bare(bal: Bal) -> Mailbox:
    """What is known of a box without looking anywhere."""
    of_person = bal.type in (BalType.PER, BalType.CAB)
    return Mailbox(
        bal.address,
        bal.type,
        idnat=bal.idnat if of_person else None,
        last_name=bal.name[:100] if bal.type is BalType.PER else None,
        service=bal.name if not of_person else None,
        structure_id=bal.idnat if not of_person else None,
        structure_id_type=bal.idnat[0] if bal.idnat and not of_person else None,
    )


def _stand(uow: UnitOfWork, bal: Bal, standing: Standing, now: int) -> None:
    found = published(uow.connection, bal.address)
    if found is None:
        publish(uow, _bare(bal), standing, now)
    elif found.standing is not standing:
        set_standing(uow, bal.address, standing, now)
