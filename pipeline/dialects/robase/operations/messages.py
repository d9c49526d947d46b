"""Robase's message operations: send one, send a batch, get, list, cancel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest, reply
from pipeline.dialects.robase import requests, resources, responses, templates
from pipeline.dialects.robase.errors import refuse
from pipeline.dialects.robase.requests import BatchRequest, RobaseMessage, SmsRequest
from pipeline.runtime import Runtime
from pipeline.stages.api.list_messages import ShownMessage, View, find, find_with_history, list_messages
from pipeline.stages.api.response import repeat
from pipeline.stages.api.take_rate_limits import Refused
from pipeline.stages.api.templates import ShownTemplate, find_all
from pipeline.stages.cancel import cancel
from schema.api import ApiKey, ApiResponse
from schema.message import AcceptedMessage, Answered, Refusal
from schema.vocabulary import Code, Status

#: the scope that all operations except sending require
FULL = "full"

_INTERNAL = Refusal(Code.INTERNAL, "")


async def send(context: RequestContext) -> ApiResponse:
    """Answer `POST /sms`: 202 with the message, or an error."""
    now = context.submission.rt.now()
    header = requests.read_key(context.call)
    if isinstance(header, Refusal):
        return refuse(context.call, [header])
    asked = await _read(context, now)
    if isinstance(asked, Refusal):
        # a used idempotency key gets its first response, even if the request is invalid now
        return (header and await _earlier(context, header)) or refuse(context.call, [asked])
    sms, text = asked
    order = requests.order(
        context.key,
        sms.sender,
        [(sms.ask, text)],
        send_at=sms.send_at,
        name="send",
        idempotency_key=header,
        now=now,
    )
    found = await context.submission.send(SendRequest(context.submission.rt.new_ids(), order))
    if isinstance(found, Refused):
        return refuse(context.call, [Refusal(Code.RATE_RECIPIENT, "")], found.wait)
    return responses.sent(context.call, found, context.key.currency)


async def _read(context: RequestContext, now: datetime) -> tuple[SmsRequest, str] | Refusal:
    """Return the request and its text, or the first error."""
    sms = requests.read_sms(context.call, context.key, now)
    if isinstance(sms, Refusal):
        return sms
    known: Mapping[str, ShownTemplate] = {}
    if sms.ask.template is not None:
        known = await context.submission.run(find_all, context.key.account, [templates.slug_or_id(sms.ask.template)])
    text = requests.text_of(sms.ask, known)
    return text if isinstance(text, Refusal) else (sms, text)


async def _earlier(context: RequestContext, header: str) -> ApiResponse | None:
    key = context.key
    found = await context.submission.run(repeat, key.owner, requests.idempotency_scope("send", key), header)
    return responses.sent(context.call, found, key.currency) if found else None


# Batches --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Load:
    """An order, and the indices of its messages in the batch."""

    sending: SendRequest
    places: Sequence[int]


async def send_batch(context: RequestContext) -> ApiResponse:
    """Answer `POST /sms/batch`: 200, with a message or an error for each row."""
    now = context.submission.rt.now()
    header = requests.read_key(context.call)
    if isinstance(header, Refusal):
        return refuse(context.call, [header])
    asked = requests.read_batch(context.call, context.key, now)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    rows, loads = await context.submission.run(_load, context.key, asked, header, now)
    replayed = [False] * len(rows)
    found = await context.submission.send_all([load.sending for load in loads])
    for load, answered in zip(loads, found, strict=True):
        for place, index in enumerate(load.places):
            rows[index] = _row(answered, place)
            replayed[index] = isinstance(answered, Answered) and answered.replayed
    return responses.batch(rows, replayed, context.key.currency)


def _row(answered: Answered | Refused | Exception, place: int) -> AcceptedMessage | Refusal:
    if isinstance(answered, Answered):
        return responses.outcome(answered, place)
    return Refusal(Code.RATE_RECIPIENT, "") if isinstance(answered, Refused) else _INTERNAL


def _load(
    rt: Runtime, key: ApiKey, asked: BatchRequest, header: str | None, now: datetime
) -> tuple[list[AcceptedMessage | Refusal], list[_Load]]:
    """Return the error of each row (`_INTERNAL` until its result is known), and the orders of the valid rows.

    Rows with an idempotency key, their own or derived from the batch's, are one order each; all others share one.
    """
    words = {
        templates.slug_or_id(row.template)
        for row in asked.rows
        if isinstance(row, RobaseMessage) and row.template is not None
    }
    known = find_all(rt, key.account, words) if words else {}
    rows: list[AcceptedMessage | Refusal] = [_INTERNAL] * len(asked.rows)
    together: list[tuple[int, RobaseMessage, str]] = []
    loads: list[_Load] = []
    for index, ask in enumerate(asked.rows):
        text = ask if isinstance(ask, Refusal) else requests.text_of(ask, known)
        if isinstance(ask, Refusal) or isinstance(text, Refusal):
            rows[index] = text if isinstance(text, Refusal) else _INTERNAL
        elif ask.key:
            loads.append(_order(rt, key, asked, [(index, ask, text)], "batch.row", ask.key, now))
        elif header:
            word = requests.key_of_row(header, index)
            loads.append(_order(rt, key, asked, [(index, ask, text)], "batch", word, now))
        else:
            together.append((index, ask, text))
    if together:
        loads.append(_order(rt, key, asked, together, "batch", None, now))
    return rows, loads


def _order(
    rt: Runtime,
    key: ApiKey,
    asked: BatchRequest,
    members: Sequence[tuple[int, RobaseMessage, str]],
    name: str,
    word: str | None,
    now: datetime,
) -> _Load:
    order = requests.order(
        key,
        asked.sender,
        [(ask, text) for _, ask, text in members],
        send_at=asked.send_at,
        name=name,
        idempotency_key=word,
        now=now,
    )
    return _Load(SendRequest(rt.new_ids(), order), [index for index, _, _ in members])


# Get, list, cancel ----------------------------------------------------------------------------------------------


async def get(context: RequestContext) -> ApiResponse:
    """Answer `GET /sms/{id}`: the message and its events, or 404."""
    id_ = read_id(context.path["id"])
    found = await context.submission.run(find_with_history, _view(context.key), id_) if id_ else None
    return responses.message_with_history(*found, context.key.currency) if found else _no_message(context)


async def list_page(context: RequestContext) -> ApiResponse:
    """Answer `GET /sms`: a page of messages, the latest first."""
    asked = resources.read_page(context.call)
    if isinstance(asked, Refusal):
        return refuse(context.call, [asked])
    limit, cursor = asked
    try:
        found = await context.submission.run(list_messages, _view(context.key), cursor, limit)
    except ValueError as error:
        return refuse(context.call, [Refusal(Code.INVALID_FIELD, str(error), "cursor")])
    return responses.page(found.messages, found.cursor, context.key.currency)


async def cancel_message(context: RequestContext) -> ApiResponse:
    """Answer `POST /sms/{id}/cancel`: the cancelled message, 404, or 409 if it is too late."""
    found = await _look(context)
    if found is None:
        return _no_message(context)
    done = await context.submission.run(cancel, context.key.account, [found.id])
    now = await _look(context) or found
    if found.id in done.cancelled:
        return reply(200, responses.message(now, context.key.currency))
    stands = Status.QUEUED if now.status is Status.SCHEDULED else now.status
    return refuse(context.call, [Refusal(Code.CONFLICT, f"message is already {stands} and can no longer be cancelled")])


async def _look(context: RequestContext) -> ShownMessage | None:
    id_ = read_id(context.path["id"])
    return await context.submission.run(find, _view(context.key), id_) if id_ else None


def read_id(word: str) -> UUID | None:
    """Return the UUID in a path, or None if it is invalid."""
    try:
        return UUID(word)
    except ValueError:
        return None


def _view(key: ApiKey) -> View:
    return View(key.account, key.dialect, requests.OPERATIONS, key.test)


def _no_message(context: RequestContext) -> ApiResponse:
    return refuse(context.call, [Refusal(Code.NOT_FOUND, "message not found")])


OPERATIONS = (
    ApiOperation("POST", "/v1/sms", "send", send),
    ApiOperation("POST", "/v1/sms/batch", "batch", send_batch, takes_many=True),
    ApiOperation("GET", "/v1/sms", "list", list_page, FULL),
    ApiOperation("GET", "/v1/sms/{id}", "get", get, FULL),
    ApiOperation("POST", "/v1/sms/{id}/cancel", "cancel", cancel_message, FULL),
)
