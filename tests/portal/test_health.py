from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pytest

from foundation.metrics import CONTENT_TYPE, Metrics
from foundation.settings import SettingsError
from portal.app import application
from portal.health import HealthPages

if TYPE_CHECKING:
    from certs.trust import TrustSpace
    from tests.portal.house import House


@dataclass
class SomeTrust:
    """A trust space of a certain age."""

    hours: float
    told: tuple[str, ...] = ()

    def age(self) -> timedelta:
        return timedelta(hours=self.hours)

    def alarms(self) -> tuple[str, ...]:
        return self.told


def watcher(house: House, address: str = "127.0.0.1", **values: Any) -> httpx2.AsyncClient:
    """A client at an address of a portal that has these parts as well."""
    metrics = values.pop("metrics_from", None)
    if metrics is not None:
        values["settings"] = house.context.settings.model_copy(update={"metrics_from": metrics})
    app = application(replace(house.context, **values))
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, client=(address, 50000)), base_url="https://portail.test"
    )


def trust(hours: float, *alarms: str) -> TrustSpace:
    return cast("TrustSpace", SomeTrust(hours, alarms))


async def test_health_tells_the_age_of_the_white_list(house: House) -> None:
    answer = await watcher(house, trust=trust(3.26)).get("/health")
    assert answer.json() == {"status": "ok", "white_list_age_hours": 3.3, "alarms": []}


async def test_an_alarm_is_told_while_mail_is_served(house: House) -> None:
    answer = await watcher(house, trust=trust(72, "The white list is 72 hours old.")).get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "alarm",
        "white_list_age_hours": 72.0,
        "alarms": ["The white list is 72 hours old."],
    }


async def test_alarms_of_the_directory_stand_beside_those_of_the_white_list(house: House) -> None:
    old = ("The extract is 20 days old.",)
    answer = await watcher(house, directory_alarms=lambda: old).get("/health")
    assert answer.json() == {"status": "alarm", "alarms": [*old]}
    both = await watcher(house, directory_alarms=lambda: old, trust=trust(72, "The white list is old.")).get(
        "/health"
    )
    assert both.json()["alarms"] == ["The white list is old.", *old]
    assert (await watcher(house).get("/health")).json() == {"status": "ok", "alarms": []}


async def test_metrics_are_text_for_prometheus(house: House) -> None:
    metrics = Metrics()
    metrics.refused("mx", "MSS-156")
    answer = await watcher(house, metrics=metrics).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert 'vaguemestre_refusals_total{code="MSS-156",listener="mx"} 1.0' in answer.text


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_for_the_networks_of_the_settings(house: House, address: str) -> None:
    assert (await watcher(house, address, metrics=Metrics()).get("/metrics")).status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "", "testclient"])
async def test_metrics_are_for_nobody_else(house: House, address: str) -> None:
    answer = await watcher(house, address, metrics=Metrics()).get("/metrics")
    assert answer.status_code == 403
    assert "vaguemestre_" not in answer.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
async def test_a_forwarded_address_is_not_believed(house: House, header: str) -> None:
    value = "for=127.0.0.1" if header == "Forwarded" else "127.0.0.1"
    answer = await watcher(house, "192.0.2.7", metrics=Metrics()).get("/metrics", headers={header: value})
    assert answer.status_code == 403


async def test_other_networks_may_be_named(house: House) -> None:
    nearby = watcher(house, "192.0.2.7", metrics=Metrics(), metrics_from=["192.0.2.1/24"])
    assert (await nearby.get("/metrics")).status_code == 200
    local = watcher(house, "127.0.0.1", metrics=Metrics(), metrics_from=[])
    assert (await local.get("/metrics")).status_code == 403


async def test_what_is_no_network_is_an_error_with_its_key(house: House) -> None:
    settings = house.context.settings.model_copy(update={"metrics_from": ["everybody"]})
    with pytest.raises(SettingsError, match="metrics_from: everybody"):
        HealthPages(replace(house.context, settings=settings))


async def test_without_metrics_there_is_no_page(house: House) -> None:
    assert (await watcher(house).get("/metrics")).status_code == 404
