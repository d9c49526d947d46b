"""Issue: make keys for the front doors, show each once, and void them."""

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
    """A new key: the only time it is seen."""

    id: int
    #: what its owner configures, by the vendor's own words
    credentials: Mapping[str, str] = field(repr=False)


class KeyedApi(Protocol):
    """What keys are made for: a dialect is one."""

    @property
    def name(self) -> str:
        """Return what its keys are kept under."""

    @property
    def key_settings(self) -> Mapping[str, SettingType]:
        """Return what may be set on its keys."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return what its keys may be held to."""

    @property
    def make_key(self) -> Callable[[Vault, bool], NewKey]:
        """Return what makes a key of (vault, whether it is a test key)."""

    @property
    def signs_with_key(self) -> bool:
        """Tell whether its webhooks are signed with the key, so that any call may name a callback."""


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
    """Make a key for one API; return it.

    Unfit says which of its properties cannot be so, ConfigurationError which of its settings.
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
        if dialect.signs_with_key:  # any of its calls may name a callback
            webhook_endpoints.hold(conn, owner)
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
                "hint": made.hint,
                "name": name,
                "test": test,
                "scopes": list(scopes),
                "networks": list(networks),
                "settings": json.dumps(kept),
            },
        )
    return IssuedKey(id_, made.credentials)


def revoke(rt: Runtime, account: str, key: int) -> None:
    """Void a key: the next call made with it is turned away. Unfit when the account has no such key.

    Events are written no more when nobody is left who might want them.
    """
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        webhook_endpoints.hold(conn, owner)
        if not api_keys.revoke(conn, owner, key):
            raise NotFound(f"the account {account!r} has no key {key} in force: `postroad key list` shows them")
        webhook_endpoints.follow(conn, owner)


def list_keys(rt: Runtime, account: str | None = None) -> list[Row]:
    """Return the keys of an account (None: of all), the revoked too, without what is secret."""
    with rt.begin() as conn:
        return api_keys.listing(conn, accounts.named(conn, account).id if account else None)
