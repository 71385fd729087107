"""The SubmissionSet of a package that came by mail is a lot of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier import registry
from dmp_bridge.dossier.forms import SubmissionQuery
from dmp_bridge.record import State
from tests.dmp_bridge.builders import cda, entry, mail, metadata, xdm, zipped
from tests.dmp_bridge.conftest import PATIENT_INS

if TYPE_CHECKING:
    from dmp_bridge.dossier.registry import SubmissionSet
    from tests.dmp_bridge.conftest import Desk, MakeDesk

LOT = "1.2.250.1.999.7"
SUBMITTED = 1773410050000  # 2026-03-13 13:54:10 UTC
NOW = SUBMITTED + 3_600_000  # of the clock of the tests
ABOUT = """<rim:Name><rim:LocalizedString value="Sortie du 13 mars"/></rim:Name>
<rim:Classification classificationScheme="urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d">
<rim:Slot name="authorPerson"><rim:ValueList><rim:Value
>801234534765^CAMPARINI^Marcel^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value></rim:ValueList></rim:Slot>
<rim:Slot name="authorInstitution"><rim:ValueList><rim:Value
>Laboratoire des charmes^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1120459876</rim:Value></rim:ValueList></rim:Slot>
</rim:Classification>
<rim:Classification classificationScheme="urn:uuid:aa543740-bdda-424e-8c96-df4873be8500" nodeRepresentation="07">
<rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.213.2.2</rim:Value></rim:ValueList></rim:Slot>
<rim:Name><rim:LocalizedString value="Consultations"/></rim:Name></rim:Classification>
<rim:ExternalIdentifier identificationScheme="urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832" value="1.2.250.1.999"/>"""


def document(number: int = 1, **options: str) -> bytes:
    return cda(
        ins=PATIENT_INS, unique_id=f"1.2.250.1.999.{number}.1", set_id=f"1.2.250.1.999.{number}", **options
    )


def package(*documents: bytes, lot: str = LOT, about: str = ABOUT) -> bytes:
    packed = xdm(*documents, lot=lot, about=about, unique_id=None, ins=PATIENT_INS)
    return mail(("IHE_XDM.zip", "application/zip", packed))


async def lots(desk: Desk) -> list[SubmissionSet]:
    return await desk.database.read(
        lambda connection: registry.submissions_of(connection, desk.owner_id, SubmissionQuery())
    )


# ref: DMP-F11
async def test_a_package_that_came_by_mail_is_a_lot_with_its_members(desk: Desk) -> None:
    await desk.deliver(package(document(1), document(2)))
    (lot,) = await lots(desk)
    assert (lot.unique_id, lot.source_id, lot.title, lot.content_type, lot.submitted_at) == (
        LOT,
        "1.2.250.1.999",
        "Sortie du 13 mars",
        "07",
        SUBMITTED,
    )
    assert (lot.depositor_id, lot.depositor_name, lot.depositor_structure) == (
        "801234534765",
        "Marcel CAMPARINI",
        "1120459876",
    )
    assert [each.submission_id for each in await desk.documents()] == [lot.id, lot.id]


async def test_a_package_that_came_twice_is_one_lot(desk: Desk) -> None:
    await desk.deliver(package(document(1)))
    (row,) = await desk.deliver(package(document(1)), mail_id=2)
    assert row.state is State.DUPLICATE
    assert len(await lots(desk)) == 1


async def test_a_package_joins_the_document_that_came_before_without_a_lot(desk: Desk) -> None:
    await desk.deliver(mail(("d.xml", "text/xml", document(1))))
    assert await lots(desk) == []
    await desk.deliver(package(document(1), document(2)), mail_id=2)
    (lot,) = await lots(desk)
    assert [each.submission_id for each in await desk.documents()] == [lot.id, lot.id]


# ref: DMP-F11
async def test_a_later_lot_refers_to_the_document_that_an_earlier_one_brought(desk: Desk) -> None:
    await desk.deliver(package(document(1)))
    for mail_id in (2, 3):
        await desk.deliver(package(document(1), lot="1.2.250.1.999.8"), mail_id=mail_id)
    first, second = sorted(await lots(desk), key=lambda each: each.unique_id)
    assert (first.unique_id, second.unique_id) == (LOT, "1.2.250.1.999.8")
    (only,) = await desk.documents()
    assert only.submission_id == first.id
    referred = await desk.database.read(
        lambda connection: registry.references_of(connection, (first.id, second.id))
    )
    assert referred == {only.id: {second.id}}


async def test_a_package_of_another_source_adds_nothing_to_the_lot_whose_name_it_bears(desk: Desk) -> None:
    await desk.deliver(package(document(1)))
    other = ABOUT.replace('value="1.2.250.1.999"', 'value="1.2.250.1.998"')
    (row,) = await desk.deliver(package(document(2), about=other), mail_id=2)
    assert row.state is State.FILED
    (lot,) = await lots(desk)
    assert {each.unique_id: each.submission_id for each in await desk.documents()} == {
        "1.2.250.1.999.1.1": lot.id,
        "1.2.250.1.999.2.1": None,
    }


async def test_a_package_without_a_usable_submission_set_is_filed_without_a_lot(desk: Desk) -> None:
    for number, unique_id in enumerate(("", " ", "1." * 200), 1):
        (row,) = await desk.deliver(package(document(number), lot=unique_id), mail_id=number)
        assert row.state is State.FILED
    assert await lots(desk) == []


async def test_a_lot_was_not_submitted_in_the_future(desk: Desk) -> None:
    told = "<rim:ValueList><rim:Value>21990101000000</rim:Value></rim:ValueList>"
    slot = f'<rim:Slot name="submissionTime">{told}</rim:Slot>'
    await desk.deliver(package(document(1), about=slot))
    assert [each.submitted_at for each in await lots(desk)] == [NOW]


async def test_a_package_filed_when_the_patient_asks_is_a_lot_too(make_desk: MakeDesk) -> None:
    desk = await make_desk(structured="offer")
    first, second = await desk.deliver(package(document(1), document(2)))
    assert await lots(desk) == []
    await desk.bridge.accept_offer(desk.owner_id, first.id)
    await desk.bridge.accept_offer(desk.owner_id, second.id)
    (lot,) = await lots(desk)
    assert [each.submission_id for each in await desk.documents()] == [lot.id, lot.id]


async def test_a_package_from_the_command_line_is_a_lot_too(desk: Desk) -> None:
    await desk.bridge.deposit(await desk.bridge.examine(package(document(1))))
    (lot,) = await lots(desk)
    assert [each.submission_id for each in await desk.documents()] == [lot.id]


# ref: DMP-F11
async def test_a_file_that_two_lots_of_one_package_hold_is_in_both(desk: Desk) -> None:
    data = document(1)
    sets = {}
    for number, unique_id in ((1, LOT), (2, "1.2.250.1.999.8"), (3, LOT)):
        folder = f"IHE_XDM/SUBSET{number:02}"
        described = entry("DOC00001.XML", data, unique_id=None, ins=PATIENT_INS)
        sets[f"{folder}/METADATA.XML"] = metadata(described, lot=unique_id, about=ABOUT)
        sets[f"{folder}/DOC00001.XML"] = data
    await desk.deliver(mail(("IHE_XDM.zip", "application/zip", zipped(sets))))
    first, second = sorted(await lots(desk), key=lambda each: each.unique_id)
    assert (first.unique_id, second.unique_id) == (LOT, "1.2.250.1.999.8")
    (only,) = await desk.documents()
    assert only.submission_id == first.id
    assert await desk.database.read(
        lambda connection: registry.references_of(connection, (first.id, second.id))
    ) == {only.id: {second.id}}


# ref: DMP-F42
async def test_a_file_in_a_hundred_lots_is_in_the_first_ten(desk: Desk) -> None:
    data = document(1)
    described = entry("DOC00001.XML", data, unique_id=None, ins=PATIENT_INS, uri="../SUBSET00/DOC00001.XML")
    sets = {
        f"IHE_XDM/SUBSET{number:02}/METADATA.XML": metadata(described, lot=f"1.9.{number}")
        for number in range(100)
    }
    sets["IHE_XDM/SUBSET00/DOC00001.XML"] = data
    await desk.deliver(mail(("IHE_XDM.zip", "application/zip", zipped(sets))))
    assert {each.unique_id for each in await lots(desk)} == {f"1.9.{number}" for number in range(10)}


# ref: DMP-F11
async def test_a_document_from_the_command_line_that_is_there_is_in_the_later_lot_too(desk: Desk) -> None:
    for lot in (LOT, "1.2.250.1.999.8"):
        await desk.bridge.deposit(await desk.bridge.examine(package(document(1), lot=lot)))
    first, second = sorted(await lots(desk), key=lambda each: each.unique_id)
    (only,) = await desk.documents()
    assert await desk.database.read(
        lambda connection: registry.references_of(connection, (first.id, second.id))
    ) == {only.id: {second.id}}
