"""Producer keys, as operators create, list and revoke them: an account's producers encrypt their orders with them."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import NotFound
from pipeline.runtime import Runtime
from pipeline.store import accounts, producer_keys
from schema.sealed_order import ProducerKey

Row = dict[str, Any]

#: the purpose under which a producer key is encrypted in the database, as in `stages/unseal`
PURPOSE = "producer_key"


def create_key(rt: Runtime, account: str) -> str:
    """Create a key for an account's producers; return it, which is shown only here. NotFound: no such account."""
    key = ProducerKey.make()
    with rt.begin() as conn:
        producer_keys.create(conn, accounts.named(conn, account).id, key.id, rt.vault.seal(PURPOSE, key.secret))
    return str(key)


def revoke_key(rt: Runtime, account: str, key: str) -> None:
    """Revoke a key, effective within seconds; NotFound: the account has no such key in force."""
    with rt.begin() as conn:
        if not producer_keys.revoke(conn, account, key):
            raise NotFound(
                f"the account {account!r} has no producer key {key!r} in force: `postroad producer list` shows them"
            )


def list_keys(rt: Runtime, account: str | None = None) -> Sequence[Row]:
    """Return the producer keys of an account (None: of all), including revoked ones, without their secrets."""
    with rt.begin() as conn:
        return producer_keys.listing(conn, account)


def require_sealed(rt: Runtime, account: str, on: bool) -> None:
    """Refuse or accept unsealed orders of an account from the broker; NotFound: it has no producer key."""
    with rt.begin() as conn:
        if not producer_keys.require(conn, account, on):
            raise NotFound(f"there is no account {account!r} with a producer key: `postroad producer create` first")
