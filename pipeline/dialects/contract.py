"""The interface of a dialect: one vendor's HTTP API as one object, and the services that its operations call."""

import json
import secrets
import string
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from pipeline.rules.api.key_settings import SettingType
from pipeline.rules.text.segments import Capacity
from pipeline.runtime import Runtime
from pipeline.stages.api.take_rate_limits import LimitTake, Refused
from pipeline.vault import Vault
from schema.api import (
    ApiKey,
    ApiRequest,
    ApiResponse,
    CampaignEvent,
    Challenge,
    InboundEvent,
    MessageEvent,
    NewKey,
    PersonEvent,
    WebhookPost,
)
from schema.message import Answered, Refusal
from schema.order import Order
from schema.value_class import value_class

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: purposes of `vault.digest`: a bearer token becomes the key's handle, a client's secret its stored hash
HANDLE, SECRET = "key", "secret"


@dataclass(frozen=True, slots=True)
class Nonce:
    """A value that a key may use only once (replay protection)."""

    word: str
    #: how long it is remembered
    seconds: int


@dataclass(frozen=True, slots=True)
class Authentication:
    """Authentication of a dialect's requests: functions without side effects; clock and vault are passed in."""

    #: largest request body in bytes
    largest: int
    #: rate limit per key and operation: requests a second, and burst, unless the key has its own
    rate: float
    burst: int
    #: returns the handle by which the key is looked up, or the error response if there are no valid credentials
    find_handle: Callable[[ApiRequest, Vault], str | ApiResponse]
    #: returns None if the request proves possession of the key, else the error response
    verify: Callable[[ApiRequest, ApiKey, Vault, datetime], ApiResponse | None]
    #: returns the error response for refusals; `wait`: seconds after which a retry may succeed
    refuse: Callable[[ApiRequest, Sequence[Refusal], float], ApiResponse]
    #: returns whether authentication needs the body: it is signed, or contains the credentials
    is_in_body: Callable[[ApiRequest], bool] = lambda _call: False
    #: returns the nonce that must not be used again; None: there is none
    nonce: Callable[[ApiRequest], Nonce | None] = lambda _call: None
    #: returns the hash, as stored, of the secret in the request; None: there is no secret, or none is stored hashed
    secret_hash: Callable[[ApiRequest, Vault], bytes | None] = lambda _call, _vault: None


