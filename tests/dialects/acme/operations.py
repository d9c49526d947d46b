"""Acme's operations: each parses a call, calls the submission service, and responds. They open no transaction."""

from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest
from pipeline.stages.api.list_messages import View, find
from pipeline.stages.api.take_rate_limits import Refused
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code, Status
from tests.dialects.acme import responses
from tests.dialects.acme.errors import refuse
from tests.dialects.acme.requests import OPERATION, read_order


async def send(context: RequestContext) -> ApiResponse:
    """Respond to `POST /messages`."""
    submission, call = context.submission, context.call
    order = read_order(call, context.key, submission.rt.now())
    if isinstance(order, Refusal):
        return refuse(call, [order])
    answered = await submission.send(SendRequest(call.id, order))
    if isinstance(answered, Refused):
        return refuse(call, [Refusal(Code.RATE_RECIPIENT, "")], answered.wait)
    if answered.refusals:
        return refuse(call, answered.refusals)
    [written] = answered.messages
    if written is None or written.refusal:
        return refuse(call, [Refusal(written.refusal if written and written.refusal else Code.INTERNAL, "")])
    return responses.message(written.id, Status.QUEUED, written.segments)


async def get(context: RequestContext) -> ApiResponse:
    """Respond to `GET /messages/{id}`."""
    view = View(context.key.account, context.key.dialect, (OPERATION,), context.key.test)
    try:
        found = await context.submission.run(find, view, UUID(context.path["id"]))
    except ValueError:
        found = None
    if found is None:
        return refuse(context.call, [Refusal(Code.NOT_FOUND, "there is no such message")])
    return responses.message(found.id, found.status, found.segments)


OPERATIONS = (
    ApiOperation("POST", "/messages", "send", send, scope="send"),
    ApiOperation("GET", "/messages/{id}", "get", get, scope="read"),
)
