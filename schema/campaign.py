"""Campaigns: the pydantic model of a new one, and the records of its row and progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from schema.message_class import MessageClass
from schema.order import CAMPAIGNS, Country, Fields, Moment, Name, Order, Recipient, Text, TimeZone
from schema.value_class import value_class
from schema.vocabulary import CampaignState, DuplicatePolicy

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

#: pattern of `09:00-18:00`
LOCAL_HOURS = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"

Share = Annotated[float, Field(strict=True, gt=0, le=1)]


class Gates(BaseModel):
    """Limits that pause a campaign: each counts only once `min_sample` messages have the outcome it looks at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: messages with an outcome before a share is looked at
    min_sample: Annotated[int, Field(strict=True, ge=1)] = 50
    #: share of messages that failed or were rejected before a carrier accepted them
    failed: Share | None = None
    #: share of messages that carriers accepted and did not deliver, of those with a receipt
    undelivered: Share | None = None
    #: share of recipients who opted out
    opted_out: Share | None = None


class CampaignDefinition(BaseModel):
    """What a campaign sends, when and how fast, and at whose cost; its recipients are loaded apart."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    #: the account's name
    account: Name
    #: unique among the account's campaigns
    name: Name
    #: the sender id the recipients see: registered on the account
    sender: Annotated[str, Field(min_length=1, max_length=20, pattern=_NO_CONTROLS)]
    #: the text, with `${name}` for each merge field; or set `template`
    body: Annotated[Text, Field(min_length=1)] | None = None
    #: slug or id of one of the account's templates; or set `body`
    template: Name | None = None
    #: merge fields for every recipient
    merge: Fields = {}
    #: ISO 3166-1 alpha-2: where numbers without a plus are dialled
    country: Country | None = None
    message_class: MessageClass = Field(default=MessageClass.BULK, alias="class")
    #: goes to the simulated carrier, is not charged
    test: StrictBool = False
    #: not before this time; absent: once it is started
    send_at: Moment | None = None
    #: not after this time
    valid_until: Moment | None = None
    duplicates: DuplicatePolicy = DuplicatePolicy.DROP
    #: leave out those whom the account sent a message to within these hours before this one, found anew at each check
    not_within_hours: Annotated[int, Field(strict=True, gt=0, le=720)] | None = None
    #: recipients per hour; absent: unlimited
    per_hour: Annotated[int, Field(strict=True, gt=0, lt=2**31)] | None = None
    #: segments per second; absent: unlimited
    segments_per_second: Annotated[float, Field(strict=True, gt=0, le=1e6)] | None = None
    #: hours over which its recipients are spread, unless `per_hour` is given
    spread_hours: Annotated[float, Field(strict=True, gt=0, le=8760)] | None = None
    #: `09:00-18:00`: between these times of their own day recipients get it; where a number may be in several time
    #: zones, in all of them
    local_hours: Annotated[str, Field(pattern=LOCAL_HOURS)] | None = None
    #: recipients, drawn across countries and carriers, that are sent first
    canary: Annotated[int, Field(strict=True, gt=0, le=1_000_000)] | None = None
    #: seconds to wait after the canary before its gates are checked
    canary_soak: Annotated[int, Field(strict=True, ge=0, le=7 * 86400)] = 300
    gates: Gates = Gates()
    #: hold the money of the whole quote when it begins, not batch by batch
    reserve: StrictBool = False
    #: recurrence rule of RFC 5545, whose first time is `send_at`: at each of its times another campaign is sent
    repeat: Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)] | None = None
    #: by whose clock it repeats, such as Europe/Paris
    time_zone: TimeZone | None = None

    @model_validator(mode="after")
    def _one_text(self) -> "CampaignDefinition":
        if (self.body is None) == (self.template is None):
            raise ValueError("give exactly one of body and template")
        return self

    @model_validator(mode="after")
    def _window(self) -> "CampaignDefinition":
        if self.valid_until and self.send_at and self.valid_until <= self.send_at:
            raise ValueError("valid_until must be after send_at")
        return self

    @model_validator(mode="after")
    def _repetition(self) -> "CampaignDefinition":
        if self.repeat is None:
            if self.time_zone is not None:
                raise ValueError("time_zone is that of repeat: give both or none")
        elif self.time_zone is None or self.send_at is None:
            raise ValueError("repeat needs time_zone, and send_at as its first time")
        return self


class CampaignRecipient(Recipient):
    """One recipient of a campaign."""

    #: where the recipient is: decides its local hours instead of the zones of its number
    time_zone: TimeZone | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign, as its row has it."""

    id: UUID
    account_id: int
    #: the account's name
    account: str
    name: str
    state: CampaignState
    #: why it is paused, failed, stale or aborted
    reason: str | None
    sender: str
    message_class: MessageClass
    test: bool
    #: its text, with merge fields
    body: str
    template: str | None
    #: the version of its template that its text is
    template_version: int | None
    merge: Mapping[str, str]
    country: str | None
    send_at: datetime | None
    valid_until: datetime | None
    duplicates: DuplicatePolicy
    #: left out are those whom the account sent a message to within these hours before it
    not_within_hours: int | None
    per_hour: int | None
    segments_per_second: float | None
    #: minutes after midnight of its recipients' day, between which it is sent
    hours_from: int | None
    hours_until: int | None
    #: hours over which its recipients are spread
    spread_hours: float | None
    canary: int | None
    canary_soak: int | None
    gates: Mapping[str, Any]
    #: its whole quote is held when it begins
    reserve: bool
    #: the content of a `Quote`; None: not checked yet
    quote: Mapping[str, Any] | None
    quoted_at: datetime | None
    quote_until: datetime | None
    quote_hash: bytes | None
    #: the approved cost in minor units
    max_cost: int | None
    #: actors: `os_user:ada`
    created_by: str
    approved_by: str | None
    created_at: datetime
    approved_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    #: ISO 4217 of its account
    currency: str
    #: as in its definition
    repeat: str | None = None
    time_zone: str | None = None
    #: the first campaign of its series; None: it does not repeat
    series_id: UUID | None = None
    #: its day in the zone of the series
    occurs_on: date | None = None
    #: of the first of a series: the time of the next campaign; None: there is none (any more)
    repeat_next_at: datetime | None = None
    #: of the first of a series: why it was ended
    repeat_ended: str | None = None
    #: the campaign of its series whose recipients it gets; None: the clock is done with it
    copies_from: UUID | None = None
    #: the campaign of its series whose approval covered it; None: it was approved by itself
    approved_with: UUID | None = None

    @property
    def is_being_copied(self) -> bool:
        """Tell whether it has not got all the recipients of the campaign before it yet."""
        return self.copies_from is not None and self.state is CampaignState.DRAFT

    @property
    def audit_subject(self) -> str:
        """Return what the audit log calls it."""
        return f"{self.account_id} {self.name}"

    @property
    def local_hours(self) -> str | None:
        """Return the times of its recipients' day between which it is sent, as a definition has them; None: at any."""
        if self.hours_from is None or self.hours_until is None:
            return None
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.hours_from, self.hours_until))


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """The counts of a campaign, in rows but for segments and amount."""

    campaign_id: UUID
    #: rows loaded
    rows: int
    #: SHA-256 over the loaded portions
    digest: bytes | None
    #: the last line that was checked, and the content of the `Quote` up to there
    checked_line: int
    tally: Mapping[str, Any] | None
    #: all rows up to this line are sent or skipped
    expanded_line: int
    skipped: int
    sent: int
    #: fenced or expired
    left_out: int
    #: segments of the sent rows, and their cost in minor units
    segments: int
    amount: int
    #: inbound messages that answer its messages, and how many of them were an opt-out
    replies: int
    opt_outs: int
    paced_from: datetime | None
    paced_sent: int
    paced_segments: int
    #: gates look at messages from then on; None: at all
    gated_from: datetime | None
    worked_at: datetime

    @property
    def pending(self) -> int:
        """Return the number of rows without an outcome."""
        return self.rows - self.skipped - self.sent - self.left_out


@value_class
class GivenRow:
    """One line of a campaign's recipients, as a file or a request gives it."""

    #: as a spreadsheet numbers it
    line: int
    #: in the form of a recipient in an order's JSON, not validated; None: the line could not be read
    recipient: object
    #: why it could not be read
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One recipient of a campaign."""

    #: as a spreadsheet numbers it
    line: int
    #: E.164 with the plus
    phone: str
    country: str | None
    correlation_id: str | None
    merge: Mapping[str, str] | None
    #: IANA name; None: by its number
    time_zone: str | None = None


def as_order(campaign: Campaign, rows: Sequence[CampaignRow]) -> Order:
    """Return the order that sends these rows now: recipient number n is row number n."""
    given = {
        "account": campaign.account,
        "sender": campaign.sender,
        "door": CAMPAIGNS,
        "body": campaign.body,
        "merge": campaign.merge,
        "country": campaign.country,
        "class": campaign.message_class,
        "test": campaign.test,
        "valid_until": campaign.valid_until,
        "recipients": [
            {
                "to": row.phone,
                "country": row.country,
                "correlation_id": row.correlation_id,
                "merge": row.merge or {},
            }
            for row in rows
        ],
    }
    return Order.model_validate(given)
