"""Webhook endpoints of accounts: create, change, list and remove them, and rotate their signing secrets.

`account` is an account's id; None, for operators only, means any account's.
"""

import secrets
from base64 import b64encode
from collections.abc import Callable, Collection
from typing import Protocol
from uuid import UUID

from pipeline.errors import ConfigurationError, PostroadError
from pipeline.rules.api import webhook_urls
from pipeline.rules.api.webhook_urls import AllowedAddresses, fault, may_be_called
from pipeline.runtime import Runtime
from pipeline.store import accounts
from pipeline.store.api import webhook_endpoints
from pipeline.store.api.webhook_endpoints import Endpoint
from schema.vocabulary import EndpointState

#: the purpose under which an endpoint's secret is encrypted
PURPOSE = "endpoint"
#: maximum number of endpoints of one account: each gets events of every message
MOST = 20
#: makes a dialect's verification call to a URL; returns None if it was confirmed, else what is wrong
VerifyEndpoint = Callable[[str, str], str | None]

__all__ = [
    "AllowedAddresses",
    "Endpoint",
    "HandshakeRefused",
    "TooMany",
    "UrlForbidden",
    "VerifyEndpoint",
    "WebhookApi",
    "account_of",
    "allowed_addresses",
    "change",
    "create",
    "fault",
    "find",
    "list_all",
    "may_be_called",
    "remove",
    "resume",
    "rotate_secret",
]


class WebhookApi(Protocol):
    """The format of an endpoint's calls: a dialect."""

    @property
    def name(self) -> str:
        """Return the name that its endpoints are stored with."""

    @property
    def signs_with_key(self) -> bool:
        """Return whether its webhooks are signed with the API key that sent the message."""

    @property
    def handshake(self) -> object | None:
        """Return how a new endpoint is verified; None: it is not."""


class UrlForbidden(ConfigurationError):
    """The URL must not be called; the message says why, and can follow the field's name."""


class TooMany(PostroadError):
    """The account has the most endpoints allowed."""


class HandshakeRefused(PostroadError):
    """The URL failed its dialect's handshake; the message says how it answered."""


def account_of(rt: Runtime, name: str) -> int:
    """Return the id of the account of that name; NotFound."""
    with rt.begin() as conn:
        return accounts.named(conn, name).id


def create(
    rt: Runtime,
    account: int,
    dialect: WebhookApi,
    url: str,
    *,
    events: Collection[str] = (),
    description: str = "",
    verify: VerifyEndpoint | None = None,
) -> tuple[Endpoint, str]:
    """Create an endpoint for these events of the dialect (none: all); return it with its secret, shown once.

    The secret is "" if the dialect signs with the key. UrlForbidden, HandshakeRefused or TooMany on failure.
    """
    _check_url(rt, url)
    if words := _verify(dialect, url, verify):  # before anything is written, and outside of a transaction
        raise HandshakeRefused(f"no webhook was made: {url} {words}")
    secret = "" if dialect.signs_with_key else _new_secret()
    sealed = rt.vault.seal(PURPOSE, secret.encode()) if secret else None
    with rt.begin() as conn:
        if webhook_endpoints.count(conn, account) >= MOST:
            raise TooMany(f"an account has at most {MOST} webhook endpoints")
        made = webhook_endpoints.create(
            conn, rt.new_ids(), account, dialect.name, url, events=events, description=description, sealed=sealed
        )
        webhook_endpoints.enable_events(conn, [account])
    return made, secret


def list_all(rt: Runtime, account: int | None) -> list[Endpoint]:
    """Return the account's endpoints, the oldest first."""
    with rt.begin() as conn:
        return webhook_endpoints.listing(conn, account)


def find(rt: Runtime, account: int | None, endpoint: UUID) -> Endpoint | None:
    """Return an endpoint, or None if the account has no such endpoint."""
    with rt.begin() as conn:
        return webhook_endpoints.find(conn, account, endpoint)


def change(
    rt: Runtime,
    account: int | None,
    dialect: WebhookApi,
    endpoint: UUID,
    *,
    url: str | None = None,
    events: Collection[str] | None = None,
    description: str | None = None,
    state: EndpointState | None = None,
) -> Endpoint | None:
    """Change the given properties (None: unchanged) of an endpoint; return the new state, or None: no such endpoint.

    UrlForbidden: the URL is not allowed, or cannot change. Made active, it gets all waiting deliveries at once.
    """
    if url is not None:
        _check_url(rt, url)
    with rt.begin() as conn:
        if url and dialect.handshake and _is_elsewhere(webhook_endpoints.find(conn, account, endpoint), url):
            raise UrlForbidden("the URL of this webhook cannot change: create another, then remove this one")
        found = webhook_endpoints.change(conn, account, endpoint, url=url, events=events, description=description)
        if found is None or state in (None, found.state):
            return found
        turn = webhook_endpoints.resume if state is EndpointState.ACTIVE else webhook_endpoints.suspend
        return turn(conn, account, endpoint)


def resume(rt: Runtime, account: int | None, endpoint: UUID) -> Endpoint | None:
    """Resume an endpoint: its waiting deliveries are due at once; return it, or None: no such endpoint."""
    with rt.begin() as conn:
        return webhook_endpoints.resume(conn, account, endpoint)


def remove(rt: Runtime, account: int | None, endpoint: UUID) -> bool:
    """Remove an endpoint and its pending deliveries; return False if the account has no such endpoint."""
    with rt.begin() as conn:
        found = webhook_endpoints.find(conn, account, endpoint)
        if found is None:
            return False
        webhook_endpoints.lock_account(conn, found.account)
        owner = webhook_endpoints.remove(conn, account, endpoint)
        if owner is not None:
            webhook_endpoints.update_subscription(conn, owner)
    return owner is not None


def rotate_secret(rt: Runtime, account: int | None, endpoint: UUID) -> tuple[Endpoint, str] | None:
    """Give an endpoint a new secret; return both, or None if the account has no such endpoint with its own secret.

    For a day its dialect may sign with the previous secret as well.
    """
    secret = _new_secret()
    with rt.begin() as conn:
        found = webhook_endpoints.rotate(conn, account, endpoint, rt.vault.seal(PURPOSE, secret.encode()))
    return (found, secret) if found else None


def allowed_addresses(rt: Runtime) -> AllowedAddresses:
    """Return the addresses that webhooks may call, from the settings; ConfigurationError: an invalid network."""
    given = rt.settings
    try:
        return webhook_urls.parse_allowed(given.webhook_networks, given.webhook_ports, given.webhook_plain)
    except ValueError as error:
        raise ConfigurationError(f"POSTROAD_WEBHOOK_NETWORKS: {error}") from None


def _verify(dialect: WebhookApi, url: str, verify: VerifyEndpoint | None) -> str | None:
    if not dialect.handshake:
        return None
    return verify(dialect.name, url) if verify else "was not verified"


def _is_elsewhere(known: Endpoint | None, url: str) -> bool:
    return known is not None and known.url != url


def _check_url(rt: Runtime, url: str) -> None:
    if words := fault(url, allowed_addresses(rt)):
        raise UrlForbidden(words)


def _new_secret() -> str:
    """Return a secret as Standard Webhooks writes them: base64, here without padding."""
    return "whsec_" + b64encode(secrets.token_bytes(33)).decode()
