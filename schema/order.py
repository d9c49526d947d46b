"""What a producer asks for, whatever API it spoke."""

import json
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schema.message import Refusal
from schema.vocabulary import Code, MessageClass

#: recipients one order may have
MAX_RECIPIENTS = 10_000

Text = Annotated[str, Field(max_length=1600)]
#: printable, no control characters: it travels in carriers' headers
Reference = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Fields = Annotated[dict[str, Annotated[str, Field(max_length=1600)]], Field(max_length=100)]


class Recipient(BaseModel):
    """One person an order goes to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the phone number, E.164; blanks, dots, dashes and brackets are tolerated
    to: Annotated[str, Field(min_length=1, max_length=64)]
    #: fills `${name}` in the text; wins over the order's own fields
    merge: Fields = {}
    #: the producer's own word for this message, given back in answers and events
    correlation_id: Reference | None = None


class Order(BaseModel):
    """One request to send: a text, its recipients, when, and on whose account."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    #: the account's name
    account: Annotated[str, Field(min_length=1, max_length=64)]
    #: the sender id the recipients see: registered on the account
    sender: Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[^\x00-\x1f\x7f]+$")]
    #: the text, with `${name}` where a merge field goes; or name a `template`
    body: Annotated[str, Field(min_length=1, max_length=1600)] | None = None
    #: slug or id of one of the account's templates; or give a `body`
    template: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    #: merge fields for every recipient
    merge: Fields = {}
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MAX_RECIPIENTS)]
    #: not before this moment; absent: at once
    send_at: AwareDatetime | None = None
    #: not after this moment
    valid_until: AwareDatetime | None = None
    #: the same key on the same account is the same order, answered the same
    idempotency_key: Reference | None = None
    message_class: MessageClass = Field(default=MessageClass.TRANSACTIONAL, alias="class")
    #: goes to the simulated carrier, is not charged
    test: bool = False
    #: when the producer made it; `send_at` is judged from here, so that a slow queue harms nobody
    submitted_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_text(self) -> "Order":
        if (self.body is None) == (self.template is None):
            raise ValueError("give exactly one of body and template")
        return self

    @model_validator(mode="after")
    def _windows(self) -> "Order":
        begins = self.send_at or self.submitted_at
        if self.valid_until and begins and self.valid_until <= begins:
            raise ValueError("valid_until must be after send_at")
        return self


def read(payload: bytes | str | dict[str, Any]) -> Order | list[Refusal]:
    """Read a stranger's order; return it, or every fault found, each with its field."""
    try:
        if isinstance(payload, dict):
            return Order.model_validate(payload)
        return Order.model_validate_json(payload)
    except ValidationError as error:
        return [
            _refusal(fault) for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def json_schema() -> str:
    """Return the JSON Schema of an order, for producers in any language."""
    return json.dumps(Order.model_json_schema(by_alias=True), indent=2, sort_keys=True)


_CODES = {
    "missing": Code.MISSING_FIELD,
    "json_invalid": Code.BAD_JSON,
    "too_long": Code.TOO_MANY,
}


def _refusal(fault: Any) -> Refusal:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    code = _CODES.get(fault["type"], Code.INVALID_FIELD)
    message = str(fault["msg"]).removeprefix("Value error, ")
    index = fault["loc"][1] if len(fault["loc"]) > 1 and fault["loc"][0] == "recipients" else None
    return Refusal(code=code, message=message, field=field or None, index=index)
