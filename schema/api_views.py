"""Read models of the customer APIs: messages with their attempts, templates, sender ids, schedules, balance."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schema.message import Refusal
from schema.message_class import MessageClass
from schema.vocabulary import Code, Encoding, InboundAction, Outcome, SenderState, Status, Syntax


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt at one carrier."""

    carrier: str
    outcome: Outcome
    carrier_ref: str | None
    #: the carrier's error code, or ours for a transport failure
    code: str | None
    detail: str | None
    #: when it began
    at: datetime


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message in its current state."""

    id: UUID
    #: the request it was sent with
    request: UUID
    message_class: MessageClass
    status: Status
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    body: str
    #: None: not measured yet
    encoding: Encoding | None
    segments: int | None
    #: minor units of the account's currency; 0 where the quota paid or nothing was charged
    amount: int
    #: segments of the month's quota used instead
    quota: int
    correlation_id: str | None
    #: why it failed or was rejected
    error_code: Code | None
    #: the carrier that has it, or the last that was tried
    carrier: str
    test: bool
    #: requested send time; None: at once
    send_at: datetime | None
    sent_at: datetime | None
    #: when its status became final
    final_at: datetime | None
    #: its attempts, in order
    tries: tuple[ShownAttempt, ...]


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    """One template of an account."""

    id: UUID
    slug: str
    name: str
    body: str
    syntax: Syntax
    #: of its present text
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownTemplateVersion:
    """A text that a template has had, or has."""

    version: int
    body: str
    syntax: Syntax
    made_at: datetime
    #: actor: `api_key:7`; None: of before versions were kept
    made_by: str | None


@dataclass(frozen=True, slots=True)
class ShownSenderId:
    """One sender id of an account, with its registration data."""

    id: UUID
    sender: str
    state: SenderState
    #: ISO countries it is registered for; empty: all
    countries: tuple[str, ...]
    #: registration fields, by the vendor's names
    registration: Mapping[str, Any]
    #: why it was rejected
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownSchedule:
    """One scheduled request as a whole."""

    id: UUID
    #: scheduled while one of its messages waits, queued while one is being sent, then sent, cancelled or failed
    status: Status
    sender: str
    #: the first message's text
    body: str
    send_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """One request: what it asked for, and what became of its recipients so far."""

    id: UUID
    message_class: MessageClass
    test: bool
    recipients: int
    #: recipients that were not refused on arrival
    accepted: int
    #: why the others, or the whole, were refused
    refusals: tuple[Refusal, ...]
    #: its messages by status
    statuses: Mapping[Status, int]
    #: requested send time; None: at once
    send_at: datetime | None
    valid_until: datetime | None
    created_at: datetime
    #: the template that its text is of, and that text's version; None: it had a text of its own
    template_id: UUID | None = None
    template_version: int | None = None


@dataclass(frozen=True, slots=True)
class ShownInbound:
    """One inbound message (MO)."""

    id: UUID
    #: its sender: E.164 where it is a number
    phone: str
    #: its recipient: a number or short code of the account
    sender: str
    body: str
    action: InboundAction
    #: the carrier that delivered it
    carrier: str
    #: when it was sent, by the carrier's clock; None: it did not say
    at: datetime | None
    received_at: datetime
    #: the campaign that it answers; None: none
    answered: UUID | None


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """The balance and remaining quota of an account."""

    #: minor units of its currency
    balance: int
    created_at: datetime
    #: minor units that campaigns have reserved, and that are not part of the balance
    reserved: int = 0
