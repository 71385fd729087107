from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families

from foundation.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.values()))] = sample.value
    return found


def test_refusals_are_counted_by_listener_and_code() -> None:
    metrics = Metrics()
    for code in ("MSS-156", "MSS-156", "MSS-105"):
        metrics.refused("mx", code)
    found = samples(metrics)
    assert found["vaguemestre_refusals_total", ("MSS-156", "mx")] == 2
    assert found["vaguemestre_refusals_total", ("MSS-105", "mx")] == 1


def test_attempts_are_counted_by_outcome_and_recipient() -> None:
    metrics = Metrics()
    metrics.outbound("delivered", recipients=3)
    metrics.outbound("deferred", "MSS-161")
    found = samples(metrics)
    assert found["vaguemestre_outbound_recipients_total", ("", "delivered")] == 3
    assert found["vaguemestre_outbound_recipients_total", ("MSS-161", "deferred")] == 1


def test_a_gauge_is_read_when_it_is_shown() -> None:
    metrics = Metrics()
    ages = iter((5.0, 6.0))
    metrics.set_gauge("white_list_age_seconds", "Age of the list.", lambda: next(ages))
    assert samples(metrics)["vaguemestre_white_list_age_seconds", ()] == 5
    assert samples(metrics)["vaguemestre_white_list_age_seconds", ()] == 6


def test_a_gauge_that_fails_hides_no_other() -> None:
    metrics = Metrics()

    def broken() -> float:
        raise RuntimeError

    metrics.set_gauge("broken", "Never there.", broken)
    metrics.accepted("mx")
    found = samples(metrics)
    assert math.isnan(found["vaguemestre_broken", ()])
    assert found["vaguemestre_accepted_messages_total", ("mx",)] == 1


def test_two_operators_do_not_share_their_counters() -> None:
    first, second = Metrics(), Metrics()
    first.accepted("mx")
    assert ("vaguemestre_accepted_messages_total", ("mx",)) not in samples(second)
