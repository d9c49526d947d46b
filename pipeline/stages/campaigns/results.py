"""Results: what became of each row of a campaign, in order of line, while it runs and afterwards."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import NotFound
from pipeline.rules.campaign_lifecycle import ENDED
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.rules.text.csv_lines import csv_lines
from pipeline.runtime import Runtime
from pipeline.store import (
    campaign_backlog,
    campaign_progress,
    campaign_replies,
    campaign_reservations,
    campaign_results,
    campaigns,
)
from pipeline.store.campaign_results import MessageRow
from schema.campaign import Campaign, CampaignProgress
from schema.value_class import value_class
from schema.vocabulary import CampaignState, RowOutcome

__all__ = [
    "PAGE",
    "CampaignStanding",
    "ResultRow",
    "csv_lines",
    "masked_number",
    "result_page",
    "result_rows",
    "standing",
]

#: rows of one page
PAGE = 5000

#: what became of rows that are neither messages nor skipped, by the state of their campaign
_LEFT_OUT = {CampaignState.ABORTED: RowOutcome.FENCED, CampaignState.EXPIRED: RowOutcome.EXPIRED}


@value_class
class ResultRow:
    """What became of one row of a campaign; the columns of the results file, in order."""

    line: int
    correlation_id: str | None
    #: E.164
    number: str
    outcome: RowOutcome
    #: why it is skipped: a code, and in words
    verdict: str | None
    fault: str | None
    message: UUID | None
    #: of the message, as are all that follow
    status: str | None
    error_code: str | None
    #: of the last attempt
    carrier: str | None
    segments: int | None
    #: minor units of the account's currency
    cost: int | None
    sent_at: datetime | None
    final_at: datetime | None
    #: inbound messages of its recipient that answer it, and whether one was a STOP
    replies: int
    opted_out: bool


def result_rows(rt: Runtime, campaign: UUID) -> Iterator[list[ResultRow]]:
    """Yield the results of a campaign's rows, page by page; NotFound.

    Each page is read by itself: rows that change meanwhile have the state of their page.
    """
    after = 0
    while rows := result_page(rt, campaign, after, PAGE):
        yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1].line


def result_page(rt: Runtime, campaign: UUID, after: int, most: int) -> list[ResultRow]:
    """Return the results of up to `most` rows of a campaign after a line; NotFound."""
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {str(campaign)!r}")
        rows = campaign_results.page(conn, campaign, after, most)
        messages = campaign_results.messages(conn, [row.message for row in rows if row.message])
        replies = campaign_replies.by_line(conn, campaign, rows[0].line, rows[-1].line) if rows else {}
    pending = _LEFT_OUT.get(found.state, RowOutcome.PENDING)
    return [
        _result(row, messages.get(row.message, {}) if row.message else {}, replies.get(row.line, (0, False)), pending)
        for row in rows
    ]


def _result(row: MessageRow, message: Mapping[str, Any], replies: tuple[int, bool], pending: RowOutcome) -> ResultRow:
    outcome = RowOutcome.SENT if row.message else RowOutcome.SKIPPED if row.verdict else pending
    return ResultRow(
        line=row.line,
        correlation_id=row.correlation_id,
        number=row.phone,
        outcome=outcome,
        verdict=row.verdict,
        fault=row.fault,
        message=row.message,
        status=message.get("status"),
        error_code=message.get("error_code"),
        carrier=message.get("carrier"),
        segments=message.get("segments"),
        cost=message.get("amount"),
        sent_at=message.get("sent_at"),
        final_at=message.get("final_at"),
        replies=replies[0],
        opted_out=replies[1],
    )


@dataclass(frozen=True, slots=True)
class CampaignStanding:
    """How far a campaign is."""

    campaign: Campaign
    progress: CampaignProgress
    #: rows by outcome
    outcomes: Mapping[RowOutcome, int]
    #: messages that wait for their send time or another round, are queued, are with a worker, or are held
    waiting: Mapping[str, int]
    #: minor units that it has reserved and no message of it holds; None: it reserves nothing
    reserved: int | None

    @property
    def handed_over(self) -> int:
        """Return the number of messages in batches that are done: with a carrier, failed or cancelled."""
        return self.progress.sent - sum(self.waiting.values())

    @property
    def has_ended(self) -> bool:
        """Tell whether the campaign has ended."""
        return self.campaign.state in ENDED


def standing(rt: Runtime, campaign: UUID) -> CampaignStanding:
    """Return how far a campaign is, from its counts and its open batches, whose sizes are those at their creation."""
    with rt.begin() as conn:
        found = campaigns.of(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {str(campaign)!r}")
        progress = campaign_progress.of(conn, campaign)
        backlog = campaign_backlog.by_status(conn, campaign)
        reserved = campaign_reservations.of(conn, campaign)
    waiting: dict[str, int] = {}
    for (status, is_held), messages in backlog.items():
        name = "held" if is_held else str(status)
        waiting[name] = waiting.get(name, 0) + messages
    left_out = _LEFT_OUT.get(found.state, RowOutcome.PENDING)
    outcomes = {
        RowOutcome.SENT: progress.sent,
        RowOutcome.SKIPPED: progress.skipped,
        RowOutcome.PENDING: progress.pending,
    }
    if progress.left_out:
        outcomes[left_out] = progress.left_out
    return CampaignStanding(found, progress, outcomes, waiting, reserved.amount if reserved else None)
