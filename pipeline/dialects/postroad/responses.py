"""Success responses of Postroad's own API.

Times are ISO 8601 in UTC, money is a decimal string with its currency, ids are strings. An empty field is null.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.dialects.contract import reply
from pipeline.dialects.postroad.errors import fault, refuse
from pipeline.rules.identity import ids
from pipeline.rules.money import currencies
from pipeline.rules.text import go_templates, templates
from schema.api import ApiRequest, ApiResponse
from schema.api_views import (
    AccountBalance,
    ShownAttempt,
    ShownInbound,
    ShownMessage,
    ShownRequest,
    ShownTemplate,
    ShownTemplateVersion,
)
from schema.message import AcceptedMessage, Answered, Refusal
from schema.order import Order
from schema.vocabulary import Code, Status, Syntax

#: header of the response to a repeated request
REPLAYED = {"Idempotent-Replayed": "true"}

Json = dict[str, Any]


def cost(amount: int, currency: str) -> Json:
    """Return an amount of minor units as `{"amount": "12.50", "currency": "NGN"}`."""
    return {"amount": currencies.decimal(amount, currency), "currency": currency}


def instant(at: datetime) -> str:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant_or_none(at: datetime | None) -> str | None:
    """Return a time as `instant` does, or None."""
    return instant(at) if at else None


# Messages -------------------------------------------------------------------------------------------------------


def accepted(call: ApiRequest, order: Order, answered: Answered, currency: str) -> ApiResponse:
    """Return the response to `POST /v1/messages`: 202 with each recipient's result, or an error if none is sent."""
    headers = REPLAYED if answered.replayed else {}
    rows = [_outcome(answered, place) for place in range(len(order.recipients))]
    sent = [each for each in rows if isinstance(each, AcceptedMessage)]
    if not sent:
        return _none_sent(call, answered, rows, headers)
    content = {
        "request_id": str(answered.request),
        "test": order.test,
        "accepted": len(sent),
        "refused": len(rows) - len(sent),
        "segments": sum(each.segments for each in sent),
        "cost": cost(sum(each.amount for each in sent), currency),
        "messages": [
            _accepted(each, currency) if isinstance(each, AcceptedMessage) else _refused(each, order, place)
            for place, each in enumerate(rows)
        ],
    }
    return reply(202, content, headers)


def _none_sent(
    call: ApiRequest, answered: Answered, rows: Sequence[AcceptedMessage | Refusal], headers: Mapping[str, str]
) -> ApiResponse:
    whole = [each for each in answered.refusals if each.index is None]
    refused = refuse(call, whole or [each for each in rows if isinstance(each, Refusal)])
    return ApiResponse(refused.status, refused.body, {**refused.headers, **headers})


def _outcome(answered: Answered, place: int) -> AcceptedMessage | Refusal:
    """Return the accepted message of one recipient, or its refusal."""
    found = answered.messages[place] if place < len(answered.messages) else None
    if found is None:
        own = [each for each in answered.refusals if each.index in (place, None)]
        return own[0] if own else Refusal(Code.INTERNAL, "", index=place)
    return Refusal(found.refusal, "", f"recipients[{place}].to", place) if found.refusal else found


def _accepted(message: AcceptedMessage, currency: str) -> Json:
    return {
        "id": str(message.id),
        "status": Status.SCHEDULED if message.send_at else Status.QUEUED,
        "to": message.phone,
        "country": message.country or None,
        "correlation_id": message.correlation_id,
        "encoding": message.encoding,
        "segments": message.segments,
        "cost": cost(message.amount, currency),
        "error": None,
    }


def _refused(refusal: Refusal, order: Order, place: int) -> Json:
    recipient = order.recipients[place]
    return {
        "id": None,
        "status": "refused",
        "to": recipient.to,
        "country": None,
        "correlation_id": recipient.correlation_id,
        "encoding": None,
        "segments": None,
        "cost": None,
        "error": fault(refusal),
    }


