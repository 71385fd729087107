"""slapd, loaded with our LDIF, and this server find the same entries by the same filters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from benchmarks import slapd
from directory.ldap.ldif import export
from tests.directory.ldap.client import SUFFIX, ldap3
from tests.directory.ldap.people import FEW, people
from tests.directory.ldap.seeded_filters import Drawing
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.slapd import Slapd
    from tests.directory.ldap.conftest import Ldap

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(slapd.missing() is not None, reason=str(slapd.missing())),
]

BOXES = (*(box for box in FEW if box.address.isascii()), *people(400))
FILTERS = Drawing(BOXES, seed=2026).filters(200)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd.running(tmp_path_factory.mktemp("slapd") / "home", export(MemoryView(BOXES))) as started:
        yield started


def plain(name: str) -> str:
    """One of the two ways to escape a plus (RFC 4514 §2.4)."""
    return name.lower().replace("\\2b", "\\+")


def found_by_ldap3(port: int, wanted: list[str]) -> list[set[str]]:
    """By a second client library, over one connection."""
    server = ldap3.Server("127.0.0.1", port, get_info=ldap3.NONE)
    with ldap3.Connection(server, receive_timeout=20) as connection:
        found = []
        for each in wanted:
            connection.search(SUFFIX, each, attributes=["mail"])
            assert connection.result["description"] == "success", (each, connection.result)
            found.append({plain(entry["dn"]) for entry in connection.response})
    return found


async def found_by_ldapsearch(port: int, wanted: str) -> set[str]:
    process = await asyncio.create_subprocess_exec(
        *("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://127.0.0.1:{port}"),
        *("-b", SUFFIX, wanted, "1.1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, (wanted, errors)
    return {
        plain(line.removeprefix("dn: ")) for line in said.decode().splitlines() if line.startswith("dn: ")
    }


async def test_two_hundred_seeded_filters_find_the_same(
    start: Callable[..., Awaitable[Ldap]], theirs: Slapd
) -> None:
    ours = await start(BOXES)
    expected = await asyncio.to_thread(found_by_ldap3, theirs.port, FILTERS)
    found = await asyncio.to_thread(found_by_ldap3, ours.port, FILTERS)
    differences = {
        wanted: (sorted(mine - other), sorted(other - mine))
        for wanted, mine, other in zip(FILTERS, found, expected, strict=True)
        if mine != other
    }
    assert differences == {}
    assert sum(1 for each in expected if 0 < len(each) < len(BOXES)) > 100


async def test_ldapsearch_reads_the_same(start: Callable[..., Awaitable[Ldap]], theirs: Slapd) -> None:
    ours = await start(BOXES)
    for wanted in FILTERS[:40]:
        assert await found_by_ldapsearch(ours.port, wanted) == await found_by_ldapsearch(theirs.port, wanted)


async def test_absolute_filters_and_a_root_that_is_read_alike(
    start: Callable[..., Awaitable[Ldap]], theirs: Slapd
) -> None:
    """(&) and (|) of RFC 4526, which ldap3 does not write."""
    ours = await start(BOXES)
    for wanted in ("(&)", "(|)", "(!(&))", "(&(mail=*)(|))"):
        assert await found_by_ldapsearch(ours.port, wanted) == await found_by_ldapsearch(theirs.port, wanted)
