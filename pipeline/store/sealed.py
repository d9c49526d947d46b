"""Encrypted (sealed) columns, read and rewritten when the secret key is rotated."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column with sealed bytes."""

    table: str
    column: str
    #: the purpose that its values are sealed for
    purpose: str
    #: what `postroad secret rotate` calls the rows
    label: str
    #: the type of the table's `id`
    id_type: str = "uuid"


#: all sealed columns, except carriers' settings, which are JSON
COLUMNS = (
    SealedColumn("api_keys", "sealed", "key", "keys", "int4"),
    SealedColumn("producer_keys", "sealed", "producer_key", "producer_keys", "text"),
    SealedColumn("webhook_endpoints", "sealed", "endpoint", "endpoints"),
    SealedColumn("webhook_endpoints", "sealed_previous", "endpoint", "endpoints"),
    SealedColumn("dead_letters", "sealed", "dead_letter", "dead_letters"),
    SealedColumn("users", "sealed_totp", "totp", "users", "int4"),
    SealedColumn("search_keys", "sealed", "search_key", "search_keys", "int4"),
)


def portion(conn: Connection, of: SealedColumn, after: Any, limit: int) -> list[tuple[Any, bytes]]:
    """Return up to `limit` rows (id, sealed) after an id (None: from the first), ordered by id."""
    rows = conn.exec_driver_sql(
        f"SELECT id, {of.column} FROM {of.table} WHERE {of.column} IS NOT NULL"
        f" AND (%(after)s::{of.id_type} IS NULL OR id > %(after)s::{of.id_type}) ORDER BY id LIMIT %(limit)s",
        {"after": after, "limit": limit},
    )
    return [(id_, bytes(content)) for id_, content in rows]


def write(conn: Connection, of: SealedColumn, changes: Sequence[tuple[Any, bytes, bytes]]) -> int:
    """Write (id, before, after) where the column still has the value `before`; return how many were written."""
    if not changes:
        return 0
    ids, before, after = (list(column) for column in zip(*changes, strict=True))
    return conn.exec_driver_sql(
        f"UPDATE {of.table} AS t SET {of.column} = n.after FROM"
        f" unnest(%(ids)b::{of.id_type}[], %(before)b::bytea[], %(after)b::bytea[]) AS n (id, before, after)"
        f" WHERE t.id = n.id AND t.{of.column} = n.before",
        {"ids": ids, "before": before, "after": after},
    ).rowcount


_SETTINGS = "SELECT name, settings FROM carriers ORDER BY name FOR UPDATE"
_SET = """
UPDATE carriers AS c SET settings = n.settings::jsonb
FROM unnest(%(names)s::text[], %(settings)s::text[]) AS n (name, settings) WHERE c.name = n.name
"""


def reseal_settings(conn: Connection, anew: Callable[[Row], Mapping[str, Any] | None]) -> int:
    """Write carriers' settings as `anew` returns them (None: unchanged); return how many were written."""
    kept = conn.exec_driver_sql(_SETTINGS).all()
    changes = [(name, found) for name, settings in kept if (found := anew(settings)) is not None]
    if changes:
        names, settings = [name for name, _ in changes], [json.dumps(dict(found)) for _, found in changes]
        conn.exec_driver_sql(_SET, {"names": names, "settings": settings})
    return len(changes)


_STAMP = """
UPDATE api_keys SET secret_version = %(version)b WHERE secret_hash IS NULL AND sealed IS NOT NULL
  AND secret_version IS DISTINCT FROM %(version)b
"""
_BEHIND = """
SELECT k.id, a.name AS account, k.dialect, k.name, k.last_characters AS hint
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND k.secret_version IS DISTINCT FROM %(version)b
ORDER BY a.name, k.id
"""


def stamp_sealed_keys(conn: Connection, version: bytes) -> None:
    """Set the secret version of keys without hashes: their secrets were resealed."""
    conn.exec_driver_sql(_STAMP, {"version": version})


def keys_behind(conn: Connection, version: bytes) -> list[Row]:
    """Return the keys in force that are hashed with another version of the secret key."""
    return [dict(row) for row in conn.exec_driver_sql(_BEHIND, {"version": version}).mappings()]
