"""Robase's success responses: messages, templates, sender ids, webhooks.

Empty fields are left out: apart from `next_cursor` and the like the vendor documents no null. Sources:
docs.robase.dev/sms/sending, /api-reference/sms/get, /list, /batch, /sms/templates, /api-reference/sender-ids.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.dialects.contract import reply
from pipeline.dialects.robase import templates
from pipeline.dialects.robase.errors import error, refuse
from pipeline.dialects.robase.webhooks import EVENTS, failure
from pipeline.rules.identity import ids
from schema.api import ApiRequest, ApiResponse
from schema.api_views import ShownAttempt, ShownMessage, ShownSenderId, ShownTemplate
from schema.message import AcceptedMessage, Answered, Measure, Refusal
from schema.vocabulary import Code, Outcome, Status

#: header of a replayed response
REPLAYED = {"Idempotent-Replay": "true"}


def sent(call: ApiRequest, answered: Answered, currency: str) -> ApiResponse:
    """Return the response to `POST /sms`: the message, or the error."""
    headers = REPLAYED if answered.replayed else None
    found = outcome(answered, 0)
    if isinstance(found, Refusal):
        refused = refuse(call, [found])
        return ApiResponse(refused.status, refused.body, {**refused.headers, **(headers or {})})
    return reply(202, accepted(found, currency), headers)


def outcome(answered: Answered, place: int) -> AcceptedMessage | Refusal:
    """Return the accepted message of one of an order's recipients, or its refusal."""
    found = answered.messages[place] if place < len(answered.messages) else None
    if found is None:
        own = [each for each in answered.refusals if each.index in (place, None)]
        return own[0] if own else Refusal(Code.INTERNAL, "")
    return Refusal(found.refusal, "", "to" if found.refusal is Code.NO_PRICE else None) if found.refusal else found


def accepted(message: AcceptedMessage, currency: str) -> dict[str, Any]:
    """Return a message object as of its acceptance."""
    return _filled(
        id=str(message.id),
        status=Status.SCHEDULED if message.send_at else Status.QUEUED,
        to=message.phone,
        **{"from": message.sender},
        body=message.body,
        segments=message.segments,
        encoding=message.encoding,
        country=message.country,
        cost={"amount_kobo": message.amount, "currency": currency},
        provider=message.carrier,
        test_mode=message.test,
        created_at=_instant(ids.moment(message.id)),
    )


def message(seen: ShownMessage, currency: str) -> dict[str, Any]:
    """Return a message object with its current status and its attempts."""
    winner = next((each for each in reversed(seen.tries) if each.outcome is Outcome.ACCEPTED), None)
    last = winner or (seen.tries[-1] if seen.tries else None)
    word, sentence = failure(seen.error_code)
    return _filled(
        id=str(seen.id),
        status=seen.status,
        to=seen.phone,
        **{"from": seen.sender},
        body=seen.body,
        segments=seen.segments,
        encoding=seen.encoding,
        country=seen.country,
        provider=last.carrier if last else seen.carrier,
        provider_message_id=last and last.carrier_ref,
        provider_attempts=[_attempt(each) for each in seen.tries],
        cost={"amount_kobo": seen.amount, "currency": currency},
        test_mode=seen.test,
        created_at=_instant(ids.moment(seen.id)),
        send_at=_instant(seen.send_at),
        sent_at=_instant(seen.sent_at),
        delivered_at=_instant(seen.final_at) if seen.status is Status.DELIVERED else None,
        error_code=word,
        error_message=sentence,
    )


def message_with_history(seen: ShownMessage, moves: Sequence[tuple[Status, datetime]], currency: str) -> ApiResponse:
    """Return the response to `GET /sms/{id}`: the message and its events in order."""
    events = [{"type": EVENTS.get(status, f"sms.{status}"), "created_at": _instant(at)} for status, at in moves]
    return reply(200, {"sms": message(seen, currency), "events": events})


def page(found: Sequence[ShownMessage], cursor: str | None, currency: str) -> ApiResponse:
    """Return the response to `GET /sms`; `next_cursor` is present if there are more."""
    return reply(200, _filled(data=[message(each, currency) for each in found], next_cursor=cursor))


def batch(rows: Sequence[AcceptedMessage | Refusal], replayed: Sequence[bool], currency: str) -> ApiResponse:
    """Return the response to `POST /sms/batch`: 200, with a message or an error for each row."""
    data: list[dict[str, Any]] = []
    for index, (row, again) in enumerate(zip(rows, replayed, strict=True)):
        content: dict[str, Any] = {"index": index} | ({"replayed": True} if again else {})
        data.append(content | ({"error": error(row)} if isinstance(row, Refusal) else {"sms": accepted(row, currency)}))
    failed = sum(isinstance(row, Refusal) for row in rows)
    answer = {"accepted": len(rows) - failed, "failed": failed, "success": not failed, "data": data}
    return reply(200, answer, REPLAYED if replayed and all(replayed) else None)


# Templates, sender ids, webhooks --------------------------------------------------------------------------------


def template(text: ShownTemplate) -> dict[str, Any]:
    """Return a template object."""
    return {
        "id": templates.format_id(text.id),
        "name": text.name,
        "slug": text.slug,
        "body": text.body,
        "variables": list(templates.variables(text)),
    }


def rendered(body: str, measure: Measure) -> ApiResponse:
    """Return the response to `POST /sms-templates/{id}/render`."""
    return reply(200, {"body": body, "encoding": measure.encoding, "segments": measure.segments})


def sender(found: ShownSenderId) -> dict[str, Any]:
    """Return a sender id object with its registration."""
    own: Mapping[str, Any] = found.registration
    return _filled(
        id=str(found.id),
        sender_id=found.sender,
        status=found.state,
        countries=list(found.countries),
        registered_entity=own.get("registered_entity"),
        registration_doc_url=own.get("registration_doc_url"),
        use_case=own.get("use_case"),
        sample_message=own.get("sample_message"),
        notes=own.get("notes"),
        rejection_reason=found.reason,
    )


def webhook(
    id_: str, url: str, events: Sequence[str], description: str, enabled: bool, at: datetime, secret: str | None
) -> dict[str, Any]:
    """Return a webhook object; the secret only when it is created or rotated."""
    return _filled(
        id=id_,
        url=url,
        events=list(events),
        description=description,
        enabled=enabled,
        created_at=_instant(at),
        secret=secret,
    )


def listed(things: Sequence[Mapping[str, Any]]) -> ApiResponse:
    """Return the response to a request that lists all items of a kind."""
    return reply(200, {"data": list(things)})


def _attempt(tried: ShownAttempt) -> dict[str, Any]:
    well = tried.outcome is Outcome.ACCEPTED
    return _filled(
        provider=tried.carrier,
        attempted_at=_instant(tried.at),
        ok=well,
        provider_message_id=tried.carrier_ref,
        error_code=None if well else tried.code or str(tried.outcome),
        error_message=None if well else tried.detail or _OUTCOMES[tried.outcome],
    )


_OUTCOMES = {
    Outcome.ACCEPTED: "",
    Outcome.REFUSED_PERMANENT: "the provider refused it",
    Outcome.REFUSED_TRANSIENT: "the provider did not take it now",
    Outcome.NOT_WRITTEN: "the provider was not reached",
    Outcome.UNKNOWN: "the provider did not say whether it took it",
}


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
