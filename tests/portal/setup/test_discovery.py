from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tests.portal.setup.asking import DOMAINS, OUTLOOK_SCHEMA, outlook, thunderbird, without_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.portal.setup.asking import Asking

AUTOCONFIG = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
AUTODISCOVER = "/autodiscover/autodiscover.xml"
DOMAIN = DOMAINS[0]
EXAMPLE, NOBODY = f"marie.martin@{DOMAIN}", f"nobody@{DOMAIN}"
_OUTLOOK = {"o": OUTLOOK_SCHEMA}
_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "'
    + b"&a;" * 100
    + b'"><!ENTITY c "'
    + b"&b;" * 100
    + b'">]><Autodiscover><Request><EMailAddress>&c;</EMailAddress></Request></Autodiscover>'
)


def servers(answer: httpx2.Response, name: str) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    provider = etree.fromstring(answer.content).find("emailProvider")
    assert provider is not None
    return [{str(child.tag): child.text or "" for child in server} for server in provider.findall(name)]


def error_code(answer: httpx2.Response) -> str:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    (code,) = etree.fromstring(answer.content).findall(".//{*}Error/{*}ErrorCode")
    return code.text or ""


# Mozilla autoconfig


@pytest.mark.parametrize("path", [AUTOCONFIG, WELL_KNOWN])
async def test_autoconfig_tells_every_way_with_implicit_tls_first(path: str, client: Asking) -> None:
    answer = await client().get(path, params={"emailaddress": EXAMPLE})
    assert [(each["port"], each["socketType"]) for each in servers(answer, "incomingServer")] == [
        ("1993", "SSL"),
        ("1143", "STARTTLS"),
    ]
    assert [(each["port"], each["socketType"]) for each in servers(answer, "outgoingServer")] == [
        ("1465", "SSL"),
        ("1587", "STARTTLS"),
    ]
    for server in servers(answer, "incomingServer") + servers(answer, "outgoingServer"):
        assert server["authentication"] == "password-cleartext"
        assert server["username"] == "%EMAILADDRESS%"


@pytest.mark.parametrize(
    "host", [f"autoconfig.{DOMAIN}", DOMAIN, f"AutoConfig.{DOMAIN}".upper(), f"autoconfig.{DOMAIN}:8443"]
)
async def test_without_an_address_the_host_tells_the_domain(host: str, client: Asking) -> None:
    answer = await client().get(AUTOCONFIG, headers={"host": host})
    assert answer.status_code == 200
    assert f"<domain>{DOMAIN}</domain>" in answer.text


async def test_under_the_servers_own_name_all_domains_are_told(client: Asking) -> None:
    answer = await client().get(AUTOCONFIG, headers={"host": "127.0.0.1:21007"})
    domains = [each.text for each in etree.fromstring(answer.content).findall(".//domain")]
    assert domains == DOMAINS


async def test_the_address_goes_over_the_host(client: Asking) -> None:
    headers = {"host": f"autoconfig.{DOMAIN}"}
    elsewhere = await client().get(AUTOCONFIG, params={"emailaddress": "a@elsewhere.fr"}, headers=headers)
    assert elsewhere.status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "a@elsewhere.fr",
        "@",
        "",
        "a",
        f"a@{DOMAIN}.",
        f"a@x.{DOMAIN}",
        f"{EXAMPLE}\r\nX: y",
        "2790@patient.mssante.fr",
    ],
)
async def test_an_unknown_domain_is_not_found(address: str, client: Asking) -> None:
    answer = await client().get(WELL_KNOWN, params={"emailaddress": address})
    assert answer.status_code == 404
    assert DOMAIN not in answer.text
    assert "incomingServer" not in answer.text


@pytest.mark.parametrize(
    "host", ["autoconfig.elsewhere.fr", "elsewhere.fr", f"evil.{DOMAIN}", "autoconfig.", "[::1"]
)
async def test_an_unknown_host_is_not_found(host: str, client: Asking) -> None:
    answer = await client().get(WELL_KNOWN, headers={"host": host})
    assert answer.status_code == 404
    assert DOMAIN not in answer.text


async def test_two_addresses_of_a_domain_get_the_same_answer(client: Asking) -> None:
    one = await client().get(WELL_KNOWN, params={"emailaddress": EXAMPLE})
    other = await client().get(WELL_KNOWN, params={"emailaddress": NOBODY})
    assert one.content == other.content
    found = await client().post(AUTODISCOVER, content=outlook(EXAMPLE))
    not_found = await client().post(AUTODISCOVER, content=outlook(NOBODY))
    assert found.text.replace(EXAMPLE, NOBODY) == not_found.text


async def test_a_very_long_query_is_refused(client: Asking) -> None:
    answer = await client().get(WELL_KNOWN, params={"emailaddress": f"{'a' * 5000}@{DOMAIN}"})
    assert answer.status_code == 400


