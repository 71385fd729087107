"""What is refused by real HTTP, and in which words: doors, lots, queries, updates."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest
from lxml import etree
from starlette.requests import Request

from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.xds.registry_errors import problem_of
from tests.dmp_bridge.dossier.wards import document
from tests.dmp_bridge.xds.assertions import DOCTOR, INS_CX, SAML, der
from tests.dmp_bridge.xds.messages import (
    APPROVED,
    ARCHIVED,
    FIND_DOCUMENTS,
    GET_DOCUMENTS,
    PROVIDE,
    STORED_QUERY,
    UPDATE,
    Provided,
    envelope,
    find_documents,
    provide,
    related,
    retrieve,
    stored_query,
    update_metadata,
    update_status,
)
from tests.dmp_bridge.xds.place import CLINIC, Software

if TYPE_CHECKING:
    from starlette.types import Message

    from tests.dmp_bridge.xds.place import Place

UNIQUE_ID = "1.2.250.1.999.1.1"
OTHER_CX = "255069999999934^^^&1.2.250.1.213.1.4.10&ISO^NH"
SENDER = 400


async def fault_of(software: Software, payload: str = "") -> tuple[int, str, str]:
    """The HTTP status, code and subcode of a query."""
    answer = await software.query(payload or find_documents())
    return (answer.status, *answer.fault)


# ref: DMP-F33
async def test_without_a_known_certificate_nothing_is_read(place: Place) -> None:
    cards = place.cards
    for shown in (None, cards.host):
        software = replace(place.doctor, connected=shown)
        assert await fault_of(software) == (SENDER, "Sender", "DMPInvalidCertificate")
        answer = await software.post("registry", b"not even XML", "text/plain")
        assert answer.status_code == SENDER


async def test_an_assertion_belongs_to_the_certificate_of_its_connection(place: Place) -> None:
    cards = place.cards
    wrong = (SENDER, "Sender", "DMPInvalidCertificate")
    # A card's assertion through the connection of another card, of another structure.
    assert await fault_of(replace(place.doctor, connected=cards.nurse)) == wrong
    assert await fault_of(replace(place.doctor, connected=cards.clinic)) == wrong
    assert (
        await replace(place.doctor, connected=cards.hospital).query(find_documents())
    ).outcome == "Success"
    # A card signs for its bearer alone.
    assert await fault_of(replace(place.doctor, signer=cards.nurse)) == wrong
    # A structure signs for itself alone, through its own connection.
    assert await fault_of(replace(place.hospital, connected=cards.clinic)) == wrong
    assert await fault_of(place.hospital.saying(structure=CLINIC)) == wrong
    assert await fault_of(place.software(cards.clinic, cards.hospital_signature, mode="INDIRECTE")) == wrong
    assert await fault_of(replace(place.hospital, signer=cards.clinic)) == wrong


async def test_the_directory_outweighs_what_the_software_of_a_card_says(place: Place) -> None:
    failed = (SENDER, "Sender", "FailedAuthentication")
    assert await fault_of(place.doctor.saying(roles=(("60", "1.2.250.1.71.1.2.7"),))) == failed
    assert await fault_of(place.doctor.saying(structure=CLINIC)) == failed
    assert await fault_of(place.doctor.saying(roles=(("secretary", "1.2.3"),))) == failed
    unknown = place.software(place.cards.nurse, place.cards.nurse, subject="899900063498")
    assert await fault_of(unknown) == failed


async def test_an_assertion_overheard_by_another_structure_is_refused(place: Place) -> None:
    hospital = place.doctor
    assertion = hospital.assertion()
    root = envelope(STORED_QUERY, find_documents(), assertion)
    assert (await hospital.send(STORED_QUERY, root)).outcome == "Success"
    assert (await hospital.send(STORED_QUERY, root)).outcome == "Success"
    thief = replace(hospital, connected=place.cards.hospital)  # a known one, of the structure itself
    answer = await thief.send(STORED_QUERY, root)
    assert (answer.status, *answer.fault) == (SENDER, "Sender", "FailedAuthentication")


async def test_a_changed_assertion_is_refused(place: Place) -> None:
    assertion = place.doctor.assertion()
    subject = assertion.find(f".//{{{SAML}}}NameID")
    assert subject is not None
    subject.text = "899900000001"
    answer = await place.doctor.send(STORED_QUERY, envelope(STORED_QUERY, find_documents(), assertion))
    assert (answer.status, *answer.fault) == (SENDER, "Sender", "FailedCheck")
    bare = await place.doctor.send(STORED_QUERY, envelope(STORED_QUERY, find_documents(), None))
    assert bare.fault == ("Sender", "InvalidSecurity")


async def test_each_action_has_its_address_and_its_body(place: Place) -> None:
    software = place.doctor
    root = envelope(STORED_QUERY, find_documents(), software.assertion())
    elsewhere = await software.send(STORED_QUERY, root, path="repository")
    assert elsewhere.fault == ("Sender", "ActionNotSupported")
    unknown = await software.send(STORED_QUERY, envelope("urn:other", find_documents(), software.assertion()))
    assert unknown.fault == ("Sender", "ActionNotSupported")
    other = await software.send(UPDATE, envelope(UPDATE, find_documents(), software.assertion()))
    assert other.fault == ("Sender", "")
    assert (await software.post("registry", root, "text/xml")).status_code == SENDER
    assert (await software.post("other", root, "application/soap+xml")).status_code == 404


async def test_entities_are_not_read(place: Place) -> None:
    root = envelope(STORED_QUERY, find_documents(), place.doctor.assertion())
    bomb = b'<!DOCTYPE e [<!ENTITY a "x"><!ENTITY b SYSTEM "file:///etc/passwd">]>' + root
    answer = await place.doctor.send(STORED_QUERY, bomb)
    assert (answer.status, *answer.fault) == (SENDER, "Sender", "")


async def test_a_message_past_the_bound_is_refused_before_it_is_held(place: Place) -> None:
    payload, parts = provide(Provided(document()))
    body, content_type = related(envelope(PROVIDE, payload, place.doctor.assertion()), parts)
    large = body + b"x" * (26 * 1024 * 1024)
    answer = await place.doctor.post("repository", large, content_type)
    assert answer.status_code == SENDER
    assert etree.fromstring(answer.content)[1][0].tag.endswith("Fault")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"patient": OTHER_CX}, "XDSPatientIdDoesNotMatch"),
        ({"sha1": "0" * 40}, "XDSRepositoryMetadataError"),
        ({"size": 7}, "XDSRepositoryMetadataError"),
        ({"unique_id": "1.2.3.4"}, "XDSRegistryMetadataError"),
        ({"data": b"<html/>", "unique_id": ""}, "XDSRegistryMetadataError"),
        ({"data": document(ins="255069999999934")}, "XDSPatientIdDoesNotMatch"),
        ({"flags": ("MASQUE_PS", "INVISIBLE_PATIENT")}, "XDSRegistryMetadataError"),
    ],
)
async def test_a_lot_that_is_not_right_is_not_filed(
    place: Place, change: dict[str, object], error: str
) -> None:
    wrong = replace(Provided(document()), **change)  # type: ignore[arg-type]
    answer = await place.doctor.provide(wrong)
    assert (answer.status, answer.outcome, answer.errors) == (200, "Failure", [error])
    assert (await place.doctor.query(find_documents())).entries == []


async def test_documents_and_their_descriptions_belong_together(place: Place) -> None:
    payload, parts = provide(Provided(document()))

    async def errors(changed: str, contents: dict[str, bytes]) -> list[str]:
        return (await place.doctor.ask(PROVIDE, changed, contents)).errors

    without = payload[: payload.index("<x:Document ")] + "</x:ProvideAndRegisterDocumentSetRequest>"
    assert await errors(without, {}) == ["XDSMissingDocument"]
    assert await errors(payload, {**parts, "more@lps": b"x"}) == ["XDSMissingDocumentMetadata"]
    other = payload.replace('<x:Document id="Document01">', '<x:Document id="Document09">')
    assert await errors(other, parts) == ["XDSMissingDocument"]
    nobody = payload.replace("6b5aea1a-874d-4603-a4bc-96a0a7b38446", "00000000-874d-4603-a4bc-96a0a7b38446")
    assert await errors(nobody, parts) == ["XDSRegistryMetadataError"]
    empty = payload.replace("96fdda7c-d067-4183-912e-bf5ee74998a8", "00000000-d067-4183-912e-bf5ee74998a8")
    assert await errors(empty, parts) == ["XDSRegistryMetadataError"]


async def test_a_wrong_or_borrowed_part_is_a_fault(place: Place) -> None:
    payload, parts = provide(Provided(document()))
    absent = await place.doctor.ask(PROVIDE, payload, {"other@lps": b"x"})
    assert (absent.status, absent.fault) == (SENDER, ("Sender", ""))
    two, _ = provide(Provided(document()), Provided(document(), "1.2.250.1.999.2", "Document02"))
    twice = two.replace("cid:Document02%40lps", "cid:Document01%40lps")
    assert (await place.doctor.ask(PROVIDE, twice, parts)).fault == ("Sender", "")


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (stored_query("urn:uuid:00000000-0000-0000-0000-000000000000"), "XDSUnknownStoredQuery"),
        # FindFolders and GetAll, which are not served
        (stored_query("urn:uuid:958f3006-baad-4929-a4de-ff1114824431"), "XDSUnknownStoredQuery"),
        (stored_query("urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"), "XDSUnknownStoredQuery"),
        (stored_query(FIND_DOCUMENTS), "XDSStoredQueryMissingParam"),
        (
            stored_query(FIND_DOCUMENTS, ("$XDSDocumentEntryPatientId", f"'{INS_CX}'")),
            "XDSStoredQueryMissingParam",
        ),
        (find_documents(statuses="urn:unknown"), "XDSStoredQueryMissingParam"),
        (stored_query(GET_DOCUMENTS), "XDSStoredQueryMissingParam"),
        (
            stored_query(
                GET_DOCUMENTS,
                ("$XDSDocumentEntryUniqueId", "('1')"),
                ("$XDSDocumentEntryEntryUUID", "('urn:uuid:1')"),
            ),
            "XDSStoredQueryParamNumber",
        ),
        (find_documents(("$XDSDocumentEntryCreationTimeFrom", "(2025,2026)")), "XDSStoredQueryParamNumber"),
        (find_documents(("$XDSDocumentEntryCreationTimeFrom", "'hier'")), "XDSRegistryError"),
        (find_documents(("$XDSDocumentEntryClassCode", "('10'")), "XDSRegistryError"),
        (find_documents(("$XDSDocumentEntryAuthorPerson", "('" + "%" * 257 + "')")), "XDSRegistryError"),
        (find_documents(returns="RegistryObject"), "XDSRegistryError"),
        (
            find_documents().replace(INS_CX.replace("&", "&amp;"), OTHER_CX.replace("&", "&amp;")),
            "XDSPatientIdDoesNotMatch",
        ),
    ],
)
async def test_a_wrong_query_has_its_code(place: Place, payload: str, error: str) -> None:
    answer = await place.doctor.query(payload)
    assert (answer.status, answer.outcome, answer.errors) == (200, "Failure", [error])


async def test_what_the_desk_refuses_is_told_in_its_code(place: Place) -> None:
    stranger = place.software(
        place.cards.hospital,
        place.cards.hospital_signature,
        mode="INDIRECTE_RENFORCEE",
        subject="899900000077",
    )
    refused = await stranger.query(find_documents())
    assert (refused.outcome, refused.errors) == ("Failure", [DENIALS[Reason.NOT_AUTHORISED].xds_error])
    unknown = await place.doctor.saying(patient=OTHER_CX).query(
        find_documents().replace(INS_CX.replace("&", "&amp;"), OTHER_CX.replace("&", "&amp;"))
    )
    assert unknown.errors == ["XDSUnknownPatientId"]
    nothing = await place.doctor.retrieve(retrieve("1.2.3"))
    assert (nothing.outcome, nothing.errors) == ("Failure", ["XDSDocumentUniqueIdError"])


# ref: DMP-F35
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_of_the_desk_has_a_registry_error_in_french(reason: Reason) -> None:
    problem = problem_of(Denied(reason), "urn:uuid:1")
    assert problem.code
    assert problem.context.endswith(".")
    assert problem.location == "urn:uuid:1"


async def test_an_update_that_is_not_served_changes_nothing(place: Place) -> None:
    await place.doctor.provide(Provided(document()))
    entry = (await place.doctor.query(find_documents())).entries[0]
    uuid = entry.get("id", "")

    async def errors(payload: str) -> list[str]:
        return (await place.doctor.update(payload)).errors

    good = update_metadata(entry, add="MASQUE_PS")
    assert await errors(update_metadata(entry, add="MASQUE_PS", version="7")) == ["XDSMetadataVersionError"]
    assert await errors(update_metadata(entry)) == ["XDSMetadataUpdateOperationError"]
    assert await errors(good.replace("PreviousVersion", "Version")) == ["XDSMetadataUpdateOperationError"]
    assert await errors(good.replace(entry.get("lid", ""), "urn:uuid:0")) == ["UnresolvedReferenceException"]
    retitled = good.replace("Compte rendu d'examens biologiques", "Autre titre")
    assert retitled != good
    assert await errors(retitled) == ["XDSMetadataUpdateOperationError"]
    assert await errors(update_status(uuid, APPROVED, "urn:x")) == ["XDSMetadataUpdateOperationError"]
    assert await errors(update_status(uuid, APPROVED, ARCHIVED, OTHER_CX)) == ["XDSPatientIdDoesNotMatch"]
    assert await errors(update_status("urn:uuid:0", APPROVED, ARCHIVED)) == ["XDSDocumentUniqueIdError"]
    doubled = good.replace(
        "</RegistryObjectList>",
        '<Association id="z" associationType="x" sourceObject="a" targetObject="b"/></RegistryObjectList>',
    )
    assert await errors(doubled) == ["XDSMetadataUpdateOperationError"]
    after = (await place.doctor.query(find_documents())).entries[0]
    assert etree.tostring(after.find("{*}VersionInfo")) == etree.tostring(entry.find("{*}VersionInfo"))  # type: ignore[arg-type]
    assert await errors(good) == []


async def test_who_is_blocked_is_refused_in_every_mode(place: Place) -> None:
    from dmp_bridge.dossier import relations
    from dmp_bridge.dossier.relations import RelationKind

    now = place.clock.millis()
    await place.database.write(
        lambda uow: relations.declare(uow, place.owner_id, RelationKind.BLOCKED, DOCTOR, DOCTOR, now)
    )
    for purpose in ("normal", "bris_de_glace", "centre_15"):
        refused = await place.doctor.saying(purpose=purpose, motive="Urgence").query(find_documents())
        assert refused.outcome == "Failure"


async def test_bodies_that_are_held_at_once_are_bounded(place: Place) -> None:
    """Of four that tell no length and never end one has to wait; one that tells its length has not."""
    release, arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def later() -> Message:
        arrived.release()
        await release.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def asked(*headers: tuple[bytes, bytes]) -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/xds/repository",
            "headers": [(b"content-type", b"application/soap+xml"), *headers],
            "extensions": {"tls": {"client_certificate": der(place.cards.doctor)}},
        }
        return (await place.interface.answer(Request(scope, later))).status_code

    held = [asyncio.create_task(asked()) for _ in range(3)]
    for _ in held:
        await arrived.acquire()
    assert await asked() == 500
    small = asyncio.create_task(asked((b"content-length", b"1000")))
    await arrived.acquire()
    release.set()
    assert await asyncio.gather(small, *held) == [SENDER] * 4


async def test_a_request_is_a_post(place: Place) -> None:
    async with httpx2.AsyncClient(verify=place.context(place.cards.doctor)) as client:
        assert (await client.get(f"https://127.0.0.1:{place.port}/xds/registry")).status_code == 405
