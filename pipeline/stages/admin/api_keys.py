"""Issue: make keys for the front doors, show each once, and void them."""

import json
import secrets
import string
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

from pipeline.errors import InvalidInput
from pipeline.rules.api import key_settings
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts
from pipeline.store.api import api_keys, webhook_endpoints
from pipeline.vault import Vault
from schema.vocabulary import Dialect

Row = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key: the only time it is seen."""

    id: int
    #: what its owner configures, by the vendor's own words
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Made:
    credentials: dict[str, str]
    handle: str
    hint: str
    secret_hash: bytes | None = None
    sealed: bytes | None = None


def issue(
    rt: Runtime,
    account: str,
    dialect: Dialect,
    *,
    test: bool = False,
    name: str = "",
    scopes: Sequence[str] = (),
    networks: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> IssuedKey:
    """Make a key for one dialect's door; return it.

    Unfit says which of its properties cannot be so, ConfigurationError which of its settings.
    """
    kept = key_settings.fit(dialect, settings or {})
    key_settings.fit_scopes(dialect, scopes)
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise InvalidInput(f"{network!r} is no network: write 203.0.113.7 or 203.0.113.0/24") from None
    made = _MAKERS[dialect](rt.vault, test)
    with rt.begin() as conn:
        owner = _account(conn, account)
        if dialect is Dialect.TELESIGN:  # any of its calls may name a callback
            webhook_endpoints.hold(conn, owner)
            webhook_endpoints.enable_events(conn, [owner])
        id_ = api_keys.create(
            conn,
            {
                "account": owner,
                "dialect": str(dialect),
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
        owner = _account(conn, account)
        webhook_endpoints.hold(conn, owner)
        if not api_keys.revoke(conn, owner, key):
            raise InvalidInput(f"the account {account!r} has no key {key} in force: `postroad key list` shows them")
        webhook_endpoints.follow(conn, owner)


def list_keys(rt: Runtime, account: str | None = None) -> list[Row]:
    """Return the keys of an account (None: of all), the revoked too, without what is secret."""
    with rt.begin() as conn:
        return api_keys.listing(conn, _account(conn, account) if account else None)


def _account(conn: Connection, name: str) -> int:
    found = accounts.find(conn, [name]).get(name)
    if found is None:
        raise InvalidInput(f"there is no account {name!r}: `postroad account list` shows them")
    return found.id


def _word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _bearer(vault: Vault, dialect: Dialect, token: str, name: str) -> _Made:
    return _Made({name: token}, vault.digest("key", dialect, token).hex(), token[-4:])


def _robase(vault: Vault, test: bool) -> _Made:
    return _bearer(vault, Dialect.ROBASE, f"rb_{'test' if test else 'live'}_{_word(32)}", "api_key")


def _webex(vault: Vault, _test: bool) -> _Made:
    return _bearer(vault, Dialect.WEBEX, f"aky_{_word(27)}", "access_token")


def _solaris(vault: Vault, _test: bool) -> _Made:
    client, secret = uuid4().hex, _word(48)
    return _Made(
        {"client_id": client, "client_secret": secret},
        handle=client,
        hint=client[-4:],
        secret_hash=vault.digest("secret", client, secret),
    )


def _telesign(vault: Vault, _test: bool) -> _Made:
    customer, secret = str(uuid4()).upper(), secrets.token_bytes(64)
    return _Made(
        {"customer_id": customer, "api_key": b64encode(secret).decode()},
        handle=customer,
        hint=customer[-4:],
        sealed=vault.seal("key", secret),
    )


_MAKERS = {
    Dialect.SOLARIS: _solaris,
    Dialect.ROBASE: _robase,
    Dialect.TELESIGN: _telesign,
    Dialect.WEBEX: _webex,
}
