from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certs.names import LONGEST_TEXT, DistinguishedName, NameMalformed

PLAIN = "CN=mss.demo.fr,OU=1990780017,O=CH DE DEMO,ST=Côtes-d'Armor (22),C=FR"


def test_it_reads_a_name_as_the_liste_blanche_writes_it() -> None:
    name = DistinguishedName.parse(PLAIN)
    assert name.attributes == (
        ("CN", "mss.demo.fr"),
        ("OU", "1990780017"),
        ("O", "CH DE DEMO"),
        ("ST", "Côtes-d'Armor (22)"),
        ("C", "FR"),
    )
    assert str(name) == PLAIN
    assert name.common_name == "mss.demo.fr"
    assert name.first("L") is None


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ", "),
        PLAIN.replace("O=CH DE DEMO", 'O="CH DE DEMO"'),
        PLAIN.replace("CH DE DEMO", "ch  de Demo"),
        PLAIN.replace("CH DE DEMO", "CH\u00a0DE DEMO"),
        PLAIN.replace("d'Armor", "d’Armor"),
        PLAIN.replace("ô", "o\u0302"),
        PLAIN.replace("ô", "\\C3\\B4"),
        PLAIN.replace("ST=", "s="),
        PLAIN.replace("MSS", "mss").replace("mss.demo", "MSS.DEMO"),
    ],
)
def test_it_finds_two_spellings_of_one_name_equal(text: str) -> None:
    assert DistinguishedName.parse(text) == DistinguishedName.parse(PLAIN)
    assert hash(DistinguishedName.parse(text)) == hash(DistinguishedName.parse(PLAIN))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("ST=", "L="),
        PLAIN.replace("1990780017", "1990780018"),
        PLAIN.replace(",C=FR", ""),
        PLAIN + ",C=FR",
        PLAIN.replace("CH DE", "\uff23\uff28 DE"),
        PLAIN.replace("1990780017", "\uff11990780017"),
        PLAIN.replace("mss.demo.fr", "mss\uff0edemo\uff0efr"),
        "C=FR,ST=Côtes-d'Armor (22),O=CH DE DEMO,OU=1990780017,CN=mss.demo.fr",
    ],
)
def test_it_tells_another_attribute_value_or_order_apart(text: str) -> None:
    assert DistinguishedName.parse(text) != DistinguishedName.parse(PLAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [("OFFICE", "O\ufb03CE"), ("SITE 2", "SITE \u00b2"), ("ROSSE", "RO\u00dfE"), ("SITE", "\u017fITE")],
)
def test_a_letter_that_only_looks_like_others_is_another_letter(one: str, other: str) -> None:
    assert DistinguishedName.of(cn="a.fr", o=one) != DistinguishedName.of(cn="a.fr", o=other)


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\n", "\r\n  ", "\t"])
def test_every_white_space_is_a_space(space: str) -> None:
    spaced = DistinguishedName.of(cn="a.fr", o=f" CH{space}DE DEMO{space}")
    assert spaced == DistinguishedName.of(cn="a.fr", o="CH DE DEMO")


def test_it_leaves_a_comma_nobody_escaped_inside_its_value() -> None:
    name = DistinguishedName.parse("CN=a.fr,O=DUPONT, MARTIN ET FILS,C=FR")
    assert name.first("O") == "DUPONT, MARTIN ET FILS"
    assert DistinguishedName.parse(str(name)) == name


def test_it_keeps_quotes_inside_a_value() -> None:
    name = DistinguishedName.parse('CN=a.fr,O=CRLCC "PAUL STRAUSS",C=FR')
    assert name.first("O") == 'CRLCC "PAUL STRAUSS"'


def test_it_survives_the_way_into_a_certificate_and_back() -> None:
    name = DistinguishedName.parse(PLAIN)
    in_certificate = name.to_x509()
    assert in_certificate.rdns[0] == x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "FR")]
    )
    assert DistinguishedName.from_x509(in_certificate) == name


def test_it_names_an_attribute_it_does_not_know_by_its_number() -> None:
    odd = x509.Name([x509.NameAttribute(x509.ObjectIdentifier("2.5.4.97"), "VATFR-1")])
    assert DistinguishedName.from_x509(odd).attributes == (("2.5.4.97", "VATFR-1"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CN",
        "CN=",
        "=a",
        "X=a",
        "CN=a,OU=,C=FR",
        "mss.demo.fr",
        "CN=" + "a" * LONGEST_TEXT,
        "CN=a," * 40 + "C=FR",
    ],
)
def test_it_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(NameMalformed):
        DistinguishedName.parse(text)


@pytest.mark.parametrize("name", [{"cn": "a" * 65}, {"cn": "a", "c": "FRANCE"}, {"cn": "a\n"}])
def test_it_refuses_a_name_that_no_certificate_can_hold(name: dict[str, str]) -> None:
    with pytest.raises(NameMalformed):
        DistinguishedName.of(**name).to_x509()


@given(st.text(max_size=300))
def test_it_answers_any_text_with_a_name_or_a_refusal(text: str) -> None:
    try:
        name = DistinguishedName.parse(text)
    except NameMalformed:
        return
    assert name.attributes


VALUES = st.text(alphabet="AZaz09 ,\\=\"'é()-/", min_size=1, max_size=20).filter(
    lambda text: text.strip(' "')
)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_it_reads_back_what_it_writes(values: list[str]) -> None:
    name = DistinguishedName(tuple(("OU", value) for value in values))
    assert DistinguishedName.parse(str(name)) == name
