"""Paged results: every entry once, in a view that stays, with cookies nobody else can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.ldap.context import LdapLimits
from tests.directory.ldap.client import PAGED, SUFFIX, paged
from tests.directory.ldap.people import people

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.directory.ldap.client import Client
    from tests.directory.ldap.conftest import Ldap

BOXES = people(47)


@pytest.fixture
async def ldap(start: Callable[..., Awaitable[Ldap]]) -> Ldap:
    return await start(BOXES)


async def read_all(client: Client, wanted: str, size: int, **options: object) -> list[list[str]]:
    pages: list[list[str]] = []
    cookie = b""
    while True:
        found = await client.search(wanted, controls=[paged(size, cookie)], attributes=["1.1"], **options)
        assert found.done.code == "success"
        pages.append(found.names)
        cookie = found.done.cookie
        if not cookie:
            return pages


@pytest.mark.parametrize("size", [1, 10, 46, 47, 48, 500])
async def test_every_entry_comes_once(size: int, client: Client) -> None:
    pages = await read_all(client, "(objectClass=*)", size)
    found = [name for page in pages for name in page]
    assert found[0] == SUFFIX
    assert sorted(found[1:]) == sorted(f"mail={box.address},{SUFFIX}" for box in BOXES)
    assert all(len(page) == size for page in pages[:-1])
    assert len(pages) == -(-48 // size)


async def test_a_filter_is_paged_too(client: Client) -> None:
    pages = await read_all(client, "(TypeBAL=PER)", 10)
    assert sum(map(len, pages)) == sum(box.type == "PER" for box in BOXES)


async def test_a_page_has_at_most_what_the_server_sends_at_once(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    client = await (await start(BOXES, LdapLimits(entries=20))).connect()
    assert [len(page) for page in await read_all(client, "(mail=*)", 1000)] == [20, 20, 7]
    assert len((await client.search("(mail=*)", controls=[paged(0)])).entries) == 20


async def test_the_clients_size_limit_counts_all_pages(client: Client) -> None:
    options = {"size": 25, "attributes": ["1.1"]}
    first = await client.search("(mail=*)", controls=[paged(20)], **options)
    second = await client.search("(mail=*)", controls=[paged(20, first.done.cookie)], **options)
    assert (len(first.entries), first.done.code) == (20, "success")
    assert (len(second.entries), second.done.code, second.done.cookie) == (5, "sizeLimitExceeded", b"")


async def test_pages_go_on_in_the_view_they_began_in(ldap: Ldap, client: Client) -> None:
    first = await client.search("(mail=*)", controls=[paged(30)], attributes=["1.1"])
    ldap.directory.renew(people(3, seed=1))
    rest = await client.search("(mail=*)", controls=[paged(30, first.done.cookie)], attributes=["1.1"])
    assert len({*first.names, *rest.names}) == 47
    assert len((await client.search("(mail=*)", controls=[paged(30)])).entries) == 3


async def test_a_view_that_is_no_longer_kept_ends_the_search(ldap: Ldap, client: Client) -> None:
    first = await client.search("(mail=*)", controls=[paged(30)])
    ldap.directory.renew(people(3, seed=1))
    del ldap.directory.kept["g1"]
    refused = await client.search("(mail=*)", controls=[paged(30, first.done.cookie)])
    assert (refused.entries, refused.done.code) == ([], "unwillingToPerform")


async def test_a_page_of_nothing_gives_the_search_up(client: Client) -> None:
    first = await client.search("(mail=*)", controls=[paged(10)])
    last = await client.search("(mail=*)", controls=[paged(0, first.done.cookie)])
    assert (last.entries, last.done.code, last.done.cookie) == ([], "success", b"")


async def test_a_cookie_is_good_for_its_own_search_on_its_own_connection(ldap: Ldap, client: Client) -> None:
    cookie = (await client.search("(mail=*)", controls=[paged(10)])).done.cookie
    other = await ldap.connect()
    await other.search("(mail=*)", controls=[paged(10)])
    for who, wanted, used in (
        (other, "(mail=*)", cookie),
        (client, "(cn=*)", cookie),
        (client, "(mail=*)", cookie[:-1] + bytes([cookie[-1] ^ 1])),
        (client, "(mail=*)", bytes([cookie[0] ^ 1]) + cookie[1:]),
        (client, "(mail=*)", b"x"),
        (await ldap.connect(), "(mail=*)", cookie),
    ):
        refused = await who.search(wanted, controls=[paged(10, used)])
        assert (refused.entries, refused.done.code) == ([], "unwillingToPerform")
    assert len((await client.search("(mail=*)", controls=[paged(10, cookie)])).entries) == 10


async def test_a_cookie_is_not_good_for_whoever_binds_next(ldap: Ldap) -> None:
    client = await ldap.signed_in()
    cookie = (await client.search("(mail=*)", controls=[paged(10)])).done.cookie
    await client.bind()
    assert (await client.search("(mail=*)", controls=[paged(10, cookie)])).done.code == "unwillingToPerform"


@pytest.mark.parametrize(
    "value", [b"", b"\x30\x00", b"\x30\x80", b"\x30\x06\x02\x01\xff\x04\x01x", b"\x04\x00"]
)
async def test_a_control_that_is_none_is_refused(value: bytes, client: Client) -> None:
    refused = await client.search("(mail=*)", controls=[(PAGED, True, value)])
    assert (refused.entries, refused.done.code) == ([], "protocolError")
    assert await client.who_am_i() == ""
