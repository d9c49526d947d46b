"""Campaign operations of Postroad's own API until a campaign is approved: create, load, check, quote, approve."""

from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.postroad import campaign_requests, campaign_responses, requests, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import APPROVE_CAMPAIGNS, READ_CAMPAIGNS, WRITE_CAMPAIGNS, sees_numbers
from pipeline.dialects.postroad.operations.campaign_lookup import find_campaign, refusing
from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.money import currencies
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import create, exclude, list_campaigns, load, preview, read_quote, results
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from schema.api import ApiResponse


@refusing
async def create_campaign(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/campaigns`: 201 with a campaign without recipients, or 409 if its name is taken."""
    asked = campaign_requests.read_campaign(context.call, context.key)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    made = await context.submission.run(create.create, asked)
    return reply(201, campaign_responses.campaign(made))


@refusing
async def list_page(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns`: a page of campaigns, the latest first."""
    asked = requests.read_cursor(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    limit, before = asked
    key = context.key
    found = await context.submission.run(list_campaigns.list_campaigns, key.owner, limit + 1, before)
    cursor = found[limit - 1].id.hex if len(found) > limit else None
    shown = [campaign_responses.campaign(each) for each in found[:limit] if each.test or not key.test]
    return responses.page(shown, cursor)


@refusing
async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}`: the campaign with its progress, or 404."""
    found = await find_campaign(context)
    standing = await context.submission.run(results.standing, found.id)
    progress = campaign_responses.progress(standing.progress, standing.waiting, standing.reserved, found.currency)
    return reply(200, campaign_responses.campaign(standing.campaign, progress))


@refusing
async def change(context: RequestContext) -> ApiResponse:
    """Answer `PATCH /v1/campaigns/{id}`: the changed campaign, or 409 once it is started; a quote is void then."""
    asked = campaign_requests.read_changes(context.call, context.key)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await find_campaign(context)
    changed = await context.submission.run(create.change, found.id, asked)
    return reply(200, campaign_responses.campaign(changed))


@refusing
async def load_page(context: RequestContext) -> ApiResponse:
    """Answer `PUT /v1/campaigns/{id}/recipients/{page}`: how many were new; the same page again changes nothing."""
    asked = campaign_requests.read_recipients(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found, page = await find_campaign(context), context.path["page"]
    if not (page.isascii() and page.isdecimal() and len(page) < 7):
        raise InvalidInput("page: must be a number, from 1")
    done = await context.submission.run(load.load_page, found.id, int(page), asked.recipients)
    return reply(200, campaign_responses.loaded(done.new, done.known, done.faults))


@refusing
async def leave_out(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/campaigns/{id}/exclusions`: how many recipients were left out."""
    asked = campaign_requests.read_exclusion(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found, invalid = await find_campaign(context), 0
    run = context.submission.run
    if asked.numbers is not None:
        rows, invalid = await run(exclude.exclude_numbers, found.id, asked.numbers)
    elif asked.recipients_of is not None:
        rows = await run(exclude.exclude_recipients, found.id, (await find_campaign(context, asked.recipients_of)).id)
    else:
        rows = await run(
            exclude.exclude_reached, found.id, (await find_campaign(context, asked.not_reached_by or "")).id
        )
    return reply(200, campaign_responses.excluded(rows, invalid))


@refusing
async def check(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/campaigns/{id}/check`: 202 with the campaign, whose recipients are being checked and priced."""
    found = await find_campaign(context)
    await context.submission.run(start_check, found.id)
    return reply(202, campaign_responses.campaign(await find_campaign(context)))


@refusing
async def get_quote(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/quote`: what it would send and cost, or 409 if it is not checked yet."""
    found = await find_campaign(context)
    quoted = await context.submission.run(read_quote.read_quote, found.id)
    return reply(200, campaign_responses.quote(quoted.campaign, quoted.rows, quoted.quote))


@refusing
async def get_preview(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/campaigns/{id}/previews/{line}`: a recipient's message as it would be sent now."""
    found, line, run = await find_campaign(context), context.path["line"], context.submission.run
    if not (line.isascii() and line.isdecimal() and len(line) < 10):
        raise NotFound("there is no such line")
    stored = await run(preview.read_row, found.id, int(line))
    [admission] = await run(admit, [(_NO_REQUEST, stored.order)])
    shown = await run(preview.preview_row, stored, admission)
    details = {
        "country": shown.country or None,
        "carrier": shown.carrier,
        "encoding": shown.encoding,
        "segments": shown.segments,
        "quota_segments": shown.quota,
        "error_code": shown.refusal,
        "error": shown.fault,
    }
    price = responses.cost(shown.amount, found.currency)
    answer = campaign_responses.preview(
        shown.line,
        shown.phone if sees_numbers(context.key) else masked_number(shown.phone),
        text=shown.text,
        details=details,
        price=price,
        due_at=shown.due_at,
    )
    return reply(200, answer)


@refusing
async def approve_campaign(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/campaigns/{id}/approve`: the campaign; 409 without a valid quote, or above `max_cost`."""
    asked = campaign_requests.read_approval(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    found = await find_campaign(context)
    most = None if asked.max_cost is None else currencies.minor(asked.max_cost, found.currency)
    approved = await context.submission.run(approve, found.id, max_cost=most)
    return reply(200, campaign_responses.campaign(approved))


#: admitted only to be shown: nothing is written under it
_NO_REQUEST = UUID(int=0)

OPERATIONS = (
    ApiOperation("POST", "/v1/campaigns", "campaigns", create_campaign, WRITE_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns", "campaigns", list_page, READ_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}", "campaigns", get, READ_CAMPAIGNS),
    ApiOperation("PATCH", "/v1/campaigns/{id}", "campaigns", change, WRITE_CAMPAIGNS),
    ApiOperation(
        "PUT", "/v1/campaigns/{id}/recipients/{page}", "recipients", load_page, WRITE_CAMPAIGNS, takes_many=True
    ),
    ApiOperation("POST", "/v1/campaigns/{id}/exclusions", "exclusions", leave_out, WRITE_CAMPAIGNS, takes_many=True),
    ApiOperation("POST", "/v1/campaigns/{id}/check", "campaigns", check, WRITE_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/quote", "campaigns", get_quote, READ_CAMPAIGNS),
    ApiOperation("GET", "/v1/campaigns/{id}/previews/{line}", "campaigns", get_preview, READ_CAMPAIGNS),
    ApiOperation("POST", "/v1/campaigns/{id}/approve", "approve", approve_campaign, APPROVE_CAMPAIGNS),
)
