"""The webhook_endpoints table: customers' webhook URLs with their secrets, state and failures."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from schema.vocabulary import EndpointState


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint of an account, without its secret."""

    id: UUID
    account: int
    dialect: str
    url: str
    description: str
    #: the events it receives, in the dialect's words; empty: all
    events: tuple[str, ...]
    state: EndpointState
    #: since when it has been failing; None: it is not
    failing_since: datetime | None
    created_at: datetime
    rotated_at: datetime | None


_FIELDS = "id, account_id, dialect, url, description, events, state, failing_since, created_at, rotated_at"


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        account=row.account_id,
        dialect=row.dialect,
        url=row.url,
        description=row.description,
        events=tuple(row.events),
        state=EndpointState(row.state),
        failing_since=row.failing_since,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
    )


_ACCOUNT = "SELECT FROM accounts WHERE id = %(account)s FOR UPDATE"
_COUNT = "SELECT count(*) FROM webhook_endpoints WHERE account_id = %(account)s"


def lock_account(conn: Connection, account: int) -> None:
    """Lock an account, so that concurrent changes of its endpoints and signing keys wait."""
    conn.exec_driver_sql(_ACCOUNT, {"account": account})


def count(conn: Connection, account: int) -> int:
    """Lock an account; return how many endpoints it has."""
    lock_account(conn, account)
    return int(conn.exec_driver_sql(_COUNT, {"account": account}).scalar_one())


_CREATE = f"""
INSERT INTO webhook_endpoints (id, account_id, dialect, url, description, events, sealed)
VALUES (%(id)s, %(account)s, %(dialect)s, %(url)s, %(description)s, %(events)s, %(sealed)s)
RETURNING {_FIELDS}
"""


def create(
    conn: Connection,
    id_: UUID,
    account: int,
    dialect: str,
    url: str,
    *,
    events: Collection[str],
    description: str,
    sealed: bytes | None,
) -> Endpoint:
    """Insert an endpoint; return it."""
    params = {"id": id_, "account": account, "dialect": str(dialect), "url": url, "description": description}
    row = conn.exec_driver_sql(_CREATE, params | {"events": sorted(events), "sealed": sealed}).one()
    return _endpoint(row)


_OF = "id = ANY(%(ids)s) AND (account_id = %(account)s OR %(account)s::int4 IS NULL)"
_LISTING = f"""
SELECT {_FIELDS} FROM webhook_endpoints WHERE account_id = %(account)s OR %(account)s::int4 IS NULL
ORDER BY account_id, id
"""


def listing(conn: Connection, account: int | None) -> list[Endpoint]:
    """Return the endpoints of an account (None: of all), the oldest first."""
    return [_endpoint(row) for row in conn.exec_driver_sql(_LISTING, {"account": account})]


_FIND = f"SELECT {_FIELDS} FROM webhook_endpoints WHERE {_OF}"


def find(conn: Connection, account: int | None, id_: UUID) -> Endpoint | None:
    """Return the endpoint of an account (None: of any), or None."""
    row = conn.exec_driver_sql(_FIND, {"ids": [id_], "account": account}).first()
    return _endpoint(row) if row else None


_CHANGE = f"""
UPDATE webhook_endpoints
SET url = coalesce(%(url)s, url), description = coalesce(%(description)s, description),
    events = coalesce(%(events)s::text[], events)
WHERE {_OF} RETURNING {_FIELDS}
"""


def change(
    conn: Connection,
    account: int | None,
    id_: UUID,
    *,
    url: str | None,
    events: Collection[str] | None,
    description: str | None,
) -> Endpoint | None:
    """Write an endpoint's new fields (None: unchanged); return it, or None when there is none."""
    words = None if events is None else sorted(events)
    params = {"ids": [id_], "account": account, "url": url, "description": description, "events": words}
    row = conn.exec_driver_sql(_CHANGE, params).first()
    return _endpoint(row) if row else None


_ROTATE = f"""
UPDATE webhook_endpoints SET sealed_previous = sealed, sealed = %(sealed)s, rotated_at = now()
WHERE {_OF} AND sealed IS NOT NULL RETURNING {_FIELDS}
"""


def rotate(conn: Connection, account: int | None, id_: UUID, sealed: bytes) -> Endpoint | None:
    """Set a new secret, keep the previous one; return None when there is no such endpoint with its own secret."""
    row = conn.exec_driver_sql(_ROTATE, {"ids": [id_], "account": account, "sealed": sealed}).first()
    return _endpoint(row) if row else None


_RESUME = f"UPDATE webhook_endpoints SET state = 'active', failing_since = NULL WHERE {_OF} RETURNING {_FIELDS}"
_DUE = """
UPDATE webhook_deliveries SET due_at = now() WHERE concurrency_key = %(id)s AND state = 'waiting' AND due_at > now()
"""


