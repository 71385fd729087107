"""Who may bind, and what a client is until then: anonymous, simple, PLAIN, EXTERNAL, TLS first."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from directory.ldap.context import LdapLimits
from directory.ldap.doors import Denied
from tests.directory.ldap.client import SUFFIX, Client
from tests.directory.ldap.conftest import PASSWORD, WRONG
from tests.directory.ldap.people import MARIE, SOFTWARE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trustme

    from tests.directory.ldap.conftest import Ldap

LOGIN = MARIE.address
DN = f"mail={LOGIN},{SUFFIX}"
BOTH_LOOPS = True


async def test_a_client_that_has_not_bound_is_nobody_and_may_search(client: Client) -> None:
    assert await client.who_am_i() == ""
    assert (await client.search("(sn=martin)")).names == [DN]


async def test_an_anonymous_bind(client: Client) -> None:
    assert (await client.bind()).code == "success"
    assert await client.who_am_i() == ""


async def test_where_nobody_may_stay_anonymous_only_the_server_tells_of_itself(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    ldap = await start(anonymous=False)
    client = await ldap.connect(tls=True)
    assert (await client.bind()).code == "inappropriateAuthentication"
    assert (await client.search("(sn=martin)")).done.code == "strongerAuthRequired"
    assert (await client.search("(sn=*)", base=DN, scope="base")).done.code == "strongerAuthRequired"
    assert (await client.compare(DN, "sn", "martin")).code == "strongerAuthRequired"
    assert (await client.compare(SUFFIX, "dc", "mssante")).code == "strongerAuthRequired"
    root = await client.search("(objectClass=*)", base="", scope="base", attributes=["namingContexts"])
    assert root.entries[0].attributes == {"namingContexts": [SUFFIX]}
    assert (await client.bind(LOGIN, PASSWORD)).code == "success"
    assert (await client.search("(sn=martin)")).names == [DN]


@pytest.mark.parametrize("name", [LOGIN, LOGIN.upper(), DN, f"MAIL = {LOGIN} , dc=MSSANTE,dc=fr"])
async def test_a_name_is_an_address_or_the_name_of_its_entry(name: str, ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.bind(name, PASSWORD)).code == "success"
    assert await client.who_am_i() == f"dn:{DN}"


async def test_an_address_with_a_plus_is_escaped_in_names(ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.bind(SOFTWARE.address, PASSWORD)).code == "success"
    assert await client.who_am_i() == f"dn:mail=dpi\\+labo@hopital-demo.mssante.fr,{SUFFIX}"


async def test_a_wrong_password_leaves_nobody_bound(ldap: Ldap) -> None:
    client = await ldap.signed_in()
    refused = await client.bind(LOGIN, "wrong")
    assert (refused.code, refused.diagnostic) == ("invalidCredentials", WRONG)
    assert await client.who_am_i() == ""


async def test_a_password_is_not_heard_in_the_clear(ldap: Ldap, client: Client) -> None:
    assert (await client.bind(LOGIN, PASSWORD)).code == "confidentialityRequired"
    assert (await client.plain(LOGIN, PASSWORD)).code == "confidentialityRequired"
    assert ldap.doors.asked == []


async def test_start_tls_makes_it_heard(ldap: Ldap, client: Client) -> None:
    response = await client.start_tls(ldap.client_tls)
    assert (response.code, response.name) == ("success", "1.3.6.1.4.1.1466.20037")
    assert (await client.bind(LOGIN, PASSWORD)).code == "success"
    assert await client.who_am_i() == f"dn:{DN}"


async def test_tls_is_not_taken_up_twice(ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.start_tls(ldap.client_tls)).code == "operationsError"
    assert await client.who_am_i() == ""


async def test_a_name_without_a_password_proves_nothing(ldap: Ldap) -> None:
    client = await ldap.signed_in()
    assert (await client.bind(LOGIN, "")).code == "unwillingToPerform"
    assert await client.who_am_i() == ""


async def test_another_version_is_refused(client: Client) -> None:
    assert (await client.bind(version=2)).code == "protocolError"
    assert (await client.bind(version=3)).code == "success"


@pytest.mark.parametrize("authorization", ["", LOGIN, f"u:{LOGIN}", f"dn:{DN}", f"DN:{DN}"])
async def test_plain(authorization: str, ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    response = await client.plain(LOGIN, PASSWORD, authorization)
    assert response.code == ("success" if not authorization.startswith("DN:") else "invalidCredentials")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (f"u:paul.durand@cabinet.mssante.fr\0{LOGIN}\0{PASSWORD}".encode(), "invalidCredentials"),
        (f"\0{LOGIN}\0wrong".encode(), "invalidCredentials"),
        (f"\0{LOGIN}\0".encode(), "invalidCredentials"),
        (f"\0\0{PASSWORD}".encode(), "invalidCredentials"),
        (b"\0\xff\0\xff", "invalidCredentials"),
        (f"\0{LOGIN}\0{'x' * 5000}".encode(), "invalidCredentials"),
        (b"nothing", "protocolError"),
        (b"\0a\0b\0c", "protocolError"),
    ],
)
async def test_plain_that_opens_nothing(credentials: bytes, code: str, ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.sasl("PLAIN", credentials)).code == code
    assert await client.who_am_i() == ""


async def test_plain_may_come_in_two_requests(ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.sasl("PLAIN", None)).code == "saslBindInProgress"
    assert (await client.plain(LOGIN, PASSWORD)).code == "success"


async def test_other_mechanisms_are_not_there(ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    assert (await client.sasl("GSSAPI", b"x")).code == "authMethodNotSupported"
    assert (await client.sasl("", b"")).code == "authMethodNotSupported"


@pytest.fixture
def certified(authority: trustme.CA, client_tls: ssl.SSLContext, ldap: Ldap) -> ssl.SSLContext:
    """A client with a certificate of the trust chain that opens Marie's mailbox."""
    issued = authority.issue_cert("software.example")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    issued.configure_cert(context)
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    ldap.doors.certificates[der] = LOGIN
    return context


