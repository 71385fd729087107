"""Nobody waits for somebody else's dead server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from mailserver.outbound import dispatcher
from mailserver.outbound.client import Patience
from tests.mailserver.outbound.house import PEER, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.mailserver.outbound.peer import Peer, Session
    from tests.mailserver.smtp.trusted import Papers


async def no_word(session: Session, _: str) -> None:
    await session.reader.read()


@contextlib.asynccontextmanager
async def dead(house: House, number: int) -> AsyncIterator[tuple[Peer, list[str]]]:
    """So many domains behind one server that takes connections and never says a word."""
    domains = [f"mort{each}.mssante.fr" for each in range(number)]
    for domain in domains:
        house.enlist(domain)
    async with house.peer(domains[0], GREETING=no_word) as peer:
        for domain in domains:
            house.route(domain, peer.port)
        yield peer, domains


async def test_a_live_server_gets_everything_while_a_dead_one_is_still_connecting(house: House) -> None:
    house.patience = Patience()
    async with dead(house, 1) as (silent, (domain,)), house.peer() as peer, house.dispatching():
        for _ in range(10):
            await house.queue(f"x@{domain}")
        await silent.has_connections(1)
        for _ in range(60):
            await house.queue(f"bob@{PEER}")
        await house.tally.reaches("sent", 60)
        assert silent.connections == silent.open_connections == 1
    assert len(peer.received) == 60


async def test_many_dead_servers_leave_room_for_a_live_one(papers: Papers, tmp_path: Path) -> None:
    async with House.open(papers, tmp_path, connections=5) as house:
        house.patience = Patience()
        async with dead(house, 19) as (silent, domains), house.peer(), house.dispatching():
            for domain in domains:
                await house.queue(f"x@{domain}")
            await silent.has_connections(19)
            for _ in range(20):
                await house.queue(f"bob@{PEER}")
            await house.tally.reaches("sent", 20)
            assert silent.open_connections == 19


async def test_more_silent_servers_than_there_is_room_give_way_to_a_live_one(
    papers: Papers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_PATIENT_SECONDS", 0.2)
    async with House.open(papers, tmp_path, connections=1) as house:
        house.patience = Patience()
        async with dead(house, 9) as (silent, domains), house.peer(), house.dispatching():
            for domain in domains:
                await house.queue(f"x@{domain}")
            await silent.has_connections(4)
            await house.queue(f"bob@{PEER}")
            await house.tally.reaches("sent", 1)
            assert silent.most_open <= 4
        assert house.tally.counts["deferred", "MSS-161"]
        assert not house.notes.put_in


async def test_servers_that_were_dead_before_fill_half_of_the_room_at_most(
    papers: Papers, tmp_path: Path
) -> None:
    async with (
        House.open(papers, tmp_path, connections=3, first_retry_seconds=10) as house,
        dead(house, 30) as (silent, domains),
        house.peer(),
    ):
        for domain in domains:
            await house.queue(f"x@{domain}")
        silent.answers["GREETING"] = "421 4.3.2 not now"
        async with house.dispatching():
            await house.tally.reaches("deferred", 30, "MSS-164")
            await house.queue(f"bob@{PEER}")
            await house.tally.reaches("sent", 1)
        silent.answers["GREETING"] = no_word
        before = silent.connections
        house.patience = Patience()
        async with house.dispatching():
            house.later(minutes=5)
            await silent.has_connections(before + 6)
            await house.queue(f"bob@{PEER}")
            await house.tally.reaches("sent", 2)
            assert silent.connections == before + 6


async def test_more_live_domains_than_connections_take_turns(papers: Papers, tmp_path: Path) -> None:
    async with House.open(papers, tmp_path, connections=2) as house:
        domains = [f"vivant{each}.mssante.fr" for each in range(6)]
        for domain in domains:
            house.enlist(domain)
        async with house.peer() as peer:
            for domain in domains:
                house.route(domain, peer.port)
            for _ in range(60):
                await house.queue(f"x@{domains[0]}")
            for domain in domains[1:]:
                await house.queue(f"x@{domain}")
            async with house.dispatching():
                await house.tally.reaches("sent", 65)
        order = [received.rcpt[0] for received in peer.received]
        last_of_first = max(at for at, rcpt in enumerate(order) if domains[0] in rcpt)
        others = [at for at, rcpt in enumerate(order) if domains[0] not in rcpt]
        assert max(others) < last_of_first


@pytest.mark.parametrize("slow", ["MAIL", "END"])
async def test_a_slow_server_holds_no_more_than_its_own_connections(house: House, slow: str) -> None:
    house.patience = Patience()
    house.enlist("lent.mssante.fr")
    answers: dict[str, Any] = {slow: no_word}
    async with house.peer("lent.mssante.fr", **answers), house.peer(), house.dispatching():
        for _ in range(30):
            await house.queue("x@lent.mssante.fr")
        for _ in range(30):
            await house.queue(f"bob@{PEER}")
        await house.tally.reaches("sent", 30)
