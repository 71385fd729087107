from __future__ import annotations

import pytest

from dmp_bridge.codes import ErrorCode
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import OFFER_BYTES, Finding, Kind
from dmp_bridge.message import examine_message
from tests.dmp_bridge.builders import (
    OTHER_INS,
    PDF,
    PNG,
    cda,
    entry,
    mail,
    metadata,
    n1_body,
    n3_body,
    xdm,
    zipped,
)


def examine(*files: tuple[str, bytes]) -> tuple[Finding, ...]:
    return examine_attachments(Attachment(str(2 + at), name, data) for at, (name, data) in enumerate(files))


def one(name: str, data: bytes) -> Finding:
    (found,) = examine((name, data))
    return found


def test_a_package_gives_a_finding_for_each_document() -> None:
    found = examine(("IHE_XDM.zip", xdm(cda(), cda(unique_id="1.2.9", code="18748-4"), unique_id=None)))
    assert [(each.kind, each.part, each.item) for each in found] == [
        (Kind.XDM_DOCUMENT, "2", 0),
        (Kind.XDM_DOCUMENT, "2", 1),
    ]
    first = found[0].clinical
    assert first is not None
    assert (first.category, first.class_code, first.level) == ("BIOLOGIE", "10", "N1")
    assert found[0].data == cda()
    assert found[0].display is not None
    assert found[0].display.media_type == "application/pdf"


# ref: DMP-F18
def test_the_flags_of_the_metadata_are_kept() -> None:
    clinical = one("IHE_XDM.zip", xdm(cda(), flags=("MASQUE_PS", "INVISIBLE_PATIENT"))).clinical
    assert clinical is not None
    assert (clinical.masked_to_professionals, clinical.invisible_to_patient) == (True, True)
    assert not clinical.invisible_to_representatives


def test_the_stricter_confidentiality_counts() -> None:
    clinical = one("IHE_XDM.zip", xdm(cda(confidentiality="R"), flags=("V",))).clinical
    assert clinical is not None
    assert clinical.confidentiality == "V"


def test_the_identifier_is_that_of_the_document() -> None:
    clinical = one("IHE_XDM.zip", xdm(cda(), unique_id="1.2.3")).clinical
    assert clinical is not None
    assert clinical.unique_id == "1.2.250.1.999.1.1"


def test_a_cda_may_come_alone() -> None:
    found = one("compte-rendu.xml", cda(body=n3_body()))
    assert (found.kind, found.display) == (Kind.CDA, None)


# ref: DMP-F1
@pytest.mark.parametrize(
    ("name", "data", "kind", "media_type"),
    [
        ("lettre.pdf", PDF, Kind.PLAIN, "application/pdf"),
        ("photo.png", PNG, Kind.PLAIN, "image/png"),
        ("sans-extension", PDF, Kind.PLAIN, "application/pdf"),
        ("photo.jpg", PNG, Kind.KEPT, "image/png"),
        ("script.js", b"alert(1)", Kind.KEPT, "text/plain"),
        ("page.html", b"<p>bonjour</p>", Kind.KEPT, "text/plain"),
        ("raccourci.bat. ", b"del *", Kind.KEPT, "text/plain"),
        ("notes.txt", b"bonjour", Kind.PLAIN, "text/plain"),
        ("lettre.pdf", b"MZ\x90\x00", Kind.KEPT, "application/octet-stream"),
        ("lettre.pdf", PNG, Kind.KEPT, "image/png"),
        ("setup.exe", b"MZ\x90\x00", Kind.KEPT, "application/octet-stream"),
        ("photos.zip", zipped({"a.pdf": PDF}), Kind.KEPT, "application/zip"),
        ("data.xml", b"<?xml version='1.0'?><a/>", Kind.KEPT, "text/xml"),
        ("data.xml", b"<?xml version='1.0'?><a", Kind.KEPT, "text/xml"),
        ("vide.pdf", b"", Kind.KEPT, "application/x-empty"),
        ("grand.pdf", PDF + b"\x00" * OFFER_BYTES, Kind.KEPT, "application/pdf"),
        ("bombe.zip", zipped({"zeros": b"\x00" * 20_000_000}), Kind.KEPT, "application/zip"),
    ],
)
def test_other_files_are_offered_or_stay_in_the_message(
    name: str, data: bytes, kind: Kind, media_type: str
) -> None:
    found = one(name, data)
    assert (found.kind, found.media_type, found.code) == (kind, media_type, None)
    assert bool(found.data) is (kind is Kind.PLAIN)
    assert bool(found.sentence) is (kind is Kind.KEPT)


