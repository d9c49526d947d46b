"""The sender_ids table, as account owners create, read, change and delete sender ids through an API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema.api_views import ShownSenderId
from schema.vocabulary import SenderState

_FIELDS = "id, sender, state, countries, registration, reason, created_at"


def _sender(row: Sequence[Any]) -> ShownSenderId:
    id_, sender, state, countries, registration, reason, created_at = row
    return ShownSenderId(id_, sender, SenderState(state), tuple(countries), registration, reason, created_at)


# a rejected sender id may be corrected and submitted for approval again
_CREATE = f"""
INSERT INTO sender_ids AS s (account_id, sender, state, countries, registration)
VALUES (%(account)s, %(sender)s, 'pending', %(countries)s, %(registration)s::text::jsonb)
ON CONFLICT (account_id, sender) DO UPDATE SET
    state = 'pending', countries = excluded.countries, registration = excluded.registration, reason = NULL
WHERE s.state = 'rejected'
RETURNING {_FIELDS}
"""


def create(
    conn: Connection, account: int, sender: str, countries: Sequence[str], registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Insert a sender id pending approval; return it, or None when the account has it and it is not rejected."""
    params = {"account": account, "sender": sender, "countries": list(countries)}
    row = conn.exec_driver_sql(_CREATE, params | {"registration": json.dumps(registration)}).first()
    return _sender(row) if row else None


_FIND = f"SELECT {_FIELDS} FROM sender_ids WHERE account_id = %(account)s AND id = %(id)s"


def find(conn: Connection, account: int, id_: UUID) -> ShownSenderId | None:
    """Return an account's sender id, or None."""
    row = conn.exec_driver_sql(_FIND, {"account": account, "id": id_}).first()
    return _sender(row) if row else None


_LISTING = f"SELECT {_FIELDS} FROM sender_ids WHERE account_id = %(account)s ORDER BY created_at, id LIMIT %(limit)s"


def listing(conn: Connection, account: int, limit: int) -> list[ShownSenderId]:
    """Return up to `limit` of an account's sender ids, the oldest first."""
    return [_sender(row) for row in conn.exec_driver_sql(_LISTING, {"account": account, "limit": limit})]


_UPDATE = f"""
UPDATE sender_ids SET countries = coalesce(%(countries)s::text[], countries),
    registration = registration || %(registration)s::text::jsonb
WHERE account_id = %(account)s AND id = %(id)s AND state = 'pending'
RETURNING {_FIELDS}
"""


def update(
    conn: Connection, account: int, id_: UUID, countries: Sequence[str] | None, registration: Mapping[str, Any]
) -> ShownSenderId | None:
    """Change the registration of a sender id that is pending approval; return it, or None when there is none."""
    params = {"account": account, "id": id_, "countries": None if countries is None else list(countries)}
    row = conn.exec_driver_sql(_UPDATE, params | {"registration": json.dumps(registration)}).first()
    return _sender(row) if row else None


_DELETE = "DELETE FROM sender_ids WHERE account_id = %(account)s AND id = %(id)s"


def delete(conn: Connection, account: int, id_: UUID) -> bool:
    """Delete a sender id; return whether it existed."""
    return conn.exec_driver_sql(_DELETE, {"account": account, "id": id_}).rowcount == 1
