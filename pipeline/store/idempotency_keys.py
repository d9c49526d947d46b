"""The idempotency_keys table: an account's idempotency keys and the requests that have them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api import idempotency
from schema.message import Admission

#: account, scope, key
Key = tuple[Any, ...]

_RESERVE = """
INSERT INTO idempotency_keys (account_id, scope, key, request_id)
SELECT * FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[], %(requests)s::uuid[])
ON CONFLICT DO NOTHING
"""
_RESERVED = """
SELECT account_id, scope, key, request_id FROM idempotency_keys
WHERE (account_id, scope, key) IN (SELECT * FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[]))
"""
# of two concurrent orders that would take over a key one waits here
_LOCKED = f"{_RESERVED} ORDER BY account_id, scope, key FOR UPDATE"


def reserve(conn: Connection, keyed: Sequence[Admission]) -> int:
    """Reserve the keys of admissions that have one; return how many were free.

    Of two concurrent transactions with the same key the second waits here until the first ends.
    """
    return conn.exec_driver_sql(_RESERVE, _columns(keyed)).rowcount


def holders(conn: Connection, keyed: Sequence[Admission], *, lock: bool = False) -> dict[Key, UUID]:
    """Return key → the request that has it, for the keys of these admissions; `lock` locks the rows."""
    rows = conn.exec_driver_sql(_LOCKED if lock else _RESERVED, _columns(keyed))
    return {(account, scope, key): request for account, scope, key, request in rows}


def key(admission: Admission) -> Key:
    """Return an admission's (account, scope, key)."""
    return admission.account, admission.door or idempotency.ORDERS, admission.idempotency_key


def _columns(keyed: Sequence[Admission]) -> dict[str, Any]:
    accounts, scopes, keys = map(list, zip(*map(key, keyed), strict=True))
    return {"accounts": accounts, "scopes": scopes, "keys": keys, "requests": [each.request for each in keyed]}


# a concurrent repetition waits for the row, and then finds that the refused request no longer has the key
_TAKE_OVER = """
WITH taken AS (
    SELECT i.account_id, i.scope, i.key, w.request_id
    FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[], %(requests)s::uuid[], %(holders)s::uuid[])
         AS w (account_id, scope, key, request_id, holder)
    JOIN idempotency_keys AS i
      ON (i.account_id, i.scope, i.key, i.request_id) = (w.account_id, w.scope, w.key, w.holder)
    ORDER BY i.account_id, i.scope, i.key FOR UPDATE OF i
)
UPDATE idempotency_keys AS i SET request_id = t.request_id, created_at = now()
FROM taken AS t WHERE (i.account_id, i.scope, i.key) = (t.account_id, t.scope, t.key)
"""


def take_over(conn: Connection, taking: Sequence[Admission], earlier: Mapping[Key, UUID]) -> bool:
    """Transfer keys from their earlier requests to these admissions; return whether any was still there to transfer."""
    params = _columns(taking) | {"holders": [earlier[key(each)] for each in taking]}
    return conn.exec_driver_sql(_TAKE_OVER, params).rowcount > 0


_PRUNE = "DELETE FROM idempotency_keys WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> int:
    """Delete idempotency keys older than `days` days; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"days": days}).rowcount
