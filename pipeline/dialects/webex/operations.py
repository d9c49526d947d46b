"""Webex Interact's operations: SMS to many numbers, scheduled requests, the account, its senders."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest
from pipeline.dialects.webex import errors, requests, responses, searches
from pipeline.stages.admit import admit
from pipeline.stages.api import sender_ids, templates
from pipeline.stages.api.account_balance import balance
from pipeline.stages.api.dry_run import dry_run
from pipeline.stages.api.scheduled_requests import ScheduledSearch, View, members, scheduled
from pipeline.stages.api.take_rate_limits import Refused
from pipeline.stages.cancel import cancel
from schema.api import ApiResponse
from schema.message import Answered, Refusal
from schema.order import Order
from schema.vocabulary import Code, Syntax

P = ParamSpec("P")
R = TypeVar("R")

#: bytes of a request body above which it is processed in a thread
_LARGE = 64 * 1024


# SMS ----------------------------------------------------------------------------------------------------------


async def send(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/sms`: 200 with a transaction id or an error for each number, or an error."""
    order = await _order(context)
    if isinstance(order, ApiResponse):
        return order
    answered = await context.submission.send(SendRequest(context.call.id, order))
    if isinstance(answered, Refused):
        return _refuse(context, Code.RATE_RECIPIENT, answered.wait)
    return await _answer(context, order, answered)


async def send_dry_run(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/sms/test`: a dry run with the response of `POST /v1/sms`; nothing is sent."""
    order = await _order(context)
    if isinstance(order, ApiResponse):
        return order
    [admission] = await context.submission.run(admit, [(context.call.id, order)], by_api=True)
    return await _answer(context, order, await context.submission.run(dry_run, admission, context.dialect.billing))


async def _order(context: RequestContext) -> Order | ApiResponse:
    """Return the order of an SMS request, or the error response."""
    call, now = context.call, context.submission.rt.now()
    if not requests.is_json(call):
        return _refuse(context, Code.MEDIA_UNKNOWN)
    ask = await _apart(context, requests.read, call.body, now)
    if isinstance(ask, list):
        return errors.invalid(ask)
    text = ask.text
    if text is None:
        found = await context.submission.run(templates.find, context.key.account, ask.template)
        if found is None or found.syntax is not Syntax.MERGE:
            return _refuse(context, Code.TEMPLATE_UNKNOWN)
        text = found.body
    return requests.order(ask, text, context.key, now)


async def _answer(context: RequestContext, order: Order, answered: Answered) -> ApiResponse:
    whole = [each for each in answered.refusals if each.index is None]
    if whole:
        return errors.refuse(context.call, whole)
    return await _apart(context, responses.sent, order.recipients, answered)


async def _apart(context: RequestContext, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return the result of the work, which runs in a thread if the request is large."""
    if len(context.call.body) > _LARGE:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


# Scheduled requests -------------------------------------------------------------------------------------------


async def search(context: RequestContext) -> ApiResponse:
    """Answer `POST /campaigns/v1/scheduled`: a page of scheduled requests."""
    if not requests.is_json(context.call):
        return _refuse(context, Code.MEDIA_UNKNOWN)
    asked = searches.search(context.call.body)
    if isinstance(asked, list):
        return errors.traced(context.call, 400, asked)
    sought = ScheduledSearch(asked.made, asked.id, asked.created, asked.scheduled)
    found = await context.submission.run(scheduled, _view(context), sought) if asked.is_ours else []
    return responses.scheduled(asked.pick(found), asked.number, asked.size)


async def cancel_request(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /campaigns/v1/cancel/{id}`: cancel the messages of a request that are still scheduled."""
    request = searches.request_id(context.path["id"])
    wanted = await context.submission.run(members, _view(context), request) if request else None
    if wanted is None:
        return _refuse(context, Code.NOT_FOUND)
    done = await context.submission.run(cancel, context.key.account, wanted)
    if not done.cancelled:
        words = "the request is no longer scheduled"
        return errors.traced(context.call, 400, [errors.WebexFault("id", words)])
    return responses.nothing()


def _view(context: RequestContext) -> View:
    return View(context.key.account, context.key.dialect, (requests.OPERATION,), context.key.test)


# The account and its senders ----------------------------------------------------------------------------------


async def show_account(context: RequestContext) -> ApiResponse:
    """Answer `GET /identity/v1/account`: the account and its balance."""
    return responses.account(context.key, await context.submission.run(balance, context.key.account))


async def list_senders(context: RequestContext) -> ApiResponse:
    """Answer `GET /assets/v1/senders`: a page of the account's senders."""
    page = searches.page(context.call.query)
    if isinstance(page, list):
        return errors.traced(context.call, 400, page)
    return responses.senders(await context.submission.run(sender_ids.list_all, context.key.account), *page)


async def show_sender(context: RequestContext) -> ApiResponse:
    """Answer `GET /assets/v1/senders/{id}`: the sender, or 404."""
    id_ = searches.sender_id(context.path["id"])
    found = await context.submission.run(sender_ids.find, context.key.account, id_) if id_ else None
    return responses.sender(found) if found else _refuse(context, Code.NOT_FOUND)


async def delete_sender(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /assets/v1/senders/{id}`: 204, or 404."""
    id_ = searches.sender_id(context.path["id"])
    if id_ is None or not await context.submission.run(sender_ids.delete, context.key.account, id_):
        return _refuse(context, Code.NOT_FOUND)
    return responses.nothing()


def _refuse(context: RequestContext, code: Code, wait: float = 0.0) -> ApiResponse:
    return errors.refuse(context.call, [Refusal(code, "")], wait)


_SENDING, _SCHEDULED, _ACCOUNT, _SENDERS = "sending", "scheduled", "account", "senders"
_SENDER = "/assets/v1/senders/{id}"

OPERATIONS = (
    ApiOperation("POST", "/v1/sms", "sms", send, _SENDING, takes_many=True),
    ApiOperation("POST", "/v1/sms/test", "test", send_dry_run, _SENDING, takes_many=True),
    ApiOperation("POST", "/campaigns/v1/scheduled", "scheduled", search, _SCHEDULED),
    ApiOperation("POST", "/v1/sms/scheduled/search", "scheduled", search, _SCHEDULED),
    ApiOperation("DELETE", "/campaigns/v1/cancel/{id}", "cancel", cancel_request, _SCHEDULED),
    ApiOperation("DELETE", "/v1/sms/scheduled/{id}", "cancel", cancel_request, _SCHEDULED),
    ApiOperation("GET", "/identity/v1/account", "account", show_account, _ACCOUNT),
    ApiOperation("GET", "/assets/v1/senders", "senders", list_senders, _SENDERS),
    ApiOperation("GET", _SENDER, "senders", show_sender, _SENDERS),
    ApiOperation("DELETE", _SENDER, "senders", delete_sender, _SENDERS, live_only=True),
)
