from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certs.names import DistinguishedName
from mailserver.signin import certificates
from mailserver.signin.certificates import Binding, CertificateRefused

if TYPE_CHECKING:
    from directory.bals import Bal
    from tests.mailserver.place import Place

NAME = DistinguishedName.parse("CN=dpi.hopital-demo.fr,OU=1990700106,O=CH DE DEMO,ST=Sarthe (72),C=FR")
SAME = DistinguishedName.parse('CN=DPI.hopital-demo.fr, OU=1990700106, O="Ch de  Demo", ST=Sarthe (72), C=FR')
OTHER = DistinguishedName.parse("CN=dui.hopital-demo.fr,OU=1990700106,O=CH DE DEMO,ST=Sarthe (72),C=FR")
NOW = 1_700_000_000_000


async def add(place: Place, bal: Bal, name: DistinguishedName = NAME) -> Binding:
    return await place.database.write(lambda uow: certificates.add(uow, bal.owner_id, name, NOW))


def owners(place: Place, name: DistinguishedName) -> list[int]:
    return place.database.read_now(lambda connection: certificates.owners_of(connection, name))


async def test_a_name_opens_the_boxes_it_is_bound_to(place: Place, marie: Bal) -> None:
    paul = await place.add("paul")
    bound = await add(place, marie)
    assert (bound.owner_id, bound.dn, bound.created_at) == (marie.owner_id, str(NAME), NOW)
    assert owners(place, NAME) == [marie.owner_id]
    await add(place, paul)
    assert owners(place, NAME) == [marie.owner_id, paul.owner_id]
    assert owners(place, OTHER) == []


async def test_a_name_written_otherwise_is_the_same(place: Place, marie: Bal) -> None:
    bound = await add(place, marie)
    assert await add(place, marie, SAME) == bound
    assert owners(place, SAME) == [marie.owner_id]
    assert place.database.read_now(lambda c: certificates.find(c, marie.owner_id, SAME)) == bound
    assert place.database.read_now(lambda c: certificates.list_of(c, marie.owner_id)) == [bound]


async def test_a_removed_name_opens_nothing(place: Place, marie: Bal) -> None:
    bound = await add(place, marie)
    paul = await place.add("paul")
    remove = certificates.remove
    assert not await place.database.write(lambda uow: remove(uow, paul.owner_id, NAME))
    assert place.database.read_now(lambda c: certificates.still_holds(c, bound.id))
    assert await place.database.write(lambda uow: remove(uow, marie.owner_id, SAME))
    assert not place.database.read_now(lambda c: certificates.still_holds(c, bound.id))
    assert place.database.read_now(lambda c: certificates.find(c, marie.owner_id, NAME)) is None
    assert owners(place, NAME) == []


async def test_a_box_has_so_many_names_and_no_more(place: Place, marie: Bal) -> None:
    for number in range(certificates.MOST_NAMES):
        await add(place, marie, DistinguishedName.of(cn=f"n{number}"))
    with pytest.raises(CertificateRefused, match="32"):
        await add(place, marie)
    await add(place, marie, DistinguishedName.of(cn="n1"))


async def test_a_name_too_long_to_be_kept_is_refused(place: Place, marie: Bal) -> None:
    with pytest.raises(CertificateRefused, match="longer"):
        await add(place, marie, DistinguishedName.of(cn="n" * 3000))
