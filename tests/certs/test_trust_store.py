from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.list_faults import ListFault
from certs.revocation import CrlRefused
from certs.trust_store import Adopted, Force, TrustStore, TrustUnusable, Unchanged, folder_lock
from tests.certs.lists import CrlTimes, crl_of, entry, fault, new_issuer, signed_list, white_list_xml
from tests.certs.spaces import Place

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki

HOUR = timedelta(hours=1)


@pytest.fixture
def place(tmp_path: Path, pki: Pki, signer: Issued, now: datetime) -> Place:
    return Place.make(tmp_path / "home", pki, signer, now)


class Adopting:
    def __init__(self, place: Place, now: datetime, **changed: object) -> None:
        self.now = now
        self.store = TrustStore(place.settings(**changed))

    def __call__(self, content: bytes, force: Force = Force.NOTHING) -> Adopted | Unchanged:
        revocations = self.store.load_revocations(self.now)
        return self.store.adopt(content, revocations, self.now, force)


@pytest.fixture
def adopt(place: Place, now: datetime) -> Adopting:
    return Adopting(place, now)


def test_the_first_list_is_adopted_and_kept_as_it_was_signed(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    content = place.content(now - HOUR, "a.test", "b.test")
    outcome = adopt(content)
    assert isinstance(outcome, Adopted)
    assert outcome.added == {"a.test", "b.test"}
    assert outcome.removed == frozenset()
    assert place.held.read_bytes() == content


def test_a_newer_list_takes_the_place_of_the_one_in_use(place: Place, adopt: Adopting, now: datetime) -> None:
    adopt(place.content(now - 2 * HOUR, "a.test", "b.test"))
    outcome = adopt(place.content(now - HOUR, "b.test", "c.test"))
    assert isinstance(outcome, Adopted)
    assert (outcome.added, outcome.removed) == ({"c.test"}, {"a.test"})


def test_the_same_list_again_changes_nothing_even_with_another_signature_around_it(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    content = place.content(now - HOUR)
    adopt(content)
    before = place.held.stat()
    assert isinstance(adopt(content), Unchanged)
    assert isinstance(adopt(content.replace(b"</ds:Signature>", b"<!-- x --></ds:Signature>")), Unchanged)
    assert place.held.stat().st_ino == before.st_ino


def test_an_older_list_is_refused(place: Place, adopt: Adopting, now: datetime) -> None:
    adopt(place.content(now - HOUR))
    older = place.content(now - 2 * HOUR)
    assert fault(lambda: adopt(older)) is ListFault.ROLLBACK
    assert fault(lambda: adopt(older, Force.SHRINKING)) is ListFault.ROLLBACK


def test_another_list_of_the_same_date_is_refused(place: Place, adopt: Adopting, now: datetime) -> None:
    adopt(place.content(now - HOUR))
    assert fault(lambda: adopt(place.content(now - HOUR, "autre.test"))) is ListFault.SAME_DATE


def test_a_list_that_shrinks_too_much_is_refused_unless_it_is_forced(place: Place, now: datetime) -> None:
    adopt = Adopting(place, now, largest_loss_percent=10)
    adopt(place.content(now - 4 * HOUR, *(f"d{number}.test" for number in range(20))))
    tenth = place.content(now - 3 * HOUR, *(f"d{number}.test" for number in range(2, 20)))
    assert isinstance(adopt(tenth), Adopted)
    more = place.content(now - 2 * HOUR, *(f"d{number}.test" for number in range(4, 40)))
    assert fault(lambda: adopt(more)) is ListFault.SHRINKS
    assert isinstance(adopt(more, Force.SHRINKING), Adopted)


def test_a_list_from_the_future_is_refused(place: Place, adopt: Adopting, now: datetime) -> None:
    assert fault(lambda: adopt(place.content(now + 25 * HOUR))) is ListFault.FUTURE_DATE
    assert isinstance(adopt(place.content(now + 23 * HOUR)), Adopted)


def test_a_refused_list_leaves_the_one_in_use(place: Place, adopt: Adopting, now: datetime) -> None:
    content = place.content(now - HOUR)
    adopt(content)
    truncated = place.content(now)[:-100]
    assert fault(lambda: adopt(truncated)) is ListFault.TRUNCATED
    assert fault(lambda: adopt(white_list_xml(now))) is ListFault.UNSIGNED
    assert place.held.read_bytes() == content
    assert [path.name for path in place.held.parent.iterdir() if path.name != ".lock"] == ["white-list.xml"]


def test_a_damaged_list_in_use_does_not_keep_a_good_one_out(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    place.held.write_bytes(place.content(now)[:-100])
    assert isinstance(adopt(place.content(now - HOUR)), Adopted)


def test_where_the_file_is_damaged_the_list_in_memory_is_the_measure(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    content = place.content(now - HOUR)
    adopt(content)
    revocations = adopt.store.load_revocations(now)
    known = adopt.store.read(content, revocations, now).white_list
    place.held.write_bytes(b"rubbish")
    older, other = place.content(now - 2 * HOUR), place.content(now - HOUR, "autre.test")
    for wrong, code in ((older, ListFault.ROLLBACK), (other, ListFault.SAME_DATE)):
        assert (
            fault(lambda wrong=wrong: adopt.store.adopt(wrong, revocations, now, Force.NOTHING, known))
            is code
        )
    assert isinstance(adopt.store.adopt(content, revocations, now, Force.NOTHING, known), Adopted)
    assert place.held.read_bytes() == content


def test_an_unsigned_list_is_taken_only_where_the_settings_say_so(place: Place, now: datetime) -> None:
    adopt = Adopting(place, now, signature="if-present")
    assert isinstance(adopt(white_list_xml(now - HOUR)), Adopted)
    wrong = place.content(now).replace(b"ici.test", b"ailleurs.test")
    assert fault(lambda: adopt(wrong)) is ListFault.DIGEST


def test_the_signer_s_revocation_is_looked_up_in_what_is_held(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    der = crl_of(
        place.pki.organisations, CrlTimes(now, now + HOUR), [place.signer.certificate], number=10**18
    )
    adopt.store.adopt_crl(place.crl.as_uri(), der, now)
    assert fault(lambda: adopt(place.content(now))) is ListFault.SIGNER_REVOKED
    assert isinstance(adopt(place.content(now - HOUR)), Adopted)


def test_two_who_adopt_at_once_do_it_one_after_the_other(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    lists = [place.content(now - timedelta(minutes=minutes)) for minutes in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as threads:
        outcomes = [threads.submit(adopt, content) for content in lists]
        for outcome in outcomes:
            outcome.exception()
    assert place.held.read_bytes() == lists[0]


def test_the_lock_holds_other_threads_off(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with folder_lock(tmp_path):
            order.append("second")

    with folder_lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"signer": "alb.mssante.fr"}, "trust.signer"),
        ({"tls": {"ca_file": "pki/none.pem"}}, "cannot be read"),
        ({"tls": {"ca_file": "pki/server.key"}}, "not usable PEM"),
    ],
)
def test_settings_that_cannot_serve_are_told_in_one_sentence(
    place: Place, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(TrustUnusable, match=words) as unusable:
        TrustStore(place.settings(**changed))
    assert "\n" not in str(unusable.value)


def test_a_revocation_list_is_replaced_only_by_a_newer_one(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    url = place.crl.as_uri()
    old = crl_of(place.pki.organisations, CrlTimes(now - 3 * HOUR, now + HOUR))
    new = crl_of(place.pki.organisations, CrlTimes(now - HOUR, now + 2 * HOUR))
    store = adopt.store
    assert store.adopt_crl(url, old, now).der == old
    assert store.adopt_crl(url, old, now).der == old
    assert store.adopt_crl(url, new, now).der == new
    with pytest.raises(CrlRefused, match="older"):
        store.adopt_crl(url, old, now)
    with pytest.raises(CrlRefused):
        store.adopt_crl(url, b"rubbish", now)
    held = store.load_crl(store.crl_file(url), now)
    assert held is not None
    assert held.der == new


def test_the_list_of_another_authority_does_not_take_the_place_of_the_one_held(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    url = place.crl.as_uri()
    old = crl_of(place.pki.organisations, CrlTimes(now - 3 * HOUR, now + HOUR))
    good = crl_of(place.pki.organisations, CrlTimes(now - 2 * HOUR, now + HOUR))
    of_root = crl_of(place.pki.root, CrlTimes(now - HOUR, now + HOUR), number=9)
    adopt.store.adopt_crl(url, good, now)
    for wrong, words in ((of_root, "another authority"), (old, "older")):
        with pytest.raises(CrlRefused, match=words):
            adopt.store.adopt_crl(url, wrong, now)
    held = adopt.store.load_crl(adopt.store.crl_file(url), now)
    assert held is not None
    assert held.der == good


def test_an_authority_with_a_renewed_key_goes_on_where_it_was(place: Place, now: datetime) -> None:
    one, renewed = (new_issuer("AUTORITE", now, key_number=number) for number in (1, 2))
    (place.home / "pki" / "ca.pem").write_bytes(
        b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (one, renewed))
    )
    store, url = TrustStore(place.settings()), place.crl.as_uri()
    store.adopt_crl(url, crl_of(one, CrlTimes(now - 2 * HOUR, now + HOUR), number=7), now)
    with pytest.raises(CrlRefused, match="older"):
        store.adopt_crl(url, crl_of(renewed, CrlTimes(now - 3 * HOUR, now + HOUR), number=9), now)
    after = crl_of(renewed, CrlTimes(now - HOUR, now + HOUR), number=1)
    assert store.adopt_crl(url, after, now).issuer == renewed.certificate


@pytest.mark.parametrize("on_disk", ["rubbish", "nothing", "an older list", "another authority's"])
def test_where_the_file_is_not_the_one_known_the_list_in_memory_is_the_measure(
    place: Place, adopt: Adopting, now: datetime, on_disk: str
) -> None:
    url, store, above = place.crl.as_uri(), adopt.store, place.pki.organisations
    oldest, old, good, new = (
        crl_of(above, CrlTimes(now - hours * HOUR, now + HOUR), number=9 - hours) for hours in (4, 3, 2, 1)
    )
    of_root = crl_of(place.pki.root, CrlTimes(now - HOUR, now + HOUR))
    known = store.adopt_crl(url, good, now)
    path = store.crl_file(url)
    path.unlink()
    found = {"rubbish": b"rubbish", "an older list": oldest, "another authority's": of_root}.get(on_disk)
    if found is not None:
        path.write_bytes(found)
    for wrong in (oldest, old, of_root):
        with pytest.raises(CrlRefused):
            store.adopt_crl(url, wrong, now, known)
    for right in (good, new):
        assert store.adopt_crl(url, right, now, known).der == right
        held = store.load_crl(path, now)
        assert held is not None
        assert held.der == right


def test_a_list_on_disk_that_is_newer_than_the_one_known_is_the_measure(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    url, above = place.crl.as_uri(), place.pki.organisations
    known = adopt.store.adopt_crl(url, crl_of(above, CrlTimes(now - 3 * HOUR, now + HOUR)), now)
    adopt.store.adopt_crl(url, crl_of(above, CrlTimes(now - HOUR, now + HOUR)), now)
    with pytest.raises(CrlRefused, match="older"):
        adopt.store.adopt_crl(url, crl_of(above, CrlTimes(now - 2 * HOUR, now + HOUR)), now, known)


def test_a_damaged_revocation_list_on_disk_is_passed_over_and_replaced(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    url = place.crl.as_uri()
    adopt.store.crl_file(url).write_bytes(b"rubbish")
    assert adopt.store.load_revocations(now).lists == ()
    adopt.store.adopt_crl(url, place.crl.read_bytes(), now)
    assert len(adopt.store.load_revocations(now).lists) == 1


def test_where_no_list_is_named_nothing_is_checked(place: Place, now: datetime) -> None:
    assert not TrustStore(place.settings(crl_urls=[])).load_revocations(now).is_checked


def test_entries_of_a_list_that_was_cut_by_its_publisher_are_gone_at_once(
    place: Place, adopt: Adopting, now: datetime
) -> None:
    adopt(signed_list(place.signer, now - 2 * HOUR, entry("a.test"), entry("b.test")))
    outcome = adopt(signed_list(place.signer, now - HOUR, entry("a.test")))
    assert "b.test" not in outcome.white_list
