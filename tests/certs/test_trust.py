from __future__ import annotations

import asyncio
import os
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from certs.list_faults import ListFault
from certs.names import DistinguishedName
from certs.profiles import Purpose
from certs.routes import set_route, unset_route
from certs.trust import (
    Adopted,
    Force,
    ListRefused,
    Peer,
    PeerFault,
    SourceUnreachable,
    TrustUnusable,
    Unchanged,
)
from tests.certs.lists import CrlTimes, certificate_of, crl_of, issued_by
from tests.certs.spaces import OWN, Place, domains, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki
    from certs.trust import TrustSpace

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PEER = DistinguishedName.of(cn="mx.pair.test", ou="399900001000010", o="PAIR", st="Nord (59)")


@pytest.fixture
def place(tmp_path: Path, pki: Pki, signer: Issued, now: datetime) -> Place:
    made = Place.make(tmp_path / "home", pki, signer, now)
    made.publish(now - HOUR, "ici.test")
    return made


async def test_a_space_opens_with_what_is_on_disk(place: Place, now: datetime) -> None:
    space = await place.open()
    assert space.white_list.generated_at == now - HOUR
    assert "ici.test" in space.white_list
    assert space.age() == HOUR
    assert not space.is_stale
    assert space.alarms() == ()
    assert domains(space, shown(place, now)) == {"ici.test"}
    assert isinstance(space.judge_server(shown(place, now)), Peer)
    assert space.judge_client(None) is PeerFault.NO_CERTIFICATE


# ref: F03
async def test_the_last_good_list_serves_after_a_restart_without_its_source(
    place: Place, now: datetime
) -> None:
    await place.open()
    place.source.unlink()
    place.crl.unlink()
    space = await place.open()
    assert domains(space, shown(place, now)) == {"ici.test"}
    assert space.alarms() == ()


async def test_a_space_without_any_list_says_how_to_get_one(place: Place) -> None:
    place.source.unlink()
    with pytest.raises(TrustUnusable, match="white-list fetch"):
        await place.open()


