"""What becomes of every shared package and document: the table of outcomes (shared/data/README.md)."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest

from dmp_bridge import cda, xdm
from dmp_bridge.archive import unpack
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Finding, Kind
from dmp_bridge.xdm import PackageFault
from tests.dmp_bridge import builders
from tests.shared_data import shared

NO_INS = ("903", "Le document ne contient pas l'INS du patient.")
NO_CDA = ("906", cda.SENTENCES[cda.CdaFault.NOT_CDA])
NO_XML = ("906", "Ce contenu de l'archive IHE_XDM n'est pas un document CDA.")

# Where METADATA.XML and the document lie, size and SHA-1 are shown in test_xdm.py: all are found and right. They are
# of other countries, so none can go into a French record: this is what their sender is told.
PACKAGES = {
    "direct/xd-common-samplexdm.zip": NO_INS,  # a wrapper folder, no URI slot
    "direct/xd-xdm.zip": NO_XML,  # the slash lost in entry names
    "nist/C32_Sample1_in_XDM.zip": NO_INS,
    "nist/C32_Sample2_in_XDM.zip": NO_INS,
    "nist/CCDA_Ambulatory_in_XDM.zip": NO_INS,  # __MACOSX, .DS_Store, a .swp, another case in the URI
    "nist/CCDA_Inpatient_in_XDM.zip": NO_INS,
    "nist/CCR_Sample1_in_XDM.zip": NO_CDA,
    "nist/CCR_Sample2_in_XDM.zip": NO_CDA,
    "nist/lynn-xdm.zip": NO_INS,  # ebRIM 2.1
    "nist/toolkit-Ccda.zip": NO_INS,  # the same package twice
    "nist/toolkit-xdm.zip": NO_XML,  # METADATA.xml, lower-case names
    "nist/toolkit-xdm_minimal.zip": NO_XML,
}

DOCUMENTS = {
    "BIO-CR-BIO_2021.01_Auto-Presentable.xml": ("BIOLOGIE", "application/xslt+xml", None),
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1.xml": ("BIOLOGIE", "text/xml", "application/pdf"),
    "CSE-CS9_2025.01.xml": ("CERT_MED", "text/xml", None),
    "DLU-EHPAD-DLU_2022.01.xml": ("SYNTHESE", "text/xml", None),
    "DOC_NON_STRUCTURE_CDA-R2-N1.xml": ("BIOLOGIE", "text/xml", "application/pdf"),
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1.xml": ("RADIO_SC", "text/xml", "application/pdf"),
    "LDL-SES_2022.01.xml": ("CPT_REND", "text/xml", None),
    "VAC_2023.01.xml": ("CAR_VAC", "text/xml", None),
    "VSM_1.4_2022.01.xml": ("SYNTHESE", "text/xml", None),
    "eP-MED-DM_2024.01_PosoStruct.xml": ("ORD_SOIN", "text/xml", "application/pdf"),
}


def examined(name: str, data: bytes) -> list[Finding]:
    return list(examine_attachments([Attachment("2", name, data)]))


# ref: DMP-F3, DMP-F5
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_shared_package_has_its_outcome(name: str) -> None:
    (found,) = examined(name.rpartition("/")[2], shared("xdm", *name.split("/")).read_bytes())
    assert found.code is not None
    assert (found.code.value, found.sentence) == PACKAGES[name]


def test_every_shared_package_and_document_is_in_a_table() -> None:
    packages, documents = shared("xdm"), shared("cda")
    assert {str(path.relative_to(packages)) for path in packages.glob("*/*.zip")} == set(PACKAGES)
    assert {path.name for path in documents.iterdir()} == set(DOCUMENTS)


# ref: DMP-F5
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_changed_byte_in_a_shared_package_is_told(name: str) -> None:
    data = shared("xdm", *name.split("/")).read_bytes()
    documents = xdm.read_package(unpack(data)).documents
    announced = next(each for each in documents if each.data is not None)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(changed, "w") as after:
        for entry in before.namelist():
            content = before.read(entry)
            after.writestr(
                entry, bytes([content[0] ^ 1]) + content[1:] if content == announced.data else content
            )
    assert announced.entry.hash is not None
    # The same package twice is two entries on one changed file.
    found = examined(name.rpartition("/")[2], changed.getvalue())
    expected = {("906", xdm.SENTENCES[PackageFault.WRONG_HASH])}
    assert {(each.code.value if each.code else None, each.sentence) for each in found} == expected


# ref: DMP-F6, DMP-F14
@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_shared_document_has_its_outcome(name: str) -> None:
    (found,) = examined(name, shared("cda", name).read_bytes())
    assert (found.kind, found.code) == (Kind.CDA, None)
    assert found.clinical is not None
    shown = None if found.display is None else found.display.media_type
    assert (found.clinical.category, found.media_type, shown) == DOCUMENTS[name]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_shared_document_is_filed_from_a_package_with_its_pdf(name: str) -> None:
    """Packed with a copy beside it: one line, the PDF first (SC.CDA/DD.15)."""
    document = shared("cda", name).read_bytes()
    ins = cda.read_cda(document).patient.ins
    (alone,) = examined("IHE_XDM.zip", builders.xdm(document, ins=ins))
    assert alone.kind is Kind.XDM_DOCUMENT
    if alone.display is not None:
        files = [("IHE_XDM.ZIP", builders.xdm(document, ins=ins)), ("copie.pdf", alone.display.data)]
        both = examine_attachments(Attachment(str(part), *file) for part, file in enumerate(files, 2))
        assert [each.kind for each in both] == [Kind.XDM_DOCUMENT, Kind.COPY]


DOCUMENT = builders.cda()
UTF16 = builders.cda().decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
LATIN = builders.cda(title="Été").decode().replace("UTF-8", "ISO-8859-1").encode("latin-1")
METADATA = builders.metadata(builders.entry("DOC00001.XML", DOCUMENT))


def tree(**files: bytes) -> bytes:
    return builders.zipped({name.replace("__", "/"): data for name, data in files.items()})


def signed(document: bytes) -> bytes:
    inner = document[document.index(b"<ClinicalDocument") :]
    return (
        b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><Object>' + inner + b"</Object></Signature>"
    )


def packed(document: bytes, name: str = "DOC00001.XML", **options: object) -> bytes:
    described = builders.metadata(builders.entry(name, document, **options))  # type: ignore[arg-type]
    return tree(**{"IHE_XDM/S/METADATA.XML": described, f"IHE_XDM/S/{name}": document})


# What we made ourselves after the habits of producers (dmp.md §1.2): name, bytes, kinds, code of the first.
ODDITIES: dict[str, tuple[str, bytes, list[Kind], str | None]] = {
    "lower case everywhere": ("ihe_xdm.zip", tree(ihe_xdm__subset01__metadata_xml=b"").replace(b"metadata_xml", b"metadata.xml"), [Kind.REFUSED], "906"),
    "another name of the zip": ("documents.zip", packed(DOCUMENT), [Kind.XDM_DOCUMENT], None),
    "two wrapper folders": ("x.zip", tree(**{"a/b/IHE_XDM/S/METADATA.XML": METADATA, "a/b/IHE_XDM/S/DOC00001.XML": DOCUMENT}), [Kind.XDM_DOCUMENT], None),
    "a folder for each document": ("x.zip", packed(DOCUMENT, "DOC00001/DOC00001.XML"), [Kind.XDM_DOCUMENT], None),
    "metadata without a subset": ("x.zip", tree(**{"IHE_XDM/METADATA.XML": METADATA, "IHE_XDM/DOC00001.XML": DOCUMENT}), [Kind.XDM_DOCUMENT], None),
    "a byte order mark": ("x.zip", packed(b"\xef\xbb\xbf" + DOCUMENT), [Kind.XDM_DOCUMENT], None),
    "blank lines before the XML": ("x.zip", packed(b"\r\n\r\n" + DOCUMENT), [Kind.XDM_DOCUMENT], None),
    "Latin letters in Latin-1": ("x.zip", packed(LATIN), [Kind.XDM_DOCUMENT], None),
    "UTF-16": ("x.zip", packed(UTF16), [Kind.REFUSED], "906"),
    "a signed document": ("x.zip", packed(signed(DOCUMENT)), [Kind.XDM_DOCUMENT], None),
    "a document with a suffix of its own": ("x.zip", packed(DOCUMENT, "LETTRE.CDA"), [Kind.XDM_DOCUMENT], None),
    "an empty document": ("x.zip", packed(b""), [Kind.REFUSED], "906"),
    "a size that is wrong": ("x.zip", packed(DOCUMENT, size=3), [Kind.REFUSED], "906"),
    "another INS in the metadata": ("x.zip", packed(DOCUMENT, ins=builders.OTHER_INS), [Kind.REFUSED], "904"),
    "no INS anywhere": ("x.zip", packed(builders.cda(ins=None), ins=None), [Kind.REFUSED], "903"),
    "an INS without a sex": ("x.zip", packed(builders.cda(sex="")), [Kind.REFUSED], "905"),
    "a PDF in place of a CDA": ("x.zip", packed(builders.PDF, "DOC.PDF"), [Kind.REFUSED], "906"),
    "two documents": ("x.zip", builders.xdm(DOCUMENT, builders.cda(unique_id="1.2.4", set_id="1.2")), [Kind.XDM_DOCUMENT] * 2, None),
    "base64 in one line of 300 kB": ("x.zip", packed(builders.cda(body=f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{base64.b64encode(builders.PDF + b" " * 300_000).decode()}</text></nonXMLBody>')), [Kind.XDM_DOCUMENT], None),
    "a folder of another standard": ("x.zip", tree(**{"DICOM/DICOMDIR": b"x", "IHE_XDM/S/METADATA.XML": METADATA, "IHE_XDM/S/DOC00001.XML": DOCUMENT}), [Kind.XDM_DOCUMENT], None),
    "no folder": ("IHE_XDM.zip", tree(**{"METADATA.XML": METADATA, "DOC00001.XML": DOCUMENT}), [Kind.REFUSED], "906"),
    "a zip of photographs": ("photos.zip", tree(**{"a.png": builders.PNG}), [Kind.KEPT], None),
}  # fmt: skip


# ref: DMP-F1, DMP-F3
@pytest.mark.parametrize("case", sorted(ODDITIES))
def test_the_habits_of_producers_have_their_outcome(case: str) -> None:
    name, data, kinds, code = ODDITIES[case]
    found = examined(name, data)
    assert [each.kind for each in found] == kinds, [each.sentence for each in found]
    assert (found[0].code.value if found[0].code is not None else None) == code
