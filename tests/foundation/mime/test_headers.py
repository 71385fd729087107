"""Header values become what people read: words, addresses, dates; and what we write is folded and encoded."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.mime.addresses import MAX_ADDRESSES
from foundation.mime.headers import (
    Group,
    MailAddress,
    decode_words,
    encode_words,
    fold,
    format_address,
    parse_addresses,
    parse_date,
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Compte_rendu_=C3=A9?=", "Compte rendu é"),
        (b"=?ISO-8859-1?Q?caf=E9?= noir", "café noir"),
        (b"=?windows-1252?q?l=92examen?=", "l’examen"),
        (b"=?utf-8?b?w6k=?= \r\n =?utf-8?b?w6k?=", "éé"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?qQ==?=", "é"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8*fr?q?a?=", "a"),
        (b"=?nobody-knows?q?=C3=A9=FF?=", "é\ufffd"),
        (b"=?utf-8?x?a?=", "=?x?".replace("x", "utf-8") + "x?a?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        ("d\u00e9j\u00e0".encode(), "déjà"),
        (b"d\xe9j\xe0", "déjà"),
        ("déjà =?utf-8?q?vu?=", "déjà vu"),
        (b"", ""),
    ],
)
def test_encoded_words_are_decoded(raw: bytes | str, text: str) -> None:
    assert decode_words(raw) == text


@given(st.binary(max_size=200).map(lambda octets: b"=?utf-8?q?" + octets + b"?= =?x?b?" + octets + b"?="))
def test_decoded_words_stay_on_one_line_whatever_the_bytes(raw: bytes) -> None:
    assert len((decode_words(raw) or "x").splitlines()) == 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("jean@x.fr", [MailAddress("", "jean", "x.fr")]),
        ('"Dupont, Jean" <jean@x.fr>', [MailAddress("Dupont, Jean", "jean", "x.fr")]),
        ("=?utf-8?q?Dr_=C3=89lodie?= <e@x>", [MailAddress("Dr Élodie", "e", "x")]),
        ("e@x (=?utf-8?q?=C3=89?=)", [MailAddress("É", "e", "x")]),
        ("a@b, c@d;e@f", [MailAddress("", "a", "b"), MailAddress("", "c", "d"), MailAddress("", "e", "f")]),
        ("g: a@b;, c@d", [Group("g", (MailAddress("", "a", "b"),)), MailAddress("", "c", "d")]),
        ("undisclosed-recipients:;", [Group("undisclosed-recipients", ())]),
        ("<@r:u@v>", [MailAddress("", "u", "v")]),
        ('"a@b"@c', [MailAddress("", "a@b", "c")]),
        ('<a"@"b@c>', [MailAddress("", 'a"@"b', "c")]),
        ("a@evil <b@good>", [MailAddress("a@evil", "b", "good")]),
        ("(a (nested) comment) u@v", [MailAddress("a (nested) comment", "u", "v")]),
        ("<u@v", [MailAddress("", "u", "v")]),
        ('"open <u@v>', [MailAddress("", "open <u@v>", "")]),
        ("", []),
    ],
)
def test_addresses_are_read(raw: str, expected: list[MailAddress | Group]) -> None:
    assert parse_addresses(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"u@d," * 100_000,
        b"<" * 100_000,
        b'"' * 100_001,
        b"(" * 100_000,
        b"a:" * 100_000,
        b"a " * 50_000 + b"@" + b":" * 50_000,
    ],
)
def test_a_hostile_list_ends_with_a_bounded_answer(raw: bytes) -> None:
    assert len(parse_addresses(raw)) <= MAX_ADDRESSES


@given(st.text(alphabet='a@<>,;:"\\() [].', max_size=60))
def test_any_list_is_read_without_error(raw: str) -> None:
    for found in parse_addresses(raw):
        assert isinstance(found, MailAddress | Group)


@pytest.mark.parametrize(
    ("raw", "at", "day"),
    [
        ("Mon, 23 Nov 2026 04:00:00 +0100", 1_795_402_800_000, date(2026, 11, 23)),
        ("23 Nov 2026 03:00 GMT", 1_795_402_800_000, date(2026, 11, 23)),
        ("Sun, 22 Nov 2026 22:00:00 EST (comment)", 1_795_402_800_000, date(2026, 11, 22)),
        ("Thu, 1 Jan 70 00:00:00 -0000", 0, date(1970, 1, 1)),
        ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_799_000, date(2016, 12, 31)),
        ("1 January 2000", 946_684_800_000, date(2000, 1, 1)),
    ],
)
def test_dates_become_instants_and_days(raw: str, at: int, day: date) -> None:
    found = parse_date(raw)
    assert found is not None
    assert (found.at, found.day) == (at, day)


@pytest.mark.parametrize(
    "raw",
    ["", "hier", "32 Nov 2026 00:00:00 +0000", "1 Foo 2026", "1 Jan 0000 00:00:00 +2359", "1 Jan 2026 25:00"],
)
def test_what_is_no_date_is_none(raw: str) -> None:
    assert parse_date(raw) is None


@pytest.mark.parametrize(
    "text", ["Résultat d'analyse", "Compte rendu " * 20, "é" * 200, "日本語" * 50, "x" * 500, "x" * 5000, ""]
)
def test_a_folded_field_reads_as_it_was(text: str) -> None:
    field = fold("Subject", text)
    assert field.startswith(b"Subject:")
    assert field.endswith(b"\r\n")
    assert max(map(len, field.split(b"\r\n"))) <= 998
    assert decode_words(field[8:].replace(b"\r\n", b"")) == text.strip()
    assert all(len(line) <= 78 or line.count(b" ") == 1 for line in field.split(b"\r\n"))


def test_a_value_cannot_end_its_field() -> None:
    assert fold("Subject", "x\r\nBcc: y") == b"Subject: x Bcc: y\r\n"


def test_encoded_words_are_short_and_whole() -> None:
    words = encode_words("é" * 100).split(" ")
    assert all(len(word) <= 75 for word in words)
    assert [decode_words(word) for word in words] == ["é" * 21] * 4 + ["é" * 16]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "<a@b>"),
        ("Jean Dupont", "Jean Dupont <a@b>"),
        ('Dupont, "J"', '"Dupont, \\"J\\"" <a@b>'),
        ("Élodie", "=?utf-8?b?w4lsb2RpZQ==?= <a@b>"),
        ("x\r\ny", "x y <a@b>"),
    ],
)
def test_a_mailbox_is_written_as_its_name_needs(name: str, expected: str) -> None:
    assert format_address(name, "a@b") == expected
