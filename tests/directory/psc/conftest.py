"""A provider that obeys tests, and the operator's side of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory.psc.provider import PscProvider
from directory.psc.relying_party import RelyingParty
from directory.psc.tokens import TokenCheck
from foundation.settings import from_values
from tests.directory.psc.fake_provider import CLIENT, LPS, SECRET, FakeProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.settings import Settings

    SettingsOf = Callable[..., Settings]
    Pause = Callable[[float], Awaitable[None]]


@pytest.fixture
def fake(clock: FixedClock) -> FakeProvider:
    return FakeProvider(clock)


@pytest.fixture
def settings_of(tmp_path: Path, fake: FakeProvider) -> SettingsOf:
    """Settings with a client secret on disk; arguments replace keys of `psc`."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "psc.secret").write_text(f"{SECRET}\n", encoding="utf-8")

    def made(**psc: Any) -> Settings:
        usual = {"issuer": fake.issuer, "client_id": CLIENT, "authorized_parties": [LPS]}
        return from_values(tmp_path, {"psc": usual | psc})

    return made


@pytest.fixture
def settings(settings_of: SettingsOf) -> Settings:
    return settings_of()


@pytest.fixture
def pause(clock: FixedClock) -> Pause:
    """Waits by moving the clock."""

    async def moved(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    return moved


@pytest.fixture
async def provider(
    settings: Settings, clock: FixedClock, fake: FakeProvider, pause: Pause
) -> AsyncIterator[PscProvider]:
    made = PscProvider(settings, clock, fake, pause=pause)
    yield made
    await made.aclose()
    assert fake.is_closed


@pytest.fixture
def tokens(provider: PscProvider, settings: Settings, clock: FixedClock) -> TokenCheck:
    return TokenCheck(provider, settings.psc, clock)


@pytest.fixture
def party(provider: PscProvider, settings: Settings, clock: FixedClock) -> RelyingParty:
    return RelyingParty(provider, settings.psc, clock)
