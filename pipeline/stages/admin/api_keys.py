"""API keys, as operators create, list and revoke them; a key's credentials are shown once, when it is created."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Protocol

from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.api import key_settings
from pipeline.rules.api.key_settings import SettingType
from pipeline.runtime import Runtime
from pipeline.store import accounts
from pipeline.store.api import api_keys, webhook_endpoints
from pipeline.vault import Vault
from schema.api import NewKey

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key with its credentials, which cannot be read again later."""

    id: int
    #: the credentials that the caller configures, by the vendor's names for them
    credentials: Mapping[str, str] = field(repr=False)


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
) -> IssuedKey:
    """Create an API key of an account for one dialect; return it with its credentials.

    InvalidInput: not a network; ConfigurationError: invalid settings or scopes; NotFound: no such account.
    """
    kept = key_settings.fit(dialect.name, dialect.key_settings, settings or {})
    key_settings.fit_scopes(dialect.name, dialect.scopes, scopes)
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise InvalidInput(f"{network!r} is no network: write 203.0.113.7 or 203.0.113.0/24") from None
    made = dialect.make_key(rt.vault, test)
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        if dialect.signs_with_key:  # any of its calls may give a callback URL
            webhook_endpoints.lock_account(conn, owner)
            webhook_endpoints.enable_events(conn, [owner])
        id_ = api_keys.create(
            conn,
            {
                "account": owner,
                "dialect": dialect.name,
                "handle": made.handle,
                "secret_hash": made.secret_hash,
                "sealed": made.sealed,
                "secret_version": rt.vault.id,
                "last_characters": made.last_characters,
                "name": name,
                "test": test,
                "scopes": list(scopes),
                "networks": list(networks),
                "settings": json.dumps(kept),
            },
        )
    return IssuedKey(id_, made.credentials)


def revoke(rt: Runtime, account: str, key: int) -> None:
    """Revoke a key: the next call with it is denied. NotFound: the account has no such key in force.

    Events of the account are no longer written if no key or endpoint is left that needs them.
    """
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        webhook_endpoints.lock_account(conn, owner)
        if not api_keys.revoke(conn, owner, key):
            raise NotFound(f"the account {account!r} has no key {key} in force: `postroad key list` shows them")
        webhook_endpoints.update_subscription(conn, owner)


def list_keys(rt: Runtime, account: str | None = None) -> list[Row]:
    """Return the keys of an account (None: of all), including revoked ones, without their secrets."""
    with rt.begin() as conn:
        return api_keys.listing(conn, accounts.named(conn, account).id if account else None)
