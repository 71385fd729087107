from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from certs.expiry import ends
from certs.tls import TlsUnusable
from certs.trust_store import Force, TrustStore
from tests.certs.spaces import OWN, Place

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from certs.pki import Issued, Pki

DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path, pki: Pki, signer: Issued, now: datetime) -> Place:
    made = Place.make(tmp_path / "home", pki, signer, now)
    store = TrustStore(made.settings())
    store.adopt_crl(made.crl.as_uri(), made.crl.read_bytes(), now)
    store.adopt(made.content(now), store.load_revocations(now), now, Force.NOTHING)
    return made


def states(place: Place, at: datetime, **changed: object) -> dict[str, str]:
    return {end.what: end.row(at, 30)["state"] for end in ends(place.settings(**changed), at)}


def test_everything_that_ends_is_told_with_its_days(place: Place, now: datetime) -> None:
    rows = [end.row(now, 30) for end in ends(place.settings(), now)]
    assert [row["what"] for row in rows] == [
        "server certificate",
        "chain of the server certificate",
        "authority",
        "authority",
        "revocation list",
        "signer of the white list",
    ]
    assert rows[0]["name"] == str(OWN)
    assert rows[0]["days"] == 900
    assert {row["state"] for row in rows} == {"good"}


def test_what_ends_within_thirty_days_is_told(place: Place, now: datetime) -> None:
    found = states(place, now + 871 * DAY)
    assert found["server certificate"] == "ends in less than 30 days"
    assert found["authority"] == "good"
    assert states(place, now + 901 * DAY)["server certificate"] == "ended"


def test_a_revocation_list_is_short_lived_and_told_only_once_it_is_out_of_date(
    place: Place, now: datetime
) -> None:
    assert states(place, now + 29 * DAY)["revocation list"] == "good"
    assert states(place, now + 31 * DAY)["revocation list"] == "ended"


def test_what_is_missing_is_told(place: Place, now: datetime) -> None:
    place.held.unlink()
    assert states(place, now)["signer of the white list"] == "missing"
    place.held.write_text("rubbish")
    assert states(place, now)["signer of the white list"] == "missing"
    found = states(place, now, crl_urls=["http://crl.test/autre.crl"])
    assert found["revocation list"] == "missing"


def test_an_operator_without_certificate_is_told_in_one_sentence(place: Place, now: datetime) -> None:
    (place.home / "pki" / "server.pem").unlink()
    with pytest.raises(TlsUnusable, match="cannot be read"):
        ends(place.settings(), now)
