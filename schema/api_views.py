"""What a customer is shown of his own: his messages as they stand, his templates, his sender ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schema.vocabulary import Code, Encoding, Outcome, SenderState, Status, Syntax


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt at one carrier."""

    carrier: str
    outcome: Outcome
    carrier_ref: str | None
    #: the carrier's own code, or ours for a fault of the wire
    code: str | None
    detail: str | None
    #: when it was begun
    at: datetime


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message as it stands now."""

    id: UUID
    status: Status
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    body: str
    #: None: it is not measured yet
    encoding: Encoding | None
    segments: int | None
    #: minor units of the account's currency; 0 where the quota paid or nobody did
    amount: int
    #: segments of the month's quota it used instead
    quota: int
    correlation_id: str | None
    #: why it failed or was rejected
    error_code: Code | None
    #: the carrier it is with, or was last
    carrier: str
    test: bool
    #: what its sender asked for; None: at once
    send_at: datetime | None
    sent_at: datetime | None
    #: when its status became final
    final_at: datetime | None
    #: in order
    tries: tuple[ShownAttempt, ...]


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    """One template of an account."""

    id: UUID
    slug: str
    name: str
    body: str
    syntax: Syntax
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownSenderId:
    """One sender id of an account, with what its owner said of it."""

    id: UUID
    sender: str
    state: SenderState
    #: ISO countries it is meant for; empty: everywhere
    countries: tuple[str, ...]
    #: the owner's fields, by the vendor's names
    registration: Mapping[str, Any]
    #: why it was rejected
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownSchedule:
    """One request that was to wait for its minute, as a whole."""

    id: UUID
    #: scheduled while one of its messages waits, queued while one is under way, then sent, cancelled or failed
    status: Status
    sender: str
    #: its first message's
    body: str
    send_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What an account has."""

    #: minor units of its currency
    balance: int
    created_at: datetime
