"""Campaign operations of Postroad's own API once it is approved: start, stop, resume, limit, counts, results."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.postroad import campaign_requests, campaign_responses, requests, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ_CAMPAIGNS, WRITE_CAMPAIGNS
from pipeline.dialects.postroad.operations.campaign_lookup import Operation, find_campaign, refusing
from pipeline.runtime import Runtime
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.counts import MessageCounts, campaign_counts
from pipeline.stages.campaigns.results import ResultRow, result_rows
from schema.api import ApiResponse
from schema.vocabulary import CampaignState


def _moving(stage: Callable[[Runtime, UUID], CampaignState]) -> Operation:
    """Return the operation `POST /v1/campaigns/{id}/…` of a stage that changes a campaign's state: the campaign."""

    @refusing
    async def move(context: RequestContext) -> ApiResponse:
        found = await find_campaign(context)
        await context.submission.run(stage, found.id)
        return reply(200, campaign_responses.campaign(await find_campaign(context, str(found.id))))

    return move


def _stopping(stage: Callable[[Runtime, UUID, str | None], CampaignState]) -> Operation:
    """Return the operation `POST /v1/campaigns/{id}/…` of a stage that takes a reason too."""

    @refusing
    async def stop(context: RequestContext) -> ApiResponse:
        asked = campaign_requests.read_reason(context.call)
        if isinstance(asked, list):
            return refuse(context.call, asked)
        found = await find_campaign(context)
        await context.submission.run(stage, found.id, asked.reason)
        return reply(200, campaign_responses.campaign(await find_campaign(context, str(found.id))))

    return stop


@refusing
async def change_limits(context: RequestContext) -> ApiResponse:
    """Answer `PATCH /v1/campaigns/{id}/limits`: the campaign with its new speed; 0: no limit."""
    asked = campaign_requests.read_limits(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await find_campaign(context)
    changed = await context.submission.run(
        control.limit, found.id, per_hour=asked.per_hour, segments_per_second=asked.segments_per_second
    )
    return reply(200, campaign_responses.campaign(changed))


@refusing
async def get_counts(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/counts`: its messages by country and by carrier."""
    found = await find_campaign(context)
    counts = await context.submission.run(campaign_counts, found.id)
    return reply(200, _counts(counts.countries, counts.carriers, found.currency))


@refusing
async def get_results(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/results`: a page of what became of each recipient, in the order of their lines."""
    asked = requests.read_after(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    limit, after = asked
    found = await find_campaign(context)
    rows = await context.submission.run(_first_rows, found.id, after)
    cursor = str(rows[limit - 1].line) if len(rows) > limit else None
    return responses.page([_result(each, found.currency) for each in rows[:limit]], cursor)


def _first_rows(rt: Runtime, campaign: UUID, after: int) -> list[ResultRow]:
    return next(result_rows(rt, campaign, after), [])


def _counts(countries: Sequence[MessageCounts], carriers: Sequence[MessageCounts], currency: str) -> dict[str, Any]:
    """Return the messages of a campaign by country, and by carrier those that one took or refused."""
    return {
        "by_country": [_counted(each, currency) for each in countries],
        "by_carrier": [_counted(each, currency) for each in carriers],
    }


def _counted(found: MessageCounts, currency: str) -> dict[str, Any]:
    return {
        "name": found.name,
        "statuses": {
            "queued": found.queued,
            "sent": found.sent,
            "delivered": found.delivered,
            "failed": found.failed,
            "rejected": found.rejected,
            "cancelled": found.cancelled,
        },
        "segments": found.segments,
        "revenue": responses.cost(found.revenue, currency),
    }


def _result(row: ResultRow, currency: str) -> dict[str, Any]:
    """Return what became of one recipient."""
    return {
        "line": row.line,
        "correlation_id": row.correlation_id,
        "to": row.number,
        "outcome": row.outcome,
        "verdict": row.verdict,
        "detail": row.fault,
        "message_id": row.message and str(row.message),
        "status": row.status,
        "error_code": row.error_code,
        "carrier": row.carrier,
        "segments": row.segments,
        "cost": None if row.cost is None else responses.cost(row.cost, currency),
        "sent_at": responses.instant_or_none(row.sent_at),
        "final_at": responses.instant_or_none(row.final_at),
    }


OPERATIONS = (
    ApiOperation("POST", "/v1/campaigns/{id}/start", "control", _moving(control.start), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/pause", "control", _stopping(control.pause), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/resume", "control", _moving(control.resume), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/abort", "control", _stopping(control.abort), WRITE_CAMPAIGNS),
    ApiOperation("PATCH", "/v1/campaigns/{id}/limits", "control", change_limits, WRITE_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/counts", "campaigns", get_counts, READ_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/results", "results", get_results, READ_CAMPAIGNS),
)
