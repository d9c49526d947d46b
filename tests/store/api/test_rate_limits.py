"""Rate limits and nonces in Valkey, and the local limits that apply while Valkey is unavailable."""

import logging
import math
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fractions import Fraction
from hashlib import sha256
from uuid import uuid4

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.store.api.local_rate_limits import Absence, LimitShare, LocalLimits
from pipeline.store.api.rate_limits import LimitTake, Refused, store_nonces, take
from workers.lab.embedded import development

SECOND = 1_000_000


@pytest.fixture(scope="module")
def valkey(pair: development.EmbeddedServers) -> Iterator[redis.Redis]:
    """A process's client, as its runtime makes it."""
    with _client(pair.database_url, pair.broker_url) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A limit nobody else takes of."""
    return f"test:{uuid4().hex}"


@contextmanager
def _client(database_url: str, valkey_url: str) -> Iterator[redis.Redis]:
    runtime = Runtime(Settings(database_url=database_url, valkey_url=valkey_url))
    assert runtime.valkey is not None
    yield runtime.valkey
    runtime.close()


# How often ----------------------------------------------------------------------------------------------------


def test_a_limit_allows_its_burst_at_once_and_then_its_rate(valkey: redis.Redis, name: str) -> None:
    wanted = [[LimitTake(name, rate=20, burst=20)]]

    begun = time.monotonic()
    held = take(valkey, wanted).count(None)
    before = asked = time.monotonic()
    refused = False
    while asked < before + 0.5 or not refused:
        asked = time.monotonic()
        refused = take(valkey, wanted) != [None]
        held += not refused
    ended = time.monotonic()

    # exactly, whatever the machine does between two calls: a burst's worth of time may pass unasked
    assert 20 + math.floor((asked - before) * 20) <= held <= 20 + math.floor((ended - begun) * 20)


def test_the_requests_of_one_round_trip_are_decided_in_order(valkey: redis.Redis, name: str) -> None:
    call = [LimitTake(name, rate=0.01, burst=3)]

    verdicts = take(valkey, [call, call, [LimitTake(name, rate=0.01, burst=3, cost=2)], call, call])

    assert [verdict is None for verdict in verdicts] == [True, True, False, True, False]


def test_a_request_takes_from_all_its_limits_or_from_none(valkey: redis.Redis, name: str) -> None:
    ample, scarce = LimitTake(f"{name}:ample", rate=0.01, burst=2), LimitTake(f"{name}:scarce", rate=0.01, burst=1)
    assert take(valkey, [[ample, scarce]]) == [None]

    [refused] = take(valkey, [[ample, scarce]])

    assert refused is not None
    assert refused.place == 1
    assert take(valkey, [[ample]]) == [None]


def test_a_request_that_takes_from_one_limit_twice_needs_both_at_once(valkey: redis.Redis, name: str) -> None:
    one = LimitTake(name, rate=0.01, burst=1)

    [refused] = take(valkey, [[one, one]])

    assert refused is not None
    assert refused.place == 1
    assert take(valkey, [[one]]) == [None]


def test_fifty_concurrent_requests_take_exactly_the_burst_of_ten(valkey: redis.Redis, name: str) -> None:
    wanted = [[LimitTake(name, rate=0.001, burst=10)]]

    with ThreadPoolExecutor(50) as threads:
        verdicts = list(threads.map(lambda _: take(valkey, wanted)[0], range(50)))

    assert verdicts.count(None) == 10


def test_a_refused_request_is_allowed_after_the_returned_wait(valkey: redis.Redis, name: str) -> None:
    call = [LimitTake(f"{name}:soon", rate=4, burst=1), LimitTake(f"{name}:late", rate=1, burst=2, cost=2)]
    assert take(valkey, [call]) == [None]

    [refused] = take(valkey, [call])
    assert refused is not None
    assert refused.place == 1
    assert 1.2 < refused.wait <= 2.001
    time.sleep(refused.wait)

    assert take(valkey, [call]) == [None]


@pytest.mark.parametrize(
    "never",
    [
        LimitTake("never", rate=1, burst=2, cost=3),
        LimitTake("never", rate=1, burst=0),
        LimitTake("never", rate=0, burst=5),
        LimitTake("never", rate=-1, burst=5),
        LimitTake("never", rate=math.nan, burst=5),
    ],
    ids=["more than may come at once", "nothing may", "nothing grows back", "it shrinks", "no number"],
)
def test_a_request_that_can_never_be_allowed_waits_infinitely_and_takes_nothing(
    valkey: redis.Redis, name: str, never: LimitTake
) -> None:
    other = LimitTake(name, rate=0.01, burst=1)

    assert take(valkey, [[other, never], [other]]) == [Refused(1, math.inf), None]


@pytest.mark.parametrize(
    ("rate", "burst"), [(1e-300, 1), (1e-9, 10**12), (1e300, 1), (math.inf, 10**18), (5 / 3600, 5), (1 / 3, 1)]
)
def test_extreme_rates_and_bursts_are_computed_without_error(
    valkey: redis.Redis, name: str, rate: float, burst: int
) -> None:
    assert take(valkey, [[LimitTake(name, rate, burst, cost=min(burst, 10**12))]]) == [None]

    assert valkey.pttl(f"postroad:limit:{name}") > 0 or rate > 1


def test_a_request_without_limits_does_not_call_valkey(name: str) -> None:
    assert take(redis.Redis(port=1), [(), [], [LimitTake(name, rate=0, burst=0)]]) == [None, None, Refused(0, math.inf)]
    assert take(redis.Redis(port=1), []) == []
    assert store_nonces(redis.Redis(port=1), []) == []


def test_the_key_of_a_fully_refilled_limit_expires(valkey: redis.Redis, name: str) -> None:
    take(valkey, [[LimitTake(name, rate=2, burst=5, cost=2)]])

    assert 500 < valkey.pttl(f"postroad:limit:{name}") <= 1000
    time.sleep(1.01)
    assert not valkey.exists(f"postroad:limit:{name}")


def test_the_script_is_loaded_again_after_valkey_flushed_it(valkey: redis.Redis, name: str) -> None:
    wanted = [[LimitTake(name, rate=0.01, burst=2)]]
    take(valkey, wanted)

    valkey.script_flush()

    assert [take(valkey, wanted)[0] is None for _ in range(2)] == [True, False]


def test_after_the_clock_was_set_back_a_limit_refuses_no_longer_than_its_refill_time(
    valkey: redis.Redis, name: str
) -> None:
    wanted = [[LimitTake(name, rate=20, burst=2)]]
    far = time.time_ns() // 1000 + 3600 * SECOND
    valkey.set(f"postroad:limit:{name}", far, ex=3600)

    [refused] = take(valkey, wanted)
    assert refused is not None
    assert refused.wait == pytest.approx(0.05, abs=0.001)
    time.sleep(refused.wait)

    assert take(valkey, wanted) == [None]


# What GCRA promises, by another reckoning ---------------------------------------------------------------------

#: seconds in which a unit grows back, and units at once. So slow that what a test lasts does not matter
BUCKETS = {"a": (1000, 3), "b": (400, 1), "c": (2500, 5), "d": (100, 20)}
GRAIN = 100
calls = st.lists(
    st.sampled_from([(key, cost) for key, (_, burst) in BUCKETS.items() for cost in range(1, burst + 1)]), max_size=4
)
histories = st.lists(st.tuples(st.integers(0, 40).map(lambda n: n * GRAIN), st.lists(calls, max_size=4)), max_size=12)


class Buckets:
    """Buckets that fill drop by drop: what limits are, written the simplest way."""

    def __init__(self) -> None:
        self.full = {key: Fraction(burst) for key, (_, burst) in BUCKETS.items()}

    def wait(self, seconds: int) -> None:
        for key, (interval, burst) in BUCKETS.items():
            self.full[key] = min(Fraction(burst), self.full[key] + Fraction(seconds, interval))

    def take(self, call: Sequence[tuple[str, int]]) -> list[tuple[int, int]]:
        """Return the places of the takes that refuse for longest, with the seconds until they would hold."""
        left, refusals = dict(self.full), []
        for place, (key, cost) in enumerate(call):
            if left[key] >= cost:
                left[key] -= cost
            else:
                refusals.append((place, int((cost - left[key]) * BUCKETS[key][0])))
        if not refusals:
            self.full = left
        longest = max((seconds for _, seconds in refusals), default=0)
        return [refusal for refusal in refusals if refusal[1] == longest]


@settings(max_examples=60)
@given(history=histories)
def test_valkey_decides_like_a_model_of_token_buckets(
    valkey: redis.Redis, history: list[tuple[int, list[list[tuple[str, int]]]]]
) -> None:
    buckets, name = Buckets(), uuid4().hex

    for seconds, asked in history:
        buckets.wait(seconds)
        _let_pass(valkey, [f"postroad:limit:{name}:{key}" for key in BUCKETS], seconds)
        verdicts = take(valkey, [[_take(name, key, cost) for key, cost in call] for call in asked])

        for verdict, call in zip(verdicts, asked, strict=True):
            longest = buckets.take(call)
            # of two that take as long it is either: a moment may have passed for one of them
            assert (verdict.place, _to_grain(verdict.wait)) in longest if verdict else not longest


@given(history=histories)
def test_local_limits_decide_like_a_model_of_token_buckets(
    history: list[tuple[int, list[list[tuple[str, int]]]]],
) -> None:
    buckets, alone, now = Buckets(), LocalLimits(), 0

    for seconds, asked in history:
        buckets.wait(seconds)
        now += seconds * SECOND
        verdicts = alone.judge([[_share(key, cost) for key, cost in call] for call in asked], now)

        received = [[(verdict.refused - 1, verdict.wait // SECOND)] if verdict.refused else [] for verdict in verdicts]
        assert received == [buckets.take(call)[:1] for call in asked]


def _take(name: str, key: str, cost: int) -> LimitTake:
    interval, burst = BUCKETS[key]
    return LimitTake(f"{name}:{key}", 1 / interval, burst, cost)


def _share(key: str, cost: int) -> LimitShare:
    interval, burst = BUCKETS[key]
    return LimitShare(key, cost * interval * SECOND, burst * interval * SECOND)


def _let_pass(valkey: redis.Redis, keys: Sequence[str], seconds: int) -> None:
    """Let it be later: limits are whole again so much earlier."""
    for key in keys:
        if whole := valkey.get(key):
            valkey.set(key, int(whole) - seconds * SECOND, keepttl=True)


def _to_grain(seconds: float) -> int:
    """Return the wait as it was told before a moment of it had passed."""
    return math.ceil(seconds / GRAIN) * GRAIN


# What must not happen twice -----------------------------------------------------------------------------------


def test_a_nonce_is_new_once(valkey: redis.Redis, name: str) -> None:
    assert store_nonces(valkey, [(name, 60), (f"{name}:other", 60)]) == [True, True]

    assert store_nonces(valkey, [(name, 60), (f"{name}:third", 60)]) == [False, True]


def test_the_second_of_two_equal_nonces_in_one_call_is_not_new(valkey: redis.Redis, name: str) -> None:
    assert store_nonces(valkey, [(name, 60), (name, 60)]) == [True, False]


def test_fifty_concurrent_uses_of_a_nonce_find_it_new_once(valkey: redis.Redis, name: str) -> None:
    with ThreadPoolExecutor(50) as threads:
        received = list(threads.map(lambda _: store_nonces(valkey, [(name, 60)]), range(50)))

    assert received.count([True]) == 1


def test_a_nonce_is_stored_as_a_hash_and_expires_after_its_seconds(valkey: redis.Redis, name: str) -> None:
    store_nonces(valkey, [(name, 60), (f"{name}:none", 0)])

    key = f"postroad:nonce:{sha256(name.encode()).hexdigest()}"
    assert 59_000 < valkey.pttl(key) <= 60_000
    assert valkey.get(key) == b""
    assert not list(valkey.scan_iter(match=f"*{name}*", count=10_000))


# While Valkey is away -----------------------------------------------------------------------------------------


@pytest.fixture
def own_valkey(pair: development.EmbeddedServers) -> Iterator[redis.Redis]:
    """A client that no other test finds Valkey away with."""
    with _client(pair.database_url, pair.broker_url) as client:
        yield client


def test_while_valkey_is_down_half_of_a_limit_and_no_nonce_is_allowed(
    pair: development.EmbeddedServers, own_valkey: redis.Redis, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [[LimitTake(name, rate=0.01, burst=6)]]
    assert take(own_valkey, wanted) == [None]

    pair.kill_valkey()
    try:
        alone = [take(own_valkey, wanted)[0] for _ in range(5)]
        nonce = store_nonces(own_valkey, [(name, 60)])
    finally:
        pair.restart_valkey()
    time.sleep(1.05)
    back = [take(own_valkey, wanted)[0] for _ in range(7)]

    assert [verdict is None for verdict in alone] == [True, True, True, False, False]
    assert alone[3] is not None
    assert alone[3].wait == pytest.approx(200, abs=5)
    assert nonce is None
    # the one taken before it was killed counts on, unless it was killed before that was appended to its file
    assert back.count(None) in {5, 6}
    assert store_nonces(own_valkey, [(name, 60)]) == [True]
    [warning] = [record for record in caplog.records if record.name.startswith("pipeline.store.api")]
    assert warning.levelno == logging.WARNING
    assert name not in caplog.text


def _waiting_at(server: socket.socket) -> int:
    """Return how many have connected."""
    server.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_hanging_valkey_is_called_at_most_once_a_second(pair: development.EmbeddedServers, name: str) -> None:
    wanted = [[LimitTake(name, rate=1, burst=1)]]
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging,
        _client(pair.database_url, f"redis://127.0.0.1:{hanging.getsockname()[1]}/0") as client,
    ):
        take(client, wanted)

        before = time.monotonic()
        received = [store_nonces(client, [(name, 60)]) for _ in range(100)]
        take(client, wanted * 100)
        lasted = time.monotonic() - before
        tries = _waiting_at(hanging)

    assert received == [None] * 100
    # one, and another for each second that this machine took longer than it need
    assert tries <= 1 + lasted


def test_an_error_reply_of_valkey_raises_nothing_and_local_limits_apply(
    valkey: redis.Redis, own_valkey: redis.Redis, name: str
) -> None:
    valkey.lpush(f"postroad:limit:{name}", "no number")

    verdicts = [take(own_valkey, [[LimitTake(name, rate=0.01, burst=2)]])[0] for _ in range(2)]

    assert [verdict is None for verdict in verdicts] == [True, False]
    valkey.delete(f"postroad:limit:{name}")


def test_without_valkey_configured_local_limits_apply(name: str) -> None:
    wanted = [[LimitTake(name, rate=0.01, burst=4)]]

    assert [take(None, wanted)[0] is None for _ in range(3)] == [True, True, False]
    assert take(None, [[LimitTake(f"{name}:one", rate=1, burst=1)]]) == [None]
    assert take(None, [[LimitTake(f"{name}:all", rate=1, burst=9, cost=9)]]) == [None]
    assert take(None, [[LimitTake(f"{name}:more", rate=1, burst=9, cost=10)]]) == [Refused(0, math.inf)]
    assert store_nonces(None, [(name, 60)]) is None


def test_fifty_concurrent_requests_take_half_of_ten_from_local_limits(name: str) -> None:
    wanted = [[LimitTake(name, rate=0.001, burst=10)]]

    with ThreadPoolExecutor(50) as threads:
        verdicts = list(threads.map(lambda _: take(None, wanted)[0], range(50)))

    assert verdicts.count(None) == 5


def test_a_full_table_of_local_limits_drops_those_refilled_first() -> None:
    alone = LocalLimits(most=100)
    slow = [[LimitShare("slow", 10 * SECOND, 10 * SECOND)]]
    alone.judge(slow, 0)

    for number in range(1000):
        alone.judge([[LimitShare(f"quick:{number}", SECOND, SECOND)]], number)

    assert len(alone) <= 100
    assert alone.judge(slow, SECOND)[0].refused


def test_after_the_pause_one_caller_tries_valkey_again() -> None:
    absence = Absence()
    assert not absence.lasts()
    absence.begin("a test")
    assert absence.lasts()
    time.sleep(1.05)

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(lambda _: absence.lasts(), range(20))).count(False) == 1

    absence.end()
    assert not absence.lasts()
