from __future__ import annotations

import pytest

from dmp_bridge.codes import ErrorCode
from dmp_bridge.hl7.ack import Answer, read_acknowledgement
from dmp_bridge.hl7.er7 import Malformed
from tests.shared_data import shared

HEAD = "MSH|^~\\&|DPI|CHU_X|PFI|CHU_X|202310030831||ACK^T02^ACK|12347|P|2.6|||AL|AL|FRA|8859/15\r"


def read(text: str) -> tuple[Answer, ErrorCode | None, str, bool]:
    found = read_acknowledgement(f"{HEAD}{text}".encode())
    return found.answer, found.code, found.condition, found.is_final


# ref: F44
@pytest.mark.parametrize("code", list(ErrorCode))
def test_each_code_of_the_system_is_that_of_the_answer_to_the_mail(code: ErrorCode) -> None:
    told = f"MSA|AE|015\rERR||PID^1^3|207^Application error^messageErrorCondition| E|{code.value}^x^applicationErrorCode"
    assert read(told) == (Answer.ERROR, code, "207", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MSA|AA|015", (Answer.ACCEPTED, None, "", True)),
        ("MSA|CA|015", (Answer.ACCEPTED, None, "", True)),
        ("MSA|AE|015", (Answer.ERROR, ErrorCode.OTHER, "", True)),
        (
            "MSA|AE|015\rERR||MSH^1^12|203^Unsupported version id|E",
            (Answer.ERROR, ErrorCode.OTHER, "203", True),
        ),
        ("MSA|AE|015\rERR|||207|E|999", (Answer.ERROR, ErrorCode.OTHER, "207", True)),
        ("MSA|AR|015", (Answer.REJECTED, None, "", False)),
        ("MSA|AR|015\rERR|||207|E|902", (Answer.REJECTED, ErrorCode.UNKNOWN_PATIENT, "207", True)),
    ],
)
def test_what_the_system_says_is_taken_refused_or_not_now(
    text: str, expected: tuple[Answer, ErrorCode | None, str, bool]
) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["", "PID|1", "MSA|XX|015", "MSA"])
def test_what_is_no_acknowledgement_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


def test_those_of_the_ans_are_read() -> None:
    for folder in ("lps-mdm-init", "lps-mdm-replace"):
        found = read_acknowledgement(shared("hl7v2", folder, "ack.er7").read_bytes())
        assert (found.answer, found.control_id) == (Answer.ACCEPTED, "015")
