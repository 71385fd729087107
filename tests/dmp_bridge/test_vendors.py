"""What programs of other makers put into a package or beside it, and what becomes of each."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import pytest

from dmp_bridge import archive
from dmp_bridge.codes import ErrorCode
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Finding, Kind
from tests.dmp_bridge.builders import (
    INS,
    OTHER_INS,
    PDF,
    PNG,
    TEST_OID,
    cda,
    entry,
    metadata,
    n3_body,
    xdm,
    zipped,
)

FOLDER = "IHE_XDM/SUBSET01/"
XHTML = b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'
SET_PATIENT = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"


def examine(*files: tuple[str, bytes]) -> list[Finding]:
    return list(examine_attachments(Attachment(str(at), *file) for at, file in enumerate(files, 2)))


def packed_with(
    name: str, companion: bytes, *, document: bytes, flags: tuple[str, ...] = (), about: str = ""
) -> list[Finding]:
    """A package of a CDA and another file that METADATA.XML announces as well."""
    entries = (
        entry("DOC00001.XML", document),
        entry(name, companion, identifier="Document02", unique_id="1.2.250.1.999.1.2", flags=flags),
    )
    described = metadata(*entries, about=about)
    return examine(
        (
            "IHE_XDM.zip",
            zipped(
                {
                    FOLDER + "METADATA.XML": described,
                    FOLDER + "DOC00001.XML": document,
                    FOLDER + name: companion,
                }
            ),
        )
    )


# ref: SC.CDA/DD.15, DMP-F14
@pytest.mark.parametrize(
    ("name", "companion", "document"),
    [
        ("DOC00001.PDF", PDF + b"%", cda(body=n3_body())),
        ("doc00001.htm", XHTML, cda()),
        ("COPIE.PDF", PDF, cda()),
    ],
    ids=["of the same name", "as a page", "the file in it"],
)
def test_what_shows_a_document_of_the_package_is_its_copy(
    name: str, companion: bytes, document: bytes
) -> None:
    first, second = packed_with(name, companion, document=document)
    assert (first.kind, first.code) == (Kind.XDM_DOCUMENT, None)
    assert (second.kind, second.code, second.copy_of) == (Kind.COPY, None, "1.2.250.1.999.1.1")
    assert (second.filename, second.data) == (name, b"")


def test_an_announced_transformation_of_a_document_is_its_copy() -> None:
    transforms = (
        '<rim:Association associationType="urn:ihe:iti:2007:AssociationType:XFRM"'
        ' sourceObject="Document02" targetObject="Document01"/>'
    )
    files = {"name": "AUTRE.PDF", "companion": PDF + b"%", "document": cda(body=n3_body())}
    assert [each.kind for each in packed_with(**files, about=transforms)] == [Kind.XDM_DOCUMENT, Kind.COPY]  # type: ignore[arg-type]
    alone = packed_with(**files)  # type: ignore[arg-type]
    assert [each.kind for each in alone] == [Kind.XDM_DOCUMENT, Kind.REFUSED]


STYLE = (
    b'<?xml version="1.0"?><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"/>'
)


def test_an_announced_style_sheet_stays_in_the_package() -> None:
    first, second = packed_with("CDA-FO.XSL", STYLE, document=cda())
    assert first.kind is Kind.XDM_DOCUMENT
    assert (second.kind, second.code, second.filename) == (Kind.KEPT, None, "CDA-FO.XSL")
    # With nothing beside it that it could show, it is what the package was sent for.
    _, alone = packed_with("CDA-FO.XSL", STYLE, document=cda(ins=None))
    assert alone.code is ErrorCode.OTHER


def test_a_file_that_shows_nothing_of_the_package_is_refused_beside_its_document() -> None:
    first, second = packed_with("PHOTO.PNG", PNG, document=cda())
    assert first.kind is Kind.XDM_DOCUMENT
    assert (second.kind, second.code) == (Kind.REFUSED, ErrorCode.OTHER)


@pytest.mark.parametrize("other", ["IMAGE", "IMAGE.PNG"])
def test_names_without_an_extension_are_those_of_different_files(other: str) -> None:
    document = cda()
    described = metadata(
        entry("RAPPORT", document), entry(other, PNG, identifier="D2", unique_id="1.2.250.1.999.1.2")
    )
    files = {FOLDER + "METADATA.XML": described, FOLDER + "RAPPORT": document, FOLDER + other: PNG}
    first, second = examine(("IHE_XDM.zip", zipped(files)))
    assert (first.kind, second.kind) == (Kind.XDM_DOCUMENT, Kind.REFUSED)


@pytest.mark.parametrize("data", [zipped({"a": b"b"}), b"\x00\x01DICM"], ids=["an archive", "unknown"])
def test_what_nobody_can_read_is_no_copy_whatever_its_name(data: bytes) -> None:
    first, second = packed_with("DOC00001.BIN", data, document=cda())
    assert (first.kind, second.kind) == (Kind.XDM_DOCUMENT, Kind.REFUSED)


def test_a_copy_of_a_refused_document_is_no_copy() -> None:
    found = packed_with("DOC00001.PDF", PDF, document=cda(ins=None))
    assert [each.code for each in found] == [ErrorCode.NO_INS, ErrorCode.OTHER]


# ref: DMP-F18
def test_a_flag_on_the_copy_holds_for_the_document() -> None:
    document, copy = packed_with(
        "DOC00001.PDF", PDF + b"%", document=cda(body=n3_body()), flags=("INVISIBLE_PATIENT",)
    )
    assert document.clinical is not None
    assert document.clinical.invisible_to_patient
    assert (document.hidden, copy.hidden) == (True, True)


def with_patient(identifier: str) -> bytes:
    document = cda()
    named = f"{INS}^^^&amp;{TEST_OID}&amp;ISO^NH".encode()
    told = metadata(entry("D.XML", document)).replace(named, identifier.encode())
    return zipped({FOLDER + "METADATA.XML": told, FOLDER + "D.XML": document})


# ref: ECO.2.1.2, DMP-F10
@pytest.mark.parametrize(
    "identifier",
    [
        f"{OTHER_INS}^^^&amp;{TEST_OID}",
        f"{OTHER_INS}^^^&amp;1.2.250.1.213.1.4.8",
        OTHER_INS,
        "12345^^^&amp;1.2.3.4.567",
    ],
)
def test_metadata_that_name_somebody_else_are_refused(identifier: str) -> None:
    (found,) = examine(("IHE_XDM.zip", with_patient(identifier)))
    assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER_PATIENT)


@pytest.mark.parametrize("identifier", [INS, f"{INS}^^^&amp;1.2.250.1.213.1.4.8"])
def test_the_authority_of_the_matricule_is_not_compared(identifier: str) -> None:
    (found,) = examine(("IHE_XDM.zip", with_patient(identifier)))
    assert found.kind is Kind.XDM_DOCUMENT


@pytest.mark.parametrize(("ins", "code"), [(INS, None), (OTHER_INS, ErrorCode.OTHER_PATIENT)])
def test_the_lot_names_the_patient_of_its_documents(ins: str, code: ErrorCode | None) -> None:
    about = f'<rim:ExternalIdentifier identificationScheme="{SET_PATIENT}" value="{ins}^^^&amp;{TEST_OID}&amp;ISO^NH"/>'
    (found,) = examine(("IHE_XDM.zip", xdm(cda(), about=about)))
    assert found.code is code


# ref: ECO.2.1.2, DMP-F10
def test_a_document_that_is_announced_again_for_somebody_else_is_refused() -> None:
    document = cda()
    files = {
        FOLDER.replace("01", number) + name: data
        for number, ins in (("01", INS), ("02", OTHER_INS))
        for name, data in (("D.XML", document), ("METADATA.XML", metadata(entry("D.XML", document, ins=ins))))
    }
    (found,) = examine(("IHE_XDM.zip", zipped(files)))
    assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER_PATIENT)


@pytest.mark.parametrize("before", [b"\r\n", b"\xef\xbb\xbf", b"PK00"])
def test_a_package_with_a_few_bytes_before_it_is_read(before: bytes) -> None:
    (found,) = examine(("IHE_XDM.zip", before + xdm(cda())))
    assert found.kind is Kind.XDM_DOCUMENT


def test_what_a_macintosh_says_of_a_package_is_no_second_one() -> None:
    about_file = b"\x00\x05\x16\x07\x00\x02\x00\x00" + b"\x00" * 40
    found = examine(("IHE_XDM.zip", about_file), ("IHE_XDM.zip", xdm(cda())))
    assert [(each.kind, each.code) for each in found] == [(Kind.KEPT, None), (Kind.XDM_DOCUMENT, None)]


# ref: DMP-F6
@pytest.mark.parametrize(
    "data",
    [cda()[:-20], cda().replace(b"<ClinicalDocument", b"<!DOCTYPE a><ClinicalDocument", 1), cda(title="Été").decode().encode("latin-1")],
    ids=["cut", "with a DOCTYPE", "in another encoding"],
)  # fmt: skip
def test_a_document_alone_that_cannot_be_read_is_refused(data: bytes) -> None:
    (found,) = examine(("compte-rendu.xml", data))
    assert (found.kind, found.code) == (Kind.REFUSED, ErrorCode.OTHER)
    assert found.sentence == "Le document XML n'est pas lisible."


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("vide.pdf", b"", "Ce fichier est vide."),
        ("lettre.docx", zipped({"word/document.xml": b"<w/>"}), "Ce fichier reste disponible dans le message."),
        ("photo.pdf", PNG, "Le contenu de ce fichier ne correspond pas à son nom : il n'est pas proposé au dossier."),
    ],
)  # fmt: skip
def test_what_stays_in_the_message_is_called_what_it_is(name: str, data: bytes, sentence: str) -> None:
    (found,) = examine((name, data))
    assert (found.kind, found.sentence) == (Kind.KEPT, sentence)


@pytest.mark.parametrize("name", ["message.eml", "resultats.hpr", "invitation.ics", "page.html"])
def test_a_text_of_another_kind_is_not_said_to_lie(name: str) -> None:
    (found,) = examine((name, b"Bonjour"))
    assert (found.kind, found.sentence) == (Kind.KEPT, "Ce fichier reste disponible dans le message.")


# ref: DMP-F2, DMP-F42
def test_documents_compressed_in_themselves_hold_no_more_together_than_an_archive_may() -> None:
    packed = base64.b64encode(zlib.compress(PDF + bytes(600_000))).decode()
    body = f'<nonXMLBody><text mediaType="application/pdf" compression="ZL">{packed}</text></nonXMLBody>'
    documents = [
        cda(unique_id=f"1.2.250.1.999.{number}.1", set_id=f"1.2.250.1.999.{number}", body=body)
        for number in range(3)
    ]
    limits = replace(archive.DEFAULT, total_bytes=1_000_000)
    package = Attachment("2", "IHE_XDM.zip", xdm(*documents, unique_id=None))
    found = examine_attachments([package], limits)
    assert [(each.kind, each.code) for each in found] == [
        (Kind.XDM_DOCUMENT, None),
        (Kind.REFUSED, ErrorCode.OTHER),
        (Kind.REFUSED, ErrorCode.OTHER),
    ]
    assert all(each.display is None for each in found[1:])
