"""What a producer asks for, whatever API it spoke."""

import json
import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    model_validator,
)

from schema.message_class import MessageClass

#: recipients one order may have
MAX_RECIPIENTS = 10_000

#: doors whose orders are ours alone: what answers a handset is held up by no night and no opt-out
RESERVED_APIS = frozenset({"reply"})

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

#: anything but NUL, which PostgreSQL cannot keep
Text = Annotated[str, Field(max_length=1600, pattern=r"^[^\x00]*$")]
#: what an account or template is called
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_CONTROLS)]
#: printable, no control characters: it travels in carriers' headers
Reference = Annotated[str, Field(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
Fields = Annotated[dict[Reference, Text], Field(max_length=100)]

_BEGINS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")


def _spelt_out(value: object) -> object:
    """Refuse numbers, also in quotes: nobody can tell whether they are seconds or milliseconds, and of what zone."""
    if isinstance(value, datetime) or (isinstance(value, str) and _BEGINS.match(value)):
        return value
    raise ValueError("must be an ISO 8601 date and time with its zone, such as 2027-03-01T09:00:00+01:00")


#: a date and time with its zone
Moment = Annotated[AwareDatetime, BeforeValidator(_spelt_out)]

#: ISO 3166-1 alpha-2
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Recipient(BaseModel):
    """One person an order goes to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the phone number, E.164; blanks, dots, dashes and brackets are tolerated. What is not plainly one refuses itself
    #: alone. Without its plus it is a national number of `country`
    to: Annotated[str, Field(max_length=1600)]
    #: fills `${name}` in the text; wins over the order's own fields
    merge: Fields = {}
    #: the producer's own word for this message, given back in answers and events
    correlation_id: Reference | None = None
    #: ISO 3166-1 alpha-2: where a number without its plus is dialled; and which of the countries that share its calling
    #: code a number belongs to. With any other country it refuses itself alone
    country: Country | None = None


class Order(BaseModel):
    """One request to send: a text, its recipients, when, and on whose account."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    #: the account's name
    account: Name
    #: the sender id the recipients see: registered on the account
    sender: Annotated[str, Field(min_length=1, max_length=20, pattern=_NO_CONTROLS)]
    #: the text, with `${name}` where a merge field goes; or name a `template`
    body: Annotated[Text, Field(min_length=1)] | None = None
    #: slug or id of one of the account's templates; or give a `body`
    template: Name | None = None
    #: merge fields for every recipient
    merge: Fields = {}
    #: ISO 3166-1 alpha-2: where numbers without a plus are dialled, unless the recipient says otherwise
    country: Country | None = None
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MAX_RECIPIENTS)]
    #: not before this moment; absent: at once
    send_at: Moment | None = None
    #: not after this moment
    valid_until: Moment | None = None
    #: the same key on the same account is the same order, answered the same
    idempotency_key: Reference | None = None
    #: which API it came through; its idempotency keys have a name space of their own
    door: Name | None = None
    message_class: MessageClass = Field(default=MessageClass.TRANSACTIONAL, alias="class")
    #: goes to the simulated carrier, is not charged
    test: StrictBool = False
    #: its recipients' opt-outs from this account do not hold it up; those from every account do
    skip_opt_outs: StrictBool = False
    #: when the producer made it; `send_at` is judged from here, so that a slow queue harms nobody
    submitted_at: Moment | None = None

    #: whether it came through the broker unsealed; set by who reads it, never by what is read
    _came_open: bool = PrivateAttr(default=False)

    @property
    def came_open(self) -> bool:
        """Tell whether whoever reaches the broker may have made it."""
        return self._came_open

    def open_from_broker(self) -> "Order":
        """Return the order, marked as one that came through the broker unsealed."""
        self._came_open = True
        return self

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


def json_schema() -> str:
    """Return the JSON Schema of an order, for producers in any language."""
    return json.dumps(Order.model_json_schema(by_alias=True), indent=2, sort_keys=True)
