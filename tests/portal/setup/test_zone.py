from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.zone
import pytest

from foundation.settings import Settings, from_values
from portal.setup.zone import doubts, hosted_domains, records

DOMAIN = "ch-a.mssante.fr"
OUTSIDE = {
    "imap_host": "imap.ch-a.mssante.fr", "imap_port": 143, "imaps_port": 993,
    "smtp_host": "smtp.ch-a.mssante.fr", "submission_port": 587, "submissions_port": 465, "web_port": 443,
}  # fmt: skip


def settings(**values: Any) -> Settings:
    chosen = {"hostname": "mail.ch-a.mssante.fr", "domains": [DOMAIN], "setup": OUTSIDE, **values}
    chosen["smtp"] = {"mx": "192.0.2.1:25", **chosen.get("smtp", {})}
    return from_values(Path("/nowhere"), chosen)


def zone(chosen: Settings, domain: str = DOMAIN) -> dict[str, list[str]]:
    """The lines as a name server reads them."""
    text = "\n".join(map(str, records(chosen, domain)))
    read = dns.zone.from_text(text, origin=f"{domain}.", relativize=False, check_origin=False)
    return {
        f"{name.to_text().removesuffix(f'.{domain}.')} {dns.rdatatype.to_text(rdataset.rdtype)}": [
            rdata.to_text() for rdata in rdataset
        ]
        for name, rdataset in read.iterate_rdatasets()
    }


# ref: ECO.1.1.9
def test_implicit_tls_is_preferred_to_starttls() -> None:
    read = zone(settings())
    assert read["_imaps._tcp SRV"] == ["0 1 993 imap.ch-a.mssante.fr."]
    assert read["_imap._tcp SRV"] == ["10 1 143 imap.ch-a.mssante.fr."]
    assert read["_submissions._tcp SRV"] == ["0 1 465 smtp.ch-a.mssante.fr."]
    assert read["_submission._tcp SRV"] == ["10 1 587 smtp.ch-a.mssante.fr."]


# ref: F23
def test_mail_comes_to_the_host_and_clients_find_its_pages() -> None:
    read = zone(settings())
    assert read[f"{DOMAIN}. MX"] == ["10 mail.ch-a.mssante.fr."]
    assert read["autoconfig CNAME"] == read["autodiscover CNAME"] == ["mail.ch-a.mssante.fr."]
    assert read["_autodiscover._tcp SRV"] == ["0 0 443 mail.ch-a.mssante.fr."]


def test_what_is_not_served_says_so() -> None:
    read = zone(settings(imap={"starttls": ""}, smtp={"mx": "", "submission": ""}, http=""))
    assert read["_imaps._tcp SRV"] == ["0 1 993 imap.ch-a.mssante.fr."]
    for service in ("_imap", "_submission", "_pop3", "_pop3s"):
        assert read[f"{service}._tcp SRV"] == ["0 0 0 ."]
    assert (
        not {f"{DOMAIN}. MX", "autoconfig CNAME", "autodiscover CNAME", "_autodiscover._tcp SRV"}
        & read.keys()
    )
    assert not any("ldap" in name for name in read)


def test_patients_have_mail_and_no_client() -> None:
    chosen = settings(serves_patients=True)
    assert list(hosted_domains(chosen)) == [DOMAIN, "patient.mssante.fr"]
    read = zone(chosen, "patient.mssante.fr")
    assert read.pop("patient.mssante.fr. MX") == ["10 mail.ch-a.mssante.fr."]
    assert set(map(tuple, read.values())) == {("0 0 0 .",)}


def test_patients_of_another_operator_have_no_lines_here() -> None:
    assert list(hosted_domains(settings())) == [DOMAIN]


def test_a_good_zone_leaves_no_doubt() -> None:
    assert list(doubts(settings())) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "mail_1"])
def test_a_host_that_the_dns_does_not_know_is_told(host: str) -> None:
    (doubt,) = doubts(settings(hostname=host))
    assert doubt.startswith(f"{host} is no name of the DNS")


def test_pages_on_another_port_are_told() -> None:
    (doubt,) = doubts(settings(setup={**OUTSIDE, "web_port": 0}))
    assert "443" in doubt
    assert "1443" in doubt


def test_a_mail_server_on_another_port_than_25_is_told() -> None:
    (doubt,) = doubts(settings(smtp={"mx": "127.0.0.1:1025"}))
    assert "port 25" in doubt
    assert "127.0.0.1:1025" in doubt


def test_names_that_the_certificate_does_not_hold_are_told(identity: dict[str, Path]) -> None:
    (doubt,) = doubts(settings(tls=identity, hostname="mail.hopital-demo.mssante.fr"))
    told = doubt.partition(": ")[2].split(", ")
    assert told == [
        "imap.ch-a.mssante.fr",
        "smtp.ch-a.mssante.fr",
        "autoconfig.ch-a.mssante.fr",
        "autodiscover.ch-a.mssante.fr",
    ]


def test_a_certificate_that_holds_every_name_leaves_no_doubt(identity: dict[str, Path]) -> None:
    chosen = {"hostname": "mail.hopital-demo.mssante.fr", "domains": [], "setup": {"web_port": 443}}
    assert list(doubts(settings(tls=identity, **chosen))) == []
