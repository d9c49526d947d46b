"""Values of the customer APIs: requests, responses, API keys, persons, challenges, webhook events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from schema.campaign import Campaign, CampaignProgress
from schema.value_class import value_class
from schema.vocabulary import AccountState, Code, Encoding, InboundAction, NumberMove, PauseCause, Status

_LONG_AGO, _NOBODY = datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0)


@value_class
class ApiRequest:
    """One HTTP request, as a dialect gets it."""

    #: upper case
    method: str
    #: below the dialect's prefix, as received: `/v1/sms`
    path: str
    #: query string, as received
    query: str
    #: names in lower case; a repeated header's values are joined by a comma
    headers: Mapping[str, str]
    body: bytes
    #: the client's IP address
    source: str
    #: when it was received
    at: datetime = _LONG_AGO
    #: request id; also the id of what it submits, unless a dialect supplies another
    id: UUID = _NOBODY
    #: the dialect's prefix: `/acme`; "" where it has a host of its own
    mount: str = ""

    def with_body(self, body: bytes) -> "ApiRequest":
        """Return the request with this body; `dataclasses.replace` takes three times as long."""
        return ApiRequest(
            self.method, self.path, self.query, self.headers, body, self.source, self.at, self.id, self.mount
        )


@value_class
class ApiResponse:
    """One HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key with its account, and what is needed to authenticate and authorize a request."""

    id: int
    account: int
    #: the account's name
    owner: str
    account_state: AccountState
    #: ISO 4217, the account's
    currency: str
    dialect: str
    handle: str
    test: bool
    scopes: frozenset[str]
    #: networks (CIDR) it may be used from; empty: any
    networks: tuple[str, ...]
    #: settings that its dialect defines
    settings: Mapping[str, Any]
    #: the secret itself, where requests or webhooks are signed with it
    secret: bytes | None = field(default=None, repr=False)
    #: keyed hash of the client secret, where the client sends it
    secret_hash: bytes | None = field(default=None, repr=False)
    #: to the hour; None: never
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: what its owner is shown once, and what is stored of it."""

    #: by the vendor's names
    credentials: Mapping[str, str] = field(repr=False)
    #: look-up value
    handle: str
    #: its last characters, to tell keys apart
    last_characters: str
    #: keyed hash of the client's secret, where the client shows it
    secret_hash: bytes | None = field(default=None, repr=False)
    #: the secret, encrypted, where signatures are made with it
    sealed: bytes | None = field(default=None, repr=False)


@value_class
class Person:
    """One of the account's own customers."""

    #: the account's id for the person
    id: str
    #: E.164; None: no number
    phone: str | None
    #: the number's own id
    phone_id: UUID | None
    #: whether the person proved to hold the number
    verified: bool
    #: the challenge sent to verify it
    challenge: UUID | None
    #: created by a test key, which may change no other
    test: bool = False


@value_class
class Challenge:
    """A one-time code that was sent: what verification needs."""

    #: id of the request that sends the code
    id: UUID
    account: int
    #: key whose secret signs webhooks about it; None: no webhooks
    key_id: int | None
    #: keyed hash of id and code
    code_hash: bytes = field(repr=False)
    #: wrong codes accepted before it fails
    max_attempts: int
    expires_at: datetime
    #: URL for webhooks about its message; None: the account's endpoint
    callback_url: str | None = None


@value_class
class MessageEvent:
    """All that a webhook may contain about one status change of one message, as of the time of the call."""

    #: id of this delivery; another endpoint has another for the same event
    delivery: UUID
    #: id of the status change: the same at every try and every endpoint
    event: UUID
    #: the endpoint; None: the callback URL of the request
    endpoint: UUID | None
    dialect: str
    #: the dialect's names of the events that the endpoint subscribes to; empty: all
    listens_to: frozenset[str]
    #: number of the try, from 1
    attempt: int
    #: the message's new status, and when it changed
    status: Status
    at: datetime
    message: UUID
    #: id of its request; of its challenge, where it carries a code
    request: UUID
    #: when it was accepted
    created_at: datetime
    #: the account's name
    account: str
    #: handle of the key whose secret signs; None: the endpoint has its own secret
    handle: str | None
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    body: str
    #: None: rejected before it was measured
    encoding: Encoding | None
    segments: int | None
    #: minor units of the currency, also if refunded since; 0 where the quota paid or nothing was charged
    amount: int
    #: ISO 4217
    currency: str
    #: segments of the month's quota used instead
    quota: int
    #: the last carrier tried, or the one chosen first
    carrier: str
    #: the carrier's message id
    carrier_ref: str | None
    #: why it failed or was rejected
    error_code: Code | None
    #: the carrier's own error code
    carrier_code: str | None
    correlation_id: str | None
    test: bool
    #: requested send time; None: at once
    send_at: datetime | None


@value_class
class PersonEvent:
    """All that a webhook may contain about one change of a person's number, as of the time of the call."""

    #: id of this delivery; another endpoint has another for the same event
    delivery: UUID
    #: id of the change: the same at every try and every endpoint
    event: UUID
    endpoint: UUID
    dialect: str
    #: the dialect's names of the events that the endpoint subscribes to; empty: all
    listens_to: frozenset[str]
    #: number of the try, from 1
    attempt: int
    move: NumberMove
    at: datetime
    #: the account's id for the person
    person: str
    #: the number's own id
    number: UUID


@value_class
class InboundEvent:
    """All that a webhook may contain about one inbound message, as of the time of the call."""

    #: id of this delivery; another endpoint has another for the same event
    delivery: UUID
    #: id of the inbound message: the same at every try and every endpoint
    event: UUID
    endpoint: UUID
    dialect: str
    #: the dialect's names of the events that the endpoint subscribes to; empty: all
    listens_to: frozenset[str]
    #: number of the try, from 1
    attempt: int
    #: the sender: E.164 where it is a number
    phone: str
    #: the recipient: a number or short code of the account
    sender: str
    body: str
    action: InboundAction
    carrier: str
    #: when it was sent, by the carrier's clock; None: it did not say
    at: datetime | None
    received_at: datetime
    #: the campaign that it answers; None: none
    answered: UUID | None


@value_class
class CampaignEvent:
    """All that a webhook may contain about a campaign's new state, with its counts as of the time of the call."""

    #: id of this delivery; another endpoint has another for the same event
    delivery: UUID
    #: id of the change: the same at every try and every endpoint
    event: UUID
    endpoint: UUID
    dialect: str
    #: the dialect's names of the events that the endpoint subscribes to; empty: all
    listens_to: frozenset[str]
    #: number of the try, from 1
    attempt: int
    at: datetime
    #: with the state of the event and its reason
    campaign: Campaign
    #: what paused it; None: it is not paused
    cause: PauseCause | None
    progress: CampaignProgress


@dataclass(frozen=True, slots=True)
class DialectEvents:
    """Which events a dialect has beside those of messages: what `migrate` stores of it."""

    #: of persons' numbers
    has_persons: bool
    #: of inbound messages
    has_inbound: bool
    #: of campaigns
    has_campaigns: bool


@value_class
class WebhookPost:
    """One HTTP POST to a customer's endpoint."""

    headers: Mapping[str, str]
    body: bytes
