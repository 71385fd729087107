"""Mailboxes as vCards: what RFC 6350 says of lines, escapes and folding."""

from __future__ import annotations

from msgspec.structs import replace

from directory.annuaire.model import Mailbox
from directory.bals import BalType
from directory.vcard import vcard, vcards

ANNE = Mailbox(
    "anne.exemple@ch-des-essais.mssante.fr",
    BalType.PER,
    civility="DR",
    last_name="EXEMPLE",
    first_name="ANNE",
    profession="Médecin",
    skill="Médecine générale",
    structure="CH DES ESSAIS",
    street_number="1",
    street_type="R",
    street_name="DES ESSAIS",
    routing="75015 PARIS",
    postal_code="75015",
)


def lines(mailbox: Mailbox) -> list[str]:
    """The unfolded lines."""
    return vcard(mailbox).decode().replace("\r\n ", "").split("\r\n")[:-1]


def test_a_person_has_a_name_an_address_and_a_place() -> None:
    assert lines(ANNE) == [
        "BEGIN:VCARD",
        "VERSION:4.0",
        "KIND:individual",
        "FN:ANNE EXEMPLE",
        "N:EXEMPLE;ANNE;;Dr;",
        "EMAIL;TYPE=work:anne.exemple@ch-des-essais.mssante.fr",
        "ORG:CH DES ESSAIS",
        "TITLE:Médecin",
        "ROLE:Médecine générale",
        "ADR;TYPE=work:;;1 R DES ESSAIS;PARIS;;75015;",
        "END:VCARD",
    ]


def test_a_service_is_an_organisation() -> None:
    box = Mailbox("u@x.mssante.fr", BalType.ORG, structure="CH", service="URGENCES", phone="01 02")
    assert lines(box)[2:] == [
        "KIND:org",
        "FN:URGENCES\\, CH",
        "EMAIL;TYPE=work:u@x.mssante.fr",
        "ORG:CH;URGENCES",
        "TEL;TYPE=work;VALUE=text:01 02",
        "END:VCARD",
    ]


def test_what_would_end_a_value_is_escaped_and_what_would_end_a_line_left_out() -> None:
    box = replace(ANNE, structure="A;B,C\\D\r\nEND:VCARD\x00\x1b\u2028")
    assert "ORG:A\\;B\\,C\\\\D\\nEND:VCARD" in lines(box)
    assert vcard(box).count(b"\r\nEND:VCARD") == 1


def test_long_lines_are_folded_between_characters() -> None:
    content = vcard(replace(ANNE, structure="é" * 300))
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert ("ORG:" + "é" * 300) in content.decode().replace("\r\n ", "")
    for line in content.split(b"\r\n"):
        line.decode()


def test_several_follow_each_other() -> None:
    assert vcards([ANNE, ANNE]) == vcard(ANNE) * 2
    assert vcards([]) == b""
