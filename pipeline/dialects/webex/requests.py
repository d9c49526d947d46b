"""Parses the body of `POST /v1/sms`: JSON into a message, or all errors found.

Sources: docs.webexinteract.com/reference/send-sms-api; where its table and its samples disagree, the samples are
followed. Clients also send `schedule_at` (means send_at), `skip_optout_check`, `name`, `to[].country_code`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import from_json

from pipeline.dialects.webex import datetimes
from pipeline.dialects.webex.errors import WebexFault
from pipeline.rules.identity import ksuids
from pipeline.rules.text import templates
from pipeline.rules.text.segments import Capacity
from schema.api import ApiKey, ApiRequest
from schema.message_class import MessageClass
from schema.order import MAX_RECIPIENTS, Order, Recipient
from schema.value_class import value_class

#: most characters of a text, before and after its merge fields are filled, and of one merge field's value
LONGEST = 1600
#: how far ahead send_at may be, and valid_until after the time of sending
LEAD, VALIDITY = timedelta(days=7), timedelta(days=3)
#: the operation whose messages are this API's, and its name space
OPERATION = "sms"
API = f"webex.{OPERATION}"
#: capacity of a part as the vendor bills it: fewer characters than are sent
BILLING = {API: Capacity(ucs2_part=63)}
#: a request to more numbers than this is bulk: transactional messages go first
_CAMPAIGN = 100

_NOBODY = "invalid recipients object format, no phone numbers provided."
_TOO_MANY = f"a maximum of {MAX_RECIPIENTS} phone numbers is allowed per request"


def _spelled(fields: dict[str, Any]) -> dict[str, str]:
    if all(type(value) is str and len(value) <= LONGEST for value in fields.values()):
        return fields
    return {name: _value(value) for name, value in fields.items()}


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(text := str(value)) > LONGEST:
        raise ValueError(f"must hold strings of up to {LONGEST} characters")
    return text


# values are checked here, as pydantic would report each invalid one: up to half a million in one request
_Merge = Annotated[dict[str, Any], AfterValidator(_spelled)]


@dataclass(slots=True)
class _To:
    phone: Annotated[list[str], Field(min_length=1), FailFast()]
    merge_fields: _Merge | None = None
    # it is returned in webhooks, and sent in carriers' headers
    correlation_id: Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


class _Asked(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    message_body: str | None = None
    template_id: str | None = None
    sender: str | None = Field(None, alias="from")
    to: Annotated[list[_To], Field(max_length=MAX_RECIPIENTS)] | None = None
    send_at: str | None = None
    schedule_at: str | None = None
    valid_until: str | None = None
    global_merge_fields: _Merge | None = None
    # anything but true counts as false: it is not in the vendor's own reference
    skip_optout_check: Any = None


@value_class
class WebexMessage:
    """One SMS request that is valid as far as it can be judged without the database."""

    #: None: it names a template
    text: str | None
    #: the template's slug or id
    template: str
    sender: str
    recipients: list[Recipient]
    merge: Mapping[str, str]
    send_at: datetime | None
    valid_until: datetime | None
    #: whether the recipients' opt-outs from this account are ignored
    skips_opt_outs: bool = False


def is_json(call: ApiRequest) -> bool:
    """Return whether a request's Content-Type is JSON, or absent."""
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not media or media == "application/json" or media.endswith("+json")


def read(body: bytes, now: datetime) -> WebexMessage | list[WebexFault]:
    """Parse an SMS request; return it, or all its errors."""
    faults: list[WebexFault] = []
    wrong: set[str] = set()
    if _holds_no_number(body):
        return [WebexFault("body", "invalid JSON")]
    try:
        asked = _Asked.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        faults = list(dict.fromkeys(_fault(each["type"], each["loc"]) for each in found))
        if not found[0]["loc"]:
            return faults
        wrong = {str(each["loc"][0]) for each in found}
        # well-formed fields are validated all the same, so that one response has all errors
        asked = _Asked.model_validate({name: value for name, value in from_json(body).items() if name not in wrong})
    faults += _judge(asked, wrong, now)
    return faults or _ask(asked)


def _holds_no_number(body: bytes) -> bool:
    """Return whether a body has NaN or Infinity as a number: pydantic would accept it, JSON does not."""
    if b"NaN" not in body and b"Infinity" not in body:
        return False
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return True
    return False


def order(ask: WebexMessage, text: str, key: ApiKey, now: datetime) -> Order:
    """Return a request as an order; merge fields without a value stay in the text as they are."""
    unfilled = {name: f"${{{name}}}" for name in templates.compile(text).names}
    # not validated again: pydantic would repeat all of it for ten thousand recipients
    return _ORDER.model_copy(
        update={
            "account": key.owner,
            "sender": ask.sender,
            "body": text,
            "merge": {**unfilled, **ask.merge},
            "recipients": ask.recipients,
            "send_at": ask.send_at,
            "valid_until": ask.valid_until,
            "message_class": MessageClass.BULK if len(ask.recipients) > _CAMPAIGN else MessageClass.TRANSACTIONAL,
            "test": key.test,
            "skip_opt_outs": ask.skips_opt_outs,
            "submitted_at": now,
        }
    )


