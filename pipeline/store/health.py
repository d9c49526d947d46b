"""How carriers do, kept in Valkey for all processes: a circuit breaker for each carrier, and each with a country.

A breaker opens at ten bad outcomes in a row, or that are at least half of what came lately, and stays open for 2 s,
doubled each time it opens again, a minute at most. When that is over one caller is told to try (a probe); what comes of
it closes the breaker or opens it again. Nobody waits for Valkey: while it is away every carrier counts as well.
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

from pipeline.store.api.rate_limits import ask as ask_valkey

#: seconds for which good news may wait
_SILENCE = 0.5
_PREFIX, _OPEN = "postroad:health:", "postroad:health-open"
_SCRIPT = Path(__file__).with_suffix(".lua").read_text("utf-8")
#: the name Valkey gives it
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Breaker(IntEnum):
    """How the breaker of a carrier stands to who asks."""

    CLOSED = 0
    #: leave it alone
    OPEN = 1
    #: it is open, and the caller is the one who tries it with a message
    PROBE = 2


@dataclass(frozen=True, slots=True)
class BreakerState:
    """An open breaker, as somebody sees it who only wants to know."""

    #: what it is called: `alpha`, `alpha/NG`
    word: str
    #: somebody tries it with a message right now
    is_tried: bool
    #: until it may be tried, or tried again
    seconds: float


def word(carrier: str, country: str = "") -> str:
    """Return what a breaker is called: `alpha`, or `alpha/NG` for what goes there only."""
    return f"{carrier}/{country}" if country else carrier


def report(valkey: redis.Redis | None, counts: Mapping[str, tuple[int, int]]) -> dict[str, Breaker]:
    """Say how many good and bad outcomes each breaker saw; return how they stand now."""
    numbers = [number for pair in counts.values() for number in pair]
    return _run(valkey, list(counts), "report", *numbers)


def look(valkey: redis.Redis | None) -> frozenset[str]:
    """Return which breakers are open to who chooses a carrier now.

    Who looks first when a breaker's pause is over finds it closed, and may choose its carrier for the probe.
    """
    words = _were_open(valkey) or ()
    return frozenset(each for each, state in _run(valkey, words, "look").items() if state is Breaker.OPEN)


def watch(valkey: redis.Redis | None) -> list[BreakerState] | None:
    """Return the open breakers and change nothing; None while nobody knows, and every carrier counts as well."""
    words = _were_open(valkey)
    if words is None:
        return None
    keys = [_PREFIX + each for each in words]
    answer = ask_valkey(valkey, lambda client: _call(client, keys, ["watch"])) if keys else []
    if answer is None:
        return None
    stands = zip(words, answer[::2], answer[1::2], strict=True)
    return [BreakerState(each, state == Breaker.PROBE, wait / 1000) for each, state, wait in stands if state]


def forget(valkey: redis.Redis | None, carrier: str) -> bool:
    """Close a carrier's breaker and those of its countries; False while that cannot be done."""
    words = _were_open(valkey)
    if words is None:
        return False
    keys = [_PREFIX + each for each in {carrier, *(each for each in words if each.startswith(f"{carrier}/"))}]
    return ask_valkey(valkey, lambda client: (client.delete(*keys), client.srem(_OPEN, *keys))) is not None


def ask(valkey: redis.Redis | None, words: Sequence[str], timeout: float) -> dict[str, Breaker]:
    """Ask before sending; PROBE gives the caller so many seconds in which nobody else tries."""
    return _run(valkey, words, "ask", int(timeout * 1000))


def _were_open(valkey: redis.Redis | None) -> list[str] | None:
    """Return the breakers that are open, or were when Valkey forgot them; None when it does not say."""
    found = ask_valkey(valkey, lambda client: client.smembers(_OPEN)) if valkey is not None else None
    if found is None:
        return None
    return sorted(str(key, "utf-8").removeprefix(_PREFIX) for key in found if isinstance(key, bytes))


def _run(valkey: redis.Redis | None, words: Sequence[str], *reported: str | int) -> dict[str, Breaker]:
    keys = [_PREFIX + each for each in words]
    answer = ask_valkey(valkey, lambda client: _call(client, keys, reported)) if keys else None
    states = answer[::2] if answer else [Breaker.CLOSED] * len(keys)
    return {each: Breaker(state) for each, state in zip(words, states, strict=True)}


def _call(client: redis.Redis, keys: Sequence[str], reported: Sequence[str | int]) -> list[int]:
    try:
        answer: list[int] = client.evalsha(_SHA, len(keys), *keys, *reported)
    except redis.exceptions.NoScriptError:  # it was restarted, or told to forget
        client.script_load(_SCRIPT)
        answer = client.evalsha(_SHA, len(keys), *keys, *reported)
    return answer


class CarrierHealth:
    """One process's word on one carrier: told at once when something is bad, else now and then."""

    def __init__(self, valkey: redis.Redis | None, carrier: str) -> None:
        """Begin with nothing to say."""
        self._valkey = valkey
        self._carrier = carrier
        self._counts: dict[str, list[int]] = {}
        self._reported_at = self._well_at = float("-inf")
        self._lock = Lock()

    def ask(self, timeout: float) -> Breaker:
        """Ask whether the carrier may be given something; a probe must be over after so many seconds.

        Where it was well a moment ago Valkey is not asked.
        """
        if time.monotonic() - self._well_at < _SILENCE:
            return Breaker.CLOSED
        return self._received(ask(self._valkey, [self._carrier], timeout)[self._carrier])

    def note_outcomes(self, outcomes: Sequence[tuple[str, bool]], *, at_once: bool = False) -> Breaker:
        """Take in (country, was it good) of a portion; return how the carrier's breaker stands, as far as is known."""
        with self._lock:
            counted = Counter(outcomes)  # most are of one country, and alike
            for (country, good), count in counted.items():
                for each in (self._carrier, word(self._carrier, country)) if country else (self._carrier,):
                    self._counts.setdefault(each, [0, 0])[not good] += count
            if not at_once and all(good for _, good in counted) and time.monotonic() - self._reported_at < _SILENCE:
                return Breaker.CLOSED
            counts, self._counts, self._reported_at = self._counts, {}, time.monotonic()
        if not counts:  # nobody was told anything, so nobody said that it is well: another thread may not believe that
            return Breaker.CLOSED
        reported = report(self._valkey, {each: (good, bad) for each, (good, bad) in counts.items()})
        return self._received(reported.get(self._carrier, Breaker.CLOSED))

    def _received(self, stands: Breaker) -> Breaker:
        self._well_at = time.monotonic() if stands is Breaker.CLOSED else float("-inf")
        return stands
