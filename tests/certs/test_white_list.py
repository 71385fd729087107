from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import white_list as module
from certs.list_faults import ListFault, ListRefused
from certs.names import DistinguishedName
from certs.white_list import (
    LARGEST,
    MOST_ENTRIES,
    NAMESPACE,
    WhiteList,
    canonical_domain,
    instant,
    parse_white_list,
)
from tests.certs.lists import MX, OTHER, entry, fault, white_list_xml

AT = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
NAME = DistinguishedName.parse(MX)


def read(*entries: str) -> WhiteList:
    return parse_white_list(white_list_xml(AT, *entries))


def test_a_list_is_read_with_its_date_and_entries() -> None:
    found = read(
        entry("essai.mssante.fr"), entry("autre.mssante.fr", OTHER, "Autre", "2026-01-02T03:04:05+02:00")
    )
    assert found.generated_at == AT
    assert [each.domain for each in found.entries] == ["essai.mssante.fr", "autre.mssante.fr"]
    assert found.entries[1].updated_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert found.entries[1].description == "Autre"
    assert found.lists("essai.mssante.fr", NAME)
    assert not found.lists("autre.mssante.fr", NAME)
    assert found.lists_name(NAME)
    assert found.domains_of(NAME) == {"essai.mssante.fr"}
    assert not found.lists_name(DistinguishedName.of(cn="mx.nulle-part.test"))
    assert found.domains_of(DistinguishedName.of(cn="mx.nulle-part.test")) == frozenset()


# ref: F49
def test_a_domain_may_have_several_certificates_and_a_certificate_several_domains() -> None:
    found = read(entry("a.fr"), entry("a.fr", OTHER), entry("a.fr"), entry("b.fr"))
    assert found.names_of("a.fr") == {NAME, DistinguishedName.parse(OTHER)}
    assert found.domains_of(NAME) == {"a.fr", "b.fr"}
    assert len(found.entries) == 4


@pytest.mark.parametrize(
    "asked", ["UC-CMP.mssante.fr", "uc-cmp.mssante.fr", "UC-CMP.MSSANTE.FR", " uc-cmp.mssante.fr "]
)
def test_domains_are_compared_without_case(asked: str) -> None:
    found = read(entry("UC-CMP.mssante.fr"))
    assert asked in found
    assert found.entries[0].written == "UC-CMP.mssante.fr"
    assert found.entries[0].domain == "uc-cmp.mssante.fr"


@pytest.mark.parametrize(
    "asked",
    ["hôpital.mssante.fr", "HÔPITAL.mssante.fr", "xn--hpital-ixa.mssante.fr", "ho\u0302pital.mssante.fr"],
)
def test_a_name_in_unicode_is_the_same_as_its_a_label(asked: str) -> None:
    assert asked in read(entry("Hôpital.mssante.fr"))
    assert asked in read(entry("xn--hpital-ixa.mssante.fr"))


def test_a_name_with_an_at_sign_is_kept_and_no_lookup_finds_it() -> None:
    found = read(entry("sessad@ase.ditepbeziers.mssante.fr"), entry("a.fr"))
    assert len(found.entries) == 2
    assert found.misnamed == 1
    for asked in ("sessad@ase.ditepbeziers.mssante.fr", "ase.ditepbeziers.mssante.fr", "", " ", "@"):
        assert asked not in found
        assert not found.names_of(asked)
    assert found.domains_of(NAME) == {"a.fr"}


def test_what_is_no_text_is_in_no_list() -> None:
    assert None not in read()
    assert 7 not in read()


