"""Robase's sender id operations: register, get, list, change; an operator approves or rejects them."""

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from pipeline.dialects.robase import resources, responses
from pipeline.dialects.robase.errors import refuse
from pipeline.dialects.robase.operations.messages import FULL, read_id
from pipeline.stages.api.sender_ids import ShownSenderId, amend, find, list_all, register
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

_UNKNOWN = Refusal(Code.NOT_FOUND, "sender ID not found")
_TAKEN = Refusal(Code.CONFLICT, "this sender ID is registered already", "sender_id")
_SETTLED = Refusal(Code.CONFLICT, "only a pending sender ID can be changed")


async def register_sender_id(context: RequestContext) -> ApiResponse:
    """Answer `POST /sender-ids`: 201; the sender id is pending until it is approved, and usable in tests."""
    asked = resources.read_sender(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    made = await context.submission.run(
        register, context.key.account, asked.sender, asked.countries or [], asked.registration
    )
    return reply(201, responses.sender(made)) if made else refuse(context.call, [_TAKEN])


async def list_sender_ids(context: RequestContext) -> ApiResponse:
    """Answer `GET /sender-ids`: all of the account's."""
    found = await context.submission.run(list_all, context.key.account)
    return responses.listed([responses.sender(each) for each in found])


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /sender-ids/{id}`: the sender id, or 404."""
    found = await _find(context)
    return reply(200, responses.sender(found)) if found else refuse(context.call, [_UNKNOWN])


async def change(context: RequestContext) -> ApiResponse:
    """Answer `PATCH /sender-ids/{id}`: change the registration while it is pending, else 409."""
    asked = resources.read_sender_change(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    found = await _find(context)
    if found is None:
        return refuse(context.call, [_UNKNOWN])
    changed = await context.submission.run(amend, context.key.account, found.id, asked.countries, asked.registration)
    return reply(200, responses.sender(changed)) if changed else refuse(context.call, [_SETTLED])


async def _find(context: RequestContext) -> ShownSenderId | None:
    id_ = read_id(context.path["id"])
    return await context.submission.run(find, context.key.account, id_) if id_ else None


OPERATIONS = (
    ApiOperation("POST", "/v1/sender-ids", "sender-ids", register_sender_id, FULL, live_only=True),
    ApiOperation("GET", "/v1/sender-ids", "sender-ids", list_sender_ids, FULL),
    ApiOperation("GET", "/v1/sender-ids/{id}", "sender-ids", get, FULL),
    ApiOperation("PATCH", "/v1/sender-ids/{id}", "sender-ids", change, FULL, live_only=True),
)
