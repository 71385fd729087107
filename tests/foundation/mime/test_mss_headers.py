"""The X-MSS fields as software writes them, and what they are worth beside the documents."""

from __future__ import annotations

import time

import pytest

from foundation.mime.mss_headers import (
    MAX_CODES,
    AttachedCda,
    MssHeader,
    Outcome,
    judge,
    read_mss_headers,
)
from tests.shared_data import shared

LETTER = AttachedCda("34112-3", has_qualified_ins=True, in_archive=True)
BIOLOGY = AttachedCda("11502-2", has_qualified_ins=True, in_archive=True)
UNREAD = AttachedCda(None, has_qualified_ins=None, in_archive=True)
LOOSE = AttachedCda("34112-3", has_qualified_ins=True, in_archive=False)
UNQUALIFIED = AttachedCda("34112-3", has_qualified_ins=False, in_archive=True)


def block(*fields: str) -> bytes:
    return "\r\n".join(("From: a@b.mssante.fr", *fields, "Subject: x", "")).encode()


def outcome(header: MssHeader, *documents: AttachedCda, fields: tuple[str, ...]) -> Outcome:
    return judge(read_mss_headers(block(*fields)), documents)[header]


def test_a_message_without_them_has_none() -> None:
    found = read_mss_headers(block())
    assert (found.codecda, found.ins, found.nil, found.mes) == (None, None, None, None)
    assert found.codes == ()
    assert found.says_qualified is None
    assert found.product is None


def test_codes_keep_their_order_and_their_repetitions() -> None:
    found = read_mss_headers(block("X-MSS-CODECDA: 34112-3,PRESC-BIO,15508-5, 34112-3"))
    assert found.codes == ("34112-3", "PRESC-BIO", "15508-5", "34112-3")
    assert found.codecda is not None
    assert found.codecda.is_sound


def test_a_folded_field_in_any_case_is_read() -> None:
    found = read_mss_headers(
        block("x-mss-codecda: 34112-3,\r\n 15508-5", "X-Mss-Ins:O", "X-MSS-NIL :  DEV935997 ")
    )
    assert found.codes == ("34112-3", "15508-5")
    assert found.says_qualified is True
    assert found.product == "DEV935997"


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("X-MSS-CODECDA:", MssHeader.CODECDA),
        ("X-MSS-CODECDA: 34112-3,,15508-5", MssHeader.CODECDA),
        ("X-MSS-CODECDA: 34112-3;15508-5", MssHeader.CODECDA),
        ("X-MSS-CODECDA: " + ",".join(["1"] * (MAX_CODES + 1)), MssHeader.CODECDA),
        ("X-MSS-INS: OUI", MssHeader.INS),
        ("X-MSS-INS: o", MssHeader.INS),
        ("X-MSS-INS:", MssHeader.INS),
        ("X-MSS-NIL:", MssHeader.NIL),
        ("X-MSS-NIL: DEV 935997", MssHeader.NIL),
        ("X-MSS-NIL: " + "9" * 33, MssHeader.NIL),
        ("X-MSS-NIL: " + "9" * 100_000, MssHeader.NIL),
        ("X-MSS-NIL: 279035121518989", MssHeader.NIL),
        ("X-MSS-NIL: =?utf-8?q?DEV?=", MssHeader.NIL),
        ("X-MSS-MES: fin", MssHeader.MES),
        ("X-MSS-MES: FIN.", MssHeader.MES),
    ],
)
def test_a_malformed_value_is_kept_as_such(field: str, header: MssHeader) -> None:
    found = read_mss_headers(block(field)).of(header)
    assert found is not None
    assert not found.is_well_formed
    assert found.value == field.partition(":")[2].strip()[:4096]


def test_malformed_values_say_nothing() -> None:
    found = read_mss_headers(block("X-MSS-CODECDA: ;", "X-MSS-INS: OUI", "X-MSS-NIL: a b"))
    assert found.codes == ()
    assert found.says_qualified is None
    assert found.product is None


def test_a_field_said_twice_is_read_once_and_noted() -> None:
    found = read_mss_headers(block("X-MSS-NIL: 3734", "X-MSS-NIL: 3735"))
    assert found.nil is not None
    assert found.product == "3734"
    assert found.nil.occurrences == 2
    assert not found.nil.is_sound


def test_a_value_is_not_shown_by_accident() -> None:
    assert "279035121518989" not in repr(read_mss_headers(block("X-MSS-NIL: 279035121518989")))


