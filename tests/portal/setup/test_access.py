from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation.settings import Settings, SettingsError, from_values
from portal.setup.access import Access, Endpoint, Security, own_name

if TYPE_CHECKING:
    from pathlib import Path

TLS, STARTTLS = Security.TLS, Security.STARTTLS


def settings(home: Path, **values: Any) -> Settings:
    return from_values(home, {"hostname": "mail.ch-a.mssante.fr", "domains": ["ch-a.mssante.fr"], **values})


def test_without_other_words_clients_come_to_the_listeners(tmp_path: Path) -> None:
    access = Access.of(settings(tmp_path))
    host = "mail.ch-a.mssante.fr"
    assert access.imap == (Endpoint(host, 1993, TLS), Endpoint(host, 1143, STARTTLS))
    assert access.submission == (Endpoint(host, 1465, TLS), Endpoint(host, 1587, STARTTLS))
    assert access.url("/pro/") == "https://mail.ch-a.mssante.fr:1443/pro/"


def test_the_names_and_ports_of_the_outside_go_over_the_listeners(tmp_path: Path) -> None:
    outside = {
        "imap_host": "imap.ch-a.mssante.fr", "imap_port": 143, "imaps_port": 993,
        "smtp_host": "smtp.ch-a.mssante.fr", "submission_port": 587, "submissions_port": 465,
        "web_host": "www.ch-a.mssante.fr", "web_port": 443,
    }  # fmt: skip
    access = Access.of(settings(tmp_path, setup=outside))
    assert [(each.host, each.port) for each in access.imap] == [
        ("imap.ch-a.mssante.fr", 993),
        ("imap.ch-a.mssante.fr", 143),
    ]
    assert [(each.host, each.port) for each in access.submission] == [
        ("smtp.ch-a.mssante.fr", 465),
        ("smtp.ch-a.mssante.fr", 587),
    ]
    assert access.url("/pro/") == "https://www.ch-a.mssante.fr/pro/"


def test_what_does_not_listen_is_not_told(tmp_path: Path) -> None:
    access = Access.of(
        settings(
            tmp_path,
            imap={"starttls": "", "tls": "[::1]:993"},
            smtp={"submission": "", "submissions": ""},
            http="",
            setup={"submission_port": 587},
        )
    )
    assert access.imap == (Endpoint("mail.ch-a.mssante.fr", 993, TLS),)
    assert access.submission == ()
    assert access.web is None
    assert access.url("/") is None
    assert not access.is_enough


@pytest.mark.parametrize("host", ["imap host", "a..b", "<b>", "a/b", "a" * 64, "imap.a.fr\n"])
def test_a_host_that_is_no_name_is_refused_with_its_key(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"setup\.imap_host"):
        settings(tmp_path, setup={"imap_host": host})


def test_a_port_past_the_last_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"setup\.web_port"):
        settings(tmp_path, setup={"web_port": 65_536})


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("mail.ch-a.mssante.fr", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("ch-a.mssante.fr", False),
        ("127.0.0.1.example", False),
        ("", False),
    ],
)
def test_the_servers_own_name_and_its_addresses_are_known(host: str, is_own: bool, tmp_path: Path) -> None:
    assert own_name(settings(tmp_path), host) is is_own
