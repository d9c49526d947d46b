"""Rate limits (GCRA) and nonces in Valkey, by a Lua script.

One Valkey decides for all processes, by its own clock. The keys of one script may lie in different slots, so it is a
single node or one behind a sentinel, not a cluster; its user needs EVALSHA, SCRIPT LOAD, TIME, GET and SET on
`postroad:limit:*` and `postroad:nonce:*`.

While it is unavailable (not configured, refusing, unresponsive or loading) nothing raises and no call waits twice:

- Each process has limits of its own (`local_rate_limits`), with half the rate and half the burst, but a burst of at
  least one and of the take itself. Two processes together allow what is allowed, more processes allow more; what was
  used in Valkey before is not counted.
- Nonces cannot be checked: `remember` returns None, and callers must refuse.
- For a second after a failure Valkey is not called; then one caller tries, and all use it again when it answers. A
  warning is logged at most once a minute.

A take or a nonce whose answer was lost may have been written. If the client tries again, the take counts twice, which
refuses somewhat early and never allows more, and the nonce is refused as used. What Valkey loses in a crash (the last
second, since it appends to disk once a second) may be taken, or used, again.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from pathlib import Path
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

import redis

from pipeline.store.api.local_rate_limits import Absence, LimitDecision, LimitShare, LocalLimits
from schema.value_class import value_class

T = TypeVar("T")

_LIMIT, _NONCE = "postroad:limit:", "postroad:nonce:"

_SCRIPT = Path(__file__).with_suffix(".lua").read_text("utf-8")
#: the script's digest, for EVALSHA
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_SECOND = 1_000_000
#: microseconds (31 years), the longest replenishment: sums stay exact integers in Lua's numbers (2**53)
_LONGEST = 10**15


@value_class
class LimitTake:
    """What one call takes from one limit."""

    #: the limit's name: `key:7:acme.send`; numbers only as keyed hashes. Rate and burst must be the same each time
    key: str
    #: units per second; a unit's interval is rounded up to whole microseconds
    rate: float
    #: units that may be taken at once
    burst: int
    cost: int = 1
    #: during a rotation of the secret key: the name as hashed with the earlier keys; these limits apply too
    older: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused call: the limit that it exceeded."""

    #: the place among the call's takes; of several exceeded limits, the one with the longest wait
    place: int
    #: seconds until it would be allowed; infinite when it never would be
    wait: float


@dataclass(frozen=True, slots=True)
class _Alone:
    """A process's state for the time without Valkey."""

    absence: Absence = field(default_factory=Absence)
    limits: LocalLimits = field(default_factory=LocalLimits)


_without = _Alone()
_alone: WeakKeyDictionary[redis.Redis, _Alone] = WeakKeyDictionary()
_alone_lock = Lock()


def take(valkey: redis.Redis | None, groups: Sequence[Sequence[LimitTake]]) -> list[Refused | None]:
    """Take from all limits of each call, or from none; return per call None, or which limit refused it.

    All groups are decided atomically and in order, in one round trip: a later one sees what an earlier one took. A take
    of more than the burst is always refused, and uses nothing.
    """
    judged = [_never(group) for group in groups]
    asked = [place for place, group in enumerate(groups) if group and not judged[place]]
    if not asked:
        return judged
    calls = [groups[place] for place in asked]
    verdicts = call(valkey, lambda client: _judge(client, calls))
    if verdicts is None:
        shares = [[_half(take) for take in call] for call in calls]
        verdicts = _alone_with(valkey).limits.judge(shares, time.monotonic_ns() // 1000)
    for place, verdict in zip(asked, verdicts, strict=True):
        if verdict.refused:
            judged[place] = Refused(verdict.refused - 1, verdict.wait / _SECOND)
    return judged


def store_nonces(valkey: redis.Redis | None, words: Sequence[tuple[str, int]]) -> list[bool] | None:
    """Store nonces, each for its number of seconds; return whether each is new, or None while Valkey is unavailable.

    They are sent in one round trip. Of two equal nonces in one call the second is not new.
    """
    return call(valkey, lambda client: _store_nonces(client, words)) if words else []


def _never(group: Sequence[LimitTake]) -> Refused | None:
    """Return the first take that can never be allowed."""
    for place, wanted in enumerate(group):
        if wanted.cost > min(wanted.burst, _LONGEST) or not wanted.rate > 0:
            return Refused(place, math.inf)
    return None


def call(valkey: redis.Redis | None, question: Callable[[redis.Redis], T]) -> T | None:
    """Call Valkey; return the result, or None while it is unavailable."""
    absence = _alone_with(valkey).absence
    if valkey is None:
        absence.begin("none is configured")
        return None
    if absence.lasts():
        return None
    try:
        answer = question(valkey)
    except (redis.RedisError, OSError) as error:
        absence.begin(type(error).__name__)
        return None
    absence.end()
    return answer


def _alone_with(valkey: redis.Redis | None) -> _Alone:
    """Return the state that belongs to that client, and that is freed with it."""
    if valkey is None:
        return _without
    with _alone_lock:
        return _alone.setdefault(valkey, _Alone())


def _judge(client: redis.Redis, calls: Sequence[Sequence[LimitTake]]) -> list[LimitDecision]:
    places: dict[str, int] = {}
    numbers = list(_numbers(calls, places))
    arguments: list[str | int] = [_LIMIT + key for key in places]
    arguments += numbers
    try:
        answer = client.evalsha(_SHA, len(places), *arguments)
    except redis.exceptions.NoScriptError:  # Valkey was restarted, or its scripts were flushed
        client.script_load(_SCRIPT)
        answer = client.evalsha(_SHA, len(places), *arguments)
    return [LimitDecision(*pair) for pair in zip(answer[::2], answer[1::2], strict=True)]


def _numbers(calls: Sequence[Sequence[LimitTake]], places: dict[str, int]) -> Iterator[int]:
    """Yield the script's arguments; add each key's number to `places`."""
    for call in calls:
        yield len(call)
        for share in map(_full, call):
            yield places.setdefault(share.key, len(places) + 1)
            yield share.step
            yield share.window


def _full(wanted: LimitTake) -> LimitShare:
    burst = min(wanted.burst, _LONGEST)
    interval = _interval(wanted.rate, burst)
    return LimitShare(wanted.key, wanted.cost * interval, burst * interval)


def _half(wanted: LimitTake) -> LimitShare:
    burst = min(wanted.burst, _LONGEST)
    interval = 2 * _interval(wanted.rate, burst)
    return LimitShare(wanted.key, wanted.cost * interval, max(1, wanted.cost, burst // 2) * interval)


def _interval(rate: float, burst: int) -> int:
    """Return the microseconds in which a unit is replenished, rounded up, ignoring floating-point error."""
    longest = max(1, _LONGEST // max(1, burst))
    return max(1, math.ceil(min(round(_SECOND / rate, 3), longest)))


def _store_nonces(client: redis.Redis, words: Sequence[tuple[str, int]]) -> list[bool]:
    pipeline = client.pipeline(transaction=False)
    for word, seconds in words:
        pipeline.set(_NONCE + sha256(word.encode()).hexdigest(), b"", nx=True, px=max(1, seconds) * 1000)
    return [bool(answer) for answer in pipeline.execute()]