#: the fields that all orders share; a copy takes half the time of `model_construct`
_ORDER = Order.model_construct(account="", sender="", recipients=[], door=API)


def _ask(asked: _Asked) -> WebexMessage:
    template = ksuids.read("stp_", asked.template_id or "")
    return WebexMessage(
        text=asked.message_body or None,
        template=str(template) if template else asked.template_id or "",
        sender=asked.sender or "",
        recipients=[
            Recipient.model_construct(to=phone, merge=own, correlation_id=each.correlation_id or None)
            for each in asked.to or ()
            for own in (each.merge_fields or {},)
            for phone in each.phone
        ],
        merge=asked.global_merge_fields or {},
        send_at=_sent_at(asked)[1],
        valid_until=datetimes.read(asked.valid_until) if asked.valid_until else None,
        skips_opt_outs=asked.skip_optout_check is True,
    )


# Validation ---------------------------------------------------------------------------------------------------


def _judge(asked: _Asked, wrong: set[str], now: datetime) -> Iterator[WebexFault]:
    """Yield the errors of the fields that are well formed."""
    if not wrong & {"message_body", "template_id"}:
        yield from _judge_text(asked.message_body, asked.template_id)
    if not asked.sender and "from" not in wrong:
        yield WebexFault("from", "sender name is required")
    if "to" not in wrong:
        if not asked.to:
            yield WebexFault("to", "at least one recipients object is required")
        elif sum(len(each.phone) for each in asked.to) > MAX_RECIPIENTS:
            yield WebexFault("to", _TOO_MANY)
    if not wrong & {"send_at", "schedule_at", "valid_until"}:
        yield from _judge_window(asked, now)


def _judge_text(text: str | None, template: str | None) -> Iterator[WebexFault]:
    if text and template:
        yield WebexFault("message_body, template_id", "both were provided, only one is allowed.")
    elif not text and not template:
        yield WebexFault("message_body, template_id", "neither message_body nor template_id was provided")
    elif text:
        if len(text) > LONGEST:
            yield WebexFault("message_body", f"message is longer than {LONGEST} characters.")
        elif not text.strip() or "\x00" in text:
            yield WebexFault("message_body", "message must hold text, and no NUL character.")


def _sent_at(asked: _Asked) -> tuple[str, datetime | None]:
    name, text = ("send_at", asked.send_at) if asked.send_at else ("schedule_at", asked.schedule_at)
    return name, datetimes.read(text) if text else None


def _judge_window(asked: _Asked, now: datetime) -> Iterator[WebexFault]:
    name, begins = _sent_at(asked)
    is_unread = begins is None and bool(asked.send_at or asked.schedule_at)
    if is_unread:
        yield WebexFault(name, datetimes.FORM)
    elif begins and begins <= now:
        yield WebexFault(name, "date must be in the future")
    elif begins and begins > now + LEAD:
        yield WebexFault(name, f"date cannot be more than {LEAD.days} days in the future")
    if asked.valid_until:
        yield from _judge_end(asked.valid_until, begins, now, is_unread=is_unread)


def _judge_end(valid_until: str, begins: datetime | None, now: datetime, *, is_unread: bool) -> Iterator[WebexFault]:
    ends = datetimes.read(valid_until)
    if ends is None:
        yield WebexFault("valid_until", datetimes.FORM)
    elif begins and ends <= begins:
        yield WebexFault("valid_until", "date must be in the future when compared to send_at ")
    elif ends <= now:
        yield WebexFault("valid_until", "date must be in the future")
    elif not is_unread and ends > (begins or now) + VALIDITY:
        yield WebexFault("valid_until", f"date cannot be more than {VALIDITY.days} days in the future")


# pydantic's errors in the vendor's format ---------------------------------------------------------------------

_WORDS = {
    "string_type": "must be a string",
    "value_error": f"must hold strings of up to {LONGEST} characters",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "must not hold control characters",
    "dict_type": "must be an object",
    "list_type": "must be an array",
}


def _fault(kind: str, place: tuple[Any, ...]) -> WebexFault:
    if not place:
        return WebexFault("body", "invalid JSON" if kind == "json_invalid" else "must be an object")
    if place[0] == "to" and len(place) > 1 and (len(place) == 2 or place[2] == "phone"):
        return WebexFault(f"to[{place[1]}].phone", _NOBODY)
    if place == ("to",) and kind == "too_long":
        return WebexFault("to", _TOO_MANY)
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:255]}" for part in place).lstrip(".")
    return WebexFault(field, _WORDS.get(kind, "is invalid"))
