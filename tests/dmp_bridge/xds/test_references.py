"""Lots that refer to documents which are there already, by ITI-41 and as ITI-18 tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dmp_bridge.dossier.wards import document
from tests.dmp_bridge.xds.assertions import INS_CX
from tests.dmp_bridge.xds.messages import (
    APPROVED,
    FIND_SETS,
    GET_ASSOCIATIONS,
    GET_BOTH,
    GET_SETS,
    RIM,
    Provided,
    find_documents,
    identifier,
    stored_query,
)

if TYPE_CHECKING:
    from tests.dmp_bridge.xds.messages import Answer
    from tests.dmp_bridge.xds.place import Place

UNIQUE_ID = "1.2.250.1.999.1.1"
FIRST, LATER = "1.2.250.1.999.7", "1.2.250.1.999.8"
SEAL = Provided(
    b"<Signature/>", "1.2.250.1.999.9", "Signature01", format_code="http://www.w3.org/2000/09/xmldsig#"
)


def memberships(answer: Answer) -> set[tuple[str, str, str]]:
    """Source, target and SubmissionSetStatus of each HasMember."""
    return {
        (each.get("sourceObject", ""), each.get("targetObject", ""), "".join(each.itertext()).strip())
        for each in answer.body.iter(f"{{{RIM}}}Association")
        if each.get("associationType", "").endswith(":HasMember")
    }


async def sets(place: Place) -> dict[str, str]:
    """The entryUUID of each lot by its uniqueId."""
    found = await place.doctor.query(
        stored_query(
            FIND_SETS,
            ("$XDSSubmissionSetPatientId", f"'{INS_CX}'"),
            ("$XDSSubmissionSetStatus", f"('{APPROVED}')"),
        )
    )
    return {
        identifier(each, "96fdda7c-d067-4183-912e-bf5ee74998a8"): each.get("id", "")
        for each in found.body.iter(f"{{{RIM}}}RegistryPackage")
    }


async def brought(place: Place) -> str:
    """The entryUUID of a document that a lot has brought."""
    assert (await place.doctor.provide(Provided(document()))).outcome == "Success"
    return (await place.doctor.query(find_documents())).entries[0].get("id", "")


# ref: DMP-F11, DMP-F33
async def test_a_lot_refers_to_a_document_and_associations_say_which_one_brought_it(place: Place) -> None:
    known = await brought(place)
    second = Provided(document(unique_id="1.2.250.1.999.2.1", set_id=None), "1.2.250.1.999.2.1")
    for _ in range(2):
        filed = await place.doctor.provide(second, set_id=LATER, references=(known,))
        assert (filed.outcome, filed.errors) == ("Success", [])
    (new,) = {each.get("id", "") for each in (await place.doctor.query(find_documents())).entries} - {known}
    lots = await sets(place)
    told = {
        (lots[FIRST], known, "Original"),
        (lots[LATER], known, "Reference"),
    }
    of_document = await place.doctor.query(stored_query(GET_ASSOCIATIONS, ("$uuid", f"('{known}')")))
    assert memberships(of_document) == told
    both = await place.doctor.query(stored_query(GET_BOTH, ("$XDSDocumentEntryEntryUUID", f"('{known}')")))
    assert memberships(both) == told
    of_lot = await place.doctor.query(stored_query(GET_ASSOCIATIONS, ("$uuid", f"('{lots[LATER]}')")))
    assert memberships(of_lot) == {(lots[LATER], known, "Reference"), (lots[LATER], new, "Original")}


async def test_the_lots_of_a_document_are_got_by_its_entry_uuid(place: Place) -> None:
    known = await brought(place)
    second = Provided(document(unique_id="1.2.250.1.999.2.1", set_id=None), "1.2.250.1.999.2.1")
    await place.doctor.provide(second, set_id=LATER, references=(known,))
    await place.doctor.provide(set_id="1.2.250.1.999.10", references=(known,))
    lots = await sets(place)
    answer = await place.doctor.query(stored_query(GET_SETS, ("$uuid", f"('{known}')")))
    told = {each.get("id", "") for each in answer.body.iter(f"{{{RIM}}}RegistryPackage")}
    assert told == set(lots.values())
    assert memberships(answer) == {
        (lots[FIRST], known, "Original"),
        (lots[LATER], known, "Reference"),
        (lots["1.2.250.1.999.10"], known, "Reference"),
    }
    nothing = await place.doctor.query(stored_query(GET_SETS, ("$uuid", "('urn:uuid:1')")))
    assert (nothing.outcome, len(nothing.body[0])) == ("Success", 0)
    missing = await place.doctor.query(stored_query(GET_SETS))
    assert missing.errors == ["XDSStoredQueryMissingParam"]


async def test_a_lot_with_its_signature_and_references_alone_is_filed(place: Place) -> None:
    known = await brought(place)
    filed = await place.doctor.provide(SEAL, set_id=LATER, references=(known,))
    assert (filed.outcome, filed.errors) == ("Success", ["XDSExtraMetadataNotSaved"])
    bare = await place.doctor.provide(set_id="1.2.250.1.999.10", references=(known,))
    assert (bare.outcome, bare.errors) == ("Success", [])
    assert set(await sets(place)) == {FIRST, LATER, "1.2.250.1.999.10"}


async def test_a_document_that_is_sent_again_in_another_lot_is_a_member_of_both(place: Place) -> None:
    known = await brought(place)
    again = await place.doctor.provide(Provided(document()), set_id=LATER)
    assert (again.outcome, again.errors) == ("Success", [])
    lots = await sets(place)
    told = await place.doctor.query(stored_query(GET_ASSOCIATIONS, ("$uuid", f"('{known}')")))
    assert memberships(told) == {(lots[FIRST], known, "Original"), (lots[LATER], known, "Reference")}


async def test_nothing_is_a_success_of_which_nothing_is_filed(place: Place) -> None:
    known = await brought(place)
    other = Provided(document(unique_id="1.2.250.1.999.2.1", set_id=None), "1.2.250.1.999.2.1")
    await place.doctor.provide(other, set_id=LATER)
    newer = document(unique_id="1.2.250.1.999.1.2", version=2, replaces=UNIQUE_ID)
    for documents, options, errors in (
        ((Provided(document()),), {"set_id": LATER}, ["XDSDuplicateUniqueIdInRegistry"]),
        ((), {"set_id": LATER, "references": (known,)}, ["XDSDuplicateUniqueIdInRegistry"]),
        ((), {"set_id": "1.9"}, ["XDSRegistryMetadataError"]),
        ((SEAL,), {"set_id": "1.9"}, ["XDSRegistryMetadataError"]),
        ((), {"set_id": "1.9", "references": ("urn:uuid:1",)}, ["UnresolvedReferenceException"]),
        (
            (SEAL,),
            {"set_id": "1.9", "references": (known,), "status": "Original"},
            ["UnresolvedReferenceException"],
        ),
    ):
        refused = await place.doctor.provide(*documents, **options)
        assert (refused.outcome, refused.errors) == ("Failure", errors), options
    await place.doctor.provide(Provided(newer, "1.2.250.1.999.1.2"), set_id="1.8")
    deprecated = await place.doctor.provide(set_id="1.9", references=(known,))
    assert deprecated.errors == ["XDSRegistryDeprecatedDocumentError"]
    assert set(await sets(place)) == {FIRST, LATER, "1.8"}
