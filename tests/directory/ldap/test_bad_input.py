"""Hostile octets: each is refused with a reason or ends its own connection, and no other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory.ldap import ber, filters, messages, names, paging
from directory.ldap.ber import Malformed, Reader
from directory.ldap.context import LdapLimits
from directory.ldap.entries import SUFFIX_ENTRY
from directory.ldap.matching import condition_of, holds
from directory.ldap.results import Refused, ResultCode
from tests.directory.ldap.client import (
    abandon_message,
    bind_message,
    compare_message,
    extended_message,
    paged,
    sasl_message,
    search_message,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.directory.ldap.client import Client
    from tests.directory.ldap.conftest import Ldap

PRESENT = ber.string("mail", 0x87)
TREE = b"\x04\x12dc=mssante,dc=fr\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00"


def search_with(wanted: bytes, number: int = 1) -> bytes:
    base = ber.string("dc=mssante,dc=fr")
    rest = b"\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00"
    operation = ber.element(0x63, base + rest + wanted + b"\x30\x00")
    return ber.element(0x30, ber.integer(number) + operation)


def nested(tag: int, depth: int) -> bytes:
    made = PRESENT
    for _ in range(depth):
        made = ber.element(tag, made)
    return made


BROKEN = {
    "no sequence": b"\x04\x03abc",
    "a line of HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "a TLS greeting in the clear": b"\x16\x03\x01\x02\x00\x01\x00",
    "an indefinite length": b"\x30\x80\x02\x01\x01\x42\x00\x00\x00",
    "four gigabytes announced": b"\x30\x84\xff\xff\xff\xff\x02\x01\x01",
    "a length of eight octets": b"\x30\x88\x00\x00\x00\x00\x00\x00\x00\x05\x02\x01\x01\x42\x00",
    "a length of 127 octets": b"\x30\xff" + b"\x01" * 10,
    "an empty message": b"\x30\x00",
    "a number alone": b"\x30\x03\x02\x01\x01",
    "the number of a notification": b"\x30\x05\x02\x01\x00\x42\x00",
    "a negative number": b"\x30\x05\x02\x01\xff\x42\x00",
    "a number of five octets": b"\x30\x09\x02\x05\x01\x00\x00\x00\x00\x42\x00",
    "a number without octets": b"\x30\x04\x02\x00\x42\x00",
    "a number that is text": b"\x30\x05\x04\x01\x01\x42\x00",
    "an operation of LDAP's future": b"\x30\x05\x02\x01\x01\x7e\x00",
    "a response": b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
    "a tag of two octets": b"\x30\x06\x02\x01\x01\x7f\x63\x00",
    "an operation longer than its message": b"\x30\x05\x02\x01\x01\x63\x7f",
    "an operation that ends within": b"\x30\x05\x02\x01\x01\x63\x00",
    "a filter of no kind": search_with(b"\xaf\x00"),
    "no filter": search_with(b""),
    "a negation of two": search_with(ber.element(0xA2, PRESENT + PRESENT)),
    "a negation of none": search_with(ber.element(0xA2, b"")),
    "a substring filter out of order": search_with(
        ber.element(0xA4, ber.string("cn") + ber.element(0x30, ber.string("a", 0x82) + ber.string("b", 0x81)))
    ),
    "a substring filter of another kind": search_with(
        ber.element(0xA4, ber.string("cn") + ber.element(0x30, ber.string("a", 0x83)))
    ),
    "an assertion without a value": search_with(ber.element(0xA3, ber.string("cn"))),
    "a size limit below zero": search_message(1, "(cn=x)").replace(b"\x02\x01\x00\x02\x01\x00", b"\x02\x01\xff\x02\x01\x00"),
    "a bind without credentials": b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x02hi",
}  # fmt: skip


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_octets_end_the_connection_with_a_notice(
    octets: bytes, ldap: Ldap, client: Client
) -> None:
    client.send(octets)
    notice = await client.response()
    assert (notice.number, notice.name, notice.code) == (0, "1.3.6.1.4.1.1466.20036", "protocolError")
    assert notice.diagnostic
    assert await client.is_over()
    other = await ldap.connect()
    assert (await other.search("(sn=martin)")).done.code == "success"


async def test_what_came_before_the_broken_octets_is_answered(client: Client) -> None:
    client.send(search_message(1, "(sn=martin)", attributes=["1.1"]) + b"\x30\x80")
    assert len((await client.found()).entries) == 1
    assert (await client.response()).code == "protocolError"
    assert await client.is_over()


async def test_a_message_may_come_octet_by_octet(client: Client) -> None:
    for octet in search_message(1, "(sn=martin)", attributes=["1.1"]):
        client.send(bytes([octet]))
        await client.writer.drain()
    assert len((await client.found()).entries) == 1


async def test_long_forms_of_lengths_are_read(client: Client) -> None:
    """As Microsoft's clients write them."""
    operation = b"\x60\x84\x00\x00\x00\x07\x02\x01\x03\x04\x00\x80\x00"
    client.send(b"\x30\x84\x00\x00\x00" + bytes([3 + len(operation)]) + b"\x02\x01\x01" + operation)
    assert (await client.response()).code == "success"