def resume(conn: Connection, account: int | None, id_: UUID) -> Endpoint | None:
    """Resume an endpoint and make all its deliveries due at once; return None when there is none."""
    row = conn.exec_driver_sql(_RESUME, {"ids": [id_], "account": account}).first()
    if row:
        conn.exec_driver_sql(_DUE, {"id": id_})
    return _endpoint(row) if row else None


_SUSPEND = f"UPDATE webhook_endpoints SET state = 'suspended' WHERE {_OF} RETURNING {_FIELDS}"


def suspend(conn: Connection, account: int | None, id_: UUID) -> Endpoint | None:
    """Suspend an endpoint until it is resumed; return None when there is none."""
    row = conn.exec_driver_sql(_SUSPEND, {"ids": [id_], "account": account}).first()
    return _endpoint(row) if row else None


_REMOVE = f"DELETE FROM webhook_endpoints WHERE {_OF} RETURNING account_id"
_CANCEL_DELIVERIES = """
UPDATE webhook_deliveries SET state = 'dead', answer = 'removed', done_at = now()
WHERE concurrency_key = %(id)s AND state = 'waiting'
"""


def remove(conn: Connection, account: int | None, id_: UUID) -> int | None:
    """Delete an endpoint and its undelivered events; return its account's id, or None when there is none."""
    owner = conn.exec_driver_sql(_REMOVE, {"ids": [id_], "account": account}).scalar()
    if owner is not None:
        conn.exec_driver_sql(_CANCEL_DELIVERIES, {"id": id_})
    return owner


# Whether an account's events are written -----------------------------------------------------------------------

_ENABLE_EVENTS = "UPDATE accounts SET subscribes = true WHERE id = ANY(%(accounts)s) AND NOT subscribes"


def enable_events(conn: Connection, accounts: Iterable[int]) -> None:
    """Enable the events of the accounts' messages."""
    conn.exec_driver_sql(_ENABLE_EVENTS, {"accounts": sorted(set(accounts))})


#: events are needed: a call with a key that signs may name a callback, which outlives the key
_WANTED = """(
    EXISTS (SELECT FROM webhook_endpoints WHERE account_id = a.id)
    OR EXISTS (SELECT FROM api_keys WHERE account_id = a.id AND sealed IS NOT NULL AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > now()))
    OR EXISTS (SELECT FROM challenges WHERE account_id = a.id AND callback_url IS NOT NULL)
)"""
_FOLLOW = f"UPDATE accounts AS a SET subscribes = {_WANTED} WHERE id = ANY(%(accounts)s) AND subscribes <> {_WANTED}"
_UNWANTED = f"SELECT id FROM accounts AS a WHERE subscribes AND NOT {_WANTED} ORDER BY id FOR UPDATE SKIP LOCKED"


def update_subscription(conn: Connection, account: int) -> None:
    """Enable an account's events only if an endpoint, signing key or callback needs them; lock the account first."""
    conn.exec_driver_sql(_FOLLOW, {"accounts": [account]})


def update_subscriptions(conn: Connection) -> None:
    """Disable the events of all accounts without an endpoint, signing key or callback."""
    unwanted = list(conn.exec_driver_sql(_UNWANTED).scalars())
    if unwanted:  # they are locked: this statement sees what was committed before
        conn.exec_driver_sql(_FOLLOW, {"accounts": unwanted})


# Failures and suspension ---------------------------------------------------------------------------------------

_WELL = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = ANY(%(ids)b) AND failing_since IS NOT NULL"
_ILL = """
WITH ill AS MATERIALIZED (SELECT id FROM webhook_endpoints WHERE id = ANY(%(ids)b) ORDER BY id FOR NO KEY UPDATE)
UPDATE webhook_endpoints AS e
SET failing_since = coalesce(failing_since, now()),
    state = CASE WHEN e.id = ANY(%(gone)b) OR failing_since < now() - %(days)s * interval '1 day' THEN 'suspended'
                 ELSE state END
FROM ill WHERE e.id = ill.id
RETURNING e.id, state = 'suspended'
"""


def record_health(conn: Connection, well: set[UUID], ill: set[UUID], gone: set[UUID], days: float) -> set[UUID]:
    """Record which endpoints succeeded, failed, or are gone (410); return those that are suspended now.

    Suspended are those that are gone, and those that have only failed for `days` days.
    """
    if well:
        conn.exec_driver_sql(_WELL, {"ids": sorted(well)})
    bad = sorted((ill | gone) - well)
    if not bad:
        return set()
    rows = conn.exec_driver_sql(_ILL, {"ids": bad, "gone": sorted(gone), "days": days})
    return {id_ for id_, is_suspended in rows if is_suspended}
