"""Reservation of idempotency keys by commands before they publish an order, so that of two concurrent ones one wins."""

from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api import idempotency

_CLAIM = """
INSERT INTO idempotency_keys AS i (account_id, scope, key, request_id)
SELECT id, %(scope)s, %(key)s, %(request)s FROM accounts WHERE name = %(account)s
ON CONFLICT (account_id, scope, key) DO UPDATE
SET request_id = CASE WHEN i.request_id = %(instead)s THEN excluded.request_id ELSE i.request_id END,
    created_at = CASE WHEN i.request_id = %(instead)s THEN now() ELSE i.created_at END
RETURNING request_id
"""


def claim(conn: Connection, account: str, key: str, request: UUID, instead: UUID | None = None) -> UUID:
    """Reserve a key for a request that is about to be published, replacing the void request `instead`.

    Return the request that has the key afterwards; `request` itself when there is no such account.
    """
    params = {
        "account": account,
        "scope": idempotency.ORDERS,
        "key": key,
        "request": request,
        "instead": instead or request,
    }
    found: UUID | None = conn.exec_driver_sql(_CLAIM, params).scalar_one_or_none()
    return found or request


_GIVE_UP = """
DELETE FROM idempotency_keys
WHERE (account_id, scope, key, request_id) = ((SELECT id FROM accounts WHERE name = %(account)s), %(scope)s, %(key)s,
                                              %(request)s)
  AND NOT EXISTS (SELECT FROM requests WHERE id = %(request)s)
"""


def give_up(conn: Connection, account: str, key: str, request: UUID) -> None:
    """Release the key of an order that could not be published."""
    params = {"account": account, "scope": idempotency.ORDERS, "key": key, "request": request}
    conn.exec_driver_sql(_GIVE_UP, params)


_UNPAID_PLACES = """
SELECT m.id FROM requests AS r
CROSS JOIN LATERAL (
    SELECT id FROM messages
    WHERE id BETWEEN r.first_message AND %(last)s AND request_id = r.id
      AND status = 'rejected' AND error_code = ANY(%(codes)s)
) AS m
WHERE r.id = %(request)s
"""


def unpaid_messages(conn: Connection, request: UUID, last: UUID) -> list[UUID]:
    """Return the messages of a request, up to `last`, that were rejected for lack of funds or of a price."""
    params = {"request": request, "last": last, "codes": sorted(idempotency.UNPAID)}
    return [id_ for (id_,) in conn.exec_driver_sql(_UNPAID_PLACES, params)]
