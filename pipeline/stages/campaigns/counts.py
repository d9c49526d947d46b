"""Counts of a campaign's messages by country, carrier and minute, from the counters of status changes alone."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import status_counts
from pipeline.store.status_counts import MinuteCount, StatusCount
from schema.vocabulary import Status


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """A campaign's messages that have something in common, by their status now."""

    #: a country, or a carrier
    name: str
    queued: int
    sent: int
    delivered: int
    failed: int
    rejected: int
    cancelled: int
    #: segments that were billed, of messages by country; that carriers took, of messages by carrier
    segments: int
    #: minor units that were earned
    revenue: int

    @property
    def messages(self) -> int:
        """Return the number of messages."""
        return self.queued + self.sent + self.delivered + self.failed + self.rejected + self.cancelled


@dataclass(frozen=True, slots=True)
class CampaignCounts:
    """The counts of a campaign."""

    #: all its messages
    countries: list[MessageCounts]
    #: those that a carrier took or refused for good: messages that wait may still go to another, and one that is resent
    #: is that of the carrier which resends it
    carriers: list[MessageCounts]
    #: of the last minutes
    minutes: list[MinuteCount]

    @property
    def total(self) -> MessageCounts:
        """Return the counts of all messages."""
        return MessageCounts(name="", **{name: sum(getattr(each, name) for each in self.countries) for name in _SUMS})

    def per_second(self, since: datetime | None, now: datetime) -> float | None:
        """Return how many messages a second carriers took in the last minutes; None: none, or too few to say.

        `since`: when the campaign began, or went on.
        """
        recent = [each for each in self.minutes if each.status is Status.SENT and each.minute >= now - _RECENT]
        if not recent:
            return None
        begun = max(filter(None, (recent[0].minute, since)))
        seconds = (now - begun).total_seconds()
        return sum(each.messages for each in recent) / seconds if seconds >= 1 else None


#: minutes that the present speed is told by
_RECENT = timedelta(minutes=2)
_SUMS = ("queued", "sent", "delivered", "failed", "rejected", "cancelled", "segments", "revenue")


def campaign_counts(rt: Runtime, campaign: UUID, minutes: int = 60) -> CampaignCounts:
    """Return the counts of a campaign's messages, by minute for the last `minutes`.

    Those by country and carrier are exact; of the last seconds some minutes may be missing.
    """
    with rt.read_only() as conn:
        found = status_counts.of_campaign(conn, campaign)
        recent = status_counts.by_minute(conn, campaign, rt.now() - timedelta(minutes=minutes))
    taken = [each for each in found if each.before != ""]
    return CampaignCounts(
        countries=_grouped(found, lambda each: each.country, {Status.QUEUED}),
        carriers=_grouped(taken, lambda each: each.carrier, {Status.SENT}, begins=Status.QUEUED),
        minutes=recent,
    )


def _grouped(
    changes: Iterable[StatusCount],
    key: Callable[[StatusCount], str],
    billed: set[Status],
    begins: Status | None = None,
) -> list[MessageCounts]:
    """Return the counts by key; segments are those of changes into `billed`, `begins` is not counted."""
    now: dict[str, Counter[str]] = {}
    for each in changes:
        sums = now.setdefault(key(each), Counter())
        if each.status != begins:
            sums[each.status] += each.messages
        if each.before and each.before != begins:
            sums[each.before] -= each.messages
        sums["revenue"] += each.revenue
        sums["segments"] += each.segments if each.status in billed else 0
    return [MessageCounts(name=name, **{word: sums[word] for word in _SUMS}) for name, sums in sorted(now.items())]
