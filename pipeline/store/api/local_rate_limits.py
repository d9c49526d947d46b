"""Rate limits of one process (GCRA), used while Valkey is unavailable, and when to try Valkey again."""

import logging
import time
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

log = logging.getLogger(__name__)

#: most limits kept (about 10 MB); above that the half that is replenished first is dropped
_MOST = 50_000
#: seconds for which Valkey is not called after a failure, and seconds between two warnings
_PAUSE, _SILENCE = 1.0, 60.0


class LimitShare(NamedTuple):
    """What a call takes from one limit, in microseconds: a unit is the time in which it is replenished."""

    key: str
    #: microseconds that this call uses
    step: int
    #: microseconds that may be used at once: the burst
    window: int


class LimitDecision(NamedTuple):
    """The decision on one call."""

    #: the place of the share that exceeded its limit, from 1; 0: allowed
    refused: int
    #: microseconds until that share would be allowed
    wait: int


class LocalLimits:
    """Thread-safe GCRA rate limits of one process; rate_limits.lua does the same in Valkey."""

    def __init__(self, most: int = _MOST) -> None:
        """Start with unused limits; keep `most` of them."""
        self._most = most
        #: key → when the limit is fully replenished, in microseconds; missing: it is unused
        self._whole: dict[str, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._whole)

    def judge(self, calls: Sequence[Sequence[LimitShare]], now: int) -> list[LimitDecision]:
        """Take the shares of each call in order, all or none; return a decision for each. `now` is in microseconds."""
        with self._lock:
            verdicts = [self._judge(call, now) for call in calls]
            if len(self._whole) > self._most:
                self._forget()
        return verdicts

    def _judge(self, call: Sequence[LimitShare], now: int) -> LimitDecision:
        wanted: dict[str, int] = {}
        verdict = LimitDecision(0, 0)
        for place, share in enumerate(call, 1):
            after = max(now, wanted.get(share.key) or self._whole.get(share.key, now)) + share.step
            over = after - now - share.window
            if over > verdict.wait:
                verdict = LimitDecision(place, over)
            elif over <= 0:
                wanted[share.key] = after
        if not verdict.refused:
            self._whole |= wanted
        return verdict

    def _forget(self) -> None:
        """Drop limits, those that are replenished first (or already) before others."""
        kept = sorted(self._whole.items(), key=lambda item: item[1])[-(self._most // 2) :]
        self._whole = dict(kept)


class Absence:
    """Whether Valkey failed less than a second ago: an unresponsive server must not cost each call its timeout."""

    def __init__(self) -> None:
        """Start with Valkey available."""
        self._until = 0.0
        self._silent_until = 0.0
        self._lock = Lock()

    def lasts(self) -> bool:
        """Return whether to skip Valkey: true for a second after a failure, then false for one caller that retries."""
        if not self._until:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return True
            self._until = now + _PAUSE
            return False

    def begin(self, why: str) -> None:
        """Skip Valkey for a second; log `why` as a warning at most once a minute."""
        with self._lock:
            now = time.monotonic()
            self._until = now + _PAUSE
            if now < self._silent_until:
                return
            self._silent_until = now + _SILENCE
        log.warning("Valkey is away (%s): this process keeps limits of its own, at half; no nonce can be taken", why)

    def end(self) -> None:
        """Mark Valkey as available again."""
        self._until = 0.0
