"""The text output of a campaign's counts: its messages by country, by carrier and by minute."""

from collections import Counter
from collections.abc import Sequence

from pipeline.stages.campaigns.counts import CampaignCounts, MessageCounts
from schema.vocabulary import Status
from workers.cli.terminal.table_layout import table

_STATUSES = (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED)
#: minutes that are listed
_MINUTES = 10


def counts_lines(counts: CampaignCounts) -> str:
    """Return tables of the messages by country and by carrier."""
    return "\n\n".join((_table("country", counts.countries), _table("carrier", counts.carriers)))


def minutes_lines(counts: CampaignCounts) -> str:
    """Return a table of the last minutes in which messages changed their status; "" if there are none."""
    by_minute: dict[str, Counter[Status]] = {}
    for each in counts.minutes:
        by_minute.setdefault(f"{each.minute:%H:%M}Z", Counter())[each.status] += each.messages
    rows = [[minute, *(found[status] for status in _STATUSES)] for minute, found in by_minute.items()]
    return table(["minute", *map(str, _STATUSES)], rows[-_MINUTES:]) if rows else ""


def _table(what: str, counts: Sequence[MessageCounts]) -> str:
    rows = [[each.name or "–", *(getattr(each, status) for status in _STATUSES), each.segments] for each in counts]
    return table([what, *map(str, _STATUSES), "segments"], rows)
