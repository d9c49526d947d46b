"""Speed limits of campaigns: how many recipients may become messages now, by recipients an hour and segments a second.

A limit is a token bucket: what it allowed since `PacedCounts.since` less what was sent since. Allowance that could not
be used (quiet workers, a slow carrier) is kept for `BURST` seconds, so that a campaign never catches up in a burst.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from schema.campaign import Campaign

#: seconds of unused allowance that are kept
BURST = 10.0
#: keeps a second's allowance whole in spite of floating point
_ROUNDING = 1e-6
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class SpeedLimit:
    """The limits of a campaign; None: unlimited."""

    per_hour: int | None
    segments_per_second: float | None

    @property
    def is_set(self) -> bool:
        """Tell whether there is any."""
        return self.per_hour is not None or self.segments_per_second is not None


def limit_of(campaign: Campaign, recipients: int) -> SpeedLimit:
    """Return the limits of a campaign with so many recipients: spread over hours, unless it has a limit per hour."""
    per_hour = campaign.per_hour
    if per_hour is None and campaign.spread_hours:
        per_hour = max(1, ceil(recipients / campaign.spread_hours))
    return SpeedLimit(per_hour, campaign.segments_per_second)


@dataclass(frozen=True, slots=True)
class PacedCounts:
    """What was sent since a limit counts."""

    since: datetime
    recipients: int
    segments: int


def room(limit: SpeedLimit, counts: PacedCounts, average: float, now: datetime, most: int) -> int:
    """Return how many recipients may be sent now, `most` at most; `average`: segments of a recipient's message."""
    spare = [rate * _elapsed(counts, now) - used for rate, used in _rates(limit, counts, average)]
    return max(0, min(most, int(min(spare) + _ROUNDING))) if spare else most


def rebased(limit: SpeedLimit, counts: PacedCounts, average: float, now: datetime) -> PacedCounts:
    """Return the counts without the allowance that was not used in time."""
    rates, elapsed = _rates(limit, counts, average), _elapsed(counts, now)
    if not rates or any(rate * elapsed - used <= max(rate * BURST, 1.0) for rate, used in rates):
        return counts
    # one recipient at least
    return PacedCounts(now - timedelta(seconds=max(BURST, *(1 / rate for rate, _ in rates))), 0, 0)


def _elapsed(counts: PacedCounts, now: datetime) -> float:
    return max((now - counts.since).total_seconds(), 0.0)


def _rates(limit: SpeedLimit, counts: PacedCounts, average: float) -> list[tuple[float, float]]:
    """Return each limit in recipients a second, and how many recipients have used it."""
    average = max(average, 1.0)
    found = []
    if limit.per_hour is not None:
        found.append((limit.per_hour / _HOUR, float(counts.recipients)))
    if limit.segments_per_second is not None:
        found.append((limit.segments_per_second / average, counts.segments / average))
    return found