# ref: DMP-F29
def test_the_limit_of_an_offer_is_exact() -> None:
    assert one("l.pdf", PDF.ljust(OFFER_BYTES, b"\x00")).kind is Kind.PLAIN
    assert one("l.pdf", PDF.ljust(OFFER_BYTES + 1, b"\x00")).kind is Kind.KEPT


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (xdm(cda(ins=None), ins=None), ErrorCode.NO_INS),
        (xdm(cda(), ins=OTHER_INS), ErrorCode.OTHER_PATIENT),
        (xdm(cda(birth="")), ErrorCode.INCOMPLETE_INS),
        (xdm(cda(sex="")), ErrorCode.INCOMPLETE_INS),
        (xdm(cda(code="99999-9")), ErrorCode.OTHER),
        (xdm(cda(), sha1="0" * 40), ErrorCode.OTHER),
        (xdm(cda(), size=1), ErrorCode.OTHER),
        (xdm(b"<?xml version='1.0'?><!DOCTYPE a><a/>"), ErrorCode.OTHER),
        (xdm(PDF), ErrorCode.OTHER),
        (xdm(cda(body=n1_body(b"MZ\x90\x00"))), ErrorCode.OTHER),
        (xdm(cda(body=n1_body(PNG))), ErrorCode.OTHER),
        (zipped({"IHE_XDM/S/METADATA.XML": b"<broken"}), ErrorCode.OTHER),
        (zipped({"zeros": b"\x00" * 20_000_000}), ErrorCode.OTHER),
        (zipped({"a.txt": b"no package"}), ErrorCode.OTHER),
    ],
)
def test_a_package_that_cannot_be_filed_is_refused_with_a_code(data: bytes, code: ErrorCode) -> None:
    found = one("IHE_XDM.zip", data)
    assert (found.kind, found.code, found.data, found.clinical) == (Kind.REFUSED, code, b"", None)
    assert found.sentence.endswith(".")


def test_no_sentence_names_a_person() -> None:
    found = examine(("IHE_XDM.zip", xdm(cda(), ins=OTHER_INS)))
    assert all(word not in found[0].sentence for word in (OTHER_INS, "PAT-TROIS"))


# ref: ECO.2.1.1, DMP-F10
def test_a_mail_about_two_patients_files_nothing_of_either() -> None:
    found = examine(
        ("IHE_XDM.zip", xdm(cda())), ("autre.xml", cda(ins=OTHER_INS, unique_id="1.2.9")), ("l.pdf", PNG)
    )
    assert [each.kind for each in found] == [Kind.REFUSED, Kind.REFUSED, Kind.KEPT]
    assert {each.code for each in found[:2]} == {ErrorCode.OTHER}


def test_a_refused_document_of_another_patient_counts_too() -> None:
    found = examine(("IHE_XDM.zip", xdm(cda())), ("autre.xml", cda(ins=OTHER_INS, code="99999-9")))
    assert [each.kind for each in found] == [Kind.REFUSED, Kind.REFUSED]


# ref: SC.CDA/DD.15
def test_the_pdf_beside_its_document_is_a_copy() -> None:
    found = examine(("IHE_XDM.zip", xdm(cda())), ("n'importe.pdf", PDF), ("autre.pdf", PDF + b"%"))
    assert [each.kind for each in found] == [Kind.XDM_DOCUMENT, Kind.COPY, Kind.PLAIN]
    assert found[1].copy_of == "1.2.250.1.999.1.1"


# ref: DMP-F14
def test_a_pdf_with_the_official_name_of_the_document_is_a_copy() -> None:
    name = "20260312_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf"
    found = examine(
        (name, PDF + b"%"), ("c.xml", cda(body=n3_body())), ("20260101_CR_PAT-TROIS_DOMINIQUE.pdf", PDF)
    )
    assert [each.kind for each in found] == [Kind.COPY, Kind.CDA, Kind.PLAIN]


@pytest.mark.parametrize("flag", ["invisible_patient", " INVISIBLE_PATIENT ", "INVISIBLE_PATIENT^^1.2.250"])
def test_a_flag_is_understood_as_programs_write_it(flag: str) -> None:
    found = one("IHE_XDM.zip", xdm(cda(), flags=(flag,)))
    assert found.hidden
    assert found.clinical is not None
    assert found.clinical.invisible_to_patient


@pytest.mark.parametrize(("written", "read"), [("n", "N"), ("r", "R"), ("v", "V"), ("X", "R"), ("", "N")])
def test_a_confidentiality_nobody_knows_is_not_the_usual_one(written: str, read: str) -> None:
    clinical = one("lettre.xml", cda(confidentiality=written)).clinical
    assert clinical is not None
    assert clinical.confidentiality == read


@pytest.mark.parametrize("packed_first", [True, False])
def test_a_document_loose_and_packed_bears_the_flags_of_both(packed_first: bool) -> None:
    files = [("IHE_XDM.zip", xdm(cda(), flags=("V", "INVISIBLE_PATIENT"))), ("lettre.xml", cda())]
    found = examine(*(files if packed_first else files[::-1]))
    assert [each.hidden for each in found] == [True, True]
    assert [each.clinical and each.clinical.confidentiality for each in found] == ["V", "V"]
    assert all(each.clinical is not None and each.clinical.invisible_to_patient for each in found)


