"""The LDIF export: RFC 2849, every entry once, in what slapd takes."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from benchmarks import slapd
from directory.ldap import schema
from directory.ldap.entries import values_of
from directory.ldap.ldif import export
from tests.directory.ldap.people import FEW, HELENE, MARIE, people
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from pathlib import Path

    from directory.annuaire.model import Mailbox

ODD = (
    replace(
        MARIE,
        address="o'neil+tag@hopital-demo.mssante.fr",
        last_name=" : <MARTIN ",
        service="Z" * 300,
        phone="+33 (0)2.43-00/00,01 poste «2»",
        structure="Hopital  demo",
        structure_sign="HOPITAL DEMO",
    ),
    replace(MARIE, address="hélène@hopital-demo.mssante.fr"),
    replace(MARIE, address="personne@hopital-demo.mssante.fr", last_name=None, first_name="Marie"),
    replace(MARIE, address="#diese@hopital-demo.mssante.fr", first_name="Ligne\nfeinte: x", last_name="Là"),
)


def entries(*boxes: Mailbox) -> list[dict[str, list[str]]]:
    """The file read again: RFC 2849 by another hand."""
    text = "".join(export(MemoryView(boxes)))
    assert text.isascii()
    assert all(len(line) <= 76 for line in text.splitlines())
    found = []
    for block in text.replace("\n ", "").strip().split("\n\n"):
        entry: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            said = base64.b64decode(value[1:]).decode() if value.startswith(":") else value.removeprefix(" ")
            entry.setdefault(name, []).append(said)
        found.append(entry)
    return found


def test_the_suffix_comes_first_and_every_mailbox_once() -> None:
    read = entries(*FEW)
    assert [entry["dn"][0] for entry in read[:2]] == [
        "dc=mssante,dc=fr",
        "mail=cardiologie@hopital-demo.mssante.fr,dc=mssante,dc=fr",
    ]
    assert sorted(entry["mail"][0] for entry in read[1:]) == sorted(box.address for box in FEW)


def test_an_entry_says_what_ldap_says_but_for_what_the_server_makes_itself() -> None:
    (_, entry) = entries(HELENE)
    operational = {each.name for each in schema.OPERATIONAL_ATTRIBUTES}
    said = {name: list(values) for name, values in values_of(HELENE).items() if name not in operational}
    assert entry == {"dn": [f"mail={HELENE.address},dc=mssante,dc=fr"], **said}


def test_more_mailboxes_than_a_page_are_all_there() -> None:
    assert len(entries(*people(2500))) == 2501


def test_what_is_not_plain_is_encoded_and_what_slapd_refuses_is_left_out() -> None:
    read = {entry["dn"][0]: entry for entry in entries(*ODD)}
    first = read["mail=o'neil\\+tag@hopital-demo.mssante.fr,dc=mssante,dc=fr"]
    assert first["sn"] == [" : <MARTIN "]
    assert first["ou"] == ["Z" * 300, "Neurologie"]
    assert first["o"] == ["Hopital  demo"]
    assert "telephoneNumber" not in first
    assert "mail=\\#diese@hopital-demo.mssante.fr,dc=mssante,dc=fr" in read
    assert not any("hélène" in name for name in read)


@pytest.mark.interop
@pytest.mark.skipif(slapd.missing() is not None, reason=str(slapd.missing()))
def test_slapd_loads_everything(tmp_path: Path) -> None:
    boxes = (*FEW, *people(1500), *ODD)
    with slapd.running(tmp_path / "slapd", export(MemoryView(boxes))) as server:
        done = subprocess.run(
            [
                *("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", server.url),
                *("-b", "dc=mssante,dc=fr", "(mail=*)", "mail"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    mails = {line.removeprefix("mail: ") for line in done.stdout.splitlines() if line.startswith("mail: ")}
    assert mails == {box.address for box in boxes if box.address.isascii()}
