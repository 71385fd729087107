"""`vaguemestre dns` and `vaguemestre bal sheet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

ADDRESS = "equipe@hopital-demo.mssante.fr"


@pytest.fixture(name="home")
def home_with_a_box(empty_home: Path, vaguemestre: Command) -> str:
    home = str(empty_home)
    said = vaguemestre(
        "bal", "add", ADDRESS, "--home", home, "--type", "ORG", "--name", "L’équipe", "--password-stdin",
        stdin="une-phrase-de-passe\n",
    )  # fmt: skip
    assert said.code == 0, said
    return home


# ref: ECO.1.1.9
def test_dns_prints_the_lines_of_each_domain(home: str, vaguemestre: Command) -> None:
    said = vaguemestre("dns", "--home", home)
    assert said.code == 0
    lines = said.out.splitlines()
    assert "hopital-demo.mssante.fr. 3600 IN MX 10 localhost." in lines
    assert "autoconfig.liberal-demo.mssante.fr. 3600 IN CNAME localhost." in lines
    assert any(line.startswith("_imaps._tcp.hopital-demo.mssante.fr. 3600 IN SRV 0 1 ") for line in lines)
    assert "_imaps._tcp.patient.mssante.fr. 3600 IN SRV 0 0 0 ." in lines


def test_dns_tells_what_would_not_work_beside_its_lines(home: str, vaguemestre: Command) -> None:
    warnings = vaguemestre("dns", "--home", home).err.splitlines()
    assert warnings[0].startswith("warning: localhost is no name of the DNS")
    assert "443" in warnings[1]
    assert "port 25" in warnings[2]
    assert len(warnings) == 3  # the sandbox's certificate holds every name


def test_dns_has_a_form_for_programs(home: str, vaguemestre: Command) -> None:
    rows = vaguemestre("dns", "--home", home, "--json").json
    assert {
        "domain": "hopital-demo.mssante.fr",
        "name": "autodiscover.hopital-demo.mssante.fr.",
        "type": "CNAME",
        "data": "localhost.",
    } in rows


def test_dns_of_an_operator_without_domains_is_refused(vaguemestre: Command, tmp_path: Path) -> None:
    (tmp_path / "vaguemestre.toml").write_text("domains = []\n")
    vaguemestre("dns", "--home", str(tmp_path)).is_refused("no domain is hosted here")


def test_the_sheet_is_printed_in_french(home: str, vaguemestre: Command) -> None:
    said = vaguemestre("bal", "sheet", ADDRESS, "--home", home)
    assert said.code == 0
    assert said.out.startswith(f"Fiche de réglages de L’équipe <{ADDRESS}>\n")
    assert "Serveur           localhost" in said.out
    assert f"{home}/pki/ca.pem" in said.out


def test_the_sheet_has_a_form_for_programs(home: str, empty_home: Path, vaguemestre: Command) -> None:
    told = vaguemestre("bal", "sheet", ADDRESS, "--home", home, "--json").json
    assert (told["address"], told["type"], told["username"]) == (ADDRESS, "ORG", ADDRESS)
    assert [way["security"] for way in told["imap"]] == ["TLS", "STARTTLS"]
    assert all(way["host"] == "localhost" and way["port"] for way in told["imap"] + told["submission"])
    assert told["ca_file"] == str(empty_home / "pki" / "ca.pem")
    authorities = x509.load_pem_x509_certificates((empty_home / "pki" / "ca.pem").read_bytes())
    assert len(told["authorities"]) == len(authorities)


def test_the_sheet_of_nobody_is_refused(home: str, vaguemestre: Command) -> None:
    vaguemestre("bal", "sheet", "personne@hopital-demo.mssante.fr", "--home", home).is_refused(
        "there is no mailbox"
    )


def test_the_certificate_of_a_new_sandbox_holds_the_names_clients_ask(untouched_home: Path) -> None:
    certificate = x509.load_pem_x509_certificate((untouched_home / "pki" / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = set(names.get_values_for_type(x509.DNSName))
    domain = "hopital-demo.mssante.fr"
    assert {domain, f"mail.{domain}", f"autoconfig.{domain}", f"autodiscover.{domain}", "localhost"} <= held
