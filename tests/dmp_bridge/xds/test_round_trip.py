"""A document through the four transactions by real HTTP: filed, found, given back, masked, archived, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.desk import DocumentQuery
from dmp_bridge.rights.vocabulary import Mode
from tests.dmp_bridge.builders import cda
from tests.dmp_bridge.dossier.wards import document
from tests.dmp_bridge.xds.assertions import DOCTOR, INS, INS_CX, STRUCTURE
from tests.dmp_bridge.xds.messages import (
    APPROVED,
    ARCHIVED,
    DELETED,
    DEPRECATED,
    FIND_BY_REFERENCE,
    FIND_SETS,
    GET_ASSOCIATIONS,
    GET_BOTH,
    GET_DOCUMENTS,
    PROVIDE,
    RIM,
    Provided,
    envelope,
    find_documents,
    identifier,
    provide,
    retrieve,
    stored_query,
    update_metadata,
    update_status,
    visibilities,
)

if TYPE_CHECKING:
    from lxml import etree

    from tests.dmp_bridge.xds.messages import Answer
    from tests.dmp_bridge.xds.place import Place

UNIQUE_ID = "1.2.250.1.999.1.1"


# ref: DMP-F33
async def test_what_is_filed_is_found_and_given_back_byte_for_byte(place: Place) -> None:
    data = document() + b"\n<!-- \r\n-boundary -->"
    filed = await place.doctor.provide(Provided(data))
    assert (filed.status, filed.outcome, filed.errors) == (200, "Success", [])
    found = await place.doctor.query(find_documents())
    assert found.outcome == "Success"
    entry = found.entries[0]
    assert identifier(entry, "2e82c1f6-a085-4c72-9da3-8640a32e42ab") == UNIQUE_ID
    assert identifier(entry, "58a6f841-87b3-4a3e-92fd-a8ffeff98427") == INS_CX
    assert entry.get("status") == APPROVED
    assert entry.get("id", "").startswith("urn:uuid:")
    assert entry.get("lid", "").startswith("urn:uuid:")
    assert entry.get("mimeType") == "text/xml"
    given = await place.doctor.retrieve(retrieve(UNIQUE_ID))
    assert (given.outcome, given.documents) == ("Success", {UNIQUE_ID: data})


async def test_answers_relate_to_their_question_and_bear_the_action_of_the_dmp(place: Place) -> None:
    software = place.doctor
    payload, parts = provide(Provided(document()))
    root = envelope(PROVIDE, payload, software.assertion(), message_id="urn:uuid:42")
    filed = await software.send(PROVIDE, root, parts)
    assert (filed.relates_to, filed.action) == (
        "urn:uuid:42",
        "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse",
    )
    assert (await software.query(find_documents())).action == "urn:ihe:iti:2007:RegistryStoredQueryResponse"
    assert (await software.retrieve(retrieve("1"))).action == "urn:ihe:iti:2007:RetrieveDocumentSetResponse"
    updated = await software.update(update_status("urn:uuid:1", APPROVED, ARCHIVED))
    assert updated.action == "urn:ihe:iti:2010:UpdateDocumentSet-Response"


async def test_masking_changes_the_entry_uuid_and_not_the_logical_id(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    first = (await place.doctor.query(find_documents())).entries[0]
    masked = await place.doctor.update(update_metadata(first, add="MASQUE_PS"))
    assert (masked.outcome, masked.errors) == ("Success", [])
    second = (await place.doctor.query(find_documents())).entries[0]
    assert visibilities(second) == ["N", "MASQUE_PS"]
    assert second.get("lid") == first.get("lid")
    assert second.get("id") != first.get("id")
    version = second.find(f"{{{RIM}}}VersionInfo")
    assert version is not None
    assert version.get("versionName") == "2"
    unmasked = await place.doctor.update(update_metadata(second, remove="MASQUE_PS"))
    assert unmasked.outcome == "Success"
    assert visibilities((await place.doctor.query(find_documents())).entries[0]) == ["N"]


async def test_a_masked_document_is_not_there_for_another_professional(place: Place) -> None:
    await place.doctor.provide(Provided(document(), flags=("MASQUE_PS",)))
    await place.authorise("899900000001")
    other = place.software(
        place.cards.hospital,
        place.cards.hospital_signature,
        mode="INDIRECTE_RENFORCEE",
        subject="899900000001",
    )
    assert (await place.doctor.query(find_documents())).unique_ids == {UNIQUE_ID}
    assert (await other.query(find_documents())).entries == []
    refused = await other.retrieve(retrieve(UNIQUE_ID))
    assert (refused.outcome, refused.documents) == ("Failure", {})


async def test_a_document_hidden_from_the_patient_is_shown_and_never_hidden_again(place: Place) -> None:
    await place.doctor.provide(Provided(document(), flags=("INVISIBLE_PATIENT",)))
    hidden = (await place.doctor.query(find_documents())).entries[0]
    assert visibilities(hidden) == ["N", "INVISIBLE_PATIENT"]
    shown = await place.doctor.update(update_metadata(hidden, remove="INVISIBLE_PATIENT"))
    assert shown.outcome == "Success"
    now = (await place.doctor.query(find_documents())).entries[0]
    again = await place.doctor.update(update_metadata(now, add="INVISIBLE_PATIENT"))
    assert (again.outcome, again.errors) == ("Failure", ["XDSMetadataUpdateOperationError"])


async def test_archiving_and_deleting_follow_the_status_that_was_seen(place: Place) -> None:
    await place.doctor.provide(Provided(document()))

    async def move(original: str, new: str) -> Answer:
        everything = find_documents(statuses=f"{APPROVED} {ARCHIVED} {DELETED} {DEPRECATED}")
        entry = (await place.doctor.query(everything)).entries[0]
        return await place.doctor.update(update_status(entry.get("id", ""), original, new))

    assert (await move(APPROVED, ARCHIVED)).outcome == "Success"
    assert (await place.doctor.query(find_documents())).entries == []
    archived = (await place.doctor.query(find_documents(statuses=ARCHIVED))).entries
    assert [each.get("status") for each in archived] == [ARCHIVED]
    stale = await move(APPROVED, ARCHIVED)
    assert (stale.outcome, stale.errors) == ("Failure", ["XDSMetadataUpdateError"])
    assert (await move(ARCHIVED, APPROVED)).outcome == "Success"
    assert (await move(APPROVED, DELETED)).outcome == "Success"
    assert (await place.doctor.query(find_documents())).entries == []
    assert len((await place.doctor.query(find_documents(statuses=DELETED))).entries) == 1
    never = await move(DELETED, APPROVED)
    assert never.errors == ["XDSMetadataUpdateOperationError"]


async def test_a_replacement_deprecates_and_is_told_as_an_association(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    old = (await place.doctor.query(find_documents())).entries[0]
    newer = document(unique_id="1.2.250.1.999.1.2", version=2, replaces=UNIQUE_ID)
    filed = await place.doctor.provide(
        Provided(newer, "1.2.250.1.999.1.2", replaces=old.get("id", "")), set_id="1.2.250.1.999.7.2"
    )
    assert filed.outcome == "Success"
    assert (await place.doctor.query(find_documents())).unique_ids == {"1.2.250.1.999.1.2"}
    former = await place.doctor.query(find_documents(statuses=DEPRECATED))
    assert former.unique_ids == {UNIQUE_ID}
    new = (await place.doctor.query(find_documents())).entries[0]
    both = await place.doctor.query(
        stored_query(GET_BOTH, ("$XDSDocumentEntryUniqueId", "('1.2.250.1.999.1.2')"))
    )
    told = {
        each.get("associationType", "").rpartition(":")[2]: (
            each.get("sourceObject"),
            each.get("targetObject"),
        )
        for each in both.body.iter(f"{{{RIM}}}Association")
    }
    assert told["RPLC"] == (new.get("id"), old.get("id"))
    assert told["HasMember"][1] == new.get("id")
    assert len(both.entries) == 1


async def test_a_structure_feeds_finds_the_reference_and_deletes_its_own_and_nothing_else(
    place: Place,
) -> None:
    hospital = place.hospital
    filed = await hospital.provide(Provided(document(institution_id=STRUCTURE)))
    assert (filed.outcome, filed.errors) == ("Success", [])
    assert (await hospital.query(find_documents())).outcome == "Failure"
    referred = await hospital.query(
        stored_query(GET_DOCUMENTS, ("$XDSDocumentEntryUniqueId", f"('{UNIQUE_ID}')"))
    )
    assert referred.unique_ids == {UNIQUE_ID}
    assert (await hospital.retrieve(retrieve(UNIQUE_ID))).documents == {}
    entry = referred.entries[0]
    assert (
        await hospital.update(update_status(entry.get("id", ""), APPROVED, ARCHIVED))
    ).outcome == "Failure"
    deleted = await hospital.update(update_status(entry.get("id", ""), APPROVED, DELETED))
    assert (deleted.outcome, deleted.errors) == ("Success", [])


async def test_submission_sets_are_found_with_their_members(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    mine = ("$XDSSubmissionSetPatientId", f"'{INS_CX}'")
    approved = ("$XDSSubmissionSetStatus", f"('{APPROVED}')")
    found = await place.doctor.query(stored_query(FIND_SETS, mine, approved))
    packages = list(found.body.iter(f"{{{RIM}}}RegistryPackage"))
    assert [identifier(each, "96fdda7c-d067-4183-912e-bf5ee74998a8") for each in packages] == [
        "1.2.250.1.999.7"
    ]
    sets = await place.doctor.query(stored_query(GET_ASSOCIATIONS, ("$uuid", f"('{packages[0].get('id')}')")))
    members = [each.get("targetObject") for each in sets.body.iter(f"{{{RIM}}}Association")]
    documents = await place.doctor.query(
        stored_query(GET_DOCUMENTS, ("$XDSDocumentEntryEntryUUID", f"('{members[0]}')"))
    )
    assert documents.unique_ids == {UNIQUE_ID}
    for more, count in (
        (("$XDSSubmissionSetAuthorPerson", f"'{DOCTOR}^%'"), 1),
        (("$XDSSubmissionSetAuthorPerson", "'nobody%'"), 0),
        (("$XDSSubmissionSetContentType", "('04^^1.2.250.1.213.2.2')"), 1),
        (("$XDSSubmissionSetContentType", "('04^^1.2.3')"), 0),
        (("$XDSSubmissionSetSourceId", "('1.2.250.1.999.1.1.7898')"), 1),
        (("$XDSSubmissionSetSubmissionTimeFrom", "20270101"), 0),
        (("$XDSSubmissionSetSubmissionTimeTo", "20270101"), 1),
    ):
        answer = await place.doctor.query(stored_query(FIND_SETS, mine, approved, more))
        assert len(list(answer.body.iter(f"{{{RIM}}}RegistryPackage"))) == count, more
    deprecated = ("$XDSSubmissionSetStatus", f"('{DEPRECATED}')")
    none = await place.doctor.query(stored_query(FIND_SETS, mine, deprecated))
    assert (none.outcome, list(none.body.iter(f"{{{RIM}}}RegistryPackage"))) == ("Success", [])


async def test_each_condition_of_find_documents_counts(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    prefix = "$XDSDocumentEntry"
    for name, value, is_met in (
        ("ClassCode", "('10^^1.2.250.1.213.1.1.4.1')", True),
        ("ClassCode", "('10^^1.2.3')", False),
        ("ClassCode", "('11^^1.2.250.1.213.1.1.4.1')", False),
        ("TypeCode", "('11502-2^^2.16.840.1.113883.6.1','x^^y')", True),
        ("TypeCode", "('34133-9^^2.16.840.1.113883.6.1')", False),
        ("HealthcareFacilityTypeCode", "('SA07')", True),
        ("HealthcareFacilityTypeCode", "('SA01')", False),
        ("PracticeSettingCode", "('AMBULATOIRE^^1.2.250.1.213.1.1.4.9')", True),
        ("ConfidentialityCode", "('N^^2.16.840.1.113883.5.25')", True),
        ("ConfidentialityCode", "('MASQUE_PS^^1.2.250.1.213.1.1.4.13')", False),
        ("CreationTimeFrom", "20260101", True),
        ("CreationTimeTo", "20260101", False),
        ("ServiceStartTimeTo", "'20270101'", True),
        ("ServiceStopTimeFrom", "20260101", True),  # the document tells no end (§3.18.4.1.2.3.3.1)
        ("ServiceStartTimeFrom", "20270101", False),
        ("Misspelt", "('x')", True),
        ("AlsoUnknown", "not even a value", True),
        ("AuthorPerson", "('%CAMPARINI%')", True),
        ("AuthorPerson", "('%MARTIN%')", False),
        ("EventCodeList", "('none^^x')", False),
        ("Type", "('urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1')", True),
        ("Type", "('urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248')", False),
    ):
        found = await place.doctor.query(find_documents((f"{prefix}{name}", value)))
        assert (found.outcome, bool(found.entries)) == ("Success", is_met), (name, value)


async def test_object_refs_are_ids_alone(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    whole = (await place.doctor.query(find_documents())).entries[0]
    referred = await place.doctor.query(find_documents(returns="ObjectRef"))
    assert [each.get("id") for each in referred.body.iter(f"{{{RIM}}}ObjectRef")] == [whole.get("id")]
    assert referred.entries == []


async def test_documents_are_found_by_their_reference(place: Place) -> None:
    order = '<inFulfillmentOf><order><id root="1.2.3.9" extension="CMD42"/></order></inFulfillmentOf>'
    data = cda(ins=INS, family="PAT-TROIS").replace(
        b"<documentationOf>", order.encode() + b"<documentationOf>", 1
    )
    assert (await place.doctor.provide(Provided(data))).outcome == "Success"
    patient = ("$XDSDocumentEntryPatientId", f"'{INS_CX}'")
    status = ("$XDSDocumentEntryStatus", f"('{APPROVED}')")

    async def by(value: str) -> list[etree._Element]:
        asked = stored_query(FIND_BY_REFERENCE, patient, status, ("$XDSDocumentEntryReferenceIdList", value))
        return (await place.doctor.query(asked)).entries

    assert len(await by("('CMD42^^^&1.2.3.9&ISO^urn:ihe:iti:xds:2013:order')")) == 1
    assert len(await by("('CMD42^^^&1.2.3.9&ISO')")) == 1
    assert await by("('CMD42^^^&1.2.3.8&ISO')") == []
    assert await by("('CMD43^^^&1.2.3.9&ISO')") == []
    missing = await place.doctor.query(stored_query(FIND_BY_REFERENCE, patient, status))
    assert missing.errors == ["XDSStoredQueryMissingParam"]


async def test_several_documents_are_given_or_refused_each_for_itself(place: Place) -> None:
    one, two = document(), document(unique_id="1.2.250.1.999.2.1", set_id="1.2.250.1.999.2")
    lot = await place.doctor.provide(Provided(one), Provided(two, "1.2.250.1.999.2.1", "Document02"))
    assert (lot.outcome, lot.errors) == ("Success", [])
    given = await place.doctor.retrieve(retrieve(UNIQUE_ID, "1.2.250.1.999.2.1", "1.2.3"))
    assert given.outcome == "PartialSuccess"
    assert given.documents == {UNIQUE_ID: one, "1.2.250.1.999.2.1": two}
    assert given.errors == ["XDSDocumentUniqueIdError"]
    elsewhere = await place.doctor.retrieve(retrieve(UNIQUE_ID, repository="1.2.3"))
    assert (elsewhere.outcome, elsewhere.errors) == ("Failure", ["XDSUnknownRepositoryId"])


async def test_the_signature_of_a_lot_is_taken_and_told_not_to_be_kept(place: Place) -> None:
    seal = Provided(
        b"<Signature/>", "1.2.250.1.999.9", "Signature01", format_code="http://www.w3.org/2000/09/xmldsig#"
    )
    filed = await place.doctor.provide(Provided(document()), seal)
    assert (filed.outcome, filed.errors) == ("Success", ["XDSExtraMetadataNotSaved"])
    assert (await place.doctor.query(find_documents())).unique_ids == {UNIQUE_ID}


async def test_a_lot_that_is_sent_twice_is_filed_once(place: Place) -> None:
    for _ in range(2):
        assert (await place.doctor.provide(Provided(document()))).outcome == "Success"
    assert len((await place.doctor.query(find_documents())).entries) == 1


async def test_everything_is_traced_with_channel_role_and_mode(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    emergency = place.doctor.saying(purpose="bris_de_glace", motive="Patient inconscient")
    await emergency.retrieve(retrieve(UNIQUE_ID))
    from dmp_bridge.dossier import traces
    from dmp_bridge.dossier.traces import TraceQuery

    found = await place.database.read(
        lambda connection: traces.traces_of(connection, place.owner_id, TraceQuery(limit=100))
    )
    assert {(each.channel, each.caller_id, each.profession, each.structure_id) for each in found} == {
        ("xds", DOCTOR, "10", STRUCTURE)
    }
    read = next(each for each in found if each.action == "TD3.2")
    assert (read.mode, read.motive) == (Mode.BRIS_DE_GLACE.value, "Patient inconscient")


async def test_the_desk_sees_what_came_by_xds(place: Place) -> None:
    """Whatever way in asks, there is one record: the patient's own view has the masked document, and its title."""
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.rights.vocabulary import Role

    await place.doctor.provide(Provided(document(), flags=("MASQUE_PS",)))
    patient = Caller(role=Role.PATIENT, id=f"patient:{place.owner_id}", owner_id=place.owner_id)
    found = (await place.desk.search(patient, "", DocumentQuery())).documents
    assert [(each.unique_id, each.masked_to_professionals) for each in found] == [(UNIQUE_ID, True)]