async def test_a_damaged_list_on_disk_is_verified_and_refused_at_the_start(
    place: Place, now: datetime
) -> None:
    place.source.unlink()
    place.held.write_bytes(place.content(now - HOUR).replace(b"ici.test", b"faux.test"))
    with pytest.raises(TrustUnusable, match=ListFault.DIGEST.value):
        await place.open()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tls": {"certificate": "pki/none.pem"}}, "cannot be read"),
        ({"tls": {"key": "pki/ca.pem"}}, "not usable PEM"),
        ({"routes": {"a.test": "nowhere"}}, "nowhere is no address"),
        ({"routes": {"a b": "127.0.0.1:25"}}, "is no domain"),
        ({"signer": "rien"}, "trust.signer"),
    ],
)
async def test_what_cannot_serve_is_told_in_one_sentence(
    place: Place, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(TrustUnusable, match=words) as unusable:
        await place.open(**changed)
    assert "\n" not in str(unusable.value)


# Fetching ---------------------------------------------------------------------------------------------------


# ref: F03
async def test_a_newer_list_is_swapped_in_whole(place: Place, now: datetime) -> None:
    space = await place.open()
    before = space.white_list
    place.publish(now - HOUR / 2, "ici.test", "neuf.test")
    outcome = await space.fetch_list()
    assert isinstance(outcome, Adopted)
    assert outcome.added == {"neuf.test"}
    assert "neuf.test" in space.white_list
    assert "neuf.test" not in before
    assert isinstance(await space.fetch_list(), Unchanged)
    assert domains(space, shown(place, now)) == {"ici.test", "neuf.test"}


async def test_a_list_that_is_refused_leaves_the_one_in_use(place: Place, now: datetime) -> None:
    space = await place.open()
    content = place.content(now)
    for wrong, code in (
        (content[:-50], ListFault.TRUNCATED),
        (content.replace(b"ici.test", b"faux.test"), ListFault.DIGEST),
        (place.content(now - 2 * HOUR), ListFault.ROLLBACK),
        (place.content(now + 2 * DAY), ListFault.FUTURE_DATE),
    ):
        place.source.write_bytes(wrong)
        with pytest.raises(ListRefused) as refused:
            await space.fetch_list()
        assert refused.value.fault is code
        assert space.white_list.generated_at == now - HOUR
    place.source.unlink()
    with pytest.raises(SourceUnreachable):
        await space.fetch_list()
    assert domains(space, shown(place, now)) == {"ici.test"}


async def test_a_refused_list_is_an_alarm_until_a_good_one_comes(place: Place, now: datetime) -> None:
    space = await place.open()
    place.source.write_bytes(place.content(now).replace(b"ici.test", b"faux.test"))
    with pytest.raises(ListRefused):
        await space.fetch_list()
    assert ListFault.DIGEST.value in space.alarms()[0]
    place.source.write_bytes(place.content(now))
    await space.fetch_list()
    assert space.alarms() == ()


async def test_two_hundred_megabytes_are_refused_without_being_held(place: Place) -> None:
    space = await place.open()
    with place.source.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with pytest.raises(ListRefused) as refused:
        await space.fetch_list()
    assert refused.value.fault is ListFault.TOO_LARGE


async def test_a_shrinking_list_needs_force(place: Place, now: datetime) -> None:
    place.publish(now - HOUR, *(f"d{number}.test" for number in range(5)))
    space = await place.open(largest_loss_percent=10)
    place.publish(now, "d0.test")
    with pytest.raises(ListRefused):
        await space.fetch_list()
    assert isinstance(await space.fetch_list(Force.SHRINKING), Adopted)
    assert space.white_list.domains == {"d0.test"}


async def test_revocation_lists_are_fetched_and_count_at_once(place: Place, now: datetime) -> None:
    space = await place.open()
    certificate = certificate_of(place.pki.organisations, OWN, now)
    der = certificate.public_bytes(Encoding.DER)
    assert domains(space, der) == {"ici.test"}
    times = CrlTimes(now, now + DAY)
    place.crl.write_bytes(crl_of(place.pki.organisations, times, [certificate], number=10**18))
    fetched = await space.fetch_revocations()
    assert [(each.url, each.failure) for each in fetched] == [(place.crl.as_uri(), "")]
    assert space.judge_client(der) is PeerFault.REVOKED
    assert space.judge_server(der) is PeerFault.REVOKED


# ref: ECO.1.1.7
async def test_a_revocation_list_that_fails_leaves_the_one_in_use(place: Place, now: datetime) -> None:
    space = await place.open()
    place.crl.write_bytes(b"rubbish")
    (fetched,) = await space.fetch_revocations()
    assert "cannot be read" in fetched.failure
    assert fetched.crl is None
    assert domains(space, shown(place, now)) == {"ici.test"}


async def test_without_a_revocation_list_every_peer_is_put_off(place: Place, now: datetime) -> None:
    place.crl.unlink()
    space = await place.open()
    assert space.judge_client(shown(place, now)) is PeerFault.REVOCATION_UNKNOWN
    assert "no revocation list" in space.alarms()[0]


async def test_where_the_operator_names_no_revocation_list_he_is_warned_once(
    place: Place, now: datetime
) -> None:
    with capture_logs() as logs:
        space = await place.open(crl_urls=[])
        await space.refresh()
        assert domains(space, shown(place, now)) == {"ici.test"}
    assert [each["log_level"] for each in logs if "revocation" in each["event"]] == ["warning"]


async def test_a_revocation_list_serves_for_the_days_of_grace(place: Place, now: datetime) -> None:
    place.crl.write_bytes(crl_of(place.pki.organisations, CrlTimes(now - HOUR, now + DAY)))
    space = await place.open(crl_grace_days=2)
    place.clock.advance(3 * DAY)
    assert domains(space, shown(place, now)) == {"ici.test"}
    assert any("out of date" in each for each in space.alarms())
    place.clock.advance(timedelta(seconds=1))
    assert space.judge_client(shown(place, now)) is PeerFault.REVOCATION_UNKNOWN


# What other processes write ---------------------------------------------------------------------------------


async def test_nothing_is_read_when_nothing_changed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    space = await place.open()
    monkeypatch.setattr(asyncio, "to_thread", None)
    for _ in range(3):
        await space.refresh()


async def test_a_list_that_another_process_adopted_is_taken_up(place: Place, now: datetime) -> None:
    space, other = await place.open(), await place.open()
    place.publish(now, "ici.test", "neuf.test")
    await other.fetch_list()
    assert "neuf.test" not in space.white_list
    await space.refresh()
    assert "neuf.test" in space.white_list


async def test_a_list_published_as_a_file_is_taken_up_as_soon_as_it_changes(
    place: Place, now: datetime
) -> None:
    space = await place.open()
    content = place.publish(now, "ici.test", "neuf.test")
    await space.refresh()
    assert "neuf.test" in space.white_list
    assert place.held.read_bytes() == content


async def test_a_revocation_list_published_as_a_file_is_taken_up_as_soon_as_it_changes(
    place: Place, now: datetime
) -> None:
    space = await place.open()
    certificate = certificate_of(place.pki.organisations, OWN, now)
    times = CrlTimes(now, now + DAY)
    place.crl.write_bytes(crl_of(place.pki.organisations, times, [certificate], number=10**18))
    await space.refresh()
    assert space.judge_client(certificate.public_bytes(Encoding.DER)) is PeerFault.REVOKED


async def test_an_older_list_does_not_come_in_through_a_damaged_file(place: Place, now: datetime) -> None:
    space = await place.open()
    place.held.write_bytes(b"rubbish")
    place.publish(now - DAY, "ancien.test")
    await space.refresh()
    assert "ancien.test" not in space.white_list
    with pytest.raises(ListRefused):
        await space.fetch_list()
    assert place.held.read_bytes() == b"rubbish"


async def test_the_unexpected_leaves_the_lists_in_memory(
    place: Place, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await place.open()

    def broken(*_words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(space, "_taken_up", broken)
    place.publish(now, "neuf.test")
    with capture_logs() as logs:
        for _ in range(3):
            await space.refresh()
    assert [each["error"] for each in logs] == ["ZeroDivisionError"]
    assert domains(space, shown(place, now)) == {"ici.test"}


@pytest.mark.parametrize("where", ["held", "source", "crl"])
async def test_a_damaged_file_on_disk_does_not_replace_what_is_in_memory(
    place: Place, now: datetime, where: str
) -> None:
    space = await place.open()
    file: Path = getattr(place, where)
    file.write_bytes(b"rubbish")
    with capture_logs() as logs:
        for _ in range(3):
            await space.refresh()
    assert [each["log_level"] for each in logs] == ["error"]
    assert domains(space, shown(place, now)) == {"ici.test"}
    file.unlink()
    await space.refresh()
    assert domains(space, shown(place, now)) == {"ici.test"}


async def test_an_older_list_on_disk_does_not_replace_the_one_in_memory(place: Place, now: datetime) -> None:
    space = await place.open()
    place.held.write_bytes(place.content(now - DAY, "ancien.test"))
    with capture_logs() as logs:
        await space.refresh()
    assert ListFault.ROLLBACK.value in logs[0]["reason"]
    assert "ancien.test" not in space.white_list


async def test_those_who_refresh_at_once_read_once(
    place: Place, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await place.open()
    read = 0
    to_thread = asyncio.to_thread

    async def counting(work: Callable[..., object], *words: object) -> object:
        nonlocal read
        read += 1
        return await to_thread(work, *words)

    monkeypatch.setattr(asyncio, "to_thread", counting)
    place.publish(now, "ici.test", "neuf.test")
    await asyncio.gather(*(space.refresh() for _ in range(50)))
    assert read == 1
    assert "neuf.test" in space.white_list


# Routes -----------------------------------------------------------------------------------------------------


async def test_routes_of_the_file_go_before_those_of_the_settings(place: Place) -> None:
    space = await place.open(routes={"A.test": "127.0.0.1:1", "b.test": "[::1]:2"})
    assert space.route_of("a.test") == ("127.0.0.1", 1)
    assert space.route_of("A.TEST") == ("127.0.0.1", 1)
    assert space.route_of("b.test") == ("::1", 2)
    assert space.route_of("c.test") is None
    assert space.route_of("") is None
    set_route(place.home, "a.test", "mx.pair.test:2525")
    await space.refresh()
    assert space.route_of("a.test") == ("mx.pair.test", 2525)
    unset_route(place.home, "a.test")
    await space.refresh()
    assert space.route_of("a.test") == ("127.0.0.1", 1)


async def test_a_damaged_routes_file_leaves_the_routes_in_use(place: Place) -> None:
    space = await place.open()
    set_route(place.home, "a.test", "127.0.0.1:1")
    await space.refresh()
    (place.home / "routes.toml").write_text("this is not TOML")
    await space.refresh()
    assert space.route_of("a.test") == ("127.0.0.1", 1)


# Keeping ----------------------------------------------------------------------------------------------------


class Pauses:
    """Counts the pauses of the schedules, and holds them until the test says so."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._go = asyncio.Condition()
        self._allowed = 0

    async def __call__(self, seconds: float) -> None:
        async with self._go:
            self.taken.append(seconds)
            turn = len(self.taken)
            self._go.notify_all()
            await self._go.wait_for(lambda: self._allowed >= turn)

    async def reached(self, count: int) -> None:
        async with self._go:
            await asyncio.wait_for(self._go.wait_for(lambda: len(self.taken) >= count), 30)

    async def let(self, count: int) -> None:
        async with self._go:
            self._allowed = count
            self._go.notify_all()


async def kept(space: TrustSpace, work: Callable[[Pauses], Awaitable[None]]) -> list[float]:
    pauses = Pauses()
    keeping = asyncio.create_task(space.keep(pauses))
    try:
        await pauses.reached(2)
        await work(pauses)
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
    return pauses.taken


async def test_what_changes_is_followed_without_anybody_asking(place: Place, now: datetime) -> None:
    space, pauses = await place.open(), Pauses()
    following = asyncio.create_task(space.follow(pauses))
    await pauses.reached(1)
    place.publish(now, "ici.test", "neuf.test")
    await pauses.let(1)
    await pauses.reached(2)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert "neuf.test" in space.white_list


# ref: F01
async def test_lists_are_fetched_on_a_schedule_with_some_jitter(place: Place, now: datetime) -> None:
    space = await place.open(fetch_minutes=60, crl_minutes=60)

    async def work(pauses: Pauses) -> None:
        place.publish(now, "ici.test", "neuf.test")
        await pauses.let(2)
        await pauses.reached(4)

    pauses = await kept(space, work)
    assert "neuf.test" in space.white_list
    assert all(3240 <= each <= 3960 for each in pauses)


async def test_a_failure_is_logged_and_tried_again_sooner(place: Place) -> None:
    space = await place.open()
    place.source.write_bytes(b"<html/>")
    place.crl.unlink()

    async def work(pauses: Pauses) -> None:
        await pauses.let(2)
        await pauses.reached(4)

    with capture_logs() as logs:
        pauses = await kept(space, work)
    assert all(270 <= each <= 330 for each in pauses)
    refused = [each for each in logs if each["event"] == "white list refused"]
    assert refused[0]["code"] == ListFault.WRONG_ROOT.value
    assert any(each["event"] == "revocation list not fetched" for each in logs)


async def test_the_unexpected_does_not_end_the_schedule(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await place.open()

    async def broken(force: Force = Force.NOTHING) -> Unchanged:
        raise ZeroDivisionError

    monkeypatch.setattr(space, "fetch_list", broken)

    async def work(pauses: Pauses) -> None:
        await pauses.let(2)
        await pauses.reached(4)

    with capture_logs() as logs:
        await kept(space, work)
    assert sum(each.get("error") == "ZeroDivisionError" for each in logs) >= 2


# ref: F03
async def test_an_old_list_raises_an_alarm_and_goes_on_serving(place: Place, now: datetime) -> None:
    place.crl.write_bytes(crl_of(place.pki.organisations, CrlTimes(now - HOUR, now + 9 * DAY)))
    space = await place.open(alarm_hours=48)
    place.clock.advance(47 * HOUR)
    assert not space.is_stale
    place.clock.advance(timedelta(seconds=1))
    assert space.is_stale
    assert space.alarms() == ("The white list is 48 hours old (alarm from 48 on).",)

    async def nothing(_pauses: Pauses) -> None:
        return

    with capture_logs() as logs:
        await kept(space, nothing)
    assert any(each["event"] == "white list is old" and each["hours"] == 48 for each in logs)
    assert domains(space, shown(place, now)) == {"ici.test"}


# TLS --------------------------------------------------------------------------------------------------------


# ref: F11
async def test_the_contexts_are_those_of_the_referentiel(place: Place) -> None:
    space = await place.open()
    server, client = space.server_context(), space.client_context()
    assert space.server_context() is server
    assert server.verify_mode is ssl.CERT_OPTIONAL
    assert server.num_tickets == 0
    assert not server.options & ssl.OP_NO_TICKET  # without tickets, sessions of TLS 1.2 pile up in memory
    assert client.verify_mode is ssl.CERT_REQUIRED
    assert not client.check_hostname
    for context in (server, client):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        suites = {each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.2"}
        assert len(suites) == 4


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_two_operators_know_each_other_whatever_their_host_names(
    place: Place, now: datetime, version: ssl.TLSVersion
) -> None:
    place.publish(now, "ici.test", "pair.test")
    space = await place.open()
    told: asyncio.Queue[object] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        told.put_nowait(space.judge_client(connection.getpeercert(binary_form=True)))
        writer.close()

    peer = issued_by(place.pki.organisations, PEER, now, purpose=Purpose.SERVER).write(place.home / "pair")
    client = space.client_context()
    client.maximum_version = version
    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=space.server_context()) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="ailleurs.test"
        )
        found = space.judge_server(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        assert isinstance(found, Peer)
        assert found.name == OWN
        assert await asyncio.wait_for(told.get(), 10) == found
        writer.transport.abort()
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        bare.check_hostname = False
        bare.load_verify_locations(place.pki.ca_file)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bare)
        assert await asyncio.wait_for(told.get(), 10) is PeerFault.NO_CERTIFICATE
        writer.transport.abort()
        bare.load_cert_chain(*peer)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bare)
        unlisted = await asyncio.wait_for(told.get(), 10)
        assert isinstance(unlisted, Peer)
        assert unlisted.domains == frozenset()
        writer.transport.abort()


async def test_files_keep_the_list_readable_and_nothing_half_written_behind(place: Place) -> None:
    await place.open()
    names = sorted(path.name for path in (place.home / "trust").iterdir())
    assert [name.partition("-")[0] for name in names] == [".lock", "crl", "white"]
    assert all(os.access(place.home / "trust" / name, os.R_OK) for name in names)
