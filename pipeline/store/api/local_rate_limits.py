"""What a process goes by while Valkey is away: limits of its own, and when to ask Valkey again."""

import logging
import time
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

log = logging.getLogger(__name__)

#: limits remembered at most (some 10 MB); when there are more, the half that is whole soonest is forgotten
_MOST = 50_000
#: seconds for which a Valkey that failed is not asked, and seconds between two warnings that it does
_PAUSE, _SILENCE = 1.0, 60.0


class LimitShare(NamedTuple):
    """What a call takes of a limit, in microseconds: a unit is the time in which it grows back."""

    key: str
    #: what is used up
    step: int
    #: what may be used up at once
    window: int


class LimitDecision(NamedTuple):
    """What a call hears of its shares."""

    #: the share that refused it, 1 is the first; 0: all hold
    refused: int
    #: microseconds until that one would hold
    wait: int


class LocalLimits:
    """Limits of one process by GCRA, for any number of threads; limits.lua does the same in Valkey."""

    def __init__(self, most: int = _MOST) -> None:
        """Begin with all limits whole."""
        self._most = most
        #: when each limit is whole again; one that is not here is whole
        self._whole: dict[str, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._whole)

    def judge(self, calls: Sequence[Sequence[LimitShare]], now: int) -> list[LimitDecision]:
        """Take the shares of each call in order, all or none; return a verdict on each. `now` is in microseconds."""
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
        """Forget limits, those that are whole (again) first."""
        kept = sorted(self._whole.items(), key=lambda item: item[1])[-(self._most // 2) :]
        self._whole = dict(kept)


class Absence:
    """Whether Valkey failed a moment ago: one that hangs must not cost every call its timeout."""

    def __init__(self) -> None:
        """Begin with a Valkey that may be asked."""
        self._until = 0.0
        self._silent_until = 0.0
        self._lock = Lock()

    def lasts(self) -> bool:
        """Return whether to do without Valkey: for a second after it failed, and then for all but one, who tries it."""
        if not self._until:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return True
            self._until = now + _PAUSE
            return False

    def begin(self, why: str) -> None:
        """Do without Valkey for a second; say so once a minute."""
        with self._lock:
            now = time.monotonic()
            self._until = now + _PAUSE
            if now < self._silent_until:
                return
            self._silent_until = now + _SILENCE
        log.warning("Valkey is away (%s): this process keeps limits of its own, at half; no nonce can be taken", why)

    def end(self) -> None:
        """Go by Valkey again."""
        self._until = 0.0
