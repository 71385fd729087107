from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.check.checker import GAVE_UP, Checker, CheckRefused, written
from dmp_bridge.check.examine import EMPTY, UNKNOWN, examine
from dmp_bridge.check.letter import Question
from dmp_bridge.check.report import MOST_FINDINGS, Checked, Finding, Report, Verdict, Weight
from dmp_bridge.check.telling import summary, values
from dmp_bridge.confined import Unbelievable
from foundation.settings import BridgeSettings
from tests.dmp_bridge.builders import PDF, cda, xdm, zipped
from tests.dmp_bridge.check.letters import letter, note
from tests.dmp_bridge.check.test_transcript import OPENING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLACE = {"patient_domain": "patient.mssante.fr", "largest": 25 * 1024 * 1024}


@pytest.fixture
async def checker() -> AsyncIterator[Checker]:
    made = Checker(BridgeSettings(), patient_domain="patient.mssante.fr", largest=25 * 1024 * 1024)
    yield made
    await made.close()


async def test_each_kind_of_file_is_known_by_its_content(checker: Checker) -> None:
    for data, kind in (
        (note(), Checked.MESSAGE),
        (letter(), Checked.MESSAGE),
        (xdm(cda()), Checked.ARCHIVE),
        (cda(), Checked.CDA),
        (PDF, Checked.PDF),
        (OPENING.encode(), Checked.TRANSCRIPT),
    ):
        assert (await checker.check("fichier", data)).checked is kind


async def test_the_answer_is_the_report_of_the_rules(checker: Checker) -> None:
    assert await checker.check("a.eml", letter(X_MSS_INS="OUI")) == examine(
        "a.eml", letter(X_MSS_INS="OUI"), Question()
    )


async def test_the_type_of_the_box_is_told_to_the_rules(checker: Checker) -> None:
    report = await checker.check("a.eml", note(), box_type="APP")
    assert [each.rule for each in report.findings if each.breaks] == ["ECO.2.2.5"]


@pytest.mark.parametrize(
    ("data", "sentence"), [(b"", EMPTY), (b"bonjour", UNKNOWN), (os.urandom(5000), UNKNOWN)]
)
async def test_what_is_nothing_that_is_checked_is_refused(
    checker: Checker, data: bytes, sentence: str
) -> None:
    with pytest.raises(CheckRefused) as refused:
        await checker.check("a", data)
    assert str(refused.value) == sentence


async def test_a_transcript_is_asked_for_by_name(checker: Checker) -> None:
    assert (await checker.check_transcript(OPENING.encode())).checked is Checked.TRANSCRIPT
    with pytest.raises(CheckRefused):
        await checker.check_transcript(note())


def nested(size: int) -> bytes:
    """Multiparts inside one another until the message has this size."""
    pieces = [b"From: a@b.mssante.fr\r\nMIME-Version: 1.0\r\n"]
    length, number = 0, 0
    while length < size:
        boundary = b"b%07d" % number
        pieces.append(
            b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n--" + boundary + b"\r\n"
        )
        length += len(pieces[-1])
        number += 1
    return b"".join(pieces)


async def test_a_report_tells_a_thousand_findings_and_what_fails_first(checker: Checker) -> None:
    data = letter([("IHE_XDM.zip", "application/zip", xdm(cda()))] * 150)
    found = examine("a.eml", data, Question())
    told = await checker.check("a.eml", data)
    assert len(found.findings) > MOST_FINDINGS == len(told.findings)
    assert told.left_out == len(found.findings) - MOST_FINDINGS
    assert sum(each.breaks for each in told.findings) == min(
        MOST_FINDINGS, sum(each.breaks for each in found.findings)
    )
    assert f"{told.left_out} autres constats" in summary(told)
    assert values(told)["left_out"] == told.left_out


async def test_25_megabytes_of_nested_mime_have_a_clear_end(checker: Checker) -> None:
    report = await checker.check("a.eml", nested(25_000_000))
    assert not report.conforms
    assert any(each.rule == "RFC2045" and each.verdict is Verdict.FAILS for each in report.findings)


async def test_25_megabytes_of_small_parts_have_a_clear_end(checker: Checker) -> None:
    head = b"From: a@b.mssante.fr\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    part = b"--b\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\nPK\x03\x04\r\n"
    report = await checker.check("a.eml", head + part * (25_000_000 // len(part)))
    assert any(each.rule == "PJ.TYPE" and each.verdict is Verdict.FAILS for each in report.findings)


async def test_25_megabytes_of_line_ends_have_a_clear_end(checker: Checker) -> None:
    assert (await checker.check("a.eml", note() + b"\n" * 25_000_000)).checked is Checked.MESSAGE


async def test_a_bomb_in_a_message_has_a_clear_end(checker: Checker) -> None:
    bomb = zipped({"IHE_XDM/SUBSET01/METADATA.XML": bytes(150 * 1024 * 1024)})
    report = await checker.check("a.eml", letter([("IHE_XDM.zip", "application/zip", bomb)]))
    assert any(each.rule == "XDM-ZIP" and each.verdict is Verdict.FAILS for each in report.findings)


async def test_what_kills_the_process_is_refused_and_the_next_is_checked() -> None:
    checker = Checker(
        BridgeSettings(memory_bytes=256 * 1024**2),
        patient_domain="patient.mssante.fr",
        largest=25 * 1024 * 1024,
    )
    blank = bytes(7000)
    swollen = zipped({"a.bin": b"".join(os.urandom(100) + blank for _ in range(27_000))})
    try:
        with pytest.raises(CheckRefused) as refused:
            await checker.check("IHE_XDM.zip", swollen)
        assert str(refused.value) == GAVE_UP
        assert (await checker.check("a.eml", note())).conforms
    finally:
        await checker.close()


def report() -> Report:
    return Report(Checked.PDF, (Finding("A", Verdict.FAILS, "là", "dit", "faire", Weight.NOTE),), "règles")


def test_a_report_is_read_back_as_it_was_written() -> None:
    assert written(json.dumps(asdict(report())).encode()) == report()
    assert written(json.dumps({"refused": "non"}).encode()) == "non"


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b'{"checked": "rien"}', json.dumps(asdict(report()) | {"findings": [{}]}).encode()],
)
def test_an_answer_that_is_no_report_is_not_believed(answer: bytes) -> None:
    with pytest.raises(Unbelievable):
        written(answer)
