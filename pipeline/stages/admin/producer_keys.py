"""Producers: the keys with which an account's producers seal their orders."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import NotFound
from pipeline.runtime import Runtime
from pipeline.store import accounts, producer_keys
from schema.sealed_order import ProducerKey

Row = dict[str, Any]

#: what a producer's key is sealed for in the database: as `stages/unseal` opens it
PURPOSE = "producer_key"


def create_key(rt: Runtime, account: str) -> str:
    """Make a key for an account's producers; return it: the only time it is seen. NotFound: no such account."""
    key = ProducerKey.make()
    with rt.begin() as conn:
        producer_keys.create(conn, accounts.named(conn, account).id, key.id, rt.vault.seal(PURPOSE, key.secret))
    return str(key)


def revoke_key(rt: Runtime, account: str, key: str) -> None:
    """Void a key within seconds; NotFound when the account has no such key in force."""
    with rt.begin() as conn:
        if not producer_keys.revoke(conn, account, key):
            raise NotFound(
                f"the account {account!r} has no producer key {key!r} in force: `postroad producer list` shows them"
            )


def list_keys(rt: Runtime, account: str | None = None) -> Sequence[Row]:
    """Return the producer keys of an account (None: of all), the revoked too, without their secrets."""
    with rt.begin() as conn:
        return producer_keys.listing(conn, account)


def require_sealed(rt: Runtime, account: str, on: bool) -> None:
    """Have an account's open orders from the broker refused, or taken again; NotFound when it has no key."""
    with rt.begin() as conn:
        if not producer_keys.require(conn, account, on):
            raise NotFound(f"there is no account {account!r} with a producer key: `postroad producer create` first")
