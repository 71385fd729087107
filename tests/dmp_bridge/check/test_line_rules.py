"""The lines of a message: what our own submission refuses is never said to conform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.check.letter import Question
from dmp_bridge.check.message_rules import examine_message
from dmp_bridge.check.report import Verdict, Weight
from mailserver import refusals
from mailserver.smtp.data import MAXIMUM_LINE, Content, ContentFault
from tests.dmp_bridge.check.letters import failing, findings, note

if TYPE_CHECKING:
    from dmp_bridge.check.report import Finding

REFUSALS = {
    ContentFault.NUL: refusals.NUL_IN_MESSAGE,
    ContentFault.BARE_LINE_END: refusals.BARE_LINE_END,
    ContentFault.LONG_LINE: refusals.LONG_LINE,
}
HEADER = note("").count(b"\n")


def told(data: bytes) -> list[Finding]:
    return [each for each in findings(data, "RFC5322.2") if each.verdict is Verdict.FAILS]


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        (b"un\r\ndeux\0\r\n", 2, "MSS-135"),
        (b"un\r\ndeux\ntrois\r\n", 2, "MSS-134"),
        (b"un\r\ndeux\rtrois\r\n", 2, "MSS-134"),
        (b"un\r\n\r\r\n", 2, "MSS-134"),
        (b"un\r\n" + b"x" * (MAXIMUM_LINE + 1) + b"\r\n", 2, "MSS-136"),
        (b"x" * 999 + b"\r\n" + b"x" * (MAXIMUM_LINE + 1) + b"\r\n", 2, "MSS-136"),
    ],
)
def test_what_submission_refuses_breaks_the_rule_at_its_line(text: bytes, line: int, code: str) -> None:
    (fault,) = told(note("") + text)
    assert fault.breaks
    assert fault.place == f"ligne {HEADER + line}"
    assert f"550 5.6.0, {code}" in fault.says


def test_every_fault_of_the_lines_is_told() -> None:
    assert [each.place for each in told(note("") + b"a\0\r\n" + b"x" * 999 + b"\r\nb\nc\r\n")] == [
        f"ligne {HEADER + 1}", f"ligne {HEADER + 2}", f"ligne {HEADER + 3}",
    ]  # fmt: skip


def test_a_file_of_a_unix_disk_is_noted_and_conforms() -> None:
    data = note().replace(b"\r\n", b"\n")
    (fault,) = told(data)
    assert (fault.weight, fault.place) == (Weight.NOTE, "message")
    assert "LF seul" in fault.says
    assert examine_message(data, Question()).conforms
    assert failing(note()) == set()
    # A carriage return in it makes it a mixture.
    assert [each.weight for each in told(data + b"a\rb\n")] == [Weight.MANDATORY]


def test_lines_of_998_octets_are_taken_and_longer_ones_are_not() -> None:
    assert failing(note("x" * 998 + "\r\n")) == set()
    data = note("ab\r\n" * 300 + "x" * 999 + "\r\n")
    assert failing(data) == {"RFC5322.2"}
    (fault,) = told(data)
    assert fault.breaks
    assert fault.place == f"ligne {HEADER + 301}"
    assert "MSS" not in fault.says
    assert str(MAXIMUM_LINE) in fault.says


@given(st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"\r", b"\0", b"x" * 8190, "é".encode()]), max_size=8))
def test_no_content_that_submission_refuses_conforms(pieces: list[bytes]) -> None:
    data = note("") + b"".join(pieces) + b"\r\n"
    content = Content(len(data))
    content.add(data)
    broken = [each for each in told(data) if each.breaks]
    if content.fault is None:
        assert all(" 998 " in each.says for each in broken)
    else:
        refusal = REFUSALS[content.fault]
        assert any(f"{refusal.code})" in each.says for each in broken)
        assert (refusal.reply, refusal.enhanced) == (550, "5.6.0")
