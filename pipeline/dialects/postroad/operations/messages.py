"""Message operations of Postroad's own API: send, get, list, cancel, and requests as a whole."""

from collections.abc import Sequence

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest, reply
from pipeline.dialects.postroad import requests, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ, SEND
from pipeline.dialects.postroad.operations.campaign_lookup import find_campaign, refusing
from pipeline.stages.api.account_messages import MessageFilter, find, find_request, list_page
from pipeline.stages.api.take_rate_limits import Refused
from pipeline.stages.cancel import cancel
from schema.api import ApiKey, ApiResponse
from schema.api_views import ShownMessage
from schema.message import Refusal
from schema.vocabulary import Code, Status

_ALTERED = Refusal(
    Code.IDEMPOTENCY_CONFLICT, "an earlier request with other content has this key; nothing was sent", "Idempotency-Key"
)
_UNKNOWN = Refusal(Code.NOT_FOUND, "there is no such message")
_NO_REQUEST = Refusal(Code.NOT_FOUND, "there is no such request")


async def send(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/messages`: 202 with the result for each recipient, or an error."""
    call = context.call
    key = requests.read_key(call)
    if isinstance(key, Refusal):
        return refuse(call, [key])
    order = requests.read_order(call, context.key, key, context.submission.rt.now())
    if isinstance(order, list):
        return refuse(call, order)
    answered = await context.submission.send(SendRequest(call.id, order))
    if isinstance(answered, Refused):
        return refuse(call, [Refusal(Code.RATE_RECIPIENT, "")], answered.wait)
    if answered.altered:
        return refuse(call, [_ALTERED])
    return responses.accepted(call, order, answered, context.key.currency)


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/messages/{id}`: the message, or 404."""
    found = await _find(context)
    return reply(200, responses.message(found, context.key.currency)) if found else refuse(context.call, [_UNKNOWN])


@refusing
async def list_messages(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/messages`: a page of the messages that fit, the latest first; 404: there is no such campaign."""
    asked = requests.read_search(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    test = context.key.test if asked.test is None else asked.test
    if test not in _tests(context.key):
        return refuse(context.call, [Refusal(Code.INVALID_FIELD, "a test key sees tests only", "test")])
    paging = asked.paging
    campaign = await find_campaign(context, asked.campaign) if asked.campaign else None
    sought = MessageFilter(
        context.key.account,
        test,
        asked.status,
        asked.sender,
        asked.request,
        campaign.id if campaign else None,
        asked.to,
        asked.correlation_id,
        paging.since,
        paging.until,
    )
    try:
        found = await context.submission.run(list_page, sought, paging.cursor, paging.limit)
    except ValueError as error:
        return refuse(context.call, [Refusal(Code.INVALID_FIELD, str(error), "cursor")])
    return responses.messages(
        found.messages, context.key.currency, found.cursor, found.complete_from, found.complete_until
    )


async def cancel_message(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/messages/{id}/cancel`: the cancelled message, 404, or 409 if it is too late."""
    found = await _find(context)
    if found is None:
        return refuse(context.call, [_UNKNOWN])
    done = await context.submission.run(cancel, context.key.account, [found.id])
    now = await _find(context) or found
    if found.id in done.cancelled or now.status is Status.CANCELLED:
        return reply(200, responses.message(now, context.key.currency))
    words = f"only a scheduled message can be cancelled; it is {now.status}"
    return refuse(context.call, [Refusal(Code.CONFLICT, words)])


async def get_request(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/requests/{id}`: what was asked for, and its messages by status; or 404."""
    id_ = requests.read_id(context.path["id"])
    key = context.key
    found = await context.submission.run(find_request, key.account, id_, _tests(key)) if id_ else None
    return responses.request(found) if found else refuse(context.call, [_NO_REQUEST])


async def _find(context: RequestContext) -> ShownMessage | None:
    id_ = requests.read_id(context.path["id"])
    key = context.key
    return await context.submission.run(find, key.account, id_, _tests(key)) if id_ else None


def _tests(key: ApiKey) -> Sequence[bool]:
    """Return which messages a key may see: a test key sees tests, a live key live messages and tests."""
    return (True,) if key.test else (False, True)


OPERATIONS = (
    ApiOperation("POST", "/v1/messages", "send", send, SEND, takes_many=True),
    ApiOperation("GET", "/v1/messages", "list", list_messages, READ),
    ApiOperation("GET", "/v1/messages/{id}", "get", get, READ),
    ApiOperation("POST", "/v1/messages/{id}/cancel", "cancel", cancel_message, SEND),
    ApiOperation("GET", "/v1/requests/{id}", "get", get_request, READ),
)
