from __future__ import annotations

import pytest

from foundation.identifiers import (
    Address,
    Finess,
    Ins,
    Rpps,
    ins_key,
    is_idnat,
    luhn_digit,
    luhn_is_right,
    patient_address_ins,
)


@pytest.mark.parametrize("value", ["279035121518989", "295102A12611122", "195052B03304265"])
def test_the_key_of_an_ins_is_computed_with_corsican_departments(value: str) -> None:
    ins = Ins.parse(value.lower())
    assert ins is not None
    assert ins.key_is_right
    assert ins_key(value[:13]) == value[13:]


# ref: F28
def test_a_wrong_key_is_told_and_not_refused() -> None:
    ins = Ins.parse("253097812634581")
    assert ins is not None
    assert not ins.key_is_right


@pytest.mark.parametrize(
    "text", ["", "27903512151898", "2790351215189890", "27903512151898é", "279035121 18989"]
)
def test_what_has_not_15_letters_and_digits_is_no_ins(text: str) -> None:
    assert Ins.parse(text) is None


def test_an_ins_does_not_show_in_repr() -> None:
    assert "279035121518989" not in repr(Ins.parse("279035121518989"))


def test_the_ins_of_a_patient_address_is_found_whatever_its_case() -> None:
    assert (
        patient_address_ins("295102a12611122@Patient.MSSante.fr", "patient.mssante.fr") == "295102A12611122"
    )
    assert patient_address_ins("295102a12611122@medecin.mssante.fr", "patient.mssante.fr") is None
    assert patient_address_ins("dupont@patient.mssante.fr", "patient.mssante.fr") is None


def test_luhn_numbers() -> None:
    assert luhn_is_right("79927398713")
    assert not luhn_is_right("79927398710")
    assert not luhn_is_right("²")
    rpps = Rpps.parse("9990000001" + luhn_digit("9990000001"))
    assert rpps is not None
    assert rpps.checked
    assert rpps.idnat.startswith("8999")
    finess = Finess.parse("2A0000014")
    assert finess is not None
    assert not finess.checked


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Marie.Martin@Medecin.MSSante.fr", "marie.martin@medecin.mssante.fr"),
        ("rené@hôpital.mssante.fr", "rené@xn--hpital-ixa.mssante.fr"),
        ("o'brien+x@a-b.fr", "o'brien+x@a-b.fr"),
    ],
)
def test_an_address_is_written_in_one_form(text: str, written: str) -> None:
    assert str(Address.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "no-at", "@a.fr", "a@", "a@b", "a b@c.fr", '"a b"@c.fr', "a@[127.0.0.1]", ".a@b.fr", "a..b@c.fr", "a@b..fr",
        "a\r\nb@c.fr", "a\x00@c.fr", "a\u202eb@c.fr", "ﬁ@c.fr", "a@c.fr\u200b", "a@-b.fr", "a" * 65 + "@b.fr",
    ],
)  # fmt: skip
def test_an_odd_or_dangerous_address_is_none(text: str) -> None:
    assert Address.parse(text) is None


@pytest.mark.parametrize(
    "text",
    ["899900000102", "0123456789", "1990700106", "12A0000014", "399900001100018", "3620100057/70326SR"],
)
def test_the_forms_of_a_national_identifier(text: str) -> None:
    assert is_idnat(text)


@pytest.mark.parametrize("text", ["", "foo", "99900000102", "89990000010", "1 990700106", "8999000001020"])
def test_what_has_no_such_form_is_no_national_identifier(text: str) -> None:
    assert not is_idnat(text)
