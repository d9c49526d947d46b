"""The keys table: who may come in, and by which door."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from schema.vocabulary import Dialect

Row = dict[str, Any]

_FIND = """
SELECT k.id, k.account_id, a.name, a.state, a.currency, k.dialect, k.handle, k.test, k.scopes, k.networks, k.settings,
       k.sealed, k.secret_hash
FROM keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE (k.dialect, k.handle) IN (SELECT * FROM unnest(%(dialects)s::text[], %(handles)s::text[]))
  AND k.revoked_at IS NULL
"""


def find(conn: Connection, wanted: Iterable[tuple[Dialect, str]]) -> list[Sequence[Any]]:
    """Return the keys of these dialects and handles that are not revoked: the fields of `Key`, its secret sealed."""
    pairs = sorted(set(wanted))
    params = {"dialects": [str(dialect) for dialect, _ in pairs], "handles": [handle for _, handle in pairs]}
    return list(conn.exec_driver_sql(_FIND, params).all())


_BY_ID = """
SELECT id, handle, sealed FROM keys WHERE id = ANY(%(ids)s)
"""


def sealed(conn: Connection, ids: Iterable[int]) -> dict[int, tuple[str, bytes | None]]:
    """Return key id → (handle, sealed secret), of revoked keys too: what was sent with them is still told."""
    rows = conn.exec_driver_sql(_BY_ID, {"ids": list(ids)})
    return {row[0]: (row[1], row[2]) for row in rows}


_CREATE = """
INSERT INTO keys (account_id, dialect, handle, secret_hash, sealed, secret_version, hint, name, test, scopes, networks,
                  settings)
VALUES (%(account)s, %(dialect)s, %(handle)s, %(secret_hash)s, %(sealed)s, %(secret_version)s, %(hint)s, %(name)s,
        %(test)s, %(scopes)s, %(networks)s, %(settings)s::text::jsonb)
RETURNING id
"""


def create(conn: Connection, row: Row) -> int:
    """Write a key (all columns but id and times; settings as JSON text); return its id."""
    return int(conn.exec_driver_sql(_CREATE, row).scalar_one())


_REVOKE = """
UPDATE keys SET revoked_at = now() WHERE id = %(id)s AND account_id = %(account)s AND revoked_at IS NULL
"""


def revoke(conn: Connection, account: int, key: int) -> bool:
    """Void a key from now on; return whether there was one to void."""
    return conn.exec_driver_sql(_REVOKE, {"account": account, "id": key}).rowcount == 1


_LISTING = """
SELECT k.id, a.name AS account, k.dialect, k.name, k.hint, k.test, k.scopes, k.networks, k.settings, k.created_at,
       k.revoked_at
FROM keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.account_id = %(account)s OR %(account)s::int4 IS NULL
ORDER BY a.name, k.id
"""


def listing(conn: Connection, account: int | None = None) -> list[Row]:
    """Return an account's (None: everybody's) keys, the revoked too, without what is secret."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"account": account}).mappings()]
