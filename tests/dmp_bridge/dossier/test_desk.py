from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.denials import DENIALS, UNTOLD
from dmp_bridge.dossier.desk import Change, Denied, DocumentQuery, SubmissionQuery
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.rights.vocabulary import Mode, Reason
from tests.dmp_bridge.builders import PDF, n3_body, xdm
from tests.dmp_bridge.dossier.wards import (
    ATTENDING,
    AUTHOR,
    DOCTOR,
    INS,
    LABORATORY,
    NURSE,
    OTHER_DOCTOR,
    STRUCTURE,
    deposit,
    document,
    emergency,
    reason_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dmp_bridge.dossier.desk import Filed
    from tests.dmp_bridge.dossier.wards import Ward


def known(filed: Filed) -> Filed:
    """The same, when it was there already with its submission set."""
    assert filed.membership is not None
    return replace(filed, is_new=False, membership=replace(filed.membership, is_new=False))


async def test_a_document_that_was_fed_is_found_and_read_byte_for_byte(ward: Ward) -> None:
    (filed,) = await ward.feed()
    assert filed.is_new
    (found,) = await ward.documents()
    assert (found.unique_id, found.entry_uuid) == (filed.unique_id, filed.entry_uuid)
    assert (found.depositor_id, found.depositor_structure) == (AUTHOR, LABORATORY)
    assert (found.facility_code, found.setting_code) == ("SA07", "AMBULATOIRE")
    content = await ward.desk.read(ward.patient, found.id)
    assert (content.data, content.media_type) == (document(), "text/xml")
    shown = await ward.desk.read(ward.patient, found.id, display=True)
    assert (shown.data, shown.media_type) == (PDF, "application/pdf")


async def test_the_same_submission_again_files_nothing_twice(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.2.3")
    for _ in range(3):
        (again,) = await ward.feed(unique_id="1.2.3")
        assert again == known(first)
    assert len(await ward.documents()) == 1
    found = await ward.desk.submissions(ward.patient, INS, SubmissionQuery())
    assert [(each.unique_id, len(documents)) for each, documents in found] == [("1.2.3", 1)]


async def test_a_plain_file_without_an_identifier_is_filed_once_by_the_same_submission(ward: Ward) -> None:
    plain = deposit(PDF, media_type="application/pdf", type_code="11502-2")
    (first,) = await ward.feed(plain, unique_id="1.2.3")
    assert await ward.feed(plain, unique_id="1.2.3") == [known(first)]
    assert len(await ward.documents()) == 1


async def test_a_submission_is_not_said_twice_with_another_content(ward: Ward) -> None:
    await ward.feed(unique_id="1.2.3")
    other = deposit(document(unique_id="1.2.9", set_id="1.2.8"))
    assert await reason_of(ward.feed(deposit(), other, unique_id="1.2.3")) is Reason.DUPLICATE
    assert len(await ward.documents()) == 1


async def test_another_content_under_a_known_identifier_is_refused(ward: Ward) -> None:
    await ward.feed()
    other = deposit(document(title="Autre"))
    assert await reason_of(ward.feed(other)) is Reason.OTHER_CONTENT


async def test_a_wrong_size_or_hash_is_refused(ward: Ward) -> None:
    right = hashlib.sha1(document(), usedforsecurity=False).hexdigest()
    assert await reason_of(ward.feed(deposit(size=1))) is Reason.INTEGRITY
    assert await reason_of(ward.feed(deposit(sha1="0" * 40))) is Reason.INTEGRITY
    assert await reason_of(ward.feed(deposit(sha1=right.upper(), size=len(document())))) is None


async def test_all_of_a_submission_is_filed_or_nothing(ward: Ward) -> None:
    good, bad = deposit(), deposit(document(unique_id="1.2.9", set_id="1.2.8", ins="160012345678990"))
    assert await reason_of(ward.feed(good, bad)) is Reason.OTHER_PATIENT
    assert await ward.documents() == []


async def test_a_plain_file_is_filed_as_it_is_described(ward: Ward) -> None:
    plain = deposit(
        PDF, media_type="application/pdf", type_code="11502-2", title="Bilan", unique_id="urn:oid:1.2.5"
    )
    (filed,) = await ward.feed(plain)
    assert filed.unique_id == "1.2.5"
    (found,) = await ward.documents()
    assert (found.title, found.type_code, found.mime_type) == ("Bilan", "11502-2", "application/pdf")
    assert found.author_id.endswith(f"^{AUTHOR}")
    assert (await ward.desk.read(ward.patient, found.id)).data == PDF


@pytest.mark.parametrize(
    "options", [{}, {"type_code": "unknown"}, {"type_code": "11502-2", "title": "x" * 129}]
)
async def test_a_plain_file_that_is_not_well_described_is_refused(
    ward: Ward, options: dict[str, str]
) -> None:
    assert await reason_of(ward.feed(deposit(PDF, media_type="application/pdf", **options))) is Reason.INVALID


async def test_what_is_no_document_is_refused_with_a_sentence(ward: Ward) -> None:
    with pytest.raises(Denied) as caught:
        await ward.feed(deposit(b"MZ\x90\x00program"))
    assert caught.value.reason is Reason.INVALID
    assert caught.value.detail


async def test_an_xdm_package_brings_each_of_its_documents(ward: Ward) -> None:
    second = document(unique_id="1.2.9", set_id="1.2.8", body=n3_body())
    package = xdm(document(), second, ins=INS)
    filed = await ward.feed(deposit(package, media_type="application/zip"))
    assert [each.is_new for each in filed] == [True, True]
    assert {each.unique_id for each in await ward.documents()} == {each.unique_id for each in filed}


async def test_what_is_refused_leaves_nothing_in_the_vault(ward: Ward, tmp_path: Path) -> None:
    large = PDF + random.Random(1).randbytes(200_000)

    def kept() -> list[Path]:
        return [each for each in (tmp_path / "vault").rglob("*") if each.is_file()]

    plain = deposit(large, media_type="application/pdf", type_code="11502-2", unique_id="1.2.5")
    other = deposit(document(ins="160012345678990"))
    assert await reason_of(ward.feed(plain, other)) is Reason.OTHER_PATIENT
    assert kept() == []
    await ward.feed(plain)
    assert len(kept()) == 1
    await ward.feed(plain)
    assert len(kept()) == 1


async def test_a_patient_files_a_document_of_the_own(ward: Ward) -> None:
    await ward.feed(
        deposit(PDF, media_type="application/pdf", category="RADIO_SC", title="Scanner"), caller=ward.patient
    )
    (found,) = await ward.documents()
    assert (found.origin, found.depositor_id, found.category) == ("patient", ward.patient.id, "RADIO_SC")
    assert await reason_of(ward.desk.change(ward.patient, found.id, Change.DELETE)) is None
    assert await ward.documents() == []


async def test_a_patient_deletes_no_document_of_a_professional(ward: Ward) -> None:
    (filed,) = await ward.feed()
    assert await reason_of(ward.desk.change(ward.patient, filed.document_id, Change.DELETE)) is Reason.NOT_OWN


async def test_masking_gives_a_new_entry_uuid_and_keeps_the_logical_id(ward: Ward) -> None:
    (filed,) = await ward.feed()
    (before,) = await ward.documents()
    masked = await ward.desk.change(ward.patient, filed.document_id, Change.MASK, version=1)
    assert masked.logical_id == before.logical_id
    assert masked.entry_uuid != before.entry_uuid
    assert (masked.metadata_version, masked.masked_to_professionals) == (2, True)
    history = await ward.desk.history(ward.patient, filed.document_id)
    assert [(each.entry_uuid, each.masked_to_professionals) for each in history] == [
        (before.entry_uuid, False),
        (masked.entry_uuid, True),
    ]
    # Who knows the former entryUUID still finds the document.
    assert [each.id for each in await ward.documents(entry_uuids=(before.entry_uuid,))] == [before.id]


async def test_a_replacement_has_identities_of_its_own(ward: Ward) -> None:
    (first,) = await ward.feed()
    newer = deposit(document(unique_id="1.2.9", version=2, replaces="1.2.250.1.999.1.1"))
    (second,) = await ward.feed(newer)
    (current,) = await ward.documents()
    (former,) = await ward.documents(statuses=("deprecated",))
    assert (current.id, former.id) == (second.document_id, first.document_id)
    assert current.logical_id != former.logical_id
    assert former.entry_uuid == first.entry_uuid
    (linked,) = await ward.desk.associations(ward.patient, INS, [current.id])
    assert (linked.kind, linked.source_id, linked.target_id) == ("RPLC", current.id, former.id)


async def test_a_replacement_may_come_before_what_it_replaces(ward: Ward) -> None:
    newer = deposit(document(unique_id="1.2.9", set_id=None, version=None, replaces="1.2.250.1.999.1.1"))
    (second,) = await ward.feed(newer)
    (first,) = await ward.feed(deposit(document(set_id=None, version=None)))
    assert [each.id for each in await ward.documents()] == [second.document_id]
    assert [each.id for each in await ward.documents(statuses=("deprecated",))] == [first.document_id]


async def test_nobody_hides_a_document_by_replacing_it_before_it_comes(ward: Ward) -> None:
    stranger = document(
        unique_id="1.2.9",
        set_id=None,
        version=None,
        replaces="1.2.250.1.999.1.1",
        author_id=OTHER_DOCTOR.id,
        institution_id="1999",
    )
    await ward.feed(deposit(stranger), caller=OTHER_DOCTOR)
    (filed,) = await ward.feed(deposit(document(set_id=None, version=None)))
    assert filed.document_id in [each.id for each in await ward.documents()]


async def test_only_the_author_or_a_colleague_replaces(ward: Ward) -> None:
    await ward.feed()
    newer = deposit(document(unique_id="1.2.9", version=2))
    assert await reason_of(ward.feed(newer, caller=OTHER_DOCTOR)) is Reason.NOT_OWN
    colleague = replace(OTHER_DOCTOR, structure_id=LABORATORY)
    assert await reason_of(ward.feed(newer, caller=colleague)) is None


async def test_what_the_patient_masked_stays_masked_in_the_next_version(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK)
    await ward.feed(deposit(document(unique_id="1.2.9", version=2)))
    (current,) = await ward.documents()
    assert current.masked_to_professionals


async def test_a_stale_version_is_told(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK, version=1)
    stale = ward.desk.change(ward.patient, filed.document_id, Change.UNMASK, version=1)
    assert await reason_of(stale) is Reason.STALE


async def test_masked_and_invisible_to_the_patient_exclude_each_other(ward: Ward) -> None:
    both = deposit(visibilities=frozenset({"MASQUE_PS", "INVISIBLE_PATIENT"}))
    assert await reason_of(ward.feed(both)) is Reason.COMBINATION
    (filed,) = await ward.feed(deposit(visibilities=frozenset({"N", "INVISIBLE_PATIENT"})))
    await ward.authorise(DOCTOR)
    assert await reason_of(ward.desk.change(DOCTOR, filed.document_id, Change.MASK)) is Reason.COMBINATION


async def test_a_document_to_be_announced_is_unseen_until_it_is_shown(ward: Ward) -> None:
    (filed,) = await ward.feed(deposit(visibilities=frozenset({"INVISIBLE_PATIENT"})))
    await ward.authorise(DOCTOR)
    assert await ward.documents() == []
    assert await reason_of(ward.desk.read(ward.patient, filed.document_id)) is Reason.UNSEEN
    told = await ward.desk.traces(ward.patient, INS, TraceQuery())
    assert {each.caller_id for each in told} == {ward.patient.id}
    (seen,) = await ward.documents(DOCTOR)
    assert seen.invisible_since == ward.clock.millis()
    await ward.desk.change(DOCTOR, filed.document_id, Change.SHOW_TO_PATIENT)
    assert [each.id for each in await ward.documents()] == [filed.document_id]


async def test_a_doctor_reads_when_authorised_and_not_before(ward: Ward) -> None:
    (filed,) = await ward.feed()
    assert await reason_of(ward.desk.read(OTHER_DOCTOR, filed.document_id)) is Reason.NOT_AUTHORISED
    assert await reason_of(ward.desk.search(OTHER_DOCTOR, INS, DocumentQuery())) is Reason.NOT_AUTHORISED
    await ward.authorise(OTHER_DOCTOR)
    assert (await ward.desk.read(OTHER_DOCTOR, filed.document_id)).data == document()


async def test_a_masked_document_is_seen_by_its_author_and_the_attending_doctor(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK)
    await ward.authorise(DOCTOR, OTHER_DOCTOR)
    await ward.attend()
    assert [len(await ward.documents(each)) for each in (DOCTOR, ATTENDING, OTHER_DOCTOR)] == [1, 1, 0]
    assert await reason_of(ward.desk.read(OTHER_DOCTOR, filed.document_id)) is Reason.MASKED


async def test_an_emergency_needs_a_motive_and_is_told(ward: Ward) -> None:
    (filed,) = await ward.feed()
    silent = replace(NURSE, mode=Mode.BRIS_DE_GLACE)
    for motive in ("", " ", "...", "\u2800", "15"):
        wordless = replace(silent, motive=motive)
        assert await reason_of(ward.desk.read(wordless, filed.document_id)) is Reason.MOTIVE_MISSING
    hurried = emergency(NURSE, mode=Mode.BRIS_DE_GLACE)
    assert await reason_of(ward.desk.read(hurried, filed.document_id)) in (None, Reason.PROFESSION)
    assert [each.mode for each in await ward.traces()][-1] == "bris_de_glace"
    assert (await ward.traces())[-1].motive == "Patient inconscient"


async def test_a_structure_feeds_finds_by_reference_and_deletes_its_own_and_reads_nothing(ward: Ward) -> None:
    (filed,) = await ward.feed(caller=STRUCTURE)
    found = await ward.desk.reference(STRUCTURE, INS, filed.unique_id)
    assert found.id == filed.document_id
    assert await reason_of(ward.desk.search(STRUCTURE, INS, DocumentQuery())) is not None
    assert await reason_of(ward.desk.read(STRUCTURE, filed.document_id)) is not None
    other = replace(STRUCTURE, id="1999")
    assert await reason_of(ward.desk.change(other, filed.document_id, Change.DELETE)) is Reason.NOT_OWN
    assert (await ward.desk.change(STRUCTURE, filed.document_id, Change.DELETE)).status == "deleted"


async def test_documents_are_found_by_identifier_without_the_ins(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.authorise(DOCTOR)
    for query in (
        DocumentQuery(unique_ids=(filed.unique_id,)),
        DocumentQuery(entry_uuids=(filed.entry_uuid,)),
        DocumentQuery(ids=(filed.document_id,)),
    ):
        found = await ward.desk.search(DOCTOR, "", query)
        assert [each.id for each in found.documents] == [filed.document_id]
    assert await reason_of(ward.desk.search(DOCTOR, "", DocumentQuery())) is Reason.NO_DOCUMENT


async def test_nobody_has_a_record_without_a_patient(ward: Ward) -> None:
    assert await reason_of(ward.desk.existence(DOCTOR, "160012345678990")) is Reason.NO_RECORD
    stranger = replace(ward.patient, owner_id=ward.owner_id + 1, id="patient:9")
    assert await reason_of(ward.desk.search(stranger, INS, DocumentQuery())) is Reason.NO_RECORD
    assert await reason_of(ward.desk.read(DOCTOR, 999)) is Reason.NO_DOCUMENT


async def test_existence_tells_the_traits_and_how_one_stands(ward: Ward) -> None:
    found = await ward.desk.existence(DOCTOR, INS)
    assert (found.is_active, found.is_authorised, found.has_attending) == (True, False, False)
    assert found.traits == ("Pat Trois", "Dominique Marie", "1979-03-28", "F")


def test_what_must_not_be_known_of_is_told_to_the_letter_as_what_is_not_there() -> None:
    for reason in UNTOLD:
        assert DENIALS[reason] == DENIALS[Reason.NO_DOCUMENT]


def test_every_reason_has_one_denial() -> None:
    assert set(DENIALS) == set(Reason)
    assert all(each.sentence.endswith(".") and each.advice.endswith(".") for each in DENIALS.values())
    assert all(400 <= each.http < 500 for each in DENIALS.values())