def test_bytes_that_are_no_text_are_malformed() -> None:
    found = read_mss_headers(b"X-MSS-INS: \xff\xfe\r\n")
    assert found.ins is not None
    assert not found.ins.is_well_formed


def test_a_header_full_of_them_is_read_quickly() -> None:
    hostile = b"X-MSS-CODECDA: " + b",".join([b"34112-3"] * 100_000) + b"\r\nX-MSS-NIL: 1\r\n" * 5_000
    begun = time.process_time()
    read_mss_headers(hostile)
    assert time.process_time() - begun < 1


# ref: ECO.2.4.1
@pytest.mark.parametrize(
    ("fields", "documents", "expected"),
    [
        ((), (), Outcome.ABSENT),
        ((), (LOOSE,), Outcome.ABSENT),
        ((), (LETTER,), Outcome.DEGRADED),
        (("X-MSS-CODECDA: 34112-3",), (LETTER,), Outcome.SET),
        (("X-MSS-CODECDA: 34112-3",), (LOOSE,), Outcome.SET),
        (("X-MSS-CODECDA: 34112-3",), (), Outcome.DEGRADED),
        (("X-MSS-CODECDA: 34112-3",), (BIOLOGY,), Outcome.DEGRADED),
        (("X-MSS-CODECDA: 34112-3",), (LETTER, LETTER), Outcome.DEGRADED),
        (("X-MSS-CODECDA: 34112-3,34112-3",), (LETTER, LETTER), Outcome.SET),
        (("X-MSS-CODECDA: 11502-2,34112-3",), (LETTER, BIOLOGY), Outcome.SET),
        (("X-MSS-CODECDA: 11502-2,34112-3",), (LETTER, UNREAD), Outcome.SET),
        (("X-MSS-CODECDA: 34112-3",), (UNREAD, LETTER), Outcome.DEGRADED),
        (("X-MSS-CODECDA: 34112-3", "X-MSS-CODECDA: 34112-3"), (LETTER,), Outcome.DEGRADED),
    ],
)
def test_the_codes_are_those_of_the_archive(
    fields: tuple[str, ...], documents: tuple[AttachedCda, ...], expected: Outcome
) -> None:
    assert outcome(MssHeader.CODECDA, *documents, fields=fields) is expected


# ref: ECO.2.4.2
@pytest.mark.parametrize(
    ("fields", "documents", "expected"),
    [
        ((), (), Outcome.ABSENT),
        ((), (LOOSE,), Outcome.DEGRADED),
        (("X-MSS-INS: O",), (LETTER,), Outcome.SET),
        (("X-MSS-INS: O",), (LETTER, UNREAD), Outcome.SET),
        (("X-MSS-INS: O",), (LETTER, UNQUALIFIED), Outcome.DEGRADED),
        (("X-MSS-INS: N",), (LETTER, UNQUALIFIED), Outcome.SET),
        (("X-MSS-INS: N",), (LETTER,), Outcome.DEGRADED),
        (("X-MSS-INS: N",), (UNREAD,), Outcome.SET),
        (("X-MSS-INS: O",), (), Outcome.DEGRADED),
        (("X-MSS-INS: OUI",), (LETTER,), Outcome.DEGRADED),
    ],
)
def test_what_is_said_of_the_ins_holds_for_the_documents(
    fields: tuple[str, ...], documents: tuple[AttachedCda, ...], expected: Outcome
) -> None:
    assert outcome(MssHeader.INS, *documents, fields=fields) is expected


# ref: ECO.2.4.3
def test_every_mail_names_its_software() -> None:
    assert outcome(MssHeader.NIL, fields=()) is Outcome.DEGRADED
    assert outcome(MssHeader.NIL, fields=("X-MSS-NIL: 3734",)) is Outcome.SET
    assert outcome(MssHeader.NIL, fields=("X-MSS-NIL: ?",)) is Outcome.DEGRADED


# ref: ECO.2.2.8
def test_the_end_of_an_exchange_is_three_capitals() -> None:
    assert outcome(MssHeader.MES, fields=()) is Outcome.ABSENT
    assert outcome(MssHeader.MES, fields=("X-MSS-MES: FIN",)) is Outcome.SET
    assert outcome(MssHeader.MES, fields=("X-MSS-MES: fin",)) is Outcome.DEGRADED


def test_the_sample_mails_are_read() -> None:
    mail = shared("mails", "01-pro-vers-pro-xdm.eml").read_bytes()
    found = read_mss_headers(mail.partition(b"\r\n\r\n")[0])
    assert found.codes == ("18748-4",)
    assert found.says_qualified is True
    assert found.product == "DEV935997"