def message(seen: ShownMessage, currency: str) -> Json:
    """Return a message with its current status and its attempts."""
    return {
        "id": str(seen.id),
        "request_id": str(seen.request),
        "status": seen.status,
        "class": seen.message_class,
        "test": seen.test,
        "to": seen.phone,
        "country": seen.country or None,
        "sender": seen.sender,
        "body": seen.body,
        "correlation_id": seen.correlation_id,
        "encoding": seen.encoding,
        "segments": seen.segments,
        "cost": cost(seen.amount, currency),
        "quota_segments": seen.quota,
        "error_code": seen.error_code,
        "carrier": seen.carrier,
        "created_at": instant(ids.moment(seen.id)),
        "send_at": instant_or_none(seen.send_at),
        "sent_at": instant_or_none(seen.sent_at),
        "final_at": instant_or_none(seen.final_at),
        "attempts": [_attempt(each) for each in seen.tries],
    }


def _attempt(tried: ShownAttempt) -> Json:
    return {
        "carrier": tried.carrier,
        "outcome": tried.outcome,
        "carrier_reference": tried.carrier_ref,
        "carrier_code": tried.code,
        "at": instant(tried.at),
    }


def messages(
    found: Sequence[ShownMessage],
    currency: str,
    cursor: str | None,
    complete_from: datetime | None,
    complete_until: datetime | None,
) -> ApiResponse:
    """Return the response to `GET /v1/messages`; without `complete_until` the index of messages was not searched."""
    content = {
        "data": [message(each, currency) for each in found],
        "next_cursor": cursor,
        "complete_from": instant_or_none(complete_from),
        "complete_until": instant_or_none(complete_until),
    }
    return reply(200, content)


def request(seen: ShownRequest) -> ApiResponse:
    """Return the response to `GET /v1/requests/{id}`: what was asked for, and its messages by status."""
    content = {
        "id": str(seen.id),
        "class": seen.message_class,
        "test": seen.test,
        "recipients": seen.recipients,
        "accepted": seen.accepted,
        "statuses": {str(status): seen.statuses.get(status, 0) for status in Status},
        "refusals": [{"index": each.index, **fault(each)} for each in seen.refusals],
        "send_at": instant_or_none(seen.send_at),
        "valid_until": instant_or_none(seen.valid_until),
        "created_at": instant(seen.created_at),
        "template_id": seen.template_id and str(seen.template_id),
        "template_version": seen.template_version,
    }
    return reply(200, content)


def page(items: Sequence[Mapping[str, Any]], cursor: str | None = None) -> ApiResponse:
    """Return a page of a list; `next_cursor` is null on the last one."""
    return reply(200, {"data": list(items), "next_cursor": cursor})


# Inbound messages, templates, balance, webhooks -----------------------------------------------------------------


def inbound(seen: ShownInbound) -> Json:
    """Return an inbound message: `from` is the handset, `to` the account's number or short code."""
    return {
        "id": str(seen.id),
        "from": seen.phone,
        "to": seen.sender,
        "body": seen.body,
        "action": seen.action,
        "carrier": seen.carrier,
        "sent_at": instant_or_none(seen.at),
        "received_at": instant(seen.received_at),
        "campaign_id": seen.answered and str(seen.answered),
    }


def template(text: ShownTemplate) -> Json:
    """Return a template with the names of its merge fields."""
    is_go = text.syntax is Syntax.GO
    return {
        "id": str(text.id),
        "slug": text.slug,
        "name": text.name,
        "body": text.body,
        "syntax": text.syntax,
        "fields": list(go_templates.compile(text.body).variables if is_go else templates.compile(text.body).names),
        "version": text.version,
        "created_at": instant(text.created_at),
    }


def template_version(text: ShownTemplateVersion) -> Json:
    """Return a text that a template has had, or has."""
    return {
        "version": text.version,
        "body": text.body,
        "syntax": text.syntax,
        "made_at": instant(text.made_at),
        "made_by": text.made_by,
    }


def balance(found: AccountBalance, currency: str) -> ApiResponse:
    """Return the response to `GET /v1/balance`."""
    return reply(200, {"balance": cost(found.balance, currency), "reserved": cost(found.reserved, currency)})
