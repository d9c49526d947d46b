"""The traffic of the last minutes, by status, carrier and class, from the counters of status changes alone."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.runtime import Runtime
from pipeline.store import accounts, due_messages, status_counts
from pipeline.store.status_counts import DayCount, TrafficCount
from schema.vocabulary import Status

_MINUTE = timedelta(minutes=1)
#: in which messages come to be, and those in which they end or are at a carrier
_SHOWN = (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED)


@dataclass(frozen=True, slots=True)
class TrafficSeries:
    """Messages by minute in several columns."""

    columns: Sequence[str]
    #: a minute, and a count for each column; every minute is there, the latest last
    rows: Sequence[tuple[datetime, Sequence[int]]]

    def total(self, column: str) -> int:
        """Return the sum of a column; 0 where there is none of that name."""
        if column not in self.columns:
            return 0
        place = self.columns.index(column)
        return sum(counts[place] for _minute, counts in self.rows)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages of the last minutes: those that came into each status, and those sent by carrier and by class."""

    statuses: TrafficSeries
    carriers: TrafficSeries
    classes: TrafficSeries


def traffic(rt: Runtime, account: str | None, minutes: int = 60) -> Traffic:
    """Return the traffic of an account (None: of all) of the last `minutes`; the last seconds may be missing.

    Tests do not count. NotFound: there is no such account.
    """
    last = rt.now().replace(second=0, microsecond=0)
    times = [last - _MINUTE * back for back in range(minutes - 1, -1, -1)]
    with rt.read_only() as conn:
        found = status_counts.traffic(conn, times[0], accounts.named(conn, account).id if account else None)
    sent = [each for each in found if each.status is Status.SENT]
    return Traffic(
        statuses=_series(found, times, lambda each: str(each.status), [str(each) for each in _SHOWN]),
        carriers=_series(sent, times, lambda each: each.carrier, sorted({each.carrier for each in sent})),
        classes=_series(sent, times, lambda each: each.message_class, sorted({each.message_class for each in sent})),
    )


@dataclass(frozen=True, slots=True)
class BacklogTotal:
    """Messages that wait for a carrier or for their time; held ones do not count."""

    #: due, and with no status of their own yet
    due: int
    #: when the oldest of them was due; None: there is none
    oldest: datetime | None
    #: due later
    later: int


def backlog_of(rt: Runtime) -> BacklogTotal:
    """Return what waits in all."""
    now = rt.now()
    with rt.read_only() as conn:
        found, later = due_messages.due(conn, now), due_messages.later(conn, now)
    oldest = min((each.oldest for each in found), default=None)
    return BacklogTotal(sum(each.messages for each in found), oldest, later)


def daily(rt: Runtime, account: str, days: int = 31) -> list[DayCount]:
    """Return the messages and the revenue of an account by day (UTC), the latest first. NotFound."""
    since = rt.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    with rt.read_only() as conn:
        return status_counts.by_day(conn, accounts.named(conn, account).id, since)


def _series(
    counts: Sequence[TrafficCount],
    times: Sequence[datetime],
    column: Callable[[TrafficCount], str],
    columns: Sequence[str],
) -> TrafficSeries:
    summed: Counter[tuple[datetime, str]] = Counter()
    for each in counts:
        summed[each.minute, column(each)] += each.messages
    return TrafficSeries(columns, [(time, [summed[time, name] for name in columns]) for time in times])
