"""API keys, as operators create, rotate, list and revoke them; the credentials are shown once, at the creation."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Protocol

from pipeline.errors import Conflict, InvalidInput, NotFound, require
from pipeline.rules.api import key_settings
from pipeline.rules.api.key_settings import SettingType
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts
from pipeline.store.api import api_keys, webhook_endpoints
from pipeline.vault import Vault
from schema.api import NewKey

Row = dict[str, Any]

_NO_KEY = "the account {account!r} has no key {key} in force: `postroad key list` shows them"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key with its credentials, which cannot be read again later."""

    id: int
    #: the credentials that the caller configures, by the vendor's names for them
    credentials: Mapping[str, str] = field(repr=False)
    #: None: never
    expires_at: datetime | None


class KeyedApi(Protocol):
    """The API that a key is created for: a dialect."""

    @property
    def name(self) -> str:
        """Return the dialect's name, which its keys are stored with."""

    @property
    def key_settings(self) -> Mapping[str, SettingType]:
        """Return the settings that its keys may have, with their types."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return the scopes that its keys may be restricted to."""

    @property
    def make_key(self) -> Callable[[Vault, bool], NewKey]:
        """Return the function that makes a key from (vault, whether it is a test key)."""

    @property
    def signs_with_key(self) -> bool:
        """Return whether its webhooks are signed with the key, so that any call may give a callback URL."""


def issue(
    rt: Runtime,
    account: str,
    dialect: KeyedApi,
    *,
    test: bool = False,
    name: str = "",
    scopes: Sequence[str] = (),
    networks: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Create an API key of an account for one dialect; return it with its credentials. `expires_at`: None: never.

    InvalidInput: not a network, or a time that has passed; ConfigurationError: invalid settings or scopes; NotFound: no
    such account.
    """
    kept = key_settings.fit(dialect.name, dialect.key_settings, settings or {})
    key_settings.fit_scopes(dialect.name, dialect.scopes, scopes)
    require(expires_at is None or expires_at > rt.now(), "the time at which a key expires has passed")
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise InvalidInput(f"{network!r} is no network: write 203.0.113.7 or 203.0.113.0/24") from None
    row = {
        "name": name,
        "test": test,
        "scopes": list(scopes),
        "networks": list(networks),
        "settings": json.dumps(kept),
        "expires_at": expires_at,
        "replaces": None,
    }
    made = dialect.make_key(rt.vault, test)
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        if dialect.signs_with_key:  # any of its calls may give a callback URL
            webhook_endpoints.lock_account(conn, owner)
            webhook_endpoints.enable_events(conn, [owner])
        id_ = _create(rt, conn, owner, dialect.name, made, row)
    return IssuedKey(id_, made.credentials, expires_at)


def _create(rt: Runtime, conn: Connection, account: int, dialect: str, made: NewKey, row: Row) -> int:
    new = {
        "account": account,
        "dialect": dialect,
        "handle": made.handle,
        "secret_hash": made.secret_hash,
        "sealed": made.sealed,
        "secret_version": rt.vault.id,
        "last_characters": made.last_characters,
    }
    return api_keys.create(conn, row | new)


def rotate_key(
    rt: Runtime,
    account: str,
    key: int,
    apis: Mapping[str, KeyedApi],
    *,
    until: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Create a key like another one; both are valid until that one expires, at `until`. Return the new one.

    `expires_at`: when the new one expires; None: after as long a time as the other had, if it had one. `apis`: dialects
    by name. NotFound: the account has no such key in force; Conflict: it is being replaced; InvalidInput: a past time.
    """
    now = rt.now()
    require(until > now, "the time until which the present key is valid has passed")
    require(expires_at is None or expires_at > now, "the time at which a key expires has passed")
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        webhook_endpoints.lock_account(conn, owner)  # before the key, as `revoke` does
        old = api_keys.lock(conn, owner, key, now)
        if old is None:
            raise NotFound(_NO_KEY.format(account=account, key=key))
        if old.successor is not None:
            raise Conflict(f"key {key} is being replaced by key {old.successor}: rotate that, or revoke it first")
        if expires_at is None and old.expires_at is not None:
            expires_at = now + (old.expires_at - old.created_at)
        made = apis[old.dialect].make_key(rt.vault, old.test)
        row = {
            "name": old.name,
            "test": old.test,
            "scopes": old.scopes,
            "networks": old.networks,
            "settings": json.dumps(old.settings),
            "expires_at": expires_at,
            "replaces": key,
        }
        id_ = _create(rt, conn, owner, old.dialect, made, row)
        api_keys.expire(conn, key, until)
    return IssuedKey(id_, made.credentials, expires_at)


def revoke(rt: Runtime, account: str, key: int) -> None:
    """Revoke a key: the next call with it is denied. NotFound: the account has no such key in force.

    Events of the account are no longer written if no key or endpoint is left that needs them.
    """
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        webhook_endpoints.lock_account(conn, owner)
        if not api_keys.revoke(conn, owner, key):
            raise NotFound(_NO_KEY.format(account=account, key=key))
        webhook_endpoints.update_subscription(conn, owner)


def list_keys(rt: Runtime, account: str | None = None) -> list[Row]:
    """Return the keys of an account (None: of all), also those not in force, without their secrets."""
    with rt.begin() as conn:
        return api_keys.listing(conn, rt.now(), accounts.named(conn, account).id if account else None)
