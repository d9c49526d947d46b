"""Parses Robase's send requests: JSON into messages, or the first error. Unknown fields are ignored.

Source: docs.robase.dev/sms/sending, /sms/batch, /concepts/idempotency, /sms/test-mode.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from pipeline.dialects.robase import templates
from pipeline.rules.numbers import sandbox_numbers, senders
from schema.api import ApiKey, ApiRequest
from schema.api_views import ShownTemplate
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Moment, Order, Recipient
from schema.value_class import value_class
from schema.vocabulary import Code

M = TypeVar("M", bound=BaseModel)

#: most rows of one batch
MOST_ROWS = 1000
#: how far ahead send_at may be
LEAD = timedelta(days=30)
#: dial code → country; a request may name these, each for its own numbers only, as prices and permissions depend on it
COUNTRIES = {"+234": "NG", "+233": "GH", "+254": "KE", "+225": "CI"}
#: most characters of an idempotency key
MOST_KEY = 255

#: operations that send messages
OPERATIONS = ("send", "batch", "batch.row")

_PHONE = re.compile(r"\+[0-9]{8,15}")
#: a number without a plus
_HOME = re.compile(r"[0-9(][0-9 ()./-]{4,63}", re.ASCII)
#: the whole text is one merge field, so that merge fields in a customer's text are not filled in
_BODY, _FIELD = "${text}", "text"


class _Sms(BaseModel):
    to: str
    sender: str = Field(alias="from")
    body: str | None = None
    template: str | None = None
    variables: dict[str, Any] | None = None
    country: str | None = None
    send_at: Moment | None = None


class _Row(BaseModel):
    to: str
    body: str | None = None
    template: str | None = None
    variables: dict[str, Any] | None = None
    idempotency_key: str | None = None


class _Batch(BaseModel):
    sender: str = Field(alias="from")
    messages: list[Any]
    template: str | None = None
    country: str | None = None
    send_at: Moment | None = None


@value_class
class RobaseMessage:
    """One message to send; its template is not filled in yet."""

    to: str
    #: None: the template has it
    body: str | None
    #: the template's slug or id
    template: str | None
    variables: Mapping[str, Any] = field(repr=False)
    country: str | None = None
    key: str | None = None


@value_class
class SmsRequest:
    """A `POST /sms` request."""

    sender: str
    ask: RobaseMessage
    send_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A `POST /sms/batch` request."""

    sender: str
    #: each row, or its error
    rows: list[RobaseMessage | Refusal]
    send_at: datetime | None


def read_sms(call: ApiRequest, key: ApiKey, now: datetime) -> SmsRequest | Refusal:
    """Return the message of a `POST /sms` request, or its first error."""
    asked = read(call, _Sms)
    if isinstance(asked, Refusal):
        return asked
    ask = _ask(asked, asked.template, asked.country, None, key.test)
    if isinstance(ask, Refusal):
        return ask
    fault = _fault_of_sending(asked.sender, asked.country, asked.send_at, now)
    if fault:
        return fault
    return SmsRequest(asked.sender, ask, _later(asked.send_at, now))


def read_batch(call: ApiRequest, key: ApiKey, now: datetime) -> BatchRequest | Refusal:
    """Return the rows of a `POST /sms/batch` request, each a message or its error, or the error of the whole."""
    asked = read(call, _Batch)
    if isinstance(asked, Refusal):
        return asked
    if not asked.messages:
        return Refusal(Code.MISSING_FIELD, "messages required", "messages")
    if len(asked.messages) > MOST_ROWS:
        return Refusal(Code.TOO_MANY, f"a batch has at most {MOST_ROWS} messages", "messages")
    fault = _fault_of_sending(asked.sender, asked.country, asked.send_at, now)
    if fault:
        return fault
    rows = [_row(each, asked, key.test) for each in asked.messages]
    return BatchRequest(asked.sender, rows, _later(asked.send_at, now))


def read_key(call: ApiRequest) -> str | Refusal | None:
    """Return the Idempotency-Key header, None without one, or what is wrong with it."""
    word = call.headers.get("idempotency-key")
    if not word:
        return None
    return word if _is_key(word) else Refusal(Code.INVALID_FIELD, _KEY_WORDS, "Idempotency-Key")


def read(call: ApiRequest, model: type[M]) -> M | Refusal:
    """Return a JSON body parsed into the model, or its first error."""
    media = call.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        return Refusal(Code.MEDIA_UNKNOWN, "send application/json")
    try:
        found = from_json(call.body, allow_inf_nan=False)
    except ValueError:
        return Refusal(Code.BAD_JSON, "request body is not valid JSON")
    return _model(found, model)


def idempotency_scope(name: str, key: ApiKey) -> str:
    """Return the name space of an operation's idempotency keys; test keys have their own."""
    return f"robase.test.{name}" if key.test else f"robase.{name}"