async def test_a_truncated_message_is_cut_with_the_time_of_the_client(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    ldap = await start(limits=LdapLimits(bind_seconds=0.05))
    client = await ldap.connect()
    client.send(search_message(1, "(sn=martin)")[:-3])
    notice = await client.response()
    assert (notice.number, notice.code) == (0, "unavailable")
    assert await client.is_over()


async def test_a_message_too_large_is_refused_by_its_header_alone(client: Client) -> None:
    client.send(b"\x30\x83\x01\x00\x01")
    assert (await client.response()).code == "protocolError"
    assert await client.is_over()


# Filters


@pytest.mark.parametrize("tag", [0xA0, 0xA1, 0xA2])
async def test_a_filter_nested_too_deep_is_refused_and_the_session_goes_on(tag: int, client: Client) -> None:
    client.send(search_with(nested(tag, filters.DEEPEST)))
    assert (await client.found()).done.code == "success"
    for depth in (filters.DEEPEST + 1, 10_000):
        client.send(search_with(nested(tag, depth)))
        found = await client.found()
        assert (found.entries, found.done.code) == ([], "adminLimitExceeded")
    assert (await client.search("(sn=martin)")).done.code == "success"


async def test_a_filter_of_too_many_items_is_refused(client: Client) -> None:
    client.send(search_with(ber.element(0xA1, PRESENT * (filters.MOST_ITEMS - 1))))
    assert (await client.found()).done.code == "success"
    client.send(search_with(ber.element(0xA1, PRESENT * filters.MOST_ITEMS)))
    assert (await client.found()).done.code == "adminLimitExceeded"


async def test_the_parts_of_a_substring_count_as_items(client: Client) -> None:
    def parted(parts: int) -> bytes:
        asserted = ber.string("cn") + ber.element(ber.SEQUENCE, ber.string("a", 0x81) * parts)
        return ber.element(0xA1, PRESENT + ber.element(0xA4, asserted))

    client.send(search_with(parted(filters.MOST_ITEMS - 3)))
    assert (await client.found()).done.code == "success"
    for parts in (filters.MOST_ITEMS, 15_000):
        client.send(search_with(parted(parts)))
        assert (await client.found()).done.code == "adminLimitExceeded"


async def test_a_hundred_thousand_alternatives_are_more_than_a_message_holds(ldap: Ldap) -> None:
    client = await ldap.signed_in()
    client.send(search_with(ber.element(0xA1, PRESENT * 100_000)))
    assert (await client.response()).code == "protocolError"
    assert await client.is_over()


def read_filter(octets: bytes) -> filters.Filter:
    return filters.read(Reader(octets))


def test_absolute_filters_are_true_and_false() -> None:
    assert holds(read_filter(b"\xa0\x00"), SUFFIX_ENTRY) is True
    assert holds(read_filter(b"\xa1\x00"), SUFFIX_ENTRY) is False
    assert holds(read_filter(b"\xa2\x02\xa1\x00"), SUFFIX_ENTRY) is True
    assert holds(read_filter(b"\xa0\x04\xa1\x00\xa0\x00"), SUFFIX_ENTRY) is False


def test_empty_parts_of_a_substring_filter_say_nothing() -> None:
    """Some clients send them for `**`."""
    parts = ber.string("", 0x80) + ber.string("jean", 0x81) + ber.string("", 0x81) + ber.string("", 0x82)
    read = read_filter(ber.element(0xA4, ber.string("cn") + ber.element(0x30, parts)))
    assert read == filters.Substrings("cn", None, (b"jean",), None)
    nothing = read_filter(ber.element(0xA4, ber.string("o") + ber.element(0x30, ber.string("", 0x81))))
    assert holds(nothing, SUFFIX_ENTRY) is True


async def test_too_many_attributes_and_an_unknown_scope_are_refused(client: Client) -> None:
    many = [f"a{number}" for number in range(messages.MOST_ATTRIBUTES + 1)]
    assert (await client.search("(cn=x)", attributes=many)).done.code == "adminLimitExceeded"
    client.send(search_message(9, "(cn=x)").replace(b"\x0a\x01\x02\x0a", b"\x0a\x01\x07\x0a"))
    assert (await client.found()).done.code == "protocolError"


# Operations that are not there


@pytest.mark.parametrize(
    ("tag", "response"),
    [(0x66, "modifyResponse"), (0x68, "addResponse"), (0x4A, "delResponse"), (0x6C, "modDNResponse")],
)
async def test_writing_is_refused(tag: int, response: str, client: Client) -> None:
    client.send(ber.element(0x30, ber.integer(7) + ber.string("dc=mssante,dc=fr", tag)))
    refused = await client.response()
    assert (refused.number, refused.kind, refused.code) == (7, response, "unwillingToPerform")


async def test_unknown_extended_operations_are_refused(client: Client) -> None:
    assert (await client.extended("1.3.6.1.4.1.4203.1.11.1", b"x")).code == "protocolError"
    assert (await client.search("(sn=martin)")).done.code == "success"


async def test_a_critical_control_that_nobody_knows_stops_the_operation(client: Client) -> None:
    unknown = "1.2.840.113556.1.4.473"
    refused = await client.search("(sn=martin)", controls=[(unknown, True, b"x")])
    assert (refused.entries, refused.done.code) == ([], "unavailableCriticalExtension")
    ignored = await client.search("(sn=martin)", controls=[(unknown, False, b"x")])
    assert (len(ignored.entries), ignored.done.code) == (1, "success")
    misplaced = extended_message(30, messages.WHO_AM_I)
    control = ber.element(0xA0, ber.element(0x30, ber.string(paging.OID) + ber.boolean()))
    client.send(ber.element(0x30, misplaced[2:] + control))
    assert (await client.response()).code == "unavailableCriticalExtension"


async def test_too_many_controls_end_the_connection(client: Client) -> None:
    one = ("1.2.3", False, b"")
    client.send(search_message(1, "(sn=martin)", controls=[one] * messages.MOST_CONTROLS))
    assert (await client.found()).done.code == "success"
    client.send(search_message(2, "(sn=martin)", controls=[one] * (messages.MOST_CONTROLS + 1)))
    assert (await client.response()).code == "protocolError"


# Anything at all

GOOD = [
    search_message(
        1, "(&(|(cn=*a*b*)(sn>=x))(!(mail=q*))(givenName~=z)(l=*)(st<=4))", attributes=["cn", "+"]
    ),
    search_message(2, "(mail=*x)", controls=[paged(10, b"c" * 20)]),
    bind_message(3, "mail=a@b.fr,dc=mssante,dc=fr", "secret"),
    sasl_message(4, "PLAIN", b"\0a\0b"),
    compare_message(5, "dc=mssante,dc=fr", "o", "x"),
    extended_message(6, messages.WHO_AM_I),
    abandon_message(7, 3),
]


def take_apart(octets: bytes) -> None:
    """Everything that reads a request; raises only what sessions expect."""
    try:
        length = messages_length(octets)
        if length is None or length > len(octets):
            return
        octets = octets[:length]
        messages.head(octets)
        request = messages.read_request(octets)
        if request.tag == messages.SEARCH:
            search = messages.read_search(request.operation)
            condition_of(search.filter)
            holds(search.filter, SUFFIX_ENTRY)
            names.find(search.base)
            for control in request.controls:
                paging.read(control)
        elif request.tag == messages.BIND:
            messages.read_bind(request.operation)
        elif request.tag == messages.COMPARE:
            names.find(messages.read_compare(request.operation).entry)
        elif request.tag == messages.EXTENDED:
            messages.read_extended(request.operation)
        elif request.tag == messages.ABANDON:
            messages.read_abandon(octets)
    except (Malformed, Refused) as refused:
        assert str(refused)


def messages_length(octets: bytes) -> int | None:
    return ber.message_length(octets, 256 * 1024)


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_no_octets_at_all_raise_anything_unexpected(octets: bytes) -> None:
    take_apart(octets)
    take_apart(ber.element(0x30, b"\x02\x01\x01" + octets))
    for tag in (messages.SEARCH, messages.BIND, messages.EXTENDED, messages.COMPARE):
        take_apart(ber.element(0x30, b"\x02\x01\x01" + ber.element(tag, octets)))
    take_apart(search_with(octets))


def test_no_change_of_good_requests_raises_anything_unexpected() -> None:
    chance = random.Random(11)
    for good in GOOD:
        take_apart(good)
        for _ in range(3000):
            octets = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                place = chance.randrange(len(octets))
                match chance.randrange(3):
                    case 0:
                        octets[place] = chance.randrange(256)
                    case 1:
                        del octets[place:]
                        octets += b"\0"
                    case _:
                        octets[place:place] = chance.randbytes(2)
            take_apart(bytes(octets))


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_name_is_found_or_refused(name: str) -> None:
    for each in (name, f"mail={name},dc=mssante,dc=fr"):
        try:
            names.find(each)
        except Refused as refused:
            assert refused.code in (ResultCode.INVALID_DN_SYNTAX, ResultCode.NO_SUCH_OBJECT)


LOCAL = st.text("abcXYZ019.!#$%&'*+/=?^_`{|}~-éø,;<>\\\"", min_size=1, max_size=30)


@given(LOCAL)
def test_the_name_of_an_address_leads_back_to_it(local: str) -> None:
    address = f"{local}@hopital-demo.mssante.fr".lower()
    assert names.find(names.dn_of(address)) == names.MailboxName(address)
