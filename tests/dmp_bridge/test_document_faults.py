"""All that is wrong with a document is told, the first as its sender is told it."""

from __future__ import annotations

import pytest

from dmp_bridge import cda as reading
from dmp_bridge.cda import CdaFault
from dmp_bridge.codes import ErrorCode
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Finding, Kind
from dmp_bridge.xdm import SENTENCES, PackageFault
from tests.dmp_bridge.builders import INS, OTHER_INS, PDF, cda, entry, metadata, n1_body, xdm, zipped
from tests.shared_data import shared

UNKNOWN_TYPE = "Le type du document n'appartient pas à la nomenclature des documents de santé."
NO_INS = "Le document ne contient pas l'INS du patient."
INCOMPLETE = "L'identité du patient est incomplète dans le document."
WRONG_BODY = "Le contenu du document ne correspond pas au type qu'il annonce."
NO_BODY = "Le document ne contient rien à lire."
OTHER_PATIENT = "Le document et METADATA.XML ne désignent pas le même patient."
SEVERAL_IN_MESSAGE = "Le message contient des documents de plusieurs patients."
NOT_FILEABLE = "Ce contenu de l'archive IHE_XDM n'est pas un document CDA."
NO_ID = reading.SENTENCES[CdaFault.NO_ID]
NO_CODE = reading.SENTENCES[CdaFault.NO_CODE]
ALTERED = SENTENCES[PackageFault.WRONG_HASH]
SUBSET = "IHE_XDM/SUBSET01/"


def examined(*files: tuple[str, bytes]) -> list[Finding]:
    return list(
        examine_attachments([Attachment(str(n), name, data) for n, (name, data) in enumerate(files, 2)])
    )


def told(data: bytes, name: str = "IHE_XDM.zip") -> list[str]:
    (found,) = examined((name, data))
    assert found.kind is Kind.REFUSED
    return [found.sentence, *found.also]


def damaged(*changes: tuple[str, str], **values: object) -> bytes:
    text = cda(**values).decode()  # type: ignore[arg-type]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


@pytest.mark.parametrize(
    ("document", "sentences"),
    [
        (cda(code="0-0", ins=None, birth=""), [UNKNOWN_TYPE, NO_INS, INCOMPLETE]),
        (cda(code="0-0", body=""), [UNKNOWN_TYPE, NO_BODY]),
        (cda(body=n1_body(PDF, "image/png"), sex=""), [WRONG_BODY, INCOMPLETE]),
        (damaged(('<id root="1.2.250.1.999.1.1"/>', ""), ins=None), [NO_ID, NO_INS]),
        (
            damaged(('<id root="1.2.250.1.999.1.1"/>', ""), ('code="11502-2"', 'codex=""'), birth=""),
            [NO_ID, NO_CODE, INCOMPLETE],
        ),
        (cda(body=n1_body().replace("JVBE", "J@BE"), birth=""), [
            reading.SENTENCES[CdaFault.UNREADABLE_BODY], INCOMPLETE,
        ]),
        (b'<?xml version="1.0"?><html/>', [reading.SENTENCES[CdaFault.NOT_CDA]]),
    ],
)  # fmt: skip
def test_each_fault_of_a_document_is_one_sentence(document: bytes, sentences: list[str]) -> None:
    assert told(xdm(document, ins=None)) == sentences


def test_a_loose_document_is_told_as_a_packed_one() -> None:
    assert told(cda(code="0-0", ins=None), "lettre.xml") == [UNKNOWN_TYPE, NO_INS]


def test_reading_goes_on_in_a_file_that_was_altered() -> None:
    assert told(xdm(cda(code="0-0", ins=OTHER_INS), sha1="0" * 40, ins=INS)) == [
        ALTERED,
        UNKNOWN_TYPE,
        OTHER_PATIENT,
    ]
    assert told(xdm(cda(), sha1="0" * 40)) == [ALTERED]
    assert told(xdm(PDF, sha1="0" * 40)) == [ALTERED, NOT_FILEABLE]
    assert told(xdm(cda(), uri="ABSENT.XML")) == [SENTENCES[PackageFault.MISSING_FILE]]


@pytest.mark.parametrize(
    ("files", "sentences"),
    [
        (
            {"S/METADATA.XML": metadata(entry("D.XML", cda(code="0-0"))), "S/D.XML": cda(code="0-0")},
            [SENTENCES[PackageFault.NO_FOLDER], UNKNOWN_TYPE],
        ),
        (
            {"D.XML": cda()},
            [SENTENCES[PackageFault.NO_FOLDER], SENTENCES[PackageFault.NO_METADATA]],
        ),
        (
            {"S/METADATA.XML": b"<broken"},
            [SENTENCES[PackageFault.NO_FOLDER], SENTENCES[PackageFault.UNREADABLE_METADATA]],
        ),
        (
            {
                SUBSET + "METADATA.XML": metadata(entry("D.XML", cda(ins=None))),
                SUBSET + "D.XML": cda(ins=None),
                "IHE_XDM/SUBSET02/METADATA.XML": b"<broken",
            },
            [SENTENCES[PackageFault.UNREADABLE_METADATA], NO_INS],
        ),
    ],
)
def test_what_is_wrong_with_a_package_and_in_it(files: dict[str, bytes], sentences: list[str]) -> None:
    assert told(zipped(files)) == sentences


def test_two_documents_with_the_same_fault_say_it_once() -> None:
    bad = [cda(unique_id=f"1.2.3.{number}", ins=None) for number in range(3)]
    names = [f"D{number}.XML" for number in range(3)]
    described = metadata(*(entry(name, each, identifier=name) for name, each in zip(names, bad, strict=True)))
    files = {"METADATA.XML": described, **dict(zip(names, bad, strict=True))}
    assert told(zipped(files)) == [SENTENCES[PackageFault.NO_FOLDER], NO_INS]


def test_why_a_document_was_refused_is_not_lost_to_what_the_message_holds() -> None:
    first, second = examined(("a.xml", cda(code="0-0")), ("b.xml", cda(unique_id="1.2.3", ins=OTHER_INS)))
    assert (first.sentence, first.also) == (SEVERAL_IN_MESSAGE, (UNKNOWN_TYPE,))
    assert (second.sentence, second.also) == (SEVERAL_IN_MESSAGE, ())


def test_what_is_not_refused_has_no_faults() -> None:
    assert [(each.code, each.also) for each in examined(("IHE_XDM.zip", xdm(cda())))] == [(None, ())]


def test_the_code_is_that_of_the_first_fault() -> None:
    (found,) = examined(("a.xml", cda(ins=None, birth="")))
    assert found.code is ErrorCode.NO_INS


def test_a_foreign_package_of_the_shared_ones_is_told_whole() -> None:
    data = shared("xdm", "nist", "C32_Sample1_in_XDM.zip").read_bytes()
    assert told(data) == [NO_INS]