def order(
    key: ApiKey,
    sender: str,
    messages: Sequence[tuple[RobaseMessage, str]],
    *,
    send_at: datetime | None,
    name: str,
    idempotency_key: str | None,
    now: datetime,
) -> Order:
    """Return an order for messages of one sender, each with its own text."""
    recipients = [Recipient(to=ask.to, merge={_FIELD: text}, country=ask.country) for ask, text in messages]
    return Order(
        account=key.owner,
        sender=sender,
        body=_BODY,
        recipients=recipients,
        send_at=send_at,
        idempotency_key=idempotency_key,
        door=idempotency_scope(name, key),
        message_class=MessageClass.TRANSACTIONAL if name == "send" else MessageClass.BULK,
        test=key.test,
        submitted_at=now,
    )


def text_of(ask: RobaseMessage, known: Mapping[str, ShownTemplate]) -> str | Refusal:
    """Return the text of a message, its template filled in, or the error."""
    if ask.template is None:
        assert ask.body is not None
        return ask.body
    template = known.get(templates.slug_or_id(ask.template))
    if template is None:
        return Refusal(Code.TEMPLATE_UNKNOWN, "template not found", "template")
    body = templates.render(template, ask.variables)
    if len(body) > templates.MOST_BODY:
        return Refusal(Code.BODY_TOO_LONG, "", "body")
    return body if "\x00" not in body else Refusal(Code.INVALID_FIELD, "variables must not hold NUL", "variables")


def key_of_row(header: str, place: int) -> str:
    """Return the idempotency key of a batch's row without its own, derived from the key of the whole batch."""
    return f"{sha256(header.encode()).hexdigest()}:{place}"


# Validation -----------------------------------------------------------------------------------------------------

_KEY_WORDS = f"an idempotency key has 1 to {MOST_KEY} printable characters"
_NATIONAL = "recipient is a national number, or lacks its plus: write it in E.164, as + and its country code"
_REQUIRED = {"to": "recipient required", "from": "sender required"}


def _model(found: Any, model: type[M]) -> M | Refusal:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(fault["loc"][0]) if fault["loc"] else None
    if name is None:
        return Refusal(Code.INVALID_FIELD, "must be a JSON object")
    if fault["type"] == "missing":
        return Refusal(Code.MISSING_FIELD, _REQUIRED.get(name, f"{name} required"), name)
    words = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return Refusal(Code.INVALID_FIELD, f"{name} {words}", name)


def _fault_of_sending(sender: str, country: str | None, send_at: datetime | None, now: datetime) -> Refusal | None:
    if len(sender) > 11 or not senders.is_sender(sender):
        return Refusal(Code.SENDER_INVALID, "from must be alphanumeric and at most 11 characters", "from")
    if country is not None and country not in COUNTRIES.values():
        return Refusal(Code.INVALID_FIELD, f"country must be one of {', '.join(COUNTRIES.values())}", "country")
    if send_at and send_at > now + LEAD:
        return Refusal(Code.SCHEDULE_FAR, "", "send_at")
    return None


def _later(send_at: datetime | None, now: datetime) -> datetime | None:
    return send_at if send_at and send_at > now else None


def _row(found: Any, batch: _Batch, test: bool) -> RobaseMessage | Refusal:
    row = _model(found, _Row)
    if isinstance(row, Refusal):
        return row
    if row.idempotency_key and not _is_key(row.idempotency_key):
        return Refusal(Code.INVALID_FIELD, _KEY_WORDS, "idempotency_key")
    return _ask(row, row.template or batch.template, batch.country, row.idempotency_key or None, test)


def _ask(
    asked: _Sms | _Row, template: str | None, country: str | None, key: str | None, test: bool
) -> RobaseMessage | Refusal:
    if fault := _fault_of_number(asked.to, country, test):
        return fault
    if template:
        return RobaseMessage(asked.to, None, template, asked.variables or {}, country, key)
    if not asked.body:
        return Refusal(Code.MISSING_FIELD, "body or template required", "body")
    if len(asked.body) > templates.MOST_BODY:
        return Refusal(Code.BODY_TOO_LONG, "", "body")
    if "\x00" in asked.body:
        return Refusal(Code.INVALID_FIELD, "body must not hold NUL", "body")
    return RobaseMessage(asked.to, asked.body, None, {}, country, key)


def _fault_of_number(number: str, country: str | None, test: bool) -> Refusal | None:
    if not number:
        return Refusal(Code.MISSING_FIELD, _REQUIRED["to"], "to")
    if not _PHONE.fullmatch(number):
        return Refusal(Code.PHONE_INVALID, _NATIONAL if _HOME.fullmatch(number) else "", "to")
    if test and (code := sandbox_numbers.fault(number)):
        return Refusal(code, "", "to")
    own = COUNTRIES.get(number[:4])
    if country in (None, own):
        return None
    if country not in COUNTRIES.values():
        return Refusal(Code.INVALID_FIELD, f"country must be one of {', '.join(COUNTRIES.values())}", "country")
    words = (
        f"country {country} is not that of the number, {own}" if own else "country cannot be set for this destination"
    )
    return Refusal(Code.INVALID_FIELD, words, "country")


def _is_key(word: str) -> bool:
    return len(word) <= MOST_KEY and word.isprintable()
