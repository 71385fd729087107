"""The syntax of the parameters of a stored query."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from dmp_bridge.xds.like import Pattern
from dmp_bridge.xds.parameters import Code, Parameters, parse_values
from dmp_bridge.xds.registry_errors import ErrorCode, Failed


def parameters(*slots: tuple[str, list[str]]) -> Parameters:
    query = etree.Element("AdhocQuery")
    for name, values in slots:
        listed = etree.SubElement(etree.SubElement(query, "Slot", name=name), "ValueList")
        for value in values:
            etree.SubElement(listed, "Value").text = value
    return Parameters.read(query)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'a'", ["a"]),
        (" 'a b' ", ["a b"]),
        ("'a''b'", ["a'b"]),
        ("''''", ["'"]),
        ("''", [""]),
        ("20260313", ["20260313"]),
        ("('a')", ["a"]),
        ("( 'a' , 'b,c' ,'(d)')", ["a", "b,c", "(d)"]),
        ("('a',12)", ["a", "12"]),
        (
            "'279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH'",
            ["279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"],
        ),
    ],
)
def test_values_are_texts_in_quotes_numbers_and_lists(text: str, values: list[str]) -> None:
    assert parse_values(text, "x") == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "'a",
        "a'",
        "('a'",
        "'a')",
        "()",
        "('a',)",
        "(,'a')",
        "'a','b'",
        "'a' 'b'",
        "-1",
        "('a'x)",
        "('a'",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Failed) as raised:
        parse_values(text, "x")
    assert raised.value.problem.code == ErrorCode.REGISTRY


def test_a_very_long_value_is_refused_at_once_and_many_quotes_cost_little() -> None:
    with pytest.raises(Failed):
        parse_values("'" * 100_000, "x")
    began = time.perf_counter()
    assert parse_values("'" + "''" * 30_000 + "'", "x") == ["'" * 30_000]
    assert time.perf_counter() - began < 1


def test_several_values_mean_or_and_several_slots_and() -> None:
    given = parameters(("$a", ["('1','2')", "('3')"]), ("$b", ["('1')"]), ("$b", ["('2','3')"]))
    assert given.any_of("$a") == ("1", "2", "3")
    assert given.all_of("$b") == (("1",), ("2", "3"))
    assert given.code_groups("$b")[1] == (Code("2", ""), Code("3", ""))


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda given: given.one("$a"), ErrorCode.PARAMETER_NUMBER),
        (lambda given: given.required("$c"), ErrorCode.MISSING_PARAMETER),
        (lambda given: given.required_any_of("$c"), ErrorCode.MISSING_PARAMETER),
        (lambda given: given.any_of("$b"), ErrorCode.PARAMETER_NUMBER),
        (lambda given: given.exactly_one_of(("$c", "$d")), ErrorCode.MISSING_PARAMETER),
        (lambda given: given.exactly_one_of(("$a", "$b")), ErrorCode.PARAMETER_NUMBER),
        (lambda given: given.span("$t"), ErrorCode.REGISTRY),
    ],
)
def test_missing_and_superfluous_parameters_have_their_codes(ask: object, code: ErrorCode) -> None:
    given = parameters(("$a", ["('1','2')"]), ("$b", ["('1')"]), ("$b", ["('2')"]), ("$tFrom", ["'hier'"]))
    with pytest.raises(Failed) as raised:
        ask(given)  # type: ignore[operator]
    assert raised.value.problem.code == code


def test_times_are_in_quotes_or_not_and_in_utc() -> None:
    given = parameters(("$tFrom", ["20260313"]), ("$tTo", ["'20260313145410'"]))
    assert given.span("$t") == (1773360000000, 1773413650000)


def test_too_many_slots_or_values_are_refused() -> None:
    with pytest.raises(Failed):
        parameters(*((f"${n}", ["'a'"]) for n in range(61)))
    given = parameters(("$a", ["('a')"] * 1001))
    with pytest.raises(Failed):
        given.any_of("$a")


def test_what_nobody_asks_for_is_ignored_whatever_it_holds() -> None:
    given = parameters(("$a", ["'1'"]), ("$b", ["not a value"]), ("$c", ["('x')"] * 1001))
    assert given.one("$a") == "1"
    with pytest.raises(Failed) as raised:
        given.one("$b")
    assert raised.value.problem.location == "$b"


def test_a_code_may_tell_its_scheme() -> None:
    assert Code.parse("10^^1.2.3") == Code("10", "1.2.3")
    assert Code.parse("10^^1.2.3").matches("10", "1.2.3")
    assert not Code.parse("10^^1.2.3").matches("10", "1.2.4")
    assert Code.parse("10").matches("10", "1.2.4")


@pytest.mark.parametrize(
    ("pattern", "text", "is_met"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("a%", "abc", True),
        ("%c", "abc", True),
        ("%b%", "abc", True),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("%", "", True),
        ("_%_", "a", False),
        ("ab%ba", "aba", False),
        ("ab%ba", "abba", True),
        ("%a.c%", "abc", False),
        ("%^Martin^%", "8^Martin^Anne", True),
        ("", "a", False),
    ],
)
def test_patterns_are_those_of_like(pattern: str, text: str, is_met: object) -> None:
    assert Pattern(pattern).matches(text) is is_met


def test_a_hostile_pattern_takes_no_time() -> None:
    began = time.perf_counter()
    assert not Pattern("%a" * 100 + "%b").matches("a" * 2000)
    assert not Pattern("%_a_" * 50 + "%b").matches("a" * 2000)
    assert time.perf_counter() - began < 1
