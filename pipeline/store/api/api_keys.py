"""The api_keys table: API keys, found by dialect and handle (a keyed hash or an id)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

Row = dict[str, Any]

_FIND = """
SELECT k.id, k.account_id, a.name, a.state, a.currency, k.dialect, k.handle, k.test, k.scopes, k.networks, k.settings,
       k.sealed, k.secret_hash, k.last_used_at
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE (k.dialect, k.handle) IN (SELECT * FROM unnest(%(dialects)s::text[], %(handles)s::text[]))
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %(now)s)
"""


def find(conn: Connection, wanted: Iterable[tuple[str, str]], now: datetime) -> list[Sequence[Any]]:
    """Return the keys in force with these (dialect, handle) pairs: the fields of `ApiKey`, the secret sealed."""
    pairs = sorted(set(wanted))
    params = {"dialects": [str(dialect) for dialect, _ in pairs], "handles": [handle for _, handle in pairs]}
    return list(conn.exec_driver_sql(_FIND, params | {"now": now}).all())


# skips keys whose use another process is just writing
_NOTE_USE = """
WITH due AS (
    SELECT id FROM api_keys WHERE id = ANY(%(ids)s) AND (last_used_at IS NULL OR last_used_at <= %(before)s)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE api_keys AS k SET last_used_at = %(now)s FROM due WHERE k.id = due.id
"""


def note_use(conn: Connection, ids: Iterable[int], now: datetime, before: datetime) -> None:
    """Write that these keys were used, except those whose last known use is after `before`."""
    conn.exec_driver_sql(_NOTE_USE, {"ids": sorted(ids), "now": now, "before": before})


_BEHIND = """
SELECT id FROM api_keys WHERE id = ANY(%(ids)s) AND revoked_at IS NULL AND secret_version IS DISTINCT FROM %(version)b
"""


def behind(conn: Connection, ids: Iterable[int], version: bytes) -> set[int]:
    """Return those of these keys that are in force and were hashed with another version of the secret key."""
    return set(conn.exec_driver_sql(_BEHIND, {"ids": list(ids), "version": version}).scalars())


@dataclass(frozen=True, slots=True)
class Rehash:
    """New hashes of a key, computed from the credentials that its caller has just sent."""

    id: int
    #: the handle it was found by, and its handle under the present version of the secret key
    before: str
    handle: str
    #: the hash of the client's secret; None: the key has no secret
    secret_hash: bytes | None


# skips keys that another process locks (rehashes or revokes), and new handles that belong to another key
_REHASH = """
WITH due AS (
    SELECT k.id, n.handle, n.secret_hash
    FROM unnest(%(ids)s::int4[], %(befores)s::text[], %(handles)s::text[], %(hashes)s::text[])
      AS n (id, before, handle, secret_hash)
    JOIN api_keys AS k ON k.id = n.id
    WHERE k.handle = n.before AND k.revoked_at IS NULL AND k.secret_version IS DISTINCT FROM %(version)b
      AND NOT EXISTS (SELECT FROM api_keys AS o WHERE o.dialect = k.dialect AND o.handle = n.handle AND o.id <> k.id)
    FOR UPDATE OF k SKIP LOCKED
)
UPDATE api_keys AS k
SET handle = due.handle, secret_hash = coalesce(decode(due.secret_hash, 'hex'), k.secret_hash),
    secret_version = %(version)b
FROM due WHERE k.id = due.id
"""


def rehash(conn: Connection, changes: Collection[Rehash], version: bytes) -> int:
    """Write hashes made with this version of the secret key, where the key is unchanged; return the number of keys."""
    params = {
        "ids": [each.id for each in changes],
        "befores": [each.before for each in changes],
        "handles": [each.handle for each in changes],
        "hashes": [each.secret_hash.hex() if each.secret_hash else None for each in changes],
        "version": version,
    }
    return conn.exec_driver_sql(_REHASH, params).rowcount


_BY_ID = """
SELECT id, handle, sealed FROM api_keys WHERE id = ANY(%(ids)s)
"""


def sealed(conn: Connection, ids: Iterable[int]) -> dict[int, tuple[str, bytes | None]]:
    """Return key id → (handle, sealed secret), also of revoked keys: callbacks of their requests still need them."""
    rows = conn.exec_driver_sql(_BY_ID, {"ids": list(ids)})
    return {id_: (handle, content) for id_, handle, content in rows}


_CREATE = """
INSERT INTO api_keys (account_id, dialect, handle, secret_hash, sealed, secret_version, last_characters, name,
                      test, scopes, networks, settings, expires_at, replaces)
VALUES (%(account)s, %(dialect)s, %(handle)s, %(secret_hash)s, %(sealed)s, %(secret_version)s, %(last_characters)s,
        %(name)s, %(test)s, %(scopes)s, %(networks)s, %(settings)s::text::jsonb, %(expires_at)s, %(replaces)s)
RETURNING id
"""


def create(conn: Connection, row: Row) -> int:
    """Insert a key (all columns but id and past times; settings as JSON text); return its id."""
    return int(conn.exec_driver_sql(_CREATE, row).scalar_one())


_REVOKE = """
UPDATE api_keys SET revoked_at = now() WHERE id = %(id)s AND account_id = %(account)s AND revoked_at IS NULL
"""


def revoke(conn: Connection, account: int, key: int) -> bool:
    """Revoke a key; return False when the account has no such key in force."""
    return conn.exec_driver_sql(_REVOKE, {"account": account, "id": key}).rowcount == 1


@dataclass(frozen=True, slots=True)
class KeyToReplace:
    """A key in force, as its replacement is made like it."""

    dialect: str
    name: str
    test: bool
    scopes: Sequence[str]
    networks: Sequence[str]
    settings: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime | None
    #: id of the key in force that replaces it already; None: none does
    successor: int | None


_LOCK = """
SELECT dialect, name, test, scopes, networks, settings, created_at, expires_at,
       (SELECT max(id) FROM api_keys AS s WHERE s.account_id = k.account_id AND s.replaces = k.id
        AND s.revoked_at IS NULL) AS successor
FROM api_keys AS k
WHERE id = %(id)s AND account_id = %(account)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)
FOR UPDATE
"""


def lock(conn: Connection, account: int, key: int, now: datetime) -> KeyToReplace | None:
    """Lock a key in force and return it; None: the account has no such key in force."""
    row = conn.exec_driver_sql(_LOCK, {"id": key, "account": account, "now": now}).mappings().one_or_none()
    return KeyToReplace(**row) if row else None


_EXPIRE = "UPDATE api_keys SET expires_at = least(expires_at, %(at)s) WHERE id = %(id)s"


def expire(conn: Connection, key: int, at: datetime) -> None:
    """Have a key expire at that time, unless it does so before."""
    conn.exec_driver_sql(_EXPIRE, {"id": key, "at": at})


_LISTING = """
SELECT k.id, a.name AS account, k.dialect, k.name, k.last_characters AS hint, k.test, k.scopes, k.networks, k.settings,
       k.created_at, k.expires_at, k.last_used_at, k.replaces, k.revoked_at,
       k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %(now)s) AS in_force
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.account_id = %(account)s OR %(account)s::int4 IS NULL
ORDER BY a.name, k.id
"""


def listing(conn: Connection, now: datetime, account: int | None = None) -> list[Row]:
    """Return the keys of an account (None: of all), also those not in force, without their secrets."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"account": account, "now": now}).mappings()]