@pytest.mark.parametrize("credentials", [None, b"", f"u:{LOGIN}".encode(), f"dn:{DN}".encode()])
async def test_external(credentials: bytes | None, ldap: Ldap, certified: ssl.SSLContext) -> None:
    client = await Client.connect(ldap.tls_port, certified)
    ldap.clients.append(client)
    assert (await client.sasl("EXTERNAL", credentials)).code == "success"
    assert await client.who_am_i() == f"dn:{DN}"


async def test_external_for_another_mailbox_is_refused(ldap: Ldap, certified: ssl.SSLContext) -> None:
    client = await Client.connect(ldap.tls_port, certified)
    ldap.clients.append(client)
    assert (await client.sasl("EXTERNAL", b"u:paul.durand@cabinet.mssante.fr")).code == "invalidCredentials"


async def test_external_needs_a_certificate(ldap: Ldap, client: Client) -> None:
    assert (await client.sasl("EXTERNAL", b"")).code == "inappropriateAuthentication"
    over_tls = await ldap.connect(tls=True)
    assert (await over_tls.sasl("EXTERNAL", b"")).code == "inappropriateAuthentication"


async def test_mechanisms_are_announced_where_they_work(
    ldap: Ldap, client: Client, certified: ssl.SSLContext
) -> None:
    async def announced(who: Client) -> list[str]:
        root = await who.search(
            "(objectClass=*)", base="", scope="base", attributes=["supportedSASLMechanisms"]
        )
        return root.entries[0].attributes.get("supportedSASLMechanisms", [])

    with_certificate = await Client.connect(ldap.tls_port, certified)
    ldap.clients.append(with_certificate)
    assert await announced(client) == []
    assert await announced(await ldap.connect(tls=True)) == ["PLAIN"]
    assert await announced(with_certificate) == ["PLAIN", "EXTERNAL"]


async def test_who_cannot_be_judged_now_is_told_so(ldap: Ldap) -> None:
    client = await ldap.connect(tls=True)
    ldap.doors.denied = Denied("Réessayez plus tard.", is_temporary=True)
    response = await client.bind(LOGIN, PASSWORD)
    assert (response.code, response.diagnostic) == ("unavailable", "Réessayez plus tard.")


async def test_who_guesses_is_sent_away(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(refused_binds=3))
    client = await ldap.connect(tls=True)
    for _ in range(3):
        assert (await client.bind(LOGIN, "wrong")).code == "invalidCredentials"
    notice = await client.response()
    assert (notice.number, notice.name, notice.code) == (0, "1.3.6.1.4.1.1466.20036", "unavailable")
    assert await client.is_over()


async def test_what_is_withdrawn_ends_the_session(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(access_seconds=0))
    client = await ldap.signed_in()
    assert (await client.search("(sn=martin)")).names == [DN]
    ldap.doors.withdrawn.add(LOGIN)
    notice = (await client.search("(sn=martin)")).done
    assert (notice.number, notice.code) == (0, "strongerAuthRequired")
    assert await client.is_over()


async def test_a_session_lets_larger_requests_in_once_somebody_has_bound(ldap: Ldap) -> None:
    long = "".join(f"(sn={'x' * 900}{number})" for number in range(90))
    client = await ldap.signed_in()
    assert (await client.search(f"(|{long})")).done.code == "success"
    stranger = await ldap.connect(tls=True)
    notice = (await stranger.search(f"(|{long})")).done
    assert (notice.number, notice.code) == (0, "protocolError")
