"""What a dialect is: one vendor's API as one object, and what its operations ask to have done."""

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
from pipeline.stages.api.rate_limit import LimitTake, Refused
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse, Challenge, MessageEvent, NewKey, PersonEvent, WebhookPost
from schema.message import Answered, Refusal
from schema.order import Order
from schema.value_class import value_class

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: what `vault.digest` is told when a bearer's key becomes a handle, and a client's secret a hash
HANDLE, SECRET = "key", "secret"


@dataclass(frozen=True, slots=True)
class Nonce:
    """What must not come twice from one key."""

    word: str
    #: how long it is remembered
    seconds: int


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a dialect receives a caller. All of it is pure: the clock and the vault are handed in."""

    #: bytes one request's body may have
    largest: int
    #: calls a second by one key at one endpoint, and how many may come at once, unless the key says otherwise
    rate: float
    burst: int
    #: returns the handle that finds the caller's key, or the answer to one who shows none
    who: Callable[[ApiRequest, Vault], str | ApiResponse]
    #: returns None when the call proves that its key is the caller's, or the answer when not
    prove: Callable[[ApiRequest, ApiKey, Vault, datetime], ApiResponse | None]
    #: returns the answer that these refusals make; `wait`: seconds after which another try may help
    refuse: Callable[[ApiRequest, Sequence[Refusal], float], ApiResponse]
    #: tells whether only the body shows who calls: who signs it, or has his key in it
    is_in_body: Callable[[ApiRequest], bool] = lambda _call: False
    #: returns what must not come twice; None: nothing
    nonce: Callable[[ApiRequest], Nonce | None] = lambda _call: None
    #: returns the hash that is kept of the secret which the call shows; None: it shows none, or no hash is kept of it
    secret_hash: Callable[[ApiRequest, Vault], bytes | None] = lambda _call, _vault: None


def reply(status: int, content: Any, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return a JSON answer, UTF-8, without blanks."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return ApiResponse(status, body, {"Content-Type": "application/json", **(headers or {})})


def fields(encoded: str) -> dict[str, str]:
    """Return the fields of a query or form, the first of each name; ValueError when it cannot be read."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=100):
        found.setdefault(name, value)
    return found


def bearer(call: ApiRequest) -> str | None:
    """Return the token of `Authorization: Bearer …`, or None."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def bearer_key(vault: Vault, dialect: str, token: str, name: str) -> NewKey:
    """Return a new key that is one token, which its owner configures under this name."""
    return NewKey({name: token}, vault.digest(HANDLE, dialect, token).hex(), token[-4:])


def random_word(length: int) -> str:
    """Return so many random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


_ALPHABET = string.ascii_letters + string.digits


class EndpointHandshake(Protocol):
    """How a dialect verifies a new endpoint: by a call that the endpoint must confirm before it is created."""

    @property
    def TIMEOUT(self) -> float:
        """Seconds the call may take in all."""

    @property
    def CONFIRMATION(self) -> str:
        """What must be answered, in words: `200, with the secret in the body`."""

    def verification_call(self, secret: str) -> WebhookPost:
        """Return the verification call to the endpoint; the secret is used for this call only."""

    def is_confirmed(self, secret: str, status: int, body: bytes) -> bool:
        """Whether this response confirms the verification call."""


