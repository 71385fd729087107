"""One sandbox for all tests that run real programs against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.differential import Side
from tests.interop.differential_pair import Pair
from tests.interop.dovecot import PASSWORD, USER, Dovecot, DovecotWire
from tests.interop.imap_wire import Wire
from tests.interop.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("interop") / "home")
    started.start()
    yield started
    started.end()


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot() as started:
        yield started


@pytest.fixture(scope="session")
def pair(service: Service, dovecot: Dovecot) -> Iterator[Pair]:
    bal = service.bal(7)
    ours = Side("ours", lambda: Wire(service.port("imap_plain")).sign_in(bal.address, bal.password))
    theirs = Side("dovecot", lambda: DovecotWire(dovecot.port).sign_in(USER, PASSWORD))
    for side in (ours, theirs):
        side.open()
    both = Pair(ours, theirs)
    both.offered = ours.looker.capabilities & theirs.looker.capabilities
    yield both
    for side in (ours, theirs):
        side.close()