@pytest.mark.parametrize(
    "description", ["Hôpital\xa0de jour", "deux\nlignes", 'CH ""LES TILLEULS""', "a_b", "", "<&>"]
)
def test_descriptions_are_kept_as_they_are(description: str) -> None:
    assert read(entry("a.fr", description=description)).entries[0].description == description


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("CN=mx.a.fr, OU=343975235300037, O=APICEM, ST=Nord (59), C=FR", "CN=mx.a.fr,OU=343975235300037,O=APICEM,ST=Nord (59),C=FR"),
        ("CN=mx.a.fr ,OU=1,O=ADISTA,ST=Meurthe et Moselle(54),C=FR", "CN=mx.a.fr,OU=1,O=ADISTA,ST=Meurthe et Moselle(54),C=FR"),
        ("CN=mx.a.fr,OU=300000000099622,O=GIP - TEST9962,L=Paris (75),C=FR", "CN=mx.a.fr,OU=300000000099622,O=GIP - TEST9962,L=Paris (75),C=FR"),
        ('CN=mx.a.fr,O="HOPITAL SAINT JEAN",C=FR', "CN=mx.a.fr,O=HOPITAL SAINT JEAN,C=FR"),
        ("CN=mx.a.fr,O=X,ST=Côtes-d’Armor (22),C=FR", "CN=MX.A.FR,O=x,ST=Côtes-d'Armor (22),C=fr"),
        ("CN=mx.a.fr,O=X,\n        ST=Essonne\xa0(91),C=FR", "CN=mx.a.fr,O=X,ST=Essonne (91),C=FR"),
    ],
)  # fmt: skip
def test_certificate_names_are_compared_by_their_parsed_attributes(written: str, shown: str) -> None:
    assert read(entry("a.fr", written)).lists("a.fr", DistinguishedName.parse(shown))


def test_a_place_written_as_locality_is_not_the_same_as_a_state() -> None:
    found = read(entry("a.fr", "CN=mx.a.fr,O=X,L=Paris (75),C=FR"))
    assert not found.lists("a.fr", DistinguishedName.parse("CN=mx.a.fr,O=X,ST=Paris (75),C=FR"))


def test_the_same_common_name_with_another_organisation_is_another_certificate() -> None:
    assert not read().lists("essai.mssante.fr", DistinguishedName.parse(MX.replace("D'ESSAI", "DE TEST")))


def test_an_entry_whose_certificate_name_is_unreadable_is_left_out_and_counted() -> None:
    found = read(
        entry("a.fr"), entry("b.fr", "n'importe quoi"), entry("c.fr", ""), entry("d.fr", "CN=" + "x" * 3000)
    )
    assert [each.domain for each in found.entries] == ["a.fr"]
    assert found.unreadable == 3


def test_too_many_unreadable_certificate_names_refuse_the_list() -> None:
    bad = [entry(f"b{number}.fr", "rien") for number in range(4)]
    assert fault(lambda: read(entry("a.fr"), *bad)) is ListFault.UNREADABLE_NAMES
    good = [entry(f"a{number}.fr") for number in range(396)]
    assert read(*good, *bad).unreadable == 4


def test_unknown_elements_and_attributes_are_passed_over() -> None:
    content = white_list_xml(
        AT, entry("a.fr").replace("<Nom>", '<Neuf a="b"><Plus/></Neuf><Nom langue="fr">')
    )
    assert "a.fr" in parse_white_list(content)


def test_comments_and_cdata_do_not_cut_a_text_short() -> None:
    written = entry("essai.mssante.fr").replace("<Nom>essai", "<Nom><!-- x -->es<!-- y --><![CDATA[sai]]>")
    content = white_list_xml(AT, written) + b"<!-- the end -->"
    assert "essai.mssante.fr" in parse_white_list(content)


def without(name: str) -> str:
    before, _, rest = entry("a.fr").partition(f"<{name}>")
    return before + rest.partition(f"</{name}>")[2]


def no_date(content: bytes, date: str) -> bytes:
    return content.replace(b"2026-11-01T03:00:00Z", date.encode())


