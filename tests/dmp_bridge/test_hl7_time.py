from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dmp_bridge.hl7_time import (
    format_cda_time,
    format_dtm,
    paris_date,
    parse_birth_date,
    parse_cda_time,
    parse_dtm,
)


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc,arg-type]


# ref: DMP-F9
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20090529094914+0200", at(2009, 5, 29, 7, 49, 14)),
        ("20210104160527+0100", at(2021, 1, 4, 15, 5, 27)),
        ("20210104160527-0500", at(2021, 1, 4, 21, 5, 27)),
        ("202101041605+0100", at(2021, 1, 4, 15, 5)),
        ("20210104160527.123+0100", at(2021, 1, 4, 15, 5, 27)),
        ("20210104160527.1234567+0100", at(2021, 1, 4, 15, 5, 27)),
        ("20210104160527+01", at(2021, 1, 4, 15, 5, 27)),
        ("20210704160527", at(2021, 7, 4, 14, 5, 27)),
        ("20210104", at(2021, 1, 3, 23)),
        ("2021", at(2020, 12, 31, 23)),
        ("20211304", None),
        ("2021010416052", None),
        ("99999999", None),
        ("00010101", None),
        ("00010101000000", None),
        ("18491231", None),
        ("22000101", None),
        ("99991231235959-1200", None),
        ("", None),
        (None, None),
        ("20210104" * 20, None),
    ],
)
def test_a_cda_time_becomes_utc(text: str | None, expected: int | None) -> None:
    assert parse_cda_time(text) == expected


# ref: DMP-F9
def test_metadata_times_are_utc_already() -> None:
    assert parse_dtm("20210401124745") == at(2021, 4, 1, 12, 47, 45)


def test_times_are_written_as_they_are_read() -> None:
    instant = datetime(2026, 3, 13, 13, 54, 10, tzinfo=UTC)
    assert format_cda_time(instant) == "20260313145410+0100"
    assert format_dtm(instant) == "20260313135410"
    assert parse_cda_time(format_cda_time(instant)) == parse_dtm(format_dtm(instant))


def test_the_day_is_that_of_france() -> None:
    assert paris_date(at(2026, 3, 12, 23, 30)) == "2026-03-13"


def test_a_birth_date_keeps_an_unknown_day() -> None:
    assert (parse_birth_date("19790328"), parse_birth_date("197900001200"), parse_birth_date("1979")) == (
        "1979-03-28",
        "1979-00-00",
        None,
    )


def test_a_day_can_be_told_of_any_number() -> None:
    assert (paris_date(-(10**17)), paris_date(10**17)) == ("1850-01-01", "2200-01-01")
