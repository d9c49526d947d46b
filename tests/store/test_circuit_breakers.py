"""Circuit breakers of carriers in Valkey: they open soon, allow one probe, and close when it succeeds."""

import time

import pytest
import redis

from pipeline.runtime import Runtime
from pipeline.store import circuit_breakers
from pipeline.store.circuit_breakers import Breaker, CarrierHealth


@pytest.fixture
def valkey(rt: Runtime) -> redis.Redis:
    assert rt.valkey is not None
    return rt.valkey


def skip_the_pause(valkey: redis.Redis, word: str) -> None:
    """The pause is over: its end is put into the past, by the server's own clock."""
    assert valkey.hget(f"postroad:health:{word}", "open")
    valkey.hset(f"postroad:health:{word}", "open", str(int(time.time() * 1000) - 1))


def test_the_breaker_of_a_carrier_without_outcomes_is_closed(valkey: redis.Redis) -> None:
    assert circuit_breakers.open_for_routing(valkey) == frozenset()
    assert circuit_breakers.acquire(valkey, ["a1"], 5) == {"a1": Breaker.CLOSED}


def test_a_breaker_opens_within_twenty_failures(valkey: redis.Redis) -> None:
    states = [circuit_breakers.report(valkey, {"a2": (0, 1)})["a2"] for _ in range(20)]

    assert states[0] is Breaker.CLOSED
    assert states[-1] is Breaker.OPEN
    assert circuit_breakers.open_for_routing(valkey) == {"a2"}


def test_a_breaker_opens_as_soon_after_thousands_of_successes(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"b2": (5000, 0)})

    assert circuit_breakers.report(valkey, {"b2": (0, 20)})["b2"] is Breaker.OPEN


def test_a_few_failures_among_many_successes_do_not_open_a_breaker(valkey: redis.Redis) -> None:
    for _ in range(20):
        circuit_breakers.report(valkey, {"a3": (200, 20)})

    assert circuit_breakers.open_for_routing(valkey) == frozenset()


def test_only_one_caller_at_a_time_gets_the_probe(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a4": (0, 50)})
    assert circuit_breakers.acquire(valkey, ["a4"], 5)["a4"] is Breaker.OPEN
    skip_the_pause(valkey, "a4")

    answers = [circuit_breakers.acquire(valkey, ["a4"], 5)["a4"] for _ in range(5)]

    assert answers == [Breaker.PROBE, *[Breaker.OPEN] * 4]
    assert circuit_breakers.open_for_routing(valkey) == {"a4"}


def test_a_probe_without_a_reported_outcome_is_given_to_another_caller_in_time(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a5": (0, 50)})
    skip_the_pause(valkey, "a5")
    circuit_breakers.acquire(valkey, ["a5"], 0.001)
    time.sleep(0.01)

    assert circuit_breakers.acquire(valkey, ["a5"], 5)["a5"] is Breaker.PROBE


def test_a_probe_without_an_outcome_keeps_the_breaker_open_for_other_threads(valkey: redis.Redis) -> None:
    health = CarrierHealth(valkey, "b5")
    health.note_outcomes([("", False)] * 10)
    skip_the_pause(valkey, "b5")
    assert health.acquire(5) is Breaker.PROBE

    # it was throttled, or its turn never came
    health.note_outcomes([], at_once=True)

    assert health.acquire(5) is Breaker.OPEN


def test_after_the_pause_one_routing_choice_finds_the_breaker_closed(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a0": (0, 50)})
    skip_the_pause(valkey, "a0")

    assert circuit_breakers.open_for_routing(valkey) == frozenset()
    assert circuit_breakers.open_for_routing(valkey) == {"a0"}
    assert [circuit_breakers.acquire(valkey, ["a0"], 5)["a0"] for _ in range(2)] == [Breaker.PROBE, Breaker.OPEN]


def test_a_successful_probe_closes_a_breaker(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a6": (0, 50)})
    skip_the_pause(valkey, "a6")
    circuit_breakers.acquire(valkey, ["a6"], 5)

    assert circuit_breakers.report(valkey, {"a6": (1, 0)})["a6"] is Breaker.CLOSED
    assert circuit_breakers.acquire(valkey, ["a6"], 5)["a6"] is Breaker.CLOSED


def test_a_failed_probe_opens_a_breaker_for_longer(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a7": (0, 50)})
    before = int(valkey.hget("postroad:health:a7", "open") or 0) - time.time() * 1000
    skip_the_pause(valkey, "a7")
    circuit_breakers.acquire(valkey, ["a7"], 5)

    assert circuit_breakers.report(valkey, {"a7": (0, 1)})["a7"] is Breaker.OPEN
    after = int(valkey.hget("postroad:health:a7", "open") or 0) - time.time() * 1000
    assert after > before + 1000


def test_successes_of_attempts_begun_before_a_breaker_opened_do_not_close_it(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"a8": (0, 50)})

    assert circuit_breakers.report(valkey, {"a8": (30, 0)})["a8"] is Breaker.OPEN


def test_each_country_of_a_carrier_has_a_breaker_of_its_own(valkey: redis.Redis) -> None:
    for _ in range(4):
        circuit_breakers.report(valkey, {"a9": (100, 10), "a9/NG": (0, 10), "a9/GH": (100, 0)})

    assert circuit_breakers.open_for_routing(valkey) == {"a9/NG"}


def test_reading_open_breakers_does_not_change_them(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, {"b1": (0, 50), "b1/NG": (0, 50), "b2": (9, 1)})

    first = circuit_breakers.open_states(valkey)
    skip_the_pause(valkey, "b1")
    over = circuit_breakers.open_states(valkey)

    assert first is not None
    assert over is not None
    assert [(each.word, each.is_tried) for each in first] == [("b1", False), ("b1/NG", False)]
    assert 0 < first[0].seconds <= 2
    assert over[0].seconds == 0
    assert circuit_breakers.acquire(valkey, ["b1"], 5)["b1"] is Breaker.PROBE
    assert [(each.word, each.is_tried) for each in circuit_breakers.open_states(valkey) or []] == [
        ("b1", True),
        ("b1/NG", False),
    ]


def test_closing_a_breaker_also_closes_those_of_its_countries_and_no_others(valkey: redis.Redis) -> None:
    circuit_breakers.report(valkey, dict.fromkeys(["c1", "c1/NG", "c1-other", "c12/NG"], (0, 50)))

    assert circuit_breakers.close(valkey, "c1")

    assert circuit_breakers.open_for_routing(valkey) == {"c1-other", "c12/NG"}
    assert circuit_breakers.acquire(valkey, ["c1", "c1/NG"], 5) == {"c1": Breaker.CLOSED, "c1/NG": Breaker.CLOSED}


def test_without_valkey_the_open_breakers_are_unknown() -> None:
    away = redis.Redis(port=1)

    assert circuit_breakers.open_states(None) is None
    assert circuit_breakers.open_states(away) is None
    assert not circuit_breakers.close(None, "a")
    assert not circuit_breakers.close(away, "a")
    away.close()


def test_without_valkey_every_breaker_is_closed() -> None:
    assert circuit_breakers.open_for_routing(None) == frozenset()
    assert circuit_breakers.report(None, {"a": (0, 100)}) == {"a": Breaker.CLOSED}
    assert circuit_breakers.acquire(None, ["a"], 5) == {"a": Breaker.CLOSED}