GOOD = white_list_xml(AT)
ROOT_END = b"</ListeBlancheMSSante>"
MUTATIONS: dict[str, tuple[bytes, ListFault]] = {
    "nothing": (b"", ListFault.NOT_XML),
    "text": (b"Service indisponible", ListFault.NOT_XML),
    "html": (b"<!DOCTYPE html><html></html>", ListFault.DOCTYPE),
    "error page": (b"<html><body>502</body></html>", ListFault.WRONG_ROOT),
    "doctype": (GOOD.replace(b"?><", b"?><!DOCTYPE ListeBlancheMSSante><"), ListFault.DOCTYPE),
    "entities": (
        GOOD.replace(b"?><", b'?><!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><').replace(b"Essai", b"&c;"),
        ListFault.DOCTYPE,
    ),
    "external entity": (
        GOOD.replace(b"?><", b'?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><').replace(b"Essai", b"&a;"),
        ListFault.DOCTYPE,
    ),
    "undeclared entity": (GOOD.replace(b"Essai", b"&rien;"), ListFault.NOT_XML),
    "mismatched tags": (GOOD.replace(b"</Nom>", b"</Non>"), ListFault.NOT_XML),
    "two roots": (GOOD + GOOD.partition(b"?>")[2], ListFault.NOT_XML),
    "another encoding": (GOOD.decode().encode("utf-16"), ListFault.NOT_XML),
    "latin-1": (GOOD.decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"), ListFault.NOT_XML),
    "a nul": (GOOD.replace(b"Essai", b"Es\0sai"), ListFault.NOT_XML),
    "no closing tag": (GOOD.replace(ROOT_END, b""), ListFault.TRUNCATED),
    "half a closing tag": (GOOD[:-10], ListFault.TRUNCATED),
    "half a list": (GOOD[: len(GOOD) // 2], ListFault.TRUNCATED),
    "another namespace": (GOOD.replace(NAMESPACE.encode(), b"https://listeblanche.example/schema"), ListFault.WRONG_ROOT),
    "no namespace": (GOOD.replace(f' xmlns="{NAMESPACE}"'.encode(), b""), ListFault.WRONG_ROOT),
    "the sister list": (GOOD.replace(b"ListeBlancheMSSante", b"ListeBlancheDRIM-M"), ListFault.WRONG_ROOT),
    "processing instruction inside": (GOOD.replace(b"<ListeDomaines>", b"<?a b?><ListeDomaines>"), ListFault.GRAMMAR),
    "processing instruction before": (GOOD.replace(b"?><", b"?><?a b?><"), ListFault.GRAMMAR),
    "processing instruction behind": (GOOD + b"<?a b?>", ListFault.GRAMMAR),
    "no domains": (GOOD.replace(b"ListeDomaines", b"Domaines"), ListFault.GRAMMAR),
    "domains twice": (GOOD.replace(b"<ListeDomaines>", b"<ListeDomaines/><ListeDomaines>"), ListFault.GRAMMAR),
    "something else in the list": (GOOD.replace(b"<Domaine>", b"<Autre/><Domaine>"), ListFault.GRAMMAR),
    "no name": (white_list_xml(AT, without("Nom")), ListFault.GRAMMAR),
    "no certificate": (white_list_xml(AT, without("DNCertificatOperateur")), ListFault.GRAMMAR),
    "two names": (GOOD.replace(b"<Nom>", b"<Nom>b.fr</Nom><Nom>"), ListFault.GRAMMAR),
    "elements in a name": (GOOD.replace(b"<Nom>essai", b"<Nom><b>essai</b>"), ListFault.GRAMMAR),
    "an endless name": (white_list_xml(AT, entry("a" * 20_000)), ListFault.GRAMMAR),
    "a hundred attributes": (
        GOOD.replace(b"<Nom>", b"<Nom " + b" ".join(b'a%d=""' % each for each in range(100)) + b">"),
        ListFault.GRAMMAR,
    ),
    "no date": (GOOD.replace(b"DateDeGeneration", b"DateDeCreation"), ListFault.NO_DATE),
    "two dates": (
        GOOD.replace(b"<ListeD", b"<DateDeGeneration>2030-01-01T00:00:00Z</DateDeGeneration><ListeD"),
        ListFault.NO_DATE,
    ),
    "an empty date": (no_date(GOOD, ""), ListFault.NO_DATE),
    "a date without zone": (no_date(GOOD, "2026-11-01T03:00:00"), ListFault.NO_DATE),
    "a day that is none": (no_date(GOOD, "2026-02-30T03:00:00Z"), ListFault.NO_DATE),
    "the year 1 in the far east": (no_date(GOOD, "0001-01-01T00:00:00+14:00"), ListFault.NO_DATE),
    "no entries": (GOOD.replace(entry("essai.mssante.fr").encode(), b""), ListFault.EMPTY),
    "only a name that is none": (white_list_xml(AT, entry("a@b.fr")), ListFault.EMPTY),
}  # fmt: skip


# ref: F01
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_wrong_list_is_refused_with_its_own_code(mutation: str) -> None:
    content, expected = MUTATIONS[mutation]
    assert content != GOOD
    assert fault(lambda: parse_white_list(content)) is expected


def test_two_hundred_megabytes_are_refused_before_they_are_parsed() -> None:
    content = GOOD + b" " * (200 * 1024 * 1024)
    tracemalloc.start()
    try:
        assert fault(lambda: parse_white_list(content)) is ListFault.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_list_within_the_size_that_would_need_gigabytes_of_nodes_is_refused() -> None:
    content = GOOD.replace(b"<ListeDomaines>", b"<ListeDomaines>" + b"<a/>" * (LARGEST // 4 - 1000))
    assert len(content) < LARGEST
    assert fault(lambda: parse_white_list(content)) is ListFault.TOO_MANY


def test_a_list_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ENTRIES > 6_554 * 4
    monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    assert len(read(*[entry("a.fr")] * 3).entries) == 3
    assert fault(lambda: read(*[entry("a.fr")] * 4)) is ListFault.TOO_MANY


def test_deep_nesting_is_refused() -> None:
    deep = b"<a>" * 10_000 + b"</a>" * 10_000
    assert fault(lambda: parse_white_list(GOOD.replace(b"<ListeDomaines>", deep))) is ListFault.NOT_XML


def test_a_list_does_not_show_its_entries_when_it_is_printed() -> None:
    assert "essai.mssante.fr" not in repr(read())


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a.fr", "a.fr"),
        (" A.FR\xa0", "a.fr"),
        ("a_b.mssante.fr", "a_b.mssante.fr"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("ａ．ｆｒ", "a.fr"),
        ("", None),
        ("a..fr", None),
        (".fr", None),
        ("a.fr.", None),
        ("-a.fr", None),
        ("a b.fr", None),
        ("a@b.fr", None),
        ("a*.fr", None),
        ("*.fr", None),
        ("a\0b.fr", None),
        ("a/b.fr", None),
        ("x" * 64 + ".fr", None),
        (".".join(["x" * 60] * 5), None),
        ("\u0301.fr", None),
    ],
)
def test_a_domain_has_one_canonical_form_or_is_none(text: str, domain: str | None) -> None:
    assert canonical_domain(text) == domain


@given(st.text(max_size=80))
def test_a_canonical_domain_is_its_own_canonical_form(text: str) -> None:
    domain = canonical_domain(text)
    assert domain is None or canonical_domain(domain) == domain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-13T14:54:10Z", datetime(2025, 3, 13, 14, 54, 10, tzinfo=UTC)),
        (" 2025-03-13T14:54:10.5Z\n", datetime(2025, 3, 13, 14, 54, 10, 500_000, tzinfo=UTC)),
        ("2025-03-13T14:54:10.123456789+01:00", datetime(2025, 3, 13, 13, 54, 10, 123_456, tzinfo=UTC)),
        ("2025-03-13 14:54:10Z", None),
        ("2025-03-13", None),
        ("2025-13-13T14:54:10Z", None),
        ("hier", None),
    ],
)
def test_an_instant_states_its_zone(text: str, expected: datetime | None) -> None:
    assert instant(text) == expected


@settings(max_examples=300)
@given(st.data())
def test_no_damage_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 30)))
        content[start:end] = data.draw(st.binary(max_size=20))
    try:
        parse_white_list(bytes(content))
    except ListRefused:
        return