class WebhookFormatter(Protocol):
    """How a dialect tells its customers what became of their messages: its module `webhooks` is one."""

    @property
    def SCHEDULE(self) -> tuple[float, ...]:
        """Seconds to wait before the second, third, … try; after the last the call is given up."""

    @property
    def TIMEOUT(self) -> float:
        """Seconds one call may take in all."""

    @property
    def SUCCESSES(self) -> Container[int]:
        """The HTTP statuses that say it was heard: `range(200, 300)`."""

    def compose(self, notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
        """Return the call that tells it; None: the dialect has no word for it, or the endpoint does not hear it.

        The first of the secrets is the one to sign with; a second is the one before it, still good after a rotation.
        """


@value_class
class SendRequest:
    """What an operation asks to have sent."""

    #: the request's own id; asked again under it, it is answered the same
    request: UUID
    order: Order
    #: limits it must hold beside its key's
    takes: tuple[LimitTake, ...] = ()
    #: the code its text carries: written before the text may go
    challenge: Challenge | None = None
    #: whether its operation has just looked, and found nothing that was asked under its idempotency key before
    is_new: bool = False


class Submission(Protocol):
    """The stages as operations call them: without blocking the loop, and together where many call at once.

    Operations open no transaction: calls that come together share one (docs/decisions/0008-vendor-apis.md).
    """

    @property
    def rt(self) -> Runtime:
        """Return what the stages run with: its clock, its ids, its vault."""

    async def send(self, sending: SendRequest) -> Answered | Refused:
        """Return the answer to what is to be sent, once it is written and paid for, or the limit that refused it."""

    async def send_all(self, sendings: Sequence[SendRequest]) -> Sequence[Answered | Refused | Exception]:
        """Return the answer to each, in order, or the error it had of its own: they share one transaction."""

    async def send_found(
        self,
        stage: Callable[[Runtime, Sequence[T]], Sequence[R]],
        item: T,
        make: Callable[[R], SendRequest | ApiResponse],
    ) -> tuple[SendRequest, Answered | Refused] | ApiResponse:
        """Have sent what `make` makes of what a stage, which takes many at once, finds of this item.

        Returns it with its answer, or the response that `make` made instead. `make` runs in a thread.
        """

    async def run(self, stage: Callable[Concatenate[Runtime, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a stage returns, run in a thread."""

    async def ask(self, stage: Callable[[Runtime, Sequence[T]], Sequence[R]], item: T) -> R:
        """Return what a stage that takes many at once makes of this one; callers who ask together share one run."""


@value_class
class RequestContext:
    """One call of one operation."""

    dialect: "Dialect"
    submission: Submission
    call: ApiRequest
    #: what the path names: `{id}`
    path: Mapping[str, str]
    #: whose it is; None where the operation asks for no key
    caller: ApiKey | None

    @property
    def key(self) -> ApiKey:
        """Return the caller's key."""
        assert self.caller is not None
        return self.caller


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One thing an API can do."""

    method: str
    #: `/v1/sms/{id}`; a slash at its end makes no difference
    path: str
    #: its limit's name: `send`
    name: str
    run: Callable[[RequestContext], Awaitable[ApiResponse]]
    #: a key with scopes needs this one among them; None: any key may
    scope: str | None = None
    #: whether it asks for a key
    asks: bool = True
    #: whether it changes what live messages go by, so that no test key may
    live: bool = False
    #: whether it takes many things at once, so that its body may be as large as any of this API
    bulky: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's API: all that the rest of the code knows of it (docs/dialects.md). Its folder exports one."""

    #: the first part of its URLs, and what keys and webhook endpoints are kept under: `acme`
    name: str
    authentication: Authentication
    operations: Sequence[ApiOperation]
    #: returns its OpenAPI 3.1 document
    document: Callable[[], dict[str, Any]]
    webhooks: WebhookFormatter
    #: what an operator may set on a key, and what a key may be held to, in the vendor's words where it has some
    key_settings: Mapping[str, SettingType]
    scopes: tuple[str, ...]
    #: makes a key of (vault, whether it is a test key)
    make_key: Callable[[Vault, bool], NewKey]
    #: how a new webhook endpoint shows that it wants to be called; None: it need not
    handshake: EndpointHandshake | None = None
    #: whether webhooks are signed with the key that sent the message: any call may then name a callback of its own
    signs_with_key: bool = False
    #: returns the call that tells of a person's number, by (event, secrets); None: the API has no persons
    person_webhook: Callable[[PersonEvent, Sequence[bytes]], WebhookPost | None] | None = None
    #: what one part of a text holds where the vendor bills by fewer characters than are sent, by name space of requests
    billing: Mapping[str, Capacity] = field(default_factory=dict)
