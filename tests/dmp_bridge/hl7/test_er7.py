from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.hl7 import er7
from dmp_bridge.hl7.er7 import Malformed
from tests.shared_data import shared

HEAD = b"MSH|^~\\&|A|B|C|D|20260313||ADT^A01|1|P|2.5"


def test_a_message_is_read_by_fields_components_and_repetitions() -> None:
    message = er7.read(HEAD + b"\rPID|||1^^^X&1.2&ISO^PI~2^^^Y&1.3&ISO^INS||A^B\r")
    pid = message.first("PID")
    assert pid is not None
    assert [pid.part(each, 4, 2) for each in pid.repetitions(3)] == ["1.2", "1.3"]
    assert (pid.get(3, 5, repetition=1), pid.get(5, 2), pid.get(9), pid.get(5, 9)) == ("INS", "B", "", "")


def test_the_fields_of_msh_have_the_numbers_of_the_standard() -> None:
    header = er7.read(HEAD).header
    assert (header.raw(1), header.raw(2), header.get(3), header.get(9, 2), header.get(12)) == (
        "|",
        "^~\\&",
        "A",
        "A01",
        "2.5",
    )


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_whatever_ends_the_lines_is_read(end: bytes) -> None:
    assert [each.name for each in er7.read(HEAD + end + b"EVN||1" + end + end).segments] == ["MSH", "EVN"]


def test_other_separators_are_those_of_the_message() -> None:
    message = er7.read(b"MSH#*+!%#A#B\rPID###1*x%y+2")
    pid = message.first("PID")
    assert pid is not None
    assert (pid.get(3, 2, 2), pid.get(3, repetition=1)) == ("y", "2")


@pytest.mark.parametrize(
    ("charset", "encoding"), [("8859/1", "latin-1"), ("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8")]
)
def test_text_is_read_in_the_character_set_that_msh_names(charset: str, encoding: str) -> None:
    text = f"{HEAD.decode()}|||||FRA|{charset}\rPID|||||Réault"
    pid = er7.read(text.encode(encoding)).first("PID")
    assert pid is not None
    assert pid.get(5) == "Réault"


@given(st.text(max_size=200))
def test_any_text_survives_being_written_and_read(text: str) -> None:
    written = er7.escape(text)
    read = er7.read(HEAD + b"\rPID|||||" + written.encode("utf-8", "replace")).first("PID")
    assert read is not None
    plain = "".join(" " if ord(each) < 32 or ord(each) == 127 else each for each in text)
    assert read.get(5) == plain.encode("utf-8", "replace").decode()


def test_hexadecimal_and_line_breaks_are_unescaped_and_what_is_unknown_is_left_out() -> None:
    pid = er7.read(HEAD + b"\rPID|||||a\\X41\\b\\.br\\c\\Zoo\\d\\E\\").first("PID")
    assert pid is not None
    assert pid.get(5) == "aAb\ncd\\"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MSH",
        b"PID|1",
        b"MSH|||||||",
        b"MSHabcdef",
        HEAD + b"\rnothing here",
        HEAD + b"\rZZ|1",
        HEAD + b"\rPID|1" * 2001,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        er7.read(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        message = er7.read(b"MSH|^~\\&|" + data)
    except Malformed:
        return
    assert message.header.name == "MSH"


def test_the_messages_of_the_ans_are_read() -> None:
    for path in shared("hl7v2").rglob("*.er7"):
        message = er7.read(path.read_bytes())
        assert message.header.get(9) in ("ADT", "MDM", "ACK")
        assert len(message.segments) >= 2
