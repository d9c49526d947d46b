"""Limits kept in Valkey: how often something may happen (GCRA), and what must not happen twice.

One Valkey judges for all processes, by its own clock. The keys of one script may lie in different slots, so it is a
single node or one behind a sentinel, not a cluster; its user needs EVALSHA, SCRIPT LOAD, TIME, GET and SET on
`postroad:limit:*` and `postroad:nonce:*`.

While it is away (none is configured, it refuses, hangs or is loading) nothing raises and nobody waits for it twice:

- Limits are each process's own (`local_limits`), at half the rate and half the burst, though a burst of at least one,
  and of the take itself. So two processes together let through what is allowed, and more processes more than that; what
  was used up in Valkey before is not known to them.
- Nonces cannot be judged: `remember` returns None, and callers must refuse.
- For a second after a failure Valkey is not asked; then one caller tries, and all go back to it when it answers. One
  warning a minute says that it is away.

A take or a nonce whose answer was lost may have been written all the same. If the client asks again after that, the
take counts twice, which refuses somewhat early and never lets more through, and the nonce looks used. What Valkey
forgets (killed: the last second, appended to disk once a second) may be taken, or come, again.
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
#: the name Valkey gives it
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_SECOND = 1_000_000
#: microseconds, 31 years: no limit takes longer to grow back, so that sums stay whole in Lua's numbers (2**53)
_LONGEST = 10**15


@value_class
class LimitTake:
    """What one call wants of one limit."""

    #: what is limited: `key:7:acme.send`; numbers only as keyed hashes. Always with the same rate and burst
    key: str
    #: units a second; a unit grows back in whole microseconds, rounded up
    rate: float
    #: units that may come at once
    burst: int
    cost: int = 1
    #: while the secret key is replaced: what is limited, as hashed with those before it; it holds for these too
    older: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Which limit refused a call."""

    #: its place among the call's own takes; of several that refuse, the one that takes longest
    place: int
    #: seconds until it would hold; infinite where it never would
    wait: float


@dataclass(frozen=True, slots=True)
class _Alone:
    """What this process does without a Valkey."""

    absence: Absence = field(default_factory=Absence)
    limits: LocalLimits = field(default_factory=LocalLimits)


_without = _Alone()
_alone: WeakKeyDictionary[redis.Redis, _Alone] = WeakKeyDictionary()
_alone_lock = Lock()


def take(valkey: redis.Redis | None, groups: Sequence[Sequence[LimitTake]]) -> list[Refused | None]:
    """Take what each call wants, all of its limits or none; return for each None, or which limit refused it.

    All groups are judged in one round trip, in order and with nobody between them: a later one sees what an earlier one
    took. A take of more than the burst never holds, and spends nothing.
    """
    judged = [_never(group) for group in groups]
    asked = [place for place, group in enumerate(groups) if group and not judged[place]]
    if not asked:
        return judged
    calls = [groups[place] for place in asked]
    verdicts = ask(valkey, lambda client: _judge(client, calls))
    if verdicts is None:
        shares = [[_half(take) for take in call] for call in calls]
        verdicts = _alone_with(valkey).limits.judge(shares, time.monotonic_ns() // 1000)
    for place, verdict in zip(asked, verdicts, strict=True):
        if verdict.refused:
            judged[place] = Refused(verdict.refused - 1, verdict.wait / _SECOND)
    return judged


def remember(valkey: redis.Redis | None, words: Sequence[tuple[str, int]]) -> list[bool] | None:
    """Remember words for so many seconds; return whether each is new, or None when Valkey is away.

    They are sent in one round trip. Of two equal words in one call the second is not new.
    """
    return ask(valkey, lambda client: _remember(client, words)) if words else []


def _never(group: Sequence[LimitTake]) -> Refused | None:
    """Return the first take that can never hold."""
    for place, wanted in enumerate(group):
        if wanted.cost > min(wanted.burst, _LONGEST) or not wanted.rate > 0:
            return Refused(place, math.inf)
    return None


def ask(valkey: redis.Redis | None, question: Callable[[redis.Redis], T]) -> T | None:
    """Return Valkey's answer, or None while it is away."""
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
    """Return what goes with that client, and is gone with it."""
    if valkey is None:
        return _without
    with _alone_lock:
        return _alone.setdefault(valkey, _Alone())


def _judge(client: redis.Redis, calls: Sequence[Sequence[LimitTake]]) -> list[LimitDecision]:
    places: dict[str, int] = {}
    numbers = list(_numbers(calls, places))
    reported: list[str | int] = [_LIMIT + key for key in places]
    reported += numbers
    try:
        answer = client.evalsha(_SHA, len(places), *reported)
    except redis.exceptions.NoScriptError:  # it was restarted, or told to forget
        client.script_load(_SCRIPT)
        answer = client.evalsha(_SHA, len(places), *reported)
    return [LimitDecision(*pair) for pair in zip(answer[::2], answer[1::2], strict=True)]


def _numbers(calls: Sequence[Sequence[LimitTake]], places: dict[str, int]) -> Iterator[int]:
    """Yield the script's arguments, numbering the keys on the way."""
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
    """Return the microseconds in which a unit grows back, rounded up but for what a float's last digits make."""
    longest = max(1, _LONGEST // max(1, burst))
    return max(1, math.ceil(min(round(_SECOND / rate, 3), longest)))


def _remember(client: redis.Redis, words: Sequence[tuple[str, int]]) -> list[bool]:
    pipeline = client.pipeline(transaction=False)
    for word, seconds in words:
        pipeline.set(_NONCE + sha256(word.encode()).hexdigest(), b"", nx=True, px=max(1, seconds) * 1000)
    return [bool(answer) for answer in pipeline.execute()]
