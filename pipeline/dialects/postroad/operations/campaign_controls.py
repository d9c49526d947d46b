"""Campaign operations of Postroad's own API once it is approved: start, stop, resume, limit, counts."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.postroad import campaign_requests, campaign_responses, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ_CAMPAIGNS, WRITE_CAMPAIGNS
from pipeline.dialects.postroad.operations.campaign_lookup import Operation, find_campaign, refusing
from pipeline.runtime import Runtime
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.counts import MessageCounts, campaign_counts
from pipeline.stages.campaigns.series import end_repeat
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


def _stopping(stage: Callable[[Runtime, UUID, str | None], object]) -> Operation:
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


OPERATIONS = (
    ApiOperation("POST", "/v1/campaigns/{id}/start", "control", _moving(control.start), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/pause", "control", _stopping(control.pause), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/resume", "control", _moving(control.resume), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/abort", "control", _stopping(control.abort), WRITE_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/end-repeat", "control", _stopping(end_repeat), WRITE_CAMPAIGNS),
    ApiOperation("PATCH", "/v1/campaigns/{id}/limits", "control", change_limits, WRITE_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/counts", "campaigns", get_counts, READ_CAMPAIGNS),
)
