"""The producer_keys table: accounts' keys for sealed (encrypted) orders."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

Row = dict[str, Any]

_CREATE = "INSERT INTO producer_keys (id, account_id, sealed) VALUES (%(id)s, %(account)s, %(sealed)s)"


def create(conn: Connection, account: int, key: str, sealed: bytes) -> None:
    """Insert a key of an account, its secret encrypted."""
    conn.exec_driver_sql(_CREATE, {"id": key, "account": account, "sealed": sealed})


_FIND = """
SELECT a.name, k.sealed FROM producer_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.id = %(id)s AND k.revoked_at IS NULL
"""


def find(conn: Connection, key: str) -> tuple[str, bytes] | None:
    """Return (account name, encrypted secret) of a key in force, or None."""
    row = conn.exec_driver_sql(_FIND, {"id": key}).first()
    return (row.name, bytes(row.sealed)) if row else None


_LATEST = """
SELECT k.id, k.sealed FROM producer_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE a.name = %(account)s AND k.revoked_at IS NULL ORDER BY k.created_at DESC, k.id LIMIT 1
"""


def latest(conn: Connection, account: str) -> tuple[str, bytes] | None:
    """Return (id, encrypted secret) of an account's latest key in force, or None."""
    row = conn.exec_driver_sql(_LATEST, {"account": account}).first()
    return (row.id, bytes(row.sealed)) if row else None


_REVOKE = """
UPDATE producer_keys SET revoked_at = now()
WHERE id = %(id)s AND revoked_at IS NULL AND account_id = (SELECT id FROM accounts WHERE name = %(account)s)
"""


def revoke(conn: Connection, account: str, key: str) -> bool:
    """Revoke a key; return False when the account has no such key in force."""
    return conn.exec_driver_sql(_REVOKE, {"account": account, "id": key}).rowcount == 1


_LISTING = """
SELECT a.name AS account, k.id, a.sealed_orders AS required, k.created_at, k.revoked_at
FROM accounts AS a JOIN producer_keys AS k ON k.account_id = a.id
WHERE a.name = %(account)s OR %(account)s::text IS NULL ORDER BY a.name, k.created_at, k.id
"""


def listing(conn: Connection, account: str | None) -> Sequence[Row]:
    """Return the keys of an account (None: of all), including revoked ones, without their secrets."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"account": account}).mappings()]


_REQUIRE = """
UPDATE accounts SET sealed_orders = %(on)s WHERE name = %(account)s
  AND (NOT %(on)s OR EXISTS (SELECT FROM producer_keys AS k WHERE k.account_id = accounts.id AND k.revoked_at IS NULL))
"""


def require(conn: Connection, account: str, on: bool) -> bool:
    """Set whether an account's broker orders must be sealed; return False when the account has no key."""
    return conn.exec_driver_sql(_REQUIRE, {"account": account, "on": on}).rowcount == 1
