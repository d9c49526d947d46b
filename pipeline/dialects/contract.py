"""What every dialect must know: how its callers show who they are, and how it says no."""

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse, MessageEvent, WebhookPost
from schema.message import Refusal
from schema.vocabulary import Dialect

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

    dialect: Dialect
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


class EndpointHandshake(Protocol):
    """How a dialect finds out that a new endpoint wants to be told: it is greeted, and counts once it answers well."""

    @property
    def TIMEOUT(self) -> float:
        """Seconds the call may take in all."""

    @property
    def WELCOME(self) -> str:
        """What must be answered, in words: `200, with the secret in the body`."""

    def greet(self, secret: str) -> WebhookPost:
        """Return the call that is made to the endpoint; the secret is good for this call and nothing else."""

    def is_welcome(self, secret: str, status: int, body: bytes) -> bool:
        """Tell whether that is the answer to its greeting."""


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
