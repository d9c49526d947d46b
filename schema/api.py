"""What passes between a customer and us: his call, our reply, the key he shows, and what we tell him unasked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from schema.value_class import value_class
from schema.vocabulary import AccountState, Code, Dialect, Encoding, NumberMove, Status

_LONG_AGO, _NOBODY = datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0)


@value_class
class ApiRequest:
    """One HTTP request, as a dialect sees it."""

    #: upper case
    method: str
    #: below the dialect's own prefix, as it came on the wire: `/v1/sms`
    path: str
    #: what follows the question mark, as it came
    query: str
    #: names in lower case; one that came twice has its values joined by a comma
    headers: Mapping[str, str]
    body: bytes
    #: the address it came from
    source: str
    #: when it came
    at: datetime = _LONG_AGO
    #: its own, and that of what it asks for where a dialect gives no other
    id: UUID = _NOBODY
    #: the dialect's own prefix: `/robase`; "" where it has a host to itself
    mount: str = ""

    def with_body(self, body: bytes) -> "ApiRequest":
        """Return the call with its body; `dataclasses.replace` takes three times as long."""
        return ApiRequest(
            self.method, self.path, self.query, self.headers, body, self.source, self.at, self.id, self.mount
        )


@value_class
class ApiResponse:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an account, and all that is needed to judge a call made with it."""

    id: int
    account: int
    #: the account's name
    owner: str
    account_state: AccountState
    #: ISO 4217, the account's
    currency: str
    dialect: Dialect
    handle: str
    test: bool
    scopes: frozenset[str]
    #: networks (CIDR) it may be used from; empty: anywhere
    networks: tuple[str, ...]
    #: what its dialect lets an operator set
    settings: Mapping[str, Any]
    #: the secret itself, where signatures are made with it
    secret: bytes | None = field(default=None, repr=False)
    #: keyed hash of the client's secret, where he shows it
    secret_hash: bytes | None = field(default=None, repr=False)


@value_class
class Person:
    """One of an account's own customers."""

    #: the account's word for him
    id: str
    #: E.164; None: he has no number
    phone: str | None
    #: the number's own id
    phone_id: UUID | None
    #: whether he proved that the number is his
    verified: bool
    #: the code that is to prove it
    challenge: UUID | None
    #: whether he is a test key's, which may change no other
    test: bool = False


@value_class
class Challenge:
    """A code that somebody is sent: what is kept of it, so that what he types can be judged."""

    #: the id of the request that sends the code
    id: UUID
    account: int
    #: whose secret signs what is told of it; None: nothing is
    key_id: int | None
    #: keyed hash of id and code
    code_hash: bytes = field(repr=False)
    #: wrong guesses it takes before it takes none
    max_attempts: int
    expires_at: datetime
    #: where its sender hears what becomes of the message; None: at his account's endpoint
    callback_url: str | None = None


@value_class
class MessageEvent:
    """All that a webhook may say of one move of one message, at the time of the call."""

    #: this call; another endpoint that hears of the same move has another
    delivery: UUID
    #: the move: the same at every try and at every endpoint
    event: UUID
    #: the endpoint; None: the callback that was given with the request
    endpoint: UUID | None
    dialect: Dialect
    #: the dialect's words for the events that the endpoint hears; empty: all
    listens_to: frozenset[str]
    #: which try this is, from 1
    attempt: int
    #: what the message came to, and when
    status: Status
    at: datetime
    message: UUID
    #: the request it came with: the id of its challenge, where it carries a code
    request: UUID
    #: when it was accepted
    created_at: datetime
    #: the account's name
    account: str
    #: the handle of the key whose secret signs; None: the endpoint has a secret of its own
    handle: str | None
    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    body: str
    #: None: it was refused before it was measured
    encoding: Encoding | None
    segments: int | None
    #: minor units of the currency, given back meanwhile if it failed; 0 where the quota paid, or nobody did
    amount: int
    #: ISO 4217
    currency: str
    #: segments of the month's quota it used instead
    quota: int
    #: the last carrier that was tried, or the one chosen first
    carrier: str
    #: the carrier's reference
    carrier_ref: str | None
    #: why it failed or was rejected
    error_code: Code | None
    #: the carrier's own word for that
    carrier_code: str | None
    correlation_id: str | None
    test: bool
    #: what its sender asked for; None: at once
    send_at: datetime | None


@value_class
class PersonEvent:
    """All that a webhook may say of what became of a person's number, at the time of the call."""

    #: this call; another endpoint that hears of the same has another
    delivery: UUID
    #: the move: the same at every try and at every endpoint
    event: UUID
    endpoint: UUID
    dialect: Dialect
    #: the dialect's words for the events that the endpoint hears; empty: all
    listens_to: frozenset[str]
    #: which try this is, from 1
    attempt: int
    move: NumberMove
    at: datetime
    #: the account's word for the person
    person: str
    #: the number's own id
    number: UUID


@value_class
class WebhookPost:
    """One HTTP POST that we make to a customer."""

    headers: Mapping[str, str]
    body: bytes
