"""Order: the pydantic model of one request to send messages, whatever API it came through."""

import json
import re
from datetime import datetime
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
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

#: `door` of the orders that campaigns make of their rows
CAMPAIGNS = "campaign"
#: `door` values that producers may not use: replies to handsets skip quiet hours and opt-outs
RESERVED_APIS = frozenset({"reply", CAMPAIGNS})

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

#: any text without NUL, which PostgreSQL cannot store
Text = Annotated[str, Field(max_length=1600, pattern=r"^[^\x00]*$")]
#: name of an account or template
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_CONTROLS)]
#: printable, no control characters: it is sent in carriers' headers
Reference = Annotated[str, Field(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
Fields = Annotated[dict[Reference, Text], Field(max_length=100)]

_BEGINS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")


def _spelt_out(value: object) -> object:
    """Reject numbers, also as strings: their unit (seconds or milliseconds) and time zone would be a guess."""
    if isinstance(value, datetime) or (isinstance(value, str) and _BEGINS.match(value)):
        return value
    raise ValueError("must be an ISO 8601 date and time with its zone, such as 2027-03-01T09:00:00+01:00")


#: date and time with its UTC offset
Moment = Annotated[AwareDatetime, BeforeValidator(_spelt_out)]

#: ISO 3166-1 alpha-2
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


@cache
def _zones() -> set[str]:
    """Return the names of time zones, without those that mean another one on each host, or none."""
    return available_timezones() - {"localtime", "Factory"}


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Paris")
    return name


#: name of a time zone in the IANA database
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]


class Recipient(BaseModel):
    """One recipient of an order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the phone number, E.164; blanks, dots, dashes and brackets are tolerated. An invalid number is refused by itself,
    #: not the order. Without a plus it is a national number of `country`
    to: Annotated[str, Field(max_length=1600)]
    #: fills `${name}` in the text; overrides the order's own fields
    merge: Fields = {}
    #: the producer's own id of this message, returned in responses and events
    correlation_id: Reference | None = None
    #: ISO 3166-1 alpha-2: where a number without a plus is dialled; and which of the countries that share its calling
    #: code a number belongs to. A number of any other country is refused
    country: Country | None = None


class Order(BaseModel):
    """One request to send: a text, its recipients, a time, and the account that pays."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    #: the account's name
    account: Name
    #: the sender id the recipients see: registered on the account
    sender: Annotated[str, Field(min_length=1, max_length=20, pattern=_NO_CONTROLS)]
    #: the text, with `${name}` for each merge field; or set `template`
    body: Annotated[Text, Field(min_length=1)] | None = None
    #: slug or id of one of the account's templates; or set `body`
    template: Name | None = None
    #: merge fields for every recipient
    merge: Fields = {}
    #: ISO 3166-1 alpha-2: where numbers without a plus are dialled, unless the recipient has its own `country`
    country: Country | None = None
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MAX_RECIPIENTS)]
    #: not before this time; absent: at once
    send_at: Moment | None = None
    #: not after this time
    valid_until: Moment | None = None
    #: the same key on the same account is the same order, with the same response
    idempotency_key: Reference | None = None
    #: the API it came through; idempotency keys are scoped to it
    door: Name | None = None
    message_class: MessageClass = Field(default=MessageClass.TRANSACTIONAL, alias="class")
    #: goes to the simulated carrier, is not charged
    test: StrictBool = False
    #: ignores recipients' opt-outs from this account; opt-outs from all accounts still apply
    skip_opt_outs: StrictBool = False
    #: when the producer made it; `send_at` is checked against this time, so that a slow queue does no harm
    submitted_at: Moment | None = None

    #: whether it came through the broker unsealed; set by its reader, never by its content
    _is_unsealed: bool = PrivateAttr(default=False)

    @property
    def is_unsealed(self) -> bool:
        """Tell whether it may have been written by anyone who has access to the broker."""
        return self._is_unsealed

    def as_unsealed(self) -> "Order":
        """Return the order, marked as one that came through the broker unsealed."""
        self._is_unsealed = True
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