def test_other_bytes_under_the_same_identifier_bear_the_same_flags() -> None:
    found = examine(
        ("IHE_XDM.zip", xdm(cda(), flags=("INVISIBLE_PATIENT",))), ("lettre.xml", cda(title="Autre"))
    )
    assert [each.hidden for each in found] == [True, True]


def test_two_subsets_and_two_entries_on_one_file_bear_the_flags_of_both() -> None:
    name, data = "DOC.XML", cda()
    visible, unseen = entry(name, data), entry(name, data, flags=("INVISIBLE_PATIENT",), identifier="D2")
    subset = "IHE_XDM/SUBSET0{}/{}"
    two_entries = {subset.format(1, "METADATA.XML"): metadata(visible, unseen), subset.format(1, name): data}
    two_subsets = {
        subset.format(1, "METADATA.XML"): metadata(visible),
        subset.format(1, name): data,
        subset.format(2, "METADATA.XML"): metadata(unseen),
        subset.format(2, name): data,
    }
    for files in (two_entries, two_subsets):
        found = one("IHE_XDM.zip", zipped(files))
        assert found.hidden
        assert found.clinical is not None
        assert found.clinical.invisible_to_patient


def test_what_shows_an_unseen_document_is_hidden_and_the_whole_package_with_it() -> None:
    other = cda(unique_id="1.2.9", set_id=None, body=n3_body())
    files = {
        "IHE_XDM/S/METADATA.XML": metadata(
            entry("A.XML", cda(), flags=("INVISIBLE_PATIENT",)),
            entry("B.XML", other, unique_id="1.2.9", identifier="D2"),
        ),
        "IHE_XDM/S/A.XML": cda(),
        "IHE_XDM/S/B.XML": other,
    }
    found = examine(
        ("IHE_XDM.zip", zipped(files)),
        ("copie.pdf", PDF),
        ("copie.dat", PDF),
        ("20260312_CR_PAT-TROIS_DOMINIQUE.pdf", PDF + b"%"),
        ("photo.png", PNG),
    )
    assert [each.hidden for each in found] == [True, True, True, True, True, False]
    assert found[1].clinical is not None
    assert not found[1].clinical.invisible_to_patient


def test_a_package_refused_as_a_whole_still_hides_what_it_announces() -> None:
    files = {
        "IHE_XDM/S1/METADATA.XML": metadata(entry("A.XML", cda(), flags=("INVISIBLE_PATIENT",))),
        "IHE_XDM/S1/A.XML": cda(),
        "IHE_XDM/S2/METADATA.XML": b"<broken",
    }
    found = one("IHE_XDM.zip", zipped(files))
    assert (found.kind, found.hidden) == (Kind.REFUSED, True)


@pytest.mark.parametrize("name", ["IHE_XDM.zip", "ihe_xdm.ZIP"])
@pytest.mark.parametrize("data", [b"", b"\x00\x81random" * 50, b"bonjour", cda()])
def test_a_package_that_is_no_zip_is_refused(name: str, data: bytes) -> None:
    found = one(name, data)
    assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER)


def test_a_document_that_names_two_patients_is_refused() -> None:
    start, end = cda().index(b"<recordTarget>"), cda().index(b"</recordTarget>") + len(b"</recordTarget>")
    twice = cda()[:end] + cda(ins=OTHER_INS)[start:end] + cda()[end:]
    second_id = cda().replace(
        b"<patient>", f'<id extension="{OTHER_INS}" root="1.2.250.1.213.1.4.8"/><patient>'.encode()
    )
    for data in (twice, second_id):
        found = one("lettre.xml", data)
        assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER_PATIENT)


def test_a_date_that_no_act_can_have_is_not_kept() -> None:
    for value in ("00010101", "00010101000000", "99991231235959-1200"):
        clinical = one("lettre.xml", cda(service=value, effective=value)).clinical
        assert clinical is not None
        assert (clinical.service_start_at, clinical.created_at) == (None, None)


def test_what_is_too_much_to_examine_is_hidden_beside_an_unseen_document() -> None:
    notes = [(f"{number}.txt", "text/plain", b"bonjour") for number in range(199)]
    package = ("IHE_XDM.zip", "application/zip", xdm(cda(), flags=("INVISIBLE_PATIENT",)))
    found = examine_message(mail(package, *notes, ("copie.pdf", "application/pdf", PDF)))
    assert [each.hidden for each in found] == [True, *[False] * 199, True]


# ref: DMP-F10
def test_a_document_beyond_those_that_are_examined_is_refused_and_not_passed_over() -> None:
    notes = [(f"{number}.txt", "text/plain", b"bonjour") for number in range(199)]
    documents = [(f"{number}.xml", "text/xml", cda(unique_id=f"1.2.{number}")) for number in range(2)]
    *_, taken, passed_over = examine_message(mail(*notes, *documents))
    assert taken.kind is Kind.CDA
    assert (passed_over.kind, passed_over.code) == (Kind.REFUSED, ErrorCode.OTHER)
