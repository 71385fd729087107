from __future__ import annotations

from mailserver.smtp.rates import Rates


class Dial:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def taken(rates: Rates, name: str, tries: int) -> int:
    return sum(rates.take(name) for _ in range(tries))


def test_a_minute_s_worth_may_come_at_once_and_then_one_at_a_time() -> None:
    dial = Dial()
    rates = Rates(60, now=dial)
    assert taken(rates, "a", 100) == 60
    dial.seconds += 1
    assert taken(rates, "a", 5) == 1
    dial.seconds += 10
    assert taken(rates, "a", 50) == 10
    dial.seconds += 3600
    assert taken(rates, "a", 100) == 60


def test_a_refusal_costs_nothing() -> None:
    dial = Dial()
    rates = Rates(60, now=dial)
    taken(rates, "a", 1000)
    dial.seconds += 30
    assert taken(rates, "a", 100) == 30


def test_each_name_has_its_own_bucket() -> None:
    rates = Rates(3, now=Dial())
    assert [taken(rates, name, 5) for name in ("a", "b", "a")] == [3, 3, 0]


def test_a_burst_may_be_smaller_than_a_minute_s_worth() -> None:
    dial = Dial()
    rates = Rates(60, burst=1, now=dial)
    assert taken(rates, "a", 5) == 1
    dial.seconds += 0.9
    assert taken(rates, "a", 5) == 0
    dial.seconds += 0.1
    assert taken(rates, "a", 5) == 1


def test_no_rate_is_no_limit_and_no_memory() -> None:
    rates = Rates(0, now=Dial())
    assert taken(rates, "a", 10_000) == 10_000
    assert rates.active == 0


def test_names_are_bounded_and_idle_ones_go_first() -> None:
    dial = Dial()
    rates = Rates(60, names=100, now=dial)
    taken(rates, "busy", 60)
    for number in range(99):
        rates.take(f"quiet {number}")
    dial.seconds += 2
    assert rates.take("one more")
    assert rates.active == 2
    assert taken(rates, "busy", 60) == 2


def test_a_flood_of_busy_names_pushes_out_the_oldest() -> None:
    rates = Rates(60, names=100, now=Dial())
    for number in range(1000):
        taken(rates, str(number), 2)
    assert 90 <= rates.active <= 100
