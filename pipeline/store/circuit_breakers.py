"""Circuit breakers in Valkey, shared by all processes: one per carrier, and one per carrier and country.

A breaker opens after ten failures in a row, or when at least half of the recent outcomes failed, and stays open for
2 s, doubled each time it opens again, at most a minute. Then one caller sends a probe, whose outcome closes the
breaker or opens it again. While Valkey is unavailable all breakers count as closed, and no call waits for it.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha1
from pathlib import Path
from threading import Lock

import redis

from pipeline.store.api.rate_limits import call as ask_valkey

#: seconds for which successes are collected before they are reported
_SILENCE = 0.5
_PREFIX, _OPEN = "postroad:health:", "postroad:health-open"
_SCRIPT = Path(__file__).with_suffix(".lua").read_text("utf-8")
#: the script's digest, for EVALSHA
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Breaker(IntEnum):
    """The state of a breaker for the caller that asks."""

    CLOSED = 0
    #: send nothing
    OPEN = 1
    #: open, but this caller sends the probe
    PROBE = 2


@dataclass(frozen=True, slots=True)
class BreakerState:
    """An open breaker, read without changing it."""

    #: the breaker's name: `alpha`, `alpha/NG`
    word: str
    #: a probe is in progress
    is_tried: bool
    #: until it may be probed, or probed again
    seconds: float
    #: for which it might have been probed and no message was for it: nobody knows how the carrier is
    idle_seconds: float


def breaker_name(carrier: str, country: str = "") -> str:
    """Return a breaker's name: `alpha`, or `alpha/NG` for one country."""
    return f"{carrier}/{country}" if country else carrier


def report(valkey: redis.Redis | None, counts: Mapping[str, tuple[int, int]]) -> dict[str, Breaker]:
    """Report the numbers of (good, bad) outcomes of breakers; return their states afterwards."""
    numbers = [number for pair in counts.values() for number in pair]
    return _run(valkey, list(counts), "report", *numbers)


def open_for_routing(valkey: redis.Redis | None) -> frozenset[str]:
    """Return the open breakers for a choice of carriers.

    The first caller after a breaker's pause finds it closed, and may choose its carrier for the probe.
    """
    words = _were_open(valkey) or ()
    return frozenset(each for each, state in _run(valkey, words, "look").items() if state is Breaker.OPEN)


def open_states(valkey: redis.Redis | None) -> list[BreakerState] | None:
    """Return the open breakers without changing them; None while Valkey is unavailable."""
    words = _were_open(valkey)
    if words is None:
        return None
    keys = [_PREFIX + each for each in words]
    answer = ask_valkey(valkey, lambda client: _call(client, keys, ["watch"])) if keys else []
    if answer is None:
        return None
    stands = zip(words, answer[::2], answer[1::2], strict=True)
    return [
        BreakerState(each, state == Breaker.PROBE, max(wait, 0) / 1000, max(-wait, 0) / 1000)
        for each, state, wait in stands
        if state
    ]


def close(valkey: redis.Redis | None, carrier: str) -> bool:
    """Close the breakers of a carrier and its countries; return False while Valkey is unavailable."""
    words = _were_open(valkey)
    if words is None:
        return False
    keys = [_PREFIX + each for each in {carrier, *(each for each in words if each.startswith(f"{carrier}/"))}]
    return ask_valkey(valkey, lambda client: (client.delete(*keys), client.srem(_OPEN, *keys))) is not None


def acquire(valkey: redis.Redis | None, words: Sequence[str], timeout: float) -> dict[str, Breaker]:
    """Return the breakers' states before sending; PROBE reserves the probe for this caller for `timeout` seconds."""
    return _run(valkey, words, "ask", int(timeout * 1000))


def _were_open(valkey: redis.Redis | None) -> list[str] | None:
    """Return the breakers that are open, or were when Valkey lost their state; None while it is unavailable."""
    found = ask_valkey(valkey, lambda client: client.smembers(_OPEN)) if valkey is not None else None
    if found is None:
        return None
    return sorted(str(key, "utf-8").removeprefix(_PREFIX) for key in found if isinstance(key, bytes))


def _run(valkey: redis.Redis | None, words: Sequence[str], *arguments: str | int) -> dict[str, Breaker]:
    keys = [_PREFIX + each for each in words]
    answer = ask_valkey(valkey, lambda client: _call(client, keys, arguments)) if keys else None
    states = answer[::2] if answer else [Breaker.CLOSED] * len(keys)
    return {each: Breaker(state) for each, state in zip(words, states, strict=True)}


def _call(client: redis.Redis, keys: Sequence[str], arguments: Sequence[str | int]) -> list[int]:
    try:
        answer: list[int] = client.evalsha(_SHA, len(keys), *keys, *arguments)
    except redis.exceptions.NoScriptError:  # Valkey was restarted, or its scripts were flushed
        client.script_load(_SCRIPT)
        answer = client.evalsha(_SHA, len(keys), *keys, *arguments)
    return answer


class CarrierHealth:
    """One process's reports on one carrier: failures at once, successes periodically."""

    def __init__(self, valkey: redis.Redis | None, carrier: str) -> None:
        """Start without outcomes."""
        self._valkey = valkey
        self._carrier = carrier
        self._counts: dict[str, list[int]] = {}
        self._reported_at = self._well_at = float("-inf")
        self._lock = Lock()

    def acquire(self, timeout: float) -> Breaker:
        """Return the breaker's state; a probe must end within `timeout` seconds.

        Valkey is not asked if the breaker was closed less than half a second ago.
        """
        if time.monotonic() - self._well_at < _SILENCE:
            return Breaker.CLOSED
        return self._received(acquire(self._valkey, [self._carrier], timeout)[self._carrier])

    def note_outcomes(self, outcomes: Sequence[tuple[str, bool]], *, at_once: bool = False) -> Breaker:
        """Add (country, good) outcomes of a portion; return the carrier's breaker state as far as it is known."""
        with self._lock:
            counted = Counter(outcomes)  # mostly one country with equal outcomes
            for (country, good), count in counted.items():
                for each in (self._carrier, breaker_name(self._carrier, country)) if country else (self._carrier,):
                    self._counts.setdefault(each, [0, 0])[not good] += count
            if not at_once and all(good for _, good in counted) and time.monotonic() - self._reported_at < _SILENCE:
                return Breaker.CLOSED
            counts, self._counts, self._reported_at = self._counts, {}, time.monotonic()
        if not counts:  # nothing to report, so Valkey confirmed nothing: other threads must not rely on it
            return Breaker.CLOSED
        reported = report(self._valkey, {each: (good, bad) for each, (good, bad) in counts.items()})
        return self._received(reported.get(self._carrier, Breaker.CLOSED))

    def _received(self, stands: Breaker) -> Breaker:
        self._well_at = time.monotonic() if stands is Breaker.CLOSED else float("-inf")
        return stands