async def test_what_is_asked_never_comes_back_in_the_file(client: Asking) -> None:
    local = "<script>alert(1)</script>"
    answer = await client().get(WELL_KNOWN, params={"emailaddress": f"{local}@{DOMAIN}"})
    assert answer.status_code == 200
    assert "script" not in answer.text


async def test_tokens_of_pro_sante_connect_are_told_after_passwords(client: Asking) -> None:
    answer = await client(psc={"issuer": "https://psc.test"}).get(
        WELL_KNOWN, params={"emailaddress": EXAMPLE}
    )
    (first, *_) = etree.fromstring(answer.content).findall(".//incomingServer")
    assert [each.text for each in first.findall("authentication")] == ["password-cleartext", "OAuth2"]


async def test_who_serves_no_imap_has_no_file(client: Asking) -> None:
    asking = client(imap={"tls": "", "starttls": ""})
    assert (await asking.get(WELL_KNOWN, params={"emailaddress": EXAMPLE})).status_code == 404
    assert error_code(await asking.post(AUTODISCOVER, content=outlook(EXAMPLE))) == "500"


# Autodiscover


# ref: F23
@pytest.mark.parametrize("asking", [outlook, thunderbird, without_schema])
async def test_autodiscover_tells_the_best_way_to_read_and_to_send(
    asking: Callable[[str], bytes], client: Asking
) -> None:
    answer = await client().post(AUTODISCOVER, content=asking(EXAMPLE))
    assert answer.status_code == 200, answer.text
    account = etree.fromstring(answer.content).find("o:Response/o:Account", _OUTLOOK)
    assert account is not None
    assert account.findtext("o:Action", None, _OUTLOOK) == "settings"
    told = [
        [
            block.findtext(f"o:{name}", None, _OUTLOOK)
            for name in ("Type", "Port", "SSL", "Encryption", "SPA", "LoginName")
        ]
        for block in account.findall("o:Protocol", _OUTLOOK)
    ]
    assert told == [
        ["IMAP", "1993", "on", "SSL", "off", EXAMPLE],
        ["SMTP", "1465", "on", "SSL", "off", EXAMPLE],
    ]


async def test_only_starttls_is_told_as_such(client: Asking) -> None:
    answer = await client(imap={"tls": ""}).post(AUTODISCOVER, content=outlook(EXAMPLE))
    encryptions = etree.fromstring(answer.content).findall(".//o:Encryption", _OUTLOOK)
    assert [each.text for each in encryptions] == ["TLS", "SSL"]


@pytest.mark.parametrize(
    "path",
    ["/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml", "/AUTODISCOVER/autodiscover.XML"],
)
async def test_the_case_of_the_path_does_not_count(path: str, client: Asking) -> None:
    answer = await client().post(path, content=outlook(EXAMPLE))
    assert b"<Action>settings</Action>" in answer.content


async def test_an_address_elsewhere_is_refused_in_the_schema(client: Asking) -> None:
    answer = await client().post(AUTODISCOVER, content=outlook("a@elsewhere.fr"))
    assert error_code(answer) == "500"
    assert "elsewhere" not in answer.text


async def test_a_telephone_that_wants_activesync_is_told_so(client: Asking) -> None:
    schema = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
    assert error_code(await client().post(AUTODISCOVER, content=outlook(EXAMPLE, schema))) == "601"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b"<Autodiscover>",
        b"<Autodiscover/>",
        b"<html><Request/></html>",
        outlook(""),
        outlook("nobody"),
        outlook(f"<script>alert(1)</script>@{DOMAIN}"),
        outlook(f"&lt;script&gt;@{DOMAIN}"),
        outlook(f"a&#13;&#10;X: y@{DOMAIN}"),
        outlook("a" * 400 + f"@{DOMAIN}"),
        outlook(EXAMPLE).replace(b"utf-8", b"utf-16"),
        outlook(EXAMPLE).decode().encode("utf-16"),
        outlook(EXAMPLE).replace(b"utf-8", b"utf-7"),
        b"\xff\xfe" * 100,
        _LAUGHS,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + outlook(EXAMPLE),
        b"<Autodiscover>" * 1000,
        b"<Autodiscover><Request>" + b"<a/>" * 3000 + b"</Request></Autodiscover>",
        b"<Autodiscover><Request><EMailAddress>"
        + b"a" * 20_000
        + b"</EMailAddress></Request></Autodiscover>",
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_body_that_asks_nothing_gets_the_schemas_refusal(body: bytes, client: Asking) -> None:
    answer = await client().post(AUTODISCOVER, content=body)
    assert error_code(answer) == "600"
    assert b"script" not in answer.content


async def test_get_asks_nothing_either(client: Asking) -> None:
    assert error_code(await client().get(AUTODISCOVER)) == "600"


async def test_ten_megabytes_are_not_read(client: Asking) -> None:
    body = outlook(EXAMPLE) + b" " * 10_000_000
    answer = await client().post(AUTODISCOVER, content=body)
    assert answer.status_code == 413
