"""One sandbox for all tests that run real programs against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("interop") / "home")
    started.start()
    yield started
    started.end()
