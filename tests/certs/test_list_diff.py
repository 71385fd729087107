from __future__ import annotations

from certs.list_diff import diff
from certs.white_list import WhiteList, parse_white_list
from tests.certs.lists import MX, OTHER, entry, white_list_xml

AT = "2026-11-01T03:00:00Z"


def read(*entries: str) -> WhiteList:
    return parse_white_list(white_list_xml(AT, *entries))


def test_domains_and_certificates_that_came_and_went_are_told() -> None:
    found = diff(
        read(entry("b.fr"), entry("a.fr"), entry("a.fr", OTHER)),
        read(entry("c.fr"), entry("a.fr"), entry("A.FR")),
    )
    assert found.domains_added == ("c.fr",)
    assert found.domains_removed == ("b.fr",)
    assert [(each.domain, str(each.name)) for each in found.added] == [("c.fr", MX)]
    assert [(each.domain, str(each.name)) for each in found.removed] == [("a.fr", OTHER), ("b.fr", MX)]


def test_another_description_or_spelling_is_a_change_and_another_date_is_none() -> None:
    old = read(entry("a.fr"), entry("b.fr"), entry("c.fr"))
    new = read(
        entry("a.fr", description="Neuf"), entry("B.fr"), entry("c.fr", updated="2026-11-02T00:00:00Z")
    )
    found = diff(old, new)
    assert [each.written for each in found.changed] == ["a.fr", "B.fr"]
    assert not (found.added or found.removed or found.domains_added or found.domains_removed)


def test_a_name_that_is_no_domain_is_compared_as_written() -> None:
    found = diff(read(entry("a.fr"), entry("x@b.fr")), read(entry("a.fr"), entry("y@b.fr")))
    assert [each.written for each in (*found.added, *found.removed)] == ["y@b.fr", "x@b.fr"]
    assert found.domains_added == ()


def test_a_list_does_not_differ_from_itself() -> None:
    listed = read(entry("a.fr"), entry("b.fr", OTHER))
    assert diff(listed, listed) == diff(listed, read(entry("b.fr", OTHER.lower()), entry("a.fr")))