def reply(status: int, content: Any, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return a JSON response: UTF-8, compact."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return ApiResponse(status, body, {"Content-Type": "application/json", **(headers or {})})


def fields(encoded: str) -> dict[str, str]:
    """Return the fields of a query string or form, the first of each name; ValueError if it cannot be parsed."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=100):
        found.setdefault(name, value)
    return found


def bearer(call: ApiRequest) -> str | None:
    """Return the token of `Authorization: Bearer …`, or None."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def bearer_key(vault: Vault, dialect: str, token: str, name: str) -> NewKey:
    """Return a new key that is a single token; `name`: what the token is called where its owner configures it."""
    return NewKey({name: token}, vault.digest(HANDLE, dialect, token).hex(), token[-4:])


def random_word(length: int) -> str:
    """Return a random string of letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


_ALPHABET = string.ascii_letters + string.digits


class EndpointHandshake(Protocol):
    """A dialect's verification of a new webhook endpoint: a call that it must confirm before it is registered."""

    @property
    def TIMEOUT(self) -> float:
        """Timeout of the whole call in seconds."""

    @property
    def CONFIRMATION(self) -> str:
        """The expected response, in words: `200, with the secret in the body`."""

    def verification_call(self, secret: str) -> WebhookPost:
        """Return the verification call to the endpoint; the secret is used for this call only."""

    def is_confirmed(self, secret: str, status: int, body: bytes) -> bool:
        """Return whether this response confirms the verification call."""


class WebhookFormatter(Protocol):
    """A dialect's format of webhook calls; the dialect's module `webhooks` implements it."""

    @property
    def SCHEDULE(self) -> tuple[float, ...]:
        """Seconds before the second, third, … attempt; after the last the call is given up."""

    @property
    def TIMEOUT(self) -> float:
        """Timeout of one call in seconds."""

    @property
    def SUCCESSES(self) -> Container[int]:
        """The HTTP statuses that count as success: `range(200, 300)`."""

    def compose(self, notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
        """Return the webhook call for an event; None: the dialect has none for it, or the endpoint did not subscribe.

        The first secret signs; a second is the previous one, which is still valid after a rotation.
        """


@value_class
class SendRequest:
    """An order that an operation submits, with its rate limits and its verification code."""

    #: the request's id; submitted again, it gets the stored response
    request: UUID
    order: Order
    #: rate limits to take beside those of the key
    takes: tuple[LimitTake, ...] = ()
    #: the verification code in its text: written before the message may be sent
    challenge: Challenge | None = None
    #: whether the operation has just found that there is no earlier request under its idempotency key
    is_new: bool = False


class Submission(Protocol):
    """The submission service: runs stages without blocking the event loop, and batches concurrent requests.

    Operations open no transaction: concurrent requests share one (docs/decisions/0008-vendor-apis.md).
    """

    @property
    def rt(self) -> Runtime:
        """The runtime of the stages: its clock, its ids, its vault."""

    async def send(self, sending: SendRequest) -> Answered | Refused:
        """Return the result of a request once its messages are written and billed, or the limit that refused it."""

    async def send_all(self, sendings: Sequence[SendRequest]) -> Sequence[Answered | Refused | Exception]:
        """Return the result of each request in order, or the exception it raised; they share one transaction."""

    async def send_found(
        self,
        stage: Callable[[Runtime, Sequence[T]], Sequence[R]],
        item: T,
        make: Callable[[R], SendRequest | ApiResponse],
    ) -> tuple[SendRequest, Answered | Refused] | ApiResponse:
        """Look up an item with a stage that takes many, and submit what `make` builds from the result.

        Returns the request with its result, or the response that `make` returned instead. `make` runs in a thread.
        """

    async def run(self, stage: Callable[Concatenate[Runtime, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a stage returns; it runs in a thread."""

    async def run_batched(self, stage: Callable[[Runtime, Sequence[T]], Sequence[R]], item: T) -> R:
        """Return a stage's result for one item; concurrent calls of the same stage share one run."""


@value_class
class RequestContext:
    """The context of one API request: dialect, services, request, path parameters, key."""

    dialect: "Dialect"
    submission: Submission
    call: ApiRequest
    #: path parameters, such as `{id}`
    path: Mapping[str, str]
    #: the authenticated key; None where the operation requires none
    caller: ApiKey | None

    @property
    def key(self) -> ApiKey:
        """The authenticated key."""
        assert self.caller is not None
        return self.caller


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One operation of an API."""

    method: str
    #: path template: `/v1/sms/{id}`; a trailing slash is ignored
    path: str
    #: name of its rate limit: `send`
    name: str
    run: Callable[[RequestContext], Awaitable[ApiResponse]]
    #: the scope that a key with scopes needs; None: any key may call it
    scope: str | None = None
    #: whether it requires a key
    requires_key: bool = True
    #: whether it changes the configuration of live messages, or reads what is only live: test keys may do neither
    live_only: bool = False
    #: whether it takes many items, so that its body may be as large as any of this API
    takes_many: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's API as the rest of the code uses it (docs/dialects.md). Each folder exports one."""

    #: first path segment of its URLs, under which keys and webhook endpoints are stored too: `acme`
    name: str
    authentication: Authentication
    operations: Sequence[ApiOperation]
    #: returns its OpenAPI 3.1 document
    document: Callable[[], dict[str, Any]]
    webhooks: WebhookFormatter
    #: settings that an operator may set on a key, and scopes of keys, in the vendor's terms where it has any
    key_settings: Mapping[str, SettingType]
    scopes: tuple[str, ...]
    #: returns a new key, by (vault, whether it is a test key)
    make_key: Callable[[Vault, bool], NewKey]
    #: verification of new webhook endpoints; None: there is none
    handshake: EndpointHandshake | None = None
    #: whether webhooks are signed with the key that sent the message: then any request may name its own callback URL
    signs_with_key: bool = False
    #: returns the webhook call for a change of a person's number, by (event, secrets); None: the API has no persons
    person_webhook: Callable[[PersonEvent, Sequence[bytes]], WebhookPost | None] | None = None
    #: returns the webhook call for an inbound message, by (event, secrets, now); None: the API has none for them
    inbound_webhook: Callable[[InboundEvent, Sequence[bytes], datetime], WebhookPost | None] | None = None
    #: returns the webhook call for a campaign's new state, by (event, secrets, now); None: the API has no campaigns
    campaign_webhook: Callable[[CampaignEvent, Sequence[bytes], datetime], WebhookPost | None] | None = None
    #: capacity of a part where the vendor bills by fewer characters than are sent, by the requests' name space
    billing: Mapping[str, Capacity] = field(default_factory=dict)
