"""What is published or written wrongly neither brings back what was revoked nor keeps out what is good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from structlog.testing import capture_logs

from certs.list_faults import ListFault
from certs.routes import set_route
from certs.trust import ListRefused, PeerFault
from certs.trust_store import TrustStore
from tests.certs.lists import CrlTimes, crl_of
from tests.certs.spaces import Place, domains, shown

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path, pki: Pki, signer: Issued, now: datetime) -> Place:
    made = Place.make(tmp_path / "home", pki, signer, now)
    made.publish(now - HOUR, "ici.test")
    return made


def lists_of(place: Place, now: datetime, gone: bytes) -> tuple[bytes, bytes, bytes]:
    """Revocation lists: an old one, one that names the certificate, and one of the root."""
    above = place.pki.organisations
    revoked = [x509.load_der_x509_certificate(gone)]
    return (
        crl_of(above, CrlTimes(now - 3 * HOUR, now + DAY), number=1),
        crl_of(above, CrlTimes(now - HOUR, now + DAY), revoked, number=2),
        crl_of(place.pki.root, CrlTimes(now, now + DAY), number=3),
    )


@pytest.mark.parametrize("how", ["fetched", "seen as a file"])
async def test_a_revoked_peer_does_not_get_in_again_through_the_list_of_another_authority(
    place: Place, now: datetime, how: str
) -> None:
    peer = shown(place, now)
    old, good, of_root = lists_of(place, now, peer)
    place.crl.write_bytes(good)
    space = await place.open()
    assert space.judge_client(peer) is PeerFault.REVOKED
    for wrong in (of_root, old):
        place.crl.write_bytes(wrong)
        await (space.fetch_revocations() if how == "fetched" else space.refresh())
        assert space.judge_client(peer) is PeerFault.REVOKED
        assert any("is not used" in each for each in space.alarms())
    place.crl.write_bytes(good)
    await (space.fetch_revocations() if how == "fetched" else space.refresh())
    assert space.alarms() == ()
    assert (await place.open()).judge_client(peer) is PeerFault.REVOKED


@pytest.mark.parametrize("damage", ["rubbish", "of the root", "old", "gone"])
async def test_a_revoked_peer_does_not_get_in_again_through_a_damaged_file(
    place: Place, now: datetime, damage: str
) -> None:
    peer = shown(place, now)
    old, good, of_root = lists_of(place, now, peer)
    place.crl.write_bytes(good)
    space = await place.open()
    (held,) = place.held.parent.glob("crl-*.pem")
    held.unlink()
    if damage != "gone":
        held.write_bytes({"rubbish": b"rubbish", "of the root": of_root, "old": old}[damage])
    await space.refresh()
    assert space.judge_client(peer) is PeerFault.REVOKED
    place.crl.write_bytes(old)
    await space.refresh()
    await space.fetch_revocations()
    assert space.judge_client(peer) is PeerFault.REVOKED
    place.crl.write_bytes(good)
    await space.fetch_revocations()
    assert (await place.open()).judge_client(peer) is PeerFault.REVOKED


async def test_a_revoked_signer_is_known_from_memory_where_the_file_is_damaged(
    place: Place, now: datetime
) -> None:
    above, signer = place.pki.organisations, place.signer.certificate
    place.crl.write_bytes(crl_of(above, CrlTimes(now, now + DAY), [signer], since=now - HOUR / 2))
    space = await place.open()
    (held,) = place.held.parent.glob("crl-*.pem")
    held.write_bytes(b"rubbish")
    place.publish(now, "neuf.test")
    with pytest.raises(ListRefused) as refused:
        await space.fetch_list()
    assert refused.value.fault is ListFault.SIGNER_REVOKED


NO_CANONICAL_FORM = (b"<Nom>", b'<e:x xmlns:e="u"/><Nom>')


async def test_a_published_list_without_a_canonical_form_does_not_stop_the_start(
    place: Place, now: datetime
) -> None:
    await place.open()
    place.source.write_bytes(place.content(now).replace(*NO_CANONICAL_FORM))
    space = await place.open()
    assert domains(space, shown(place, now)) == {"ici.test"}
    assert any(ListFault.GRAMMAR.value in each for each in space.alarms())


@pytest.mark.parametrize("broken", ["adopt", "adopt_crl", "load_list", "load_crl"])
async def test_the_unexpected_in_one_file_keeps_no_other_one_out(
    place: Place, now: datetime, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    space = await place.open()

    def breaks(*_words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(space._store, broken, breaks)
    place.crl.write_bytes(crl_of(place.pki.organisations, CrlTimes(now, now + DAY), number=10**18))
    place.publish(now, "neuf.test")
    set_route(place.home, "a.test", "127.0.0.1:1")
    with capture_logs() as logs:
        await space.refresh()
    assert {each["reason"] for each in logs if each["log_level"] == "error"} == {
        "unexpected failure (ZeroDivisionError)"
    }
    assert space.route_of("a.test") == ("127.0.0.1", 1)
    assert ("neuf.test" in space.white_list) == (broken == "adopt_crl")
    (crl,) = space._state.crls.values()
    assert (crl.number == 10**18) == ("crl" not in broken)


@pytest.mark.parametrize("broken", ["adopt", "adopt_crl"])
async def test_the_unexpected_in_a_published_file_does_not_stop_the_start(
    place: Place, now: datetime, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    await place.open()

    def breaks(*_words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TrustStore, broken, breaks)
    place.publish(now, "neuf.test")
    expected = {"adopt": "ici.test", "adopt_crl": "neuf.test"}[broken]
    assert expected in (await place.open()).white_list


@pytest.mark.parametrize("successor", ["there", "missing"])
async def test_a_list_whose_successor_came_while_it_was_read_is_no_error(
    place: Place, now: datetime, monkeypatch: pytest.MonkeyPatch, successor: str
) -> None:
    space = await place.open()
    place.publish(now - HOUR / 2, "a.test")
    newer = place.content(now, "a.test", "b.test")
    adopt, seen = TrustStore.adopt, 0

    def overtaken(store: TrustStore, *words: Any) -> object:
        nonlocal seen
        seen += 1
        if seen == 1:  # another process publishes and adopts between our look and our judgement
            place.held.write_bytes(newer)
            if successor == "there":
                place.source.write_bytes(newer)
        return adopt(store, *words)

    monkeypatch.setattr(TrustStore, "adopt", overtaken)
    with capture_logs() as logs:
        await space.refresh()
    assert "b.test" in space.white_list
    assert any(each["log_level"] == "error" for each in logs) == (successor == "missing")
    assert seen == (2 if successor == "there" else 1)
